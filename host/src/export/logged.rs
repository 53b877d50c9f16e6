//! What an export tells the shared log, event by event.

use bulkhead_bulk::{
    Accepted, Error as BulkError, FileList, Kickoff, LogEvent, LogFailure, Manifest,
    Outcome, OutputFile, Progress, Server,
};
use bulkhead_ledger::{ExportId, ExportRecord, FileArray};

use super::Export;
use crate::{export_log::ExportLog, report::Report};

impl Export {
    /// The kick-off was answered, or failed.
    pub(super) fn log_kickoff(
        &self,
        id: &ExportId,
        server: &Server,
        kickoff: &Kickoff,
        answer: &Result<Accepted, BulkError>,
    ) {
        let mut url = self.config.source.base_url.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/{}", kickoff.level.kickoff_path()));
        let error = answer.as_ref().err();
        let message = error.map(ToString::to_string);
        let failure = message.as_deref().map(|message| failure(error, message));
        let capability = &server.capability;
        let headers = answer.as_ref().ok().map(|accepted| &accepted.headers);
        let headers = headers.or(failure.and_then(|failure| failure.headers));
        let event =
            LogEvent::Kickoff { url: &url, kickoff, capability, failure, headers };
        self.log.write(id, event);
    }

    /// The manifest is whole: the job is done, its pages are here.
    pub(super) fn log_manifest(&self, id: &ExportId, manifest: &Manifest) {
        let transaction_time = manifest.transaction_time;
        self.log.write(id, LogEvent::StatusComplete { transaction_time });
        for page in 0..manifest.pages {
            let count = |files: &[OutputFile]| {
                files.iter().filter(|file| file.id.page == page).count() as u64
            };
            let files = [&manifest.output, &manifest.deleted, &manifest.outcome];
            let files = files.map(|files| count(files));
            self.log.write(id, LogEvent::StatusPageComplete { transaction_time, files });
        }
        self.log.write(id, LogEvent::ManifestComplete { manifest });
    }

    /// The job will bring no manifest, or cannot be asked.
    pub(super) fn log_no_manifest(&self, id: &ExportId, error: &BulkError) {
        let message = error.to_string();
        let failure = failure(Some(error), &message);
        self.log.write(id, LogEvent::StatusError { failure });
    }

    /// A file is asked for.
    pub(super) fn log_request(&self, id: &ExportId, array: FileArray, file: &OutputFile) {
        let list = match array {
            FileArray::Deleted => FileList::Deleted,
            FileArray::Outcome => FileList::Outcome,
            FileArray::Output => FileList::Output,
            // Nobody is asked for what the host wrote itself.
            FileArray::Recalled => return,
        };
        let resource_type = file.resource_type.as_ref();
        let event = LogEvent::DownloadRequest { url: &file.url, list, resource_type };
        self.log.write(id, event);
    }

    /// A file is here.
    pub(super) fn log_file(
        &self,
        id: &ExportId,
        file: &OutputFile,
        bytes: u64,
        resources: u64,
    ) {
        let resources = Some(resources);
        let event = LogEvent::DownloadComplete { url: &file.url, bytes, resources };
        self.log.write(id, event);
    }

    /// A try of a file ended without the file.
    pub(super) fn log_no_file(
        &self,
        id: &ExportId,
        file: &OutputFile,
        error: &anyhow::Error,
    ) {
        let message = format!("{error:#}");
        let failure = failure(bulk_error(error), &message);
        self.log.write(id, LogEvent::DownloadError { url: &file.url, failure });
    }

    /// Everything is here. An export that lacks a file says nothing of the kind.
    pub(super) fn log_end(&self, record: &ExportRecord, report: &Report) {
        if report.has_failed_files() {
            return;
        }
        let took = report.finished_at.since(record.kickoff_instant);
        let event = LogEvent::ExportComplete {
            files: report.files,
            resources: report.tally.total().read.saturating_add(report.outcomes.lines),
            bytes: self.log.bytes_of(&record.id),
            duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        };
        self.log.write(&record.id, event);
    }
}

/// A poll told how the job gets on, or told nothing.
pub(super) fn log_progress(log: &ExportLog, id: &ExportId, progress: &Progress) {
    let event = if progress.running {
        LogEvent::StatusProgress {
            progress: progress.text.as_deref(),
            retry_after: progress.headers.get("retry-after"),
        }
    } else {
        let message = "the status could not be asked for";
        let (status, headers) = (progress.status, Some(&progress.headers));
        LogEvent::StatusError {
            failure: LogFailure { status, outcome: None, message, headers },
        }
    };
    log.write(id, event);
}

/// The protocol's error among the causes of another, if there is one.
pub(super) fn bulk_error(error: &anyhow::Error) -> Option<&BulkError> {
    error.chain().find_map(|cause| cause.downcast_ref())
}

fn failure<'a>(error: Option<&'a BulkError>, message: &'a str) -> LogFailure<'a> {
    let (status, outcome): (Option<u16>, Option<&Outcome>) = match error {
        Some(
            BulkError::Busy { status, outcome, .. }
            | BulkError::JobFailed { status, outcome, .. }
            | BulkError::Refused { status, outcome, .. },
        ) => (Some(*status), Some(outcome)),
        Some(BulkError::NoStatusUrl { status, .. }) => (Some(*status), None),
        Some(_) | None => (None, None),
    };
    let headers = outcome.map(|outcome| &outcome.headers);
    LogFailure { status, outcome, message, headers }
}
