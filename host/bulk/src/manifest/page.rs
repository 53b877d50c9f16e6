//! Reads one page of a manifest.

use std::time::Duration;

use bulkhead_model::{Instant, ResourceType};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::{FileAccess, FileId, FileList, ManifestError, OutputFile, Warning};
use crate::operation_outcome::clean;

/// One page, checked.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) transaction_time: Option<Instant>,
    pub(crate) access: FileAccess,
    pub(crate) output: Vec<OutputFile>,
    pub(crate) deleted: Vec<OutputFile>,
    pub(crate) outcome: Vec<OutputFile>,
    pub(crate) next: Option<Url>,
    pub(crate) expires: Option<Instant>,
    pub(crate) organized_by: Option<String>,
    pub(crate) organized_by_detail: Option<Value>,
    pub(crate) output_format: Option<String>,
    pub(crate) extension: Option<Value>,
    pub(crate) warnings: Vec<Warning>,
}

/// Where and when a page was read.
pub(crate) struct PageOrigin {
    /// What relative URLs are relative to.
    pub(crate) url: Url,
    /// The number of the page, from 0.
    pub(crate) number: u32,
    /// The response's `Date`, or the local time when it has none.
    pub(crate) date: Instant,
}

impl Page {
    /// Whether `body` is a manifest by its required members.
    pub(crate) fn is_manifest(body: &[u8]) -> bool {
        serde_json::from_slice::<RawPage>(body).is_ok_and(|raw| raw.is_manifest())
    }

    /// Whether `body` is meant to be a manifest, however well it is made.
    pub(crate) fn may_be(body: &[u8]) -> bool {
        match serde_json::from_slice::<RawPage>(body) {
            Ok(raw) => raw.is_manifest(),
            Err(_) => is_misshapen(body),
        }
    }

    /// Reads a manifest of any edition.
    ///
    /// Strict where files could be lost (a file without URL), lenient elsewhere.
    pub(crate) fn read(body: &[u8], origin: &PageOrigin) -> Result<Self, ManifestError> {
        let raw: RawPage = serde_json::from_slice(body).map_err(|source| {
            if is_misshapen(body) {
                ManifestError::Shape { source }
            } else {
                ManifestError::Json { source }
            }
        })?;
        if !raw.is_manifest() {
            return Err(ManifestError::NotAManifest);
        }
        if let Some(format) = raw.output_format.as_deref().filter(|text| !is_ndjson(text))
        {
            let format = clean(format).unwrap_or_default();
            return Err(ManifestError::Format { format });
        }
        let mut warnings = Vec::new();
        if raw.output.is_none() {
            warnings.push(Warning::OutputMissing);
            if !raw.states_access() {
                warnings.push(Warning::EmptyByGuess);
            }
        }
        let transaction_time =
            time(raw.transaction_time.as_ref(), origin.date, &mut warnings);
        let access = access(raw.requires_access_token.as_ref(), &mut warnings);
        let is_organized = raw.output_organized_by.is_some();
        let mut list = |entries: Option<Vec<RawFile>>, list| {
            let entries = entries.unwrap_or_default().into_iter().zip(0..);
            entries
                .map(|(raw, position)| {
                    let id = FileId { page: origin.number, list, position };
                    file(raw, id, &origin.url, &mut warnings)
                })
                .collect::<Result<Vec<_>, _>>()
        };
        let mut output = list(raw.output, FileList::Output)?;
        let deleted = list(raw.deleted, FileList::Deleted)?;
        // No edition has both; should a server send both, neither is lost.
        let mut outcomes = raw.error.unwrap_or_default();
        outcomes.extend(raw.outcome.unwrap_or_default());
        let mut outcome = list(Some(outcomes), FileList::Outcome)?;
        // Some servers tell of their export among its resources.
        outcome.extend(output.extract_if(.., |file| is_outcome(file)));
        for file in &output {
            match (&file.resource_type, is_organized) {
                (None, false) => warnings.push(Warning::TypeMissing),
                (Some(_), true) => warnings.push(Warning::TypeUnexpected),
                (Some(_), false) | (None, true) => {}
            }
        }
        let next = raw
            .link
            .unwrap_or_default()
            .into_iter()
            .find(|link| link.relation == "next")
            .map(|link| origin.url.join(&link.url).map_err(|_| ManifestError::NextUrl))
            .transpose()?;
        Ok(Self {
            transaction_time,
            access,
            output,
            deleted,
            outcome,
            next,
            expires: None,
            organized_by: raw.output_organized_by,
            organized_by_detail: raw.output_organized_by_detail,
            output_format: raw.output_format,
            extension: raw.extension,
            warnings,
        })
    }
}

impl OutputFile {
    /// How many outcomes of severity error or fatal it holds, as far as the manifest says so
    /// (version 4): a second word beside the file's own content.
    pub fn errors_stated(&self) -> Option<u64> {
        let entries = self.count_severity.as_ref()?.as_array()?;
        let count = |entry: &Value| {
            let code = entry.get("code")?.as_str()?;
            let count = number(entry.get("count")?)?;
            Some(if matches!(code, "error" | "fatal") { count } else { 0 })
        };
        entries.iter().map(count).sum()
    }
}

fn is_outcome(file: &OutputFile) -> bool {
    file.resource_type.as_ref().is_some_and(|name| name.as_str() == "OperationOutcome")
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawPage {
    transaction_time: Option<Value>,
    requires_access_token: Option<Value>,
    request: Option<Value>,
    output: Option<Vec<RawFile>>,
    deleted: Option<Vec<RawFile>>,
    error: Option<Vec<RawFile>>,
    outcome: Option<Vec<RawFile>>,
    link: Option<Vec<RawLink>>,
    output_organized_by: Option<String>,
    output_organized_by_detail: Option<Value>,
    output_format: Option<String>,
    extension: Option<Value>,
}

impl RawPage {
    /// One of the required members alone is no proof: servers leave out one or two, and a
    /// deleted job has been answered with 200 and `{}`. Nothing to deliver is believed only
    /// of what is a manifest otherwise.
    fn is_manifest(&self) -> bool {
        let time = self.transaction_time.as_ref().and_then(Value::as_str);
        let time = time.is_some_and(|text| text.parse::<Instant>().is_ok());
        // Older HAPI states no more than these two of an export of nothing.
        let request = self.request.as_ref().is_some_and(Value::is_string);
        let output = self.output.is_some();
        let votes = [time, request, output, self.states_access()];
        votes.into_iter().filter(|vote| *vote).count() >= 2
    }

    fn states_access(&self) -> bool {
        match &self.requires_access_token {
            Some(Value::Bool(_)) => true,
            Some(Value::String(text)) => text == "true" || text == "false",
            Some(_) | None => false,
        }
    }
}

/// Whether `body`, which is no page, is an object with a manifest's members all the same.
fn is_misshapen(body: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Map<String, Value>>(body).is_ok_and(|object| {
        ["output", "requiresAccessToken", "transactionTime"]
            .iter()
            .any(|name| object.contains_key(*name))
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawFile {
    #[serde(rename = "type")]
    kind: Option<String>,
    url: Option<String>,
    count: Option<Value>,
    file_size: Option<Value>,
    continues_in_file: Option<String>,
    extension: Option<Value>,
    count_severity: Option<Value>,
}

#[derive(Deserialize)]
struct RawLink {
    #[serde(default)]
    relation: String,
    #[serde(default)]
    url: String,
}

fn file(
    raw: RawFile,
    id: FileId,
    base: &Url,
    warnings: &mut Vec<Warning>,
) -> Result<OutputFile, ManifestError> {
    let fault = || ManifestError::FileUrl { list: id.list };
    let url = raw.url.filter(|text| !text.is_empty()).ok_or_else(fault)?;
    let resource_type = raw.kind.and_then(|text| {
        let name: Option<ResourceType> = text.parse().ok();
        if name.is_none() {
            warnings.push(Warning::Type);
        }
        name
    });
    let count = raw.count.and_then(|value| {
        let count = number(&value);
        if count.is_none() {
            warnings.push(Warning::Count);
        }
        count
    });
    Ok(OutputFile {
        id,
        resource_type,
        url: base.join(&url).map_err(|_| fault())?,
        count,
        size_hint: raw.file_size.as_ref().and_then(number),
        continues_in: raw.continues_in_file.and_then(|text| base.join(&text).ok()),
        extension: raw.extension,
        count_severity: raw.count_severity,
        expires: None,
    })
}

/// A number, or text that is one; version 4 writes 64-bit numbers as text.
pub(super) fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}

fn time(
    value: Option<&Value>,
    date: Instant,
    warnings: &mut Vec<Warning>,
) -> Option<Instant> {
    let time =
        value.and_then(Value::as_str).and_then(|text| text.parse::<Instant>().ok());
    match time {
        None => warnings.push(Warning::TimeUnreadable),
        Some(time) if time > date.plus(CLOCK_TOLERANCE) => {
            warnings.push(Warning::TimeAhead(time));
            return None;
        }
        Some(_) => {}
    }
    time
}

fn access(value: Option<&Value>, warnings: &mut Vec<Warning>) -> FileAccess {
    let stated = |yes| if yes { FileAccess::Token } else { FileAccess::Open };
    match value {
        Some(Value::Bool(yes)) => stated(*yes),
        Some(Value::String(text)) if text == "true" || text == "false" => {
            warnings.push(Warning::AccessIsText);
            stated(text == "true")
        }
        Some(_) | None => {
            warnings.push(Warning::AccessUnstated);
            FileAccess::Unstated
        }
    }
}

fn is_ndjson(format: &str) -> bool {
    let essence = format.split(';').next().unwrap_or_default().trim();
    matches!(
        essence,
        "application/fhir+ndjson"
            | "application/ndjson"
            | "application/x-ndjson"
            | "ndjson"
    )
}

/// A server's nodes may disagree by this much; a later time is a mistake.
const CLOCK_TOLERANCE: Duration = Duration::from_mins(2);
