//! A filter that keeps the records of a cohort's patients.
//!
//! It judges by facts that the host computed (how many patients a record names, how many of
//! them are members), never by a body: this component imports `batches` and `cohorts` and
//! nothing else, so it provably sees neither a resource nor an identifier. What it decides
//! is the table in the README, which `verdict.rs` spells out.
//!
//! Source: Bulk Data IG, "Group Level Export" (the Patient compartment as a point of
//! reference); CompartmentDefinition/patient 4.0.1, which the host reads.

mod settings;
mod verdict;

use bulkhead_plugin::{
    Batch, Change, CohortError, Decision, Filter, Manifest, Membership, PluginError,
    Positions, Problem, Problems, RejectClass, Rejection, Role,
};

pub use settings::{Mode, Passage, Settings, Treatment};
use verdict::{Reason, Verdict, judge};

/// Keeps what is the cohort's, drops what is not, and quarantines what cannot be told.
#[derive(Debug)]
pub struct CohortFilter {
    settings: Settings,
}

impl Filter for CohortFilter {
    type Settings = Settings;

    fn manifest() -> Manifest {
        let manifest = Manifest::new::<Settings>(
            "cohort-filter",
            env!("CARGO_PKG_VERSION"),
            Role::Filter,
        )
        .describe("Keeps the records of a cohort's patients.")
        .ask(
            "cohorts",
            "to learn how many of a record's patients are members; neither bodies nor \
                     identifiers come with it",
        );
        Reason::ALL.into_iter().fold(manifest, |manifest, reason| {
            manifest.reject(reason.code(), reason.meaning())
        })
    }

    fn new(settings: Settings) -> Result<Self, Problems> {
        if settings.cohort.trim().is_empty() {
            let message = "`cohort` is empty; name one of the configured cohorts";
            return Err(vec![Problem::new("/cohort", "cohort-empty", message)]);
        }
        Ok(Self { settings })
    }

    fn evaluate(&mut self, batch: &Batch<'_>) -> Result<Decision, PluginError> {
        let memberships = batch.memberships(&self.settings.cohort).map_err(refused)?;
        // Only keys need the column, and most batches hold none.
        let has_keys = memberships.iter().any(Membership::key_only);
        let changes = if has_keys { batch.changes() } else { Vec::new() };

        let mut rejects = Vec::new();
        let mut judged = 0_usize;
        let keep = Positions::where_true(memberships.iter().map(|membership| {
            let index = judged;
            judged += 1;
            let change = changes.get(index).copied().unwrap_or(Change::Upsert);
            match judge(&self.settings, membership, change) {
                Verdict::Drop => false,
                Verdict::Keep => true,
                Verdict::Reject(reason) => {
                    rejects.push(Rejection::new(
                        index,
                        RejectClass::Policy,
                        reason.code(),
                    ));
                    false
                }
            }
        }));
        // `Positions::All` of a short column would pass records that nobody judged.
        if judged != batch.len() || has_keys && changes.len() != judged {
            return Err(PluginError::fatal(
                "columns",
                "the host's columns do not have one entry a record",
            ));
        }
        Ok(Decision { keep, rejects })
    }
}

fn refused(error: CohortError) -> PluginError {
    match error {
        CohortError::NotGranted => PluginError::fatal(
            "cohort-not-granted",
            "the operator did not grant the cohort that `cohort` names",
        ),
        CohortError::UnknownCohort => PluginError::fatal(
            "cohort-unknown",
            "the configuration has no cohort of the name in `cohort`",
        ),
    }
}

bulkhead_plugin::export!(filter CohortFilter);

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
