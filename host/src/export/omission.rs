//! Omissions that an operator accepts: by type, with who said so and why.

use std::collections::BTreeMap;

use bulkhead_ledger::{ExportRecord, Omission};
use bulkhead_model::{Instant, ResourceType};
use serde::{Deserialize, Serialize};

use super::Verdict;

/// Who accepted that something of a type is missing, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Acceptance {
    /// In the operator's words.
    pub(crate) reason: String,
    /// The operator, or what stands for one.
    pub(crate) by: String,
}

/// The types whose omission is accepted in this run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Acceptances(BTreeMap<ResourceType, Acceptance>);

impl Acceptances {
    /// Those of the configuration, and those of the command line, which say more.
    pub(crate) fn new(
        configured: &[ResourceType],
        asked: Vec<(ResourceType, Acceptance)>,
    ) -> Self {
        let standing = configured.iter().map(|name| {
            let reason = "`sync.accept-omission` names it".to_owned();
            (name.clone(), Acceptance { reason, by: "the configuration".to_owned() })
        });
        let mut all: BTreeMap<ResourceType, Acceptance> = standing.collect();
        all.extend(asked);
        Self(all)
    }

    /// Of these verdicts, what moves only because somebody accepted it.
    pub(super) fn applied(
        &self,
        verdicts: &BTreeMap<String, Verdict>,
    ) -> BTreeMap<String, Acceptance> {
        let held = verdicts.iter().filter(|(_, verdict)| verdict.is_acceptable());
        held.filter_map(|(name, _)| {
            let acceptance = self.0.get(&name.parse::<ResourceType>().ok()?)?;
            Some((name.clone(), acceptance.clone()))
        })
        .collect()
    }
}

/// The same for the ledger.
pub(super) fn written(
    applied: &BTreeMap<String, Acceptance>,
    verdicts: &BTreeMap<String, Verdict>,
    record: &ExportRecord,
    at: Instant,
) -> Vec<Omission> {
    let rows = applied.iter().filter_map(|(name, acceptance)| {
        Some(Omission {
            stream: record.stream.clone(),
            export: record.id.clone(),
            resource_type: name.parse().ok()?,
            verdict: verdicts.get(name)?.describe(),
            reason: acceptance.reason.clone(),
            accepted_by: acceptance.by.clone(),
            at,
        })
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Items: S6.
    #[test]
    fn what_is_accepted_is_what_was_named_and_may_be_accepted() {
        let kind = |name: &str| name.parse::<ResourceType>().unwrap();
        let by_hand = Acceptance { reason: "seen".to_owned(), by: "me".to_owned() };
        let acceptances = Acceptances::new(
            &[kind("Basic"), kind("Device"), kind("Patient"), kind("Condition")],
            vec![(kind("Device"), by_hand.clone())],
        );
        let verdicts = BTreeMap::from([
            ("Basic".to_owned(), Verdict::NotOffered),
            ("Condition".to_owned(), Verdict::FileFailed("x".to_owned())),
            ("Device".to_owned(), Verdict::NotGranted),
            ("Goal".to_owned(), Verdict::NotGranted),
            ("Patient".to_owned(), Verdict::Complete),
        ]);
        let applied = acceptances.applied(&verdicts);
        assert_eq!(applied.keys().collect::<Vec<_>>(), ["Basic", "Device"]);
        assert_eq!(applied["Device"], by_hand);
        assert_eq!(applied["Basic"].by, "the configuration");
    }
}
