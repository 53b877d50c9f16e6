//! Types that the server offers since lately, where it was left to the server which types come: of
//! them an export of changes brings no history, so that is asked for by name, once.
//!
//! Source: Bulk Data IG, "Query Parameters" (`_type`); the project's checklist, items 4, 45, §3.3.

use std::{collections::BTreeSet, sync::Arc};

use bulkhead_model::ResourceType;

use super::{Export, Reach, backfill::is_refusal, kickoff::Met, stopped, unreached};
use crate::{
    output::Event,
    report::Report,
    watermark::{Plan, all_types},
};

/// Types that are asked for by name at once. A server that lists more of a sudden has changed
/// more than its list: of the others the next runs ask.
const MOST: usize = 50;

impl Export {
    /// Asks for the whole history of what the server did not offer when the watermark of all types
    /// was set. Before the export of changes, after which nobody would know any more.
    pub(super) async fn catch_up_types(
        self: &Arc<Self>,
        stream: &str,
        reach: &Reach,
        reports: &mut Vec<Report>,
    ) -> anyhow::Result<()> {
        let is_left_to_the_server = self.config.source.types.is_empty();
        if *reach != Reach::Incremental || !is_left_to_the_server {
            return Ok(());
        }
        let marks = self.ledger.watermarks(stream)?;
        let Some(mark) = marks.get(&all_types()) else { return Ok(()) };
        let Some(record) = self.ledger.export(&mark.set_by)? else { return Ok(()) };
        let before = Met::of(&record).offered;
        let server = tokio::select! {
            server = self.client.discover() => server,
            () = self.stop.requested() => return Err(stopped()),
        };
        let now =
            server.map_err(unreached)?.capability.types_at(&self.config.source.level);
        let types = new(&before, &now, |name| marks.contains_key(name));
        if types.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = types.iter().map(ResourceType::as_str).collect();
        let why = format!(
            "the server offers {}, which it did not when export {} was made",
            names.join(", "),
            mark.set_by
        );
        self.output.event(Event::Remark(format!("{why}: all of it is asked for")));
        let plan = Plan { types, since: None, patients: Vec::new(), why };
        match self.start(stream, &plan).await {
            Ok(report) => reports.push(report),
            Err(error) if is_refusal(&error) => self.output.event(Event::Remark(format!(
                "the server does not give it by name ({error:#}): of it only changes are asked \
                 for; `--full` brings its history"
            ))),
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// What is offered now, was not before, and never came whole by its name. Nothing, when it was
/// not told before what is offered.
fn new(
    before: &BTreeSet<ResourceType>,
    now: &BTreeSet<ResourceType>,
    came_whole: impl Fn(&ResourceType) -> bool,
) -> Vec<ResourceType> {
    if before.is_empty() {
        return Vec::new();
    }
    let new = now.difference(before).filter(|name| !came_whole(name));
    new.take(MOST).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Names<'a> = &'a [&'a str];

    /// Items: 4, 45.
    #[test]
    fn new_is_what_is_offered_now_and_was_not_and_never_came_whole() {
        let kinds = |names: &[&str]| -> BTreeSet<ResourceType> {
            names.iter().map(|name| name.parse().unwrap()).collect()
        };
        // name, before, now, watermarks, expected
        let cases: &[(&str, Names<'_>, Names<'_>, Names<'_>, Names<'_>)] = &[
            ("the same", &["Patient"], &["Patient"], &[], &[]),
            ("one more", &["Patient"], &["Device", "Patient"], &[], &["Device"]),
            ("one less", &["Device", "Patient"], &["Patient"], &[], &[]),
            (
                "one more, which came",
                &["Patient"],
                &["Device", "Patient"],
                &["Device"],
                &[],
            ),
            ("never told before", &[], &["Patient"], &[], &[]),
            ("not told now", &["Patient"], &[], &[], &[]),
        ];
        for (name, before, now, marks, expected) in cases {
            let marks = kinds(marks);
            let found = new(&kinds(before), &kinds(now), |name| marks.contains(name));
            let found: Vec<&str> = found.iter().map(ResourceType::as_str).collect();
            assert_eq!(found, *expected, "case: {name}");
        }
    }
}
