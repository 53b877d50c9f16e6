//! Which resources an export holds and in which files: a snapshot and a kick-off in, a list
//! of byte ranges out.
//!
//! Neighbouring lines become one range, so that a full export streams whole files.
//!
//! Source: Bulk Data IG, "Endpoint", "Group of Patients", "deleted", "File Organization".

mod members;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::Arc,
};

use axum::http::StatusCode;
use bulkhead_model::{Level, ResourceType};
use serde_json::json;

use super::parameters::Wanted;
use crate::{
    auth::Grant,
    behaviour::Behaviour,
    outcome::{Refusal, outcome},
    search::Criteria,
    store::{Line, Snapshot, Source, Table},
};
use members::Members;

/// The files of an export.
#[derive(Default)]
pub(crate) struct Plan {
    pub(crate) output: Vec<OutputFile>,
    pub(crate) deleted: Vec<OutputFile>,
    pub(crate) error: Vec<OutputFile>,
}

impl Plan {
    /// All files, in the order of their numbers.
    pub(crate) fn files(&self) -> impl Iterator<Item = &OutputFile> {
        self.output.iter().chain(&self.deleted).chain(&self.error)
    }
}

/// One file of an export.
#[derive(Clone)]
pub(crate) struct OutputFile {
    pub(crate) resource_type: String,
    pub(crate) count: u64,
    pub(crate) length: u64,
    pub(crate) ranges: Arc<Vec<Range>>,
}

/// A run of bytes of a file.
#[derive(Clone)]
pub(crate) struct Range {
    pub(crate) source: Arc<Source>,
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// Plans an export.
pub(crate) fn plan(
    snapshot: &Snapshot,
    level: &Level,
    wanted: &Wanted,
    grant: &Grant,
    behaviour: &Behaviour,
) -> Result<Plan, Refusal> {
    let members = Members::of(snapshot, level, wanted.patients.as_deref())?;
    let mut plan = Plan::default();
    for (resource_type, table) in &snapshot.tables {
        let Some(choice) = Choice::of(resource_type, wanted, grant, &members) else {
            continue;
        };
        output_files(resource_type, table, &choice, behaviour, &mut plan.output)
            .map_err(|_| {
                Refusal::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "exception",
                    "cannot read the data",
                )
            })?;
        deleted_files(resource_type, table, &choice, behaviour, &mut plan.deleted);
    }
    plan.error.extend(notes(&wanted.ignored));
    Ok(plan)
}

/// What of one type is chosen.
struct Choice<'a> {
    wanted: &'a Wanted,
    members: &'a Members,
    filters: Vec<&'a Criteria>,
    /// Only Provenance about these types, when Provenance comes only along with them.
    about: Option<BTreeSet<&'a str>>,
}

impl<'a> Choice<'a> {
    /// `None` when the export holds nothing of the type.
    fn of(
        resource_type: &ResourceType,
        wanted: &'a Wanted,
        grant: &Grant,
        members: &'a Members,
    ) -> Option<Self> {
        let is_provenance = resource_type.as_str() == "Provenance";
        let listed = wanted.types.as_ref().map(|types| types.contains(resource_type));
        let along = is_provenance && wanted.relevant_provenance && listed == Some(false);
        if !grant.allows(resource_type.as_str()) || !(listed.unwrap_or(true) || along) {
            return None;
        }
        let filters = wanted
            .filters
            .iter()
            .filter(|(filtered, _)| filtered == resource_type)
            .map(|(_, criteria)| criteria)
            .collect();
        let about = along
            .then(|| wanted.types.iter().flatten().map(ResourceType::as_str).collect());
        Some(Self { wanted, members, filters, about })
    }

    fn holds(&self, line: &Line<'_>) -> io::Result<bool> {
        let Wanted { since, until, .. } = self.wanted;
        if since.is_some_and(|since| line.updated <= since)
            || until.is_some_and(|until| line.updated >= until)
            || !self.members.hold(line.patients)
        {
            return Ok(false);
        }
        if let Some(about) = &self.about
            && !is_about(&line.read()?, about)
        {
            return Ok(false);
        }
        let mut passes = self.filters.is_empty();
        for criteria in &self.filters {
            passes = passes || criteria.holds(line)?;
        }
        Ok(passes)
    }
}

/// Whether a Provenance points at one of some types.
fn is_about(line: &[u8], types: &BTreeSet<&str>) -> bool {
    let provenance: serde_json::Value =
        serde_json::from_slice(crate::peek::body(line)).unwrap_or_default();
    let targets = provenance.get("target").and_then(serde_json::Value::as_array);
    targets.into_iter().flatten().any(|target| {
        let reference = target.get("reference").and_then(serde_json::Value::as_str);
        let mut segments = reference.unwrap_or_default().rsplit('/').skip(1);
        segments.next().is_some_and(|name| types.contains(name))
    })
}

fn output_files(
    resource_type: &ResourceType,
    table: &Table,
    choice: &Choice<'_>,
    behaviour: &Behaviour,
    files: &mut Vec<OutputFile>,
) -> io::Result<()> {
    let most = behaviour.resources_per_file.get();
    let mut open = OpenFile::default();
    for line in table.lines() {
        if !choice.holds(&line)? {
            continue;
        }
        if open.count >= most {
            files.extend(std::mem::take(&mut open).close(resource_type.as_str()));
        }
        open.push(line.source, line.offset, u64::from(line.length));
    }
    files.extend(open.close(resource_type.as_str()));
    Ok(())
}

/// Deletions since `_since`, as transaction Bundles of DELETE entries.
fn deleted_files(
    resource_type: &ResourceType,
    table: &Table,
    choice: &Choice<'_>,
    behaviour: &Behaviour,
    files: &mut Vec<OutputFile>,
) {
    let Some(since) = choice.wanted.since else { return };
    let gone: Vec<&str> = table
        .tombstones()
        .filter(|(_, tombstone)| {
            tombstone.at > since
                && choice.wanted.until.is_none_or(|until| tombstone.at < until)
                && choice.about.is_none()
                && choice.members.held(&tombstone.patients)
        })
        .map(|(id, _)| id)
        .collect();
    let most = usize::try_from(behaviour.resources_per_file.get()).unwrap_or(usize::MAX);
    let each =
        usize::try_from(behaviour.deletions_per_bundle.get()).unwrap_or(usize::MAX);
    let bundles: Vec<String> = gone
        .chunks(each)
        .map(|ids| {
            let entry: Vec<_> = ids
                .iter()
                .map(|id| json!({"request": {"method": "DELETE", "url": format!("{resource_type}/{id}")}}))
                .collect();
            json!({"resourceType": "Bundle", "type": "transaction", "entry": entry}).to_string()
        })
        .collect();
    files.extend(bundles.chunks(most).filter_map(|lines| text_file("Bundle", lines)));
}

/// One warning for each parameter that was left out.
fn notes(ignored: &[String]) -> Option<OutputFile> {
    let lines: Vec<String> = ignored
        .iter()
        .map(|name| {
            let text =
                format!("the parameter `{name}` is not supported and was left out");
            outcome("warning", "not-supported", &text).to_string()
        })
        .collect();
    text_file("OperationOutcome", &lines)
}

/// A file of lines made here; `None` when there are none.
fn text_file(resource_type: &str, lines: &[String]) -> Option<OutputFile> {
    let mut file = OpenFile::default();
    for line in lines {
        let source = Arc::new(Source::memory(format!("{line}\n").into()));
        file.push(&source, 0, line.len() as u64 + 1);
    }
    file.close(resource_type)
}

/// A file that lines are added to.
#[derive(Default)]
struct OpenFile {
    ranges: Vec<Range>,
    count: u64,
}

impl OpenFile {
    fn push(&mut self, source: &Arc<Source>, start: u64, length: u64) {
        let end = start + length;
        self.count += 1;
        if let Some(last) = self.ranges.last_mut() {
            if Arc::ptr_eq(&last.source, source) && last.end == start {
                last.end = end;
                return;
            }
            if last.source.is_open_at(last.end) {
                let newline = Arc::new(Source::memory("\n".into()));
                self.ranges.push(Range { source: newline, start: 0, end: 1 });
            }
        }
        self.ranges.push(Range { source: Arc::clone(source), start, end });
    }

    /// `None` when nothing was added: a type without data has no file.
    fn close(self, resource_type: &str) -> Option<OutputFile> {
        let Self { ranges, count } = self;
        let length = ranges.iter().map(|range| range.end - range.start).sum();
        let resource_type = resource_type.to_owned();
        (count > 0).then(|| OutputFile {
            resource_type,
            count,
            length,
            ranges: Arc::new(ranges),
        })
    }
}

/// How many resources of each type a plan holds.
pub(crate) fn counts(files: &[OutputFile]) -> BTreeMap<&str, u64> {
    let mut counts = BTreeMap::new();
    for file in files {
        *counts.entry(file.resource_type.as_str()).or_default() += file.count;
    }
    counts
}
