//! The history of who joined a cohort, in the first way of `sync.backfill` that the server gives
//! it: a kick-off for these patients alone, `$everything` of each where they are few, or at last
//! an export of everything.
//!
//! `$everything` is an export like any other but for how it is asked for: journalled, a file a
//! patient, through the same lanes, resumed where it stopped. What came of some patients says
//! nothing of the others: no backfill moves a watermark.
//!
//! Source: Bulk Data IG, "Query Parameters" (`patient`); FHIR R4, "Operation $everything on
//! Patient"; the project's checklist, item 137, §3.4.

use std::sync::Arc;

use bulkhead_bulk::{
    Error as BulkError, GrantedScope, Kickoff, Manifest, Server, StatusSource, Way,
};
use bulkhead_ledger::ExportId;
use bulkhead_model::Level;

use super::{Export, Reach, kickoff::Met, stopped};
use crate::{
    clock, cohort, config::BackfillWay, output::Event, report::Report, watermark::Plan,
};

/// Patients asked for with one kick-off.
const PATIENTS: usize = 500;

/// What stands where the address of a job's status would: there is no job.
const NO_JOB: &str = "urn:bulkhead:everything";

impl Export {
    /// Asks for the history of who joined a cohort. Gives how far to reach after it: to
    /// everything, where the server gives the history in no other way.
    pub(super) async fn backfill(
        self: &Arc<Self>,
        stream: &str,
        reach: Reach,
        reports: &mut Vec<Report>,
    ) -> anyhow::Result<Reach> {
        let marks = self.ledger.watermarks(stream)?;
        if reach == Reach::Full || self.delivered.is_none() || marks.is_empty() {
            return Ok(reach);
        }
        let mut joined = Vec::new();
        for (name, keys) in self.members.joined() {
            joined.extend(cohort::ids_of(&self.config, &self.client, name, &keys).await?);
        }
        // Somebody may have joined several.
        joined.sort_unstable();
        joined.dedup();
        if joined.is_empty() {
            return Ok(reach);
        }
        let mut why_not = Vec::new();
        for way in &self.config.sync.backfill {
            let refused = match way {
                BackfillWay::Everything => {
                    self.by_everything(stream, &joined, reports).await?
                }
                BackfillWay::Patient => self.by_patient(stream, &joined, reports).await?,
            };
            match refused {
                None => return Ok(reach),
                Some(why) => why_not.push(why),
            }
        }
        let count = joined.len();
        let why = if why_not.is_empty() {
            "`sync.backfill` names no other way".to_owned()
        } else {
            why_not.join("; ")
        };
        self.output.event(Event::Remark(format!(
            "{count} joined a cohort, and {why}: everything is asked for, so that their history \
             comes"
        )));
        Ok(Reach::Full)
    }

    /// By kick-offs for these patients; why not, when the server takes none.
    async fn by_patient(
        self: &Arc<Self>,
        stream: &str,
        joined: &[String],
        reports: &mut Vec<Report>,
    ) -> anyhow::Result<Option<String>> {
        if joined.len() as u64 > self.config.sync.backfill_most {
            return Ok(Some("that is more than `sync.backfill-most`".to_owned()));
        }
        for patients in joined.chunks(PATIENTS) {
            match self.start(stream, &self.history_of(patients)).await {
                Ok(report) => reports.push(report),
                Err(error) if is_refusal(&error) => {
                    tracing::info!(error = %format!("{error:#}"), "a kick-off by patient");
                    return Ok(Some("the server does not export by patient".to_owned()));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// By `$everything` of each; why not, when they are too many or the server does not know it.
    async fn by_everything(
        self: &Arc<Self>,
        stream: &str,
        joined: &[String],
        reports: &mut Vec<Report>,
    ) -> anyhow::Result<Option<String>> {
        if joined.len() as u64 > self.config.sync.everything_most {
            let why = "that is more than `sync.everything-most` for `$everything`";
            return Ok(Some(why.to_owned()));
        }
        let server = self.discover().await?;
        let answered = tokio::select! {
            answered = self.client.answers_everything(joined) => answered,
            () = self.stop.requested() => return Err(stopped()),
        };
        if let Err(error) = answered {
            return Ok(Some(why_not(&error)));
        }
        let plan = self.history_of(joined);
        let id = self.begin_everything(stream, &plan, &server)?;
        let report = self.go_on(self.record(&id)?).await?;
        reports.extend(report);
        Ok(None)
    }

    /// Journals what will be asked for. There is no job to wait for.
    fn begin_everything(
        &self,
        stream: &str,
        plan: &Plan,
        server: &Server,
    ) -> anyhow::Result<ExportId> {
        let kickoff = Kickoff {
            types: plan.types.clone(),
            patients: plan.patients.clone(),
            way: Way::Everything,
            ..Kickoff::new(Level::Patient)
        };
        let at = clock::now();
        let id = self.journal(stream, &kickoff, at, server.date)?;
        let request = &self.request(&kickoff);
        self.output.event(Event::Kickoff { export: &id, plan, request });
        let scope = match self.client.granted_scope() {
            Some(GrantedScope::Stated(scope)) => Some(scope),
            Some(GrantedScope::Unstated) | None => None,
        };
        let met = Met {
            scope,
            offered: server.capability.types_at(&Level::Patient),
            status_source: StatusSource::Http,
            left_out: Vec::new(),
        };
        self.ledger.note_evidence(&id, &serde_json::to_string(&met)?)?;
        self.ledger.accepted(&id, NO_JOB)?;
        Ok(id)
    }

    /// The files of an export that has no job: one a patient.
    pub(super) fn files_of_patients(&self, kickoff: &Kickoff) -> Manifest {
        Manifest::of_patients(&self.config.source.base_url, &kickoff.patients)
    }

    fn history_of(&self, patients: &[String]) -> Plan {
        Plan {
            types: self.config.source.types.clone(),
            since: None,
            patients: patients.to_vec(),
            why: format!(
                "the history of {} who joined a cohort since the last export",
                patients.len()
            ),
        }
    }
}

/// Why `$everything` is no way now. A server that is out of order may say so of what it does not
/// know.
fn why_not(error: &BulkError) -> String {
    match error {
        BulkError::Refused { status: 401 | 403, .. } | BulkError::Unauthorized { .. } => {
            "the server does not let this client ask for `$everything`, which takes the right to \
             read every type of a patient (scope `system/*.rs`, see `source.auth.scope`)"
                .to_owned()
        }
        BulkError::Refused { status, .. } => {
            format!("the server does not answer `$everything` (HTTP {status})")
        }
        BulkError::Json { .. } => {
            "the server does not answer `$everything` with a Bundle".to_owned()
        }
        _ => format!("`$everything` cannot be asked for ({error})"),
    }
}

/// Whether the server will not take a kick-off for some patients, which a kick-off for all may
/// mend.
pub(super) fn is_refusal(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| match cause.downcast_ref::<BulkError>() {
        Some(BulkError::Refused { status, .. }) => {
            (400..500).contains(status) && !matches!(status, 401 | 403 | 408 | 429)
                || matches!(status, 501)
        }
        Some(BulkError::Settings { .. }) => true,
        Some(_) | None => false,
    })
}
