//! What happens in a run, as a line and as JSON. No event carries patient data.

use bulkhead_ledger::{ExportId, Phase};
use bulkhead_model::ByteSize;
use serde_json::{Value, json};

use crate::{report::Report, watermark::Plan};

/// Something that happened in a run.
pub(crate) enum Event<'a> {
    /// A file is tried again.
    FileAgain { index: u32, name: &'a str, attempt: u32 },
    /// A file is delivered.
    FileDone { index: u32, name: &'a str, read: u64, delivered: u64, wire: ByteSize },
    /// A file cannot be had.
    FileFailed { index: u32, name: &'a str, reason: &'a str },
    /// The manifest is there.
    Files {
        outputs: usize,
        deletions: usize,
        outcomes: usize,
        done: usize,
        resources: Option<u64>,
    },
    /// An export begins.
    Kickoff { export: &'a ExportId, plan: &'a Plan, request: &'a str },
    /// What the server says while it prepares.
    Progress { said: &'a str },
    /// Something worth knowing.
    Remark(String),
    /// An export is done.
    Report(&'a Report),
    /// An export of an earlier run goes on.
    Resuming { export: &'a ExportId, phase: Phase },
    /// The server prepares.
    Waiting,
}

impl Event<'_> {
    pub(super) fn line(&self) -> String {
        match self {
            Self::FileAgain { index, name, attempt } => {
                format!("file {index} ({name}): try {attempt} failed, trying again")
            }
            Self::FileDone { index, name, read, delivered, wire } => {
                format!(
                    "file {index} ({name}): {read} read, {delivered} delivered, {wire} over the wire"
                )
            }
            Self::FileFailed { index, name, reason } => {
                format!("file {index} ({name}): FAILED: {reason}")
            }
            Self::Files { outputs, deletions, outcomes, done, resources } => {
                let resources = resources
                    .map_or(String::new(), |count| format!(", {count} resources"));
                let done = if *done == 0 {
                    String::new()
                } else {
                    format!("; {done} done before")
                };
                format!(
                    "manifest: {outputs} files{resources}, {deletions} of deletions, {outcomes} of outcomes{done}"
                )
            }
            Self::Kickoff { export, plan, request } => {
                let kind = if plan.since.is_some() { "incremental" } else { "full" };
                format!("export {export}: {kind}, because {}\n  {request}", plan.why)
            }
            Self::Progress { said } => format!("server: {said}"),
            Self::Remark(remark) => format!("note: {remark}"),
            Self::Report(report) => report.render(),
            Self::Resuming { export, phase } => {
                format!(
                    "export {export}: going on where an earlier run stopped ({phase})"
                )
            }
            Self::Waiting => "waiting for the server to prepare the export".to_owned(),
        }
    }

    pub(super) fn json(&self) -> Value {
        match self {
            Self::FileAgain { index, name, attempt } => {
                json!({"event": "file-again", "file": index, "type": name, "attempt": attempt})
            }
            Self::FileDone { index, name, read, delivered, wire } => json!({
                "event": "file-done", "file": index, "type": name,
                "read": read, "delivered": delivered, "wire-bytes": wire.bytes(),
            }),
            Self::FileFailed { index, name, reason } => {
                json!({"event": "file-failed", "file": index, "type": name, "reason": reason})
            }
            Self::Files { outputs, deletions, outcomes, done, resources } => json!({
                "event": "files", "output": outputs, "deleted": deletions,
                "outcome": outcomes, "done-before": done, "resources": resources,
            }),
            Self::Kickoff { export, plan, request } => json!({
                "event": "kickoff", "export": export.to_string(), "request": request,
                "since": plan.since, "why": plan.why,
            }),
            Self::Progress { said } => json!({"event": "progress", "said": said}),
            Self::Remark(remark) => json!({"event": "remark", "text": remark}),
            Self::Report(report) => json!({"event": "report", "report": report}),
            Self::Resuming { export, phase } => json!({
                "event": "resuming", "export": export.to_string(), "phase": phase.to_string(),
            }),
            Self::Waiting => json!({"event": "waiting"}),
        }
    }
}
