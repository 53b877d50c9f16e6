//! The manifest in every edition of the IG, whole or in pages.
//!
//! Source: Bulk Data IG 1.0 to 3.0, "Response - Complete Status"; 4.0.0-ballot for the fourth
//! edition.

use bulkhead_model::Instant;
use serde_json::{Map, Value, json};

use super::{job::Job, plan::OutputFile, status::file_name};
use crate::{
    scenario::{Access, Edition, FilesAt, Modes, Pages, Then, TransactionTime},
    state::State,
};

/// What a manifest is written from.
pub(super) struct Manifest<'a> {
    pub(super) state: &'a State,
    pub(super) modes: &'a Modes,
    pub(super) id: &'a str,
    pub(super) job: &'a Job,
    pub(super) now: Instant,
}

/// Whether a page says where the next one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Linked {
    No,
    Yes,
}

type Numbered<'a> = (usize, &'a OutputFile);

impl<'a> Manifest<'a> {
    /// How many pages there are.
    pub(super) fn pages(&self) -> usize {
        self.layout().len()
    }

    /// The output files of each page.
    fn layout(&self) -> Vec<Vec<Numbered<'a>>> {
        let output: Vec<Numbered<'a>> = self.job.plan.output.iter().enumerate().collect();
        let Some(pages) = self.modes.pages else { return vec![output] };
        let each = usize::try_from(pages.files).unwrap_or(usize::MAX).max(1);
        let mut layout: Vec<Vec<Numbered<'a>>> =
            output.chunks(each).map(<[_]>::to_vec).collect();
        if layout.is_empty() {
            layout.push(Vec::new());
        }
        if let Some(empty) = pages.empty {
            let at = usize::try_from(empty).unwrap_or(usize::MAX).min(layout.len());
            layout.insert(at, Vec::new());
        }
        layout
    }

    /// One page, from 0.
    pub(super) fn page(&self, number: usize, linked: Linked) -> Value {
        let layout = self.layout();
        let is_last = number + 1 >= layout.len();
        let output = layout.get(number).cloned().unwrap_or_default();
        let plan = &self.job.plan;
        let deleted = plan.deleted.iter().enumerate();
        let before = plan.output.len();
        let deleted: Vec<Numbered<'_>> =
            deleted.map(|(at, file)| (before + at, file)).collect();
        let before = before + plan.deleted.len();
        let errors = plan.error.iter().enumerate();
        let errors: Vec<Numbered<'_>> =
            errors.map(|(at, file)| (before + at, file)).collect();
        let repeats = self.modes.pages.is_some_and(|pages| pages.errors_repeated);
        let errors = if is_last || repeats { errors } else { Vec::new() };
        let deleted = if is_last { deleted } else { Vec::new() };

        let edition = self.modes.edition;
        let mut manifest = Map::new();
        let mut put = |name: &str, value: Value| manifest.insert(name.to_owned(), value);
        let differs = self.modes.pages.is_some_and(|pages| pages.time_differs);
        let late = std::time::Duration::from_secs(u64::from(differs && number > 0));
        if let Some(time) = self.time(self.job.transaction_time.plus(late)) {
            put("transactionTime", time.into());
        }
        if edition != Edition::V4 {
            put("request", self.job.request.clone().into());
        }
        put("requiresAccessToken", self.requires_token().into());
        if let Some(organized) = &self.job.organized_by {
            put("outputOrganizedBy", organized.clone().into());
        }
        put("output", self.list(&output));
        if self.job.is_incremental && edition != Edition::V1 {
            put("deleted", self.list(&deleted));
        }
        if !self.modes.outcome.absent {
            match edition {
                Edition::V1 | Edition::V2 | Edition::V3 => {
                    put("error", self.list(&errors));
                }
                Edition::V4 => {
                    put("outcome", self.list(&errors));
                }
            }
        }
        if edition == Edition::V4 {
            put("manifestType", MANIFEST_TYPE.into());
            put("outputFormat", "application/fhir+ndjson".into());
        }
        if self.modes.unknown_members {
            put("unknownMember", json!({"of": ["no", "edition"]}));
            put(
                "extension",
                match edition {
                    Edition::V4 => {
                        json!([{"url": "https://example.org/x", "valueBoolean": true}])
                    }
                    Edition::V1 | Edition::V2 | Edition::V3 => {
                        json!({"https://example.org/x": true})
                    }
                },
            );
        }
        if let (Some(pages), Linked::Yes) = (self.modes.pages, linked)
            && let Some(url) = self.next(number, is_last, pages)
        {
            put("link", json!([{"relation": "next", "url": url}]));
        }
        Value::Object(manifest)
    }

    fn next(&self, number: usize, is_last: bool, pages: Pages) -> Option<String> {
        let next = match (is_last, pages.then) {
            (false, Then::End | Then::Loop) => number + 1,
            (true, Then::Loop) => 0,
            (true, Then::End) => return None,
        };
        let urls = &self.state.urls;
        let base = if pages.elsewhere {
            format!("{}/fhir", urls.elsewhere)
        } else {
            urls.base.clone()
        };
        Some(format!("{base}/bulk/{}/page/{next}", self.id))
    }

    fn requires_token(&self) -> bool {
        match self.modes.access {
            Access::Always | Access::TrueButPresigned => true,
            Access::AsSignIn => self.state.requires_token(),
            Access::Capability | Access::Never => false,
        }
    }

    fn list(&self, files: &[Numbered<'_>]) -> Value {
        files.iter().map(|(number, file)| self.entry(*number, file)).collect()
    }

    fn entry(&self, number: usize, file: &OutputFile) -> Value {
        let mut entry = Map::new();
        let mut put = |name: &str, value: Value| entry.insert(name.to_owned(), value);
        let is_v4 = self.modes.edition == Edition::V4;
        let is_bundle = matches!(file.resource_type.as_str(), "Bundle" | OUTCOME);
        let is_untyped = file.is_organized() || (is_v4 && is_bundle);
        if !is_untyped {
            put("type", file.resource_type.clone().into());
        }
        put("url", self.url(number, file).into());
        put("count", file.count.into());
        if is_v4 && !file.severities.is_empty() {
            let counts = file.severities.iter();
            let counts: Vec<Value> = counts
                .map(|(code, count)| json!({"code": code, "count": count}))
                .collect();
            put("countSeverity", counts.into());
        }
        if file.is_continued
            && let Some(next) = self.job.plan.files().nth(number + 1)
        {
            put("continuesInFile", self.url(number + 1, next).into());
        }
        if self.modes.unknown_members {
            put("unknownMember", true.into());
        }
        Value::Object(entry)
    }

    /// Where a file is.
    fn url(&self, number: usize, file: &OutputFile) -> String {
        let (urls, id) = (&self.state.urls, self.id);
        let url = match self.modes.files_at {
            FilesAt::Binary => format!("{}/Binary/{id}-{number}", urls.base),
            FilesAt::Elsewhere => {
                format!("{}/storage/{id}/{}", urls.elsewhere, file_name(number, file))
            }
            FilesAt::Home => {
                format!("{}/bulk/{id}/{}", urls.base, file_name(number, file))
            }
        };
        let generation = self.job.generation;
        match (self.modes.links.is_some(), self.modes.links_open()) {
            (false, false) => url,
            (true, false) => format!("{url}?g={generation}"),
            (false | true, true) => {
                format!("{url}?g={generation}&sig={}", signature(id))
            }
        }
    }

    /// The transaction time, as this server writes it.
    fn time(&self, at: Instant) -> Option<String> {
        let utc = at.to_string();
        Some(match &self.job.time {
            TransactionTime::Ahead(by) => at.plus(*by).to_string(),
            TransactionTime::Behind(by) => at.minus(*by).to_string(),
            TransactionTime::End => self.job.done_at.unwrap_or(at).to_string(),
            TransactionTime::Missing => return None,
            TransactionTime::Offset(offset) => at_offset(at, offset),
            TransactionTime::PollNow => self.now.to_string(),
            TransactionTime::PerJob(_)
            | TransactionTime::Replica(_)
            | TransactionTime::Start => utc,
            TransactionTime::Text(text) => text.clone(),
            TransactionTime::Truncated => {
                format!("{}Z", utc.get(..16).unwrap_or_default())
            }
            TransactionTime::Zoneless => utc.trim_end_matches('Z').to_owned(),
        })
    }
}

/// The same instant, written at an offset such as `+05:30`.
fn at_offset(at: Instant, offset: &str) -> String {
    let digits: Vec<u64> = offset
        .trim_start_matches(['+', '-'])
        .split(':')
        .filter_map(|part| part.parse().ok())
        .collect();
    let (hours, minutes) =
        (digits.first().copied().unwrap_or(0), digits.get(1).copied().unwrap_or(0));
    let by = std::time::Duration::from_secs(hours * 3600 + minutes * 60);
    let local = if offset.starts_with('-') { at.minus(by) } else { at.plus(by) };
    format!("{}{offset}", local.to_string().trim_end_matches('Z'))
}

/// What makes a link a credential. The job id is the secret; this only has to be there.
pub(super) fn signature(id: &str) -> String {
    id.chars().rev().take(16).collect()
}

const MANIFEST_TYPE: &str = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/export";
const OUTCOME: &str = "OperationOutcome";
