//! The export log that bulk clients share: one JSON object a line, version 2.
//!
//! Events become lines here; when they happen and where lines go is the program's. Nothing
//! that could open a door is written: URLs lose query and credentials, headers are an
//! allow-list, patients are never named, and what a server says is cleaned and cut.
//!
//! Source: SMART `bulk-data-client`, "Bulk Data Export Log Items", `logVersion` 2.

use bulkhead_model::{Instant, ResourceType, SafeUrl};
use serde_json::{Map, Value, json};
use url::Url;

use crate::{
    capability::Capability,
    kickoff::Kickoff,
    manifest::{FileList, Manifest},
    operation_outcome::{Outcome, clean},
    safe_headers::SafeHeaders,
};

/// One line of the log.
#[derive(Clone, Copy, Debug)]
pub struct LogEntry<'a> {
    /// The same for all lines of one export, across processes.
    pub export_id: &'a str,
    /// When it happened.
    pub at: Instant,
    /// What happened.
    pub event: LogEvent<'a>,
}

/// What happened. Every text is the server's.
#[derive(Clone, Copy, Debug)]
pub enum LogEvent<'a> {
    /// A try of a file ended without the file.
    DownloadError {
        /// The file.
        url: &'a Url,
        /// What went wrong.
        failure: LogFailure<'a>,
    },
    /// A file is here.
    DownloadComplete {
        /// The file.
        url: &'a Url,
        /// Its bytes, uncompressed.
        bytes: u64,
        /// Its resources.
        resources: Option<u64>,
    },
    /// A file is asked for, each try anew.
    DownloadRequest {
        /// The file.
        url: &'a Url,
        /// The array of the manifest that it is in.
        list: FileList,
        /// The type of its resources.
        resource_type: Option<&'a ResourceType>,
    },
    /// Everything is here; files and resources include deletions and outcomes.
    ExportComplete {
        /// How many files.
        files: u64,
        /// How many resources.
        resources: u64,
        /// How many bytes, uncompressed.
        bytes: u64,
        /// How long it took since the first event, in milliseconds.
        duration_ms: u64,
    },
    /// The kick-off was answered, or failed.
    Kickoff {
        /// Where it was sent.
        url: &'a Url,
        /// What was asked for.
        kickoff: &'a Kickoff,
        /// What the server says of itself.
        capability: &'a Capability,
        /// What went wrong, when it did.
        failure: Option<LogFailure<'a>>,
        /// The headers of the answer.
        headers: Option<&'a SafeHeaders>,
    },
    /// The last page of the manifest is here.
    ManifestComplete {
        /// All pages together.
        manifest: &'a Manifest,
    },
    /// The job is done.
    StatusComplete {
        /// When the server says it looked.
        transaction_time: Option<Instant>,
    },
    /// A request for the status failed, or brought no manifest.
    StatusError {
        /// What went wrong.
        failure: LogFailure<'a>,
    },
    /// A page of the manifest is here.
    StatusPageComplete {
        /// When the server says it looked.
        transaction_time: Option<Instant>,
        /// Its files of resources, deletions and outcomes.
        files: [u64; 3],
    },
    /// The job runs.
    StatusProgress {
        /// `X-Progress`.
        progress: Option<&'a str>,
        /// `Retry-After`.
        retry_after: Option<&'a str>,
    },
}

/// What went wrong with one request.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogFailure<'a> {
    /// The HTTP status; `None` when there was no answer.
    pub status: Option<u16>,
    /// What the server said.
    pub outcome: Option<&'a Outcome>,
    /// What we were doing, as an error shows it.
    pub message: &'a str,
    /// The headers of the answer.
    pub headers: Option<&'a SafeHeaders>,
}

impl LogEntry<'_> {
    /// The line, without its end.
    pub fn line(&self) -> String {
        json!({
            "exportId": self.export_id,
            "timestamp": self.at.to_string(),
            "eventId": self.event.id(),
            "eventDetail": self.event.detail(),
        })
        .to_string()
    }
}

impl LogEvent<'_> {
    fn id(&self) -> &'static str {
        match self {
            Self::DownloadComplete { .. } => "download_complete",
            Self::DownloadError { .. } => "download_error",
            Self::DownloadRequest { .. } => "download_request",
            Self::ExportComplete { .. } => "export_complete",
            Self::Kickoff { .. } => "kickoff",
            Self::ManifestComplete { .. } => "manifest_complete",
            Self::StatusComplete { .. } => "status_complete",
            Self::StatusError { .. } => "status_error",
            Self::StatusPageComplete { .. } => "status_page_complete",
            Self::StatusProgress { .. } => "status_progress",
        }
    }

    fn detail(&self) -> Value {
        match *self {
            Self::DownloadComplete { url, bytes, resources } => json!({
                "fileUrl": shown(url), "fileSize": bytes, "resourceCount": resources,
            }),
            Self::DownloadError { url, failure } => {
                let mut detail = failure.detail();
                detail.insert("fileUrl".to_owned(), json!(shown(url)));
                detail.into()
            }
            Self::DownloadRequest { url, list, resource_type } => json!({
                "fileUrl": shown(url),
                "itemType": match list {
                    FileList::Deleted => "deleted",
                    FileList::Outcome => "error",
                    FileList::Output => "output",
                },
                "resourceType": resource_type.map(ResourceType::as_str),
            }),
            Self::ExportComplete { files, resources, bytes, duration_ms } => json!({
                "files": files, "resources": resources, "bytes": bytes,
                "attachments": null, "duration": duration_ms,
            }),
            Self::Kickoff { url, kickoff, capability, failure, headers } => json!({
                "exportUrl": shown(url),
                "softwareName": capability.software_name,
                "softwareVersion": capability.software_version,
                "softwareReleaseDate": capability.software_release,
                "fhirVersion": capability.fhir_version,
                "requestParameters": parameters(kickoff),
                "errorCode": failure.and_then(|failure| failure.status),
                "errorBody": failure.map(|failure| failure.body()),
                "responseHeaders": shown_headers(headers),
                "logVersion": "2",
            }),
            Self::ManifestComplete { manifest } => json!({
                "transactionTime": time(manifest.transaction_time),
                "totalOutputFileCount": manifest.output.len(),
                "totalDeletedFileCount": manifest.deleted.len(),
                "totalErrorFileCount": manifest.outcome.len(),
                "totalManifests": manifest.pages,
            }),
            Self::StatusComplete { transaction_time } => {
                json!({ "transactionTime": time(transaction_time) })
            }
            Self::StatusError { failure } => failure.detail().into(),
            Self::StatusPageComplete { transaction_time, files } => {
                let [output, deleted, outcome] = files;
                json!({
                    "transactionTime": time(transaction_time), "outputFileCount": output,
                    "deletedFileCount": deleted, "errorFileCount": outcome,
                })
            }
            Self::StatusProgress { progress, retry_after } => json!({
                "body": null,
                "xProgress": progress.and_then(clean),
                "retryAfter": retry_after.and_then(clean),
            }),
        }
    }
}

impl LogFailure<'_> {
    fn body(&self) -> String {
        self.outcome.map_or_else(|| self.message.to_owned(), ToString::to_string)
    }

    fn detail(&self) -> Map<String, Value> {
        let members = [
            ("body", json!(self.outcome.map(ToString::to_string))),
            ("code", json!(self.status)),
            ("message", json!(self.message)),
            ("responseHeaders", shown_headers(self.headers)),
        ];
        members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

fn shown(url: &Url) -> String {
    SafeUrl::of(url).to_string()
}

fn time(time: Option<Instant>) -> Option<String> {
    time.map(|time| time.to_string())
}

/// Everything asked for but patients.
fn parameters(kickoff: &Kickoff) -> Value {
    let list = |texts: &[String]| (!texts.is_empty()).then(|| texts.join(","));
    let types: Vec<String> = kickoff.types.iter().map(ToString::to_string).collect();
    let partial = kickoff.allow_partial_manifests.then(|| "true".to_owned());
    let texts = [
        ("_since", time(kickoff.since)),
        ("_until", time(kickoff.until)),
        ("_type", list(&types)),
        ("_typeFilter", list(&kickoff.type_filters)),
        ("_elements", list(&kickoff.elements)),
        ("includeAssociatedData", list(&kickoff.include_associated_data)),
        ("organizeOutputBy", kickoff.organize_output_by.clone()),
        ("allowPartialManifests", partial),
    ];
    let present = texts.into_iter().filter_map(|(name, text)| Some((name, text?)));
    Value::Object(
        present.map(|(name, text)| (name.to_owned(), Value::String(text))).collect(),
    )
}

/// What may be shown of the answer's headers.
fn shown_headers(headers: Option<&SafeHeaders>) -> Value {
    headers.map_or_else(|| Value::Object(Map::new()), SafeHeaders::json)
}

#[cfg(test)]
mod tests;
