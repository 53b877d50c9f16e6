//! The kick-off itself: what it met, and patience with a server that is busy.
//!
//! Source: Bulk Data IG, "Bulk Data Kick-off Request"; RFC 6585 section 4 (429) and RFC 9110
//! section 10.2.3 (`Retry-After`).

use std::{collections::BTreeSet, time::Duration};

use bulkhead_bulk::{
    Accepted, Coverage, Error as BulkError, GrantedScope, Kickoff, Server, StatusSource,
};
use bulkhead_ledger::{ExportId, ExportRecord};
use bulkhead_model::ResourceType;
use serde::{Deserialize, Serialize};

use super::{Export, blamed, stopped};
use crate::{clock, output::Event, watermark::span};

/// The first wait for a server that is busy and does not say how long; each next one is twice
/// as long.
const FIRST_WAIT: Duration = Duration::from_secs(5);

/// The first wait for one that says less than this, also twice as long each time: a server that
/// says `0` all the time is no reason for a loop.
const LEAST_WAIT: Duration = Duration::from_secs(1);

/// What a kick-off met. Journalled, because a run that goes on may never ask for it again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct Met {
    /// The scope of the token, when its issuer told.
    pub(super) scope: Option<String>,
    /// The types that the server lists and does not leave out of exports of this level; none
    /// when it lists nothing.
    pub(super) offered: BTreeSet<ResourceType>,
    /// Where the state of the job is told.
    pub(super) status_source: StatusSource,
    /// Parameters that the server refused by name and that were not sent.
    pub(super) left_out: Vec<String>,
}

impl Met {
    /// As journalled; nothing when the export was begun by a version that did not.
    pub(super) fn of(record: &ExportRecord) -> Self {
        let text = record.evidence.as_deref().unwrap_or_default();
        serde_json::from_str(text).unwrap_or_default()
    }

    /// How much of a type the token covers.
    pub(super) fn coverage(&self, name: &ResourceType) -> Coverage {
        let Some(scope) = &self.scope else { return Coverage::Unknown };
        GrantedScope::Stated(scope.clone()).coverage(name)
    }

    /// Whether the server offers a type; `None` when it lists nothing.
    pub(super) fn offers(&self, name: &ResourceType) -> Option<bool> {
        (!self.offered.is_empty()).then(|| self.offered.contains(name))
    }

    /// What an operator should know before the server is waited for.
    fn remarks(&self, asked: &[ResourceType]) -> Vec<String> {
        let named = |is: &dyn Fn(&ResourceType) -> bool| -> Vec<&str> {
            asked.iter().filter(|name| is(name)).map(ResourceType::as_str).collect()
        };
        let uncovered = named(&|name| self.coverage(name) == Coverage::None);
        let in_part = named(&|name| self.coverage(name) == Coverage::Partial);
        let cases = [
            ("the granted scope does not cover", uncovered),
            ("the granted scope covers only a part of", in_part),
        ];
        cases
            .into_iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(what, names)| format!("{what} {}", names.join(", ")))
            .collect()
    }
}

impl Export {
    /// Sends the kick-off, again after a while as long as the server is busy, and journals
    /// what came of it.
    pub(super) async fn kick_off(
        &self,
        id: &ExportId,
        server: &Server,
        kickoff: &Kickoff,
    ) -> anyhow::Result<()> {
        for remark in self.client.remarks(server, kickoff) {
            self.output.event(Event::Remark(remark));
        }
        let mut left = self.config.limits.kickoff_wait;
        let longest = self.config.limits.longest_poll;
        let mut tried = 0;
        loop {
            let answer = self.client.kickoff(server, kickoff).await;
            self.log_kickoff(id, server, kickoff, &answer);
            let error = match answer {
                Ok(accepted) => return self.accepted(id, server, kickoff, &accepted),
                Err(error) => error,
            };
            let Some(wait) = wait_for(&error, tried, longest, left) else {
                // An ambiguous failure stays an intent: the next run asks again, once.
                if !matches!(error, BulkError::KickoffUnknown { .. }) {
                    self.ledger.fail(id, &error.to_string(), clock::now())?;
                }
                let asks = error.retry_after().map_or_else(String::new, |asked| {
                    format!(" (the server asks to wait {})", span(asked))
                });
                return Err(blamed(error, &format!("kicking off the export{asks}")));
            };
            left = left.saturating_sub(wait);
            tried += 1;
            self.output.event(Event::Remark(format!(
                "the server is busy ({error}): the kick-off is sent again in {}",
                span(wait)
            )));
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.stop.requested() => {
                    let reason = "stopped while the server was too busy to begin";
                    self.ledger.abandon(id, reason, clock::now())?;
                    return Err(stopped());
                }
            }
        }
    }

    fn accepted(
        &self,
        id: &ExportId,
        server: &Server,
        kickoff: &Kickoff,
        accepted: &Accepted,
    ) -> anyhow::Result<()> {
        let scope = match self.client.granted_scope() {
            Some(GrantedScope::Stated(scope)) => Some(scope),
            Some(GrantedScope::Unstated) | None => None,
        };
        let met = Met {
            scope,
            offered: server.capability.types_at(&kickoff.level),
            status_source: accepted.status_source,
            left_out: accepted.left_out.clone(),
        };
        self.ledger.note_evidence(id, &serde_json::to_string(&met)?)?;
        self.ledger.accepted(id, accepted.status_url.as_str())?;
        for left_out in &accepted.left_out {
            let remark = format!("the server does not support `{left_out}`: left out");
            self.output.event(Event::Remark(remark));
        }
        for remark in met.remarks(&kickoff.types) {
            self.output.event(Event::Remark(remark));
        }
        Ok(())
    }
}

/// How long to wait for a server that has not begun the job, and says so. Other failures of a
/// gateway leave open whether it has.
fn wait_for(
    error: &BulkError,
    tried: u32,
    longest: Duration,
    left: Duration,
) -> Option<Duration> {
    if let BulkError::Busy { status: 425 | 429 | 503, retry_after, .. } = error {
        patience(*retry_after, tried, longest, left)
    } else {
        None
    }
}

/// How long to wait before the same is sent again, after it was sent `tried` times before: as
/// long as the server asks, never less, and longer each time, up to `longest`; nothing when `left`
/// is not enough.
pub(super) fn patience(
    asked: Option<Duration>,
    tried: u32,
    longest: Duration,
    left: Duration,
) -> Option<Duration> {
    let grown = |first: Duration| {
        first.saturating_mul(2_u32.saturating_pow(tried)).min(longest).min(left)
    };
    let wait = match asked {
        Some(asked) => asked.max(grown(LEAST_WAIT)),
        None => grown(FIRST_WAIT),
    };
    let wait = wait.max(LEAST_WAIT);
    (wait <= left).then_some(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(name: &str) -> ResourceType {
        name.parse().unwrap()
    }

    /// Items: 4, 26, 69.
    #[test]
    fn what_the_kickoff_met_is_read_back_and_told_at_once() {
        let met = Met {
            scope: Some("system/Patient.rs system/Observation.rs?category=x".to_owned()),
            offered: ["Patient", "Observation"].map(kind).into(),
            status_source: StatusSource::ExportStatus,
            left_out: vec!["_elements".to_owned()],
        };
        let json = serde_json::to_string(&met).unwrap();
        assert_eq!(serde_json::from_str::<Met>(&json).unwrap(), met);
        let asked = ["Patient", "Observation", "Device"].map(kind);
        assert_eq!(
            met.remarks(&asked),
            [
                "the granted scope does not cover Device",
                "the granted scope covers only a part of Observation",
            ]
        );
        assert_eq!(Met::default().remarks(&asked), Vec::<String>::new());
        let old: Met = serde_json::from_str(r#"{"scope":null,"offered":[]}"#).unwrap();
        assert_eq!(old, Met::default());
        assert_eq!(old.status_source, StatusSource::Http);
        assert_eq!(Met::default().offers(&kind("Patient")), None);
        assert_eq!(met.offers(&kind("Device")), Some(false));
    }

    /// Items: 56. Faults: F1.
    #[test]
    fn waits_as_long_as_the_server_asks_and_never_longer_than_allowed() {
        // name, asked, sent before, left, expected; in seconds
        let cases = [
            ("as asked", Some(90), 0, 1_800, Some(90)),
            ("at once means soon", Some(0), 0, 1_800, Some(1)),
            ("at once, the fifth time", Some(0), 4, 1_800, Some(16)),
            ("at once, for ever", Some(0), 40, 1_800, Some(900)),
            ("all that is left", Some(90), 0, 90, Some(90)),
            ("longer than is left", Some(91), 0, 90, None),
            ("nothing said", None, 0, 1_800, Some(5)),
            ("nothing said, the third time", None, 2, 1_800, Some(20)),
            ("nothing said, little left", None, 3, 30, Some(30)),
            ("nothing left", None, 3, 0, None),
        ];
        for (name, asked, tried, left, expected) in cases {
            let seconds = Duration::from_secs;
            let longest = seconds(900);
            let found = patience(asked.map(seconds), tried, longest, seconds(left));
            assert_eq!(found, expected.map(seconds), "case: {name}");
        }
    }
}
