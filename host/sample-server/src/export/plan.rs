//! Which resources an export holds and in which files: a snapshot and a kick-off in, a list
//! of byte ranges out.
//!
//! Neighbouring lines become one range, so that a full export streams whole files.
//!
//! Source: Bulk Data IG, "Endpoint", "Group of Patients", "deleted", "File Organization".

mod deleted;
mod members;
mod organized;
mod told;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::Arc,
};

use axum::http::StatusCode;
use bulkhead_model::{Level, ResourceType};

use super::parameters::Wanted;
use crate::{
    auth::Grant,
    behaviour::Behaviour,
    outcome::Refusal,
    scenario::{GroupSince, Modes, Omission, Organized},
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
    /// Whether its last block goes on in the next file.
    pub(crate) is_continued: bool,
    /// How many outcomes of each severity it holds.
    pub(crate) severities: BTreeMap<String, u64>,
}

impl OutputFile {
    /// Whether it holds blocks of several types.
    pub(crate) fn is_organized(&self) -> bool {
        self.resource_type == ORGANIZED
    }
}

/// What stands in a file's name instead of a type when it holds blocks.
pub(crate) const ORGANIZED: &str = "organized";

/// What an export is planned on.
pub(crate) struct Ground<'a> {
    pub(crate) snapshot: &'a Snapshot,
    /// What was there at `_since`, where a mode asks for it.
    pub(crate) before: Option<&'a Snapshot>,
    pub(crate) behaviour: &'a Behaviour,
    pub(crate) modes: &'a Modes,
    /// The FHIR base.
    pub(crate) base: &'a str,
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
    ground: &Ground<'_>,
    level: &Level,
    wanted: &Wanted,
    grant: &Grant,
) -> Result<Plan, Refusal> {
    let unreadable = |_| {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Refusal::new(status, "exception", "cannot read the data")
    };
    let members = Members::of(ground.snapshot, level, wanted.patients.as_deref())?;
    let joined = match (level, ground.before) {
        (Level::Group(_), Some(before)) => {
            // A group that was not there had no members.
            let then = Members::of(before, level, None).ok();
            Some(members.since(then.as_ref()))
        }
        (Level::Group(_) | Level::Patient | Level::System, _) => None,
    };
    let unchanged = match (level, ground.modes.group, wanted.since) {
        (Level::Group(_), GroupSince::PatientChanged, Some(since)) => {
            Some(members::changed_since(ground.snapshot, since))
        }
        _ => None,
    };
    let mut plan = Plan::default();
    let mut choices = Vec::new();
    for (resource_type, table) in &ground.snapshot.tables {
        let Some(mut choice) = Choice::of(resource_type, wanted, grant, &members) else {
            continue;
        };
        choice.joined = joined.as_deref();
        choice.changed = unchanged.as_deref();
        choice.omissions = &ground.modes.omit;
        let more =
            deleted::files(resource_type, table, &choice, ground, &mut plan.deleted);
        if wanted.organized_by.is_none() {
            output_files(table, &choice, ground.behaviour, &mut plan.output)
                .map_err(unreadable)?;
        }
        plan.output.extend(more);
        choices.push(choice);
    }
    if let (Some(_), Organized::Honoured(blocks)) =
        (&wanted.organized_by, &ground.modes.organized)
    {
        plan.output = organized::files(&choices, ground, blocks).map_err(unreadable)?;
    }
    omit_files(&mut plan, &ground.modes.omit);
    plan.error.extend(told::file(&wanted.ignored, ground.modes));
    Ok(plan)
}

/// Leaves out the files that an omission names by number.
fn omit_files(plan: &mut Plan, omissions: &[Omission]) {
    let mut number = 0;
    plan.output.retain(|file| {
        let is_named = omissions.iter().any(|omission| {
            omission.file == Some(number)
                && omission.rows_after.is_none()
                && (omission.types.is_empty()
                    || omission.types.contains(&file.resource_type))
        });
        number += 1;
        !is_named
    });
}

/// What of one type is chosen.
struct Choice<'a> {
    wanted: &'a Wanted,
    members: &'a Members,
    filters: Vec<&'a Criteria>,
    resource_type: &'a ResourceType,
    /// Patients who joined since, of whom everything is new.
    joined: Option<&'a [bool]>,
    /// The only patients of whom anything is told.
    changed: Option<&'a [bool]>,
    omissions: &'a [Omission],
    /// Only Provenance about these types, when Provenance comes only along with them.
    about: Option<BTreeSet<&'a str>>,
}

impl<'a> Choice<'a> {
    /// `None` when the export holds nothing of the type.
    fn of(
        resource_type: &'a ResourceType,
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
        let (joined, changed, omissions) = (None, None, [].as_slice());
        Some(Self {
            wanted,
            members,
            filters,
            resource_type,
            joined,
            changed,
            omissions,
            about,
        })
    }

    fn name(&self) -> &str {
        self.resource_type.as_str()
    }

    /// What is left out of the type: all of it, or what is after so many rows.
    fn omitted(&self) -> Option<&'a Omission> {
        self.omissions.iter().find(|omission| {
            omission.file.is_none()
                && (omission.types.is_empty()
                    || omission.types.iter().any(|name| name == self.name()))
        })
    }

    /// Whether a line is old: not changed since `_since`, nor new by its patients.
    fn is_old(&self, line: &Line<'_>) -> bool {
        let Some(since) = self.wanted.since else { return false };
        let is_old = if self.wanted.includes_since {
            line.updated < since
        } else {
            line.updated <= since
        };
        is_old && !self.joined.is_some_and(|joined| members::any(joined, line.patients))
    }

    fn holds(&self, line: &Line<'_>) -> io::Result<bool> {
        let Wanted { until, at_most, .. } = self.wanted;
        if self.is_old(line)
            || at_most.is_some_and(|last| line.updated > last)
            || self.changed.is_some_and(|changed| !members::any(changed, line.patients))
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
    table: &Table,
    choice: &Choice<'_>,
    behaviour: &Behaviour,
    files: &mut Vec<OutputFile>,
) -> io::Result<()> {
    let most = behaviour.resources_per_file.get();
    let mut open = OpenFile::default();
    let omission = choice.omitted();
    let rows = omission.map_or(u64::MAX, |omission| omission.rows_after.unwrap_or(0));
    let is_lying = omission.is_some_and(|omission| omission.lying_count);
    let mut written = 0;
    for line in table.lines() {
        if !choice.holds(&line)? {
            continue;
        }
        if written >= rows {
            if !is_lying || open.count == 0 {
                break;
            }
            open.count += 1;
            continue;
        }
        written += 1;
        if open.count >= most {
            files.extend(std::mem::take(&mut open).close(choice.name()));
        }
        open.push(line.source, line.offset, u64::from(line.length));
    }
    files.extend(open.close(choice.name()));
    Ok(())
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
    is_continued: bool,
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
        let Self { ranges, count, is_continued } = self;
        let length = ranges.iter().map(|range| range.end - range.start).sum();
        let resource_type = resource_type.to_owned();
        (count > 0).then(|| OutputFile {
            resource_type,
            count,
            length,
            ranges: Arc::new(ranges),
            is_continued,
            severities: BTreeMap::new(),
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
