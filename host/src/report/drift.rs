//! What drifted, for people: a line a finding in a report, a table for `bulkhead resync`.

use std::fmt::Write;

use bulkhead_model::Instant;

use super::Report;
use crate::{
    export::{Drift, advised_interval},
    watermark::span,
};

impl Report {
    /// What no incremental export would have shown, by type; nothing when there is none.
    pub(super) fn write_drift(&self, out: &mut String) -> std::fmt::Result {
        for (name, of) in &self.drift {
            let found = [
                (of.edited_silently, "edited without a new lastUpdated"),
                (of.backdated, "new with an old lastUpdated"),
                (of.went_back, "of an older version than was delivered"),
                (of.deleted_silently, "deleted without a word"),
                (of.left_out, "not in the export, and not deleted"),
                (of.late, "visible late"),
            ];
            for (count, what) in found.into_iter().filter(|(count, _)| *count > 0) {
                writeln!(out, "! {name}: {count} {what}")?;
            }
        }
        Ok(())
    }

    /// What an export of everything found against what was delivered before it, for people.
    /// `since` is when everything was asked for before.
    pub(crate) fn render_drift(&self, since: Option<Instant>) -> String {
        let mut all = Drift::default();
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = writeln!(
            text,
            "  {:24} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
            "drift",
            "compared",
            "changed",
            "touched",
            "edited",
            "backdated",
            "back",
            "deleted"
        );
        let row = |text: &mut String, name: &str, of: &Drift| {
            let _ = writeln!(
                text,
                "  {name:24} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
                of.compared,
                of.changed,
                of.touched,
                of.edited_silently,
                of.backdated,
                of.went_back,
                of.deleted_silently
            );
        };
        for (name, of) in &self.drift {
            row(&mut text, name, of);
            all.add(of);
        }
        row(&mut text, "in all", &all);
        let _ = writeln!(
            text,
            "  (edited: without a new lastUpdated; backdated: new with an old one; back: of an older \
             version; deleted: without a word. No incremental export shows these.)"
        );
        let held = self.tally.total().read;
        let elapsed = since.map(|since| self.started_at.since(since));
        let advice = elapsed.and_then(|elapsed| advised_interval(&all, held, elapsed));
        let _ = match (advice, all.unseen()) {
            (None, _) => writeln!(
                text,
                "There is no earlier export of everything to tell an interval from: run this again."
            ),
            (Some(_), 0) => {
                writeln!(text, "Nothing drifted. Advice: full-resync = \"90d\"")
            }
            (Some(interval), unseen) => writeln!(
                text,
                "{unseen} drifted in {}. Advice: full-resync = \"{}d\"",
                span(elapsed.unwrap_or_default()),
                interval.as_secs().div_ceil(86_400).max(1)
            ),
        };
        text
    }
}
