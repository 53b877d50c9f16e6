//! Whether a type is complete: the evidence, and what follows from it.
//!
//! A watermark moves only for types that nothing speaks against. Absence of a type in a
//! manifest is legal and means "no data", so independent evidence is combined: the granted
//! scope, what the server offers, what it reports of its own export, counts of the manifest
//! and of its search, and what earlier exports brought.
//!
//! Pure: whatever is asked of a server or a ledger is asked before.
//!
//! Source: Bulk Data IG, "Response - Complete Status" (`count`, `error`); SMART App Launch,
//! "Wildcard scopes"; the checklist's section 3.5.

use std::collections::{BTreeMap, BTreeSet};

use bulkhead_bulk::{Coverage, Kickoff, Manifest, Warning};
use bulkhead_ledger::{Baseline, FileArray, FileRecord, FileState, Proof};
use bulkhead_model::{Instant, ResourceType};
use bulkhead_pipeline::Tally;

use super::{
    OutcomeCounts, Verdict,
    history::{self, Asked},
    kickoff::Met,
    memory::Drift,
    outcome::{OMISSIONS, Reading},
    probe::Probe,
    verdict::Suspicion,
};
use crate::{
    config::{ProbeMode, SyncConfig, UnprovenFiles},
    watermark::all_types,
};

/// What speaks for and against completeness.
pub(super) struct Evidence<'a> {
    pub(super) asked: &'a [ResourceType],
    pub(super) since: Option<Instant>,
    pub(super) files: &'a [FileRecord],
    pub(super) tally: &'a Tally,
    pub(super) came: &'a BTreeMap<String, u64>,
    pub(super) outcomes: &'a OutcomeCounts,
    pub(super) doubt: Option<String>,
    /// Why it is a guess that the manifest is one of nothing, if it is.
    pub(super) guess: Option<String>,
    pub(super) met: &'a Met,
    pub(super) history: &'a BTreeMap<ResourceType, Baseline>,
    pub(super) probes: &'a BTreeMap<String, Probe>,
    /// Whether a count and the export are of the same resources.
    pub(super) is_comparable: &'a dyn Fn(&str) -> bool,
    pub(super) holds_on_fault: bool,
    pub(super) sync: &'a SyncConfig,
}

/// How many resources came, by type; deletions do not count, nor what nobody asked for.
pub(super) fn came(tally: &Tally) -> BTreeMap<String, u64> {
    let kinds = tally.iter().filter(|(kind, _)| ResourceType::is_valid(kind));
    kinds
        .map(|(kind, counts)| {
            let others = counts.read_deletions + counts.not_asked_in_all();
            (kind.to_owned(), counts.read.saturating_sub(others))
        })
        .collect()
}

/// What makes the whole manifest doubtful, if anything does.
pub(super) fn doubt(manifest: &Manifest) -> Option<String> {
    let missing = manifest.warnings.iter().find(|warning| warning.holds_watermarks());
    if let Some(missing) = missing {
        return Some(missing.to_string());
    }
    let has = |warning: &Warning| manifest.warnings.contains(warning);
    let is_bare = manifest.output.is_empty() && has(&Warning::AccessUnstated);
    let is_timeless = has(&Warning::TimeUnreadable);
    let warning = if is_timeless && has(&Warning::OutputMissing) {
        Warning::OutputMissing
    } else if is_timeless && is_bare {
        Warning::TimeUnreadable
    } else {
        return None;
    };
    Some(warning.to_string())
}

/// Why it is a guess that the manifest is one of nothing, if it is: only a count can confirm
/// it then.
pub(super) fn guess(manifest: &Manifest) -> Option<String> {
    manifest.is_guess().then(|| Warning::EmptyByGuess.to_string())
}

/// A verdict for every type that was asked for or seen. When no type was asked for by name,
/// all of them together are judged as `Resource`, and those that are known to exist singly.
pub(super) fn judge(evidence: &Evidence<'_>) -> BTreeMap<String, Verdict> {
    let asked = evidence.asked.iter().map(ToString::to_string);
    let listed = evidence
        .files
        .iter()
        .filter_map(|file| Some(file.resource_type.as_ref()?.to_string()));
    let came = evidence.came.iter().filter(|(_, count)| **count > 0);
    let mut names: BTreeSet<String> = asked
        .chain(listed.filter(|name| name != "Bundle" && name != "OperationOutcome"))
        .chain(came.map(|(name, _)| name.clone()))
        .collect();
    if evidence.asked.is_empty() {
        names.insert(all_types().to_string());
        names.extend(evidence.probes.keys().cloned());
        let is_known = |known: &Baseline| match Asked::of(evidence.since) {
            Asked::Whole => known.full_count > Some(0),
            // Silence is heard of what ever made a sound.
            Asked::Changes => known.full_count > Some(0) || known.resources > 0,
        };
        let known = evidence.history.iter().filter(|(_, known)| is_known(known));
        names.extend(known.map(|(name, _)| name.to_string()));
    }
    names
        .into_iter()
        .map(|name| {
            let verdict = verdict(evidence, &name);
            (name, verdict)
        })
        .collect()
}

fn verdict(evidence: &Evidence<'_>, name: &str) -> Verdict {
    let spoken = of_files(evidence, name)
        .or_else(|| of_scope(evidence, name))
        .or_else(|| of_the_server(evidence, name))
        .or_else(|| of_counts(evidence, name))
        .or_else(|| of_faults(evidence, name));
    spoken.unwrap_or_else(|| of_presence(evidence, name))
}

/// The verdicts, where what came incomplete speaks against what looks complete.
pub(super) fn with_incomplete(
    mut verdicts: BTreeMap<String, Verdict>,
    drift: &BTreeMap<String, Drift>,
    kickoff: &Kickoff,
) -> BTreeMap<String, Verdict> {
    let came = drift.iter().filter(|(_, of)| of.incomplete > 0);
    for (name, of) in came.filter(|_| kickoff.elements.is_empty()) {
        let resources = of.incomplete;
        let suspect = Verdict::Suspect(Suspicion::Incomplete { resources });
        let verdict = verdicts.entry(name.clone()).or_insert(Verdict::Complete);
        if verdict.moves_the_watermark() {
            *verdict = suspect;
        }
    }
    verdicts
}

/// Files of no type, and deletions, are of every type.
fn concerns(file: &FileRecord, name: &str) -> bool {
    file.array == FileArray::Deleted
        || (file.array == FileArray::Output
            && file.resource_type.as_ref().is_none_or(|kind| kind.as_str() == name))
}

fn of_files(evidence: &Evidence<'_>, name: &str) -> Option<Verdict> {
    let failed = evidence
        .files
        .iter()
        .filter(|file| concerns(file, name))
        .find(|file| file.state != FileState::Closed)?;
    let why = failed.failure.clone().unwrap_or_else(|| "not closed".to_owned());
    Some(Verdict::FileFailed(why))
}

fn of_scope(evidence: &Evidence<'_>, name: &str) -> Option<Verdict> {
    let kind = name.parse().ok()?;
    // What nobody asked for by name and came all the same is covered by whatever let it come.
    let is_asked = evidence.asked.is_empty() || evidence.asked.contains(&kind);
    if !is_asked {
        return None;
    }
    match evidence.met.coverage(&kind) {
        Coverage::None if kind == all_types() && is_granted_at_all(evidence.met) => {
            Some(Verdict::PartlyGranted)
        }
        Coverage::None => Some(Verdict::NotGranted),
        Coverage::Partial => Some(Verdict::PartlyGranted),
        Coverage::Full | Coverage::Unknown => None,
    }
}

fn is_granted_at_all(met: &Met) -> bool {
    met.scope.as_deref().is_some_and(|scope| scope.contains("system/"))
}

/// Codes of the server by which it says that something was left out.
fn is_omission(issue: &str) -> bool {
    let code = issue.split(' ').nth(1).unwrap_or_default();
    OMISSIONS.contains(&code)
}

fn of_the_server(evidence: &Evidence<'_>, name: &str) -> Option<Verdict> {
    let reading =
        if name == all_types().as_str() { Reading::AllTypes } else { Reading::OneType };
    let issues = evidence.outcomes.concerning(name, reading);
    let omissions: BTreeMap<String, u64> = issues
        .iter()
        .filter(|(issue, _)| is_omission(issue))
        .map(|(issue, count)| (issue.clone(), *count))
        .collect();
    if !omissions.is_empty() {
        return Some(Verdict::OmittedReported(omissions));
    }
    let errors: u64 = issues.values().sum();
    if errors > 0 {
        return Some(Verdict::ServerErrors(errors));
    }
    if evidence.outcomes.unread > 0 {
        return Some(Verdict::OutcomesUnread(evidence.outcomes.unread));
    }
    evidence.doubt.clone().map(Verdict::Doubtful)
}

fn of_counts(evidence: &Evidence<'_>, name: &str) -> Option<Verdict> {
    let files = || evidence.files.iter().filter(|file| concerns(file, name));
    for file in files().filter(|file| file.array == FileArray::Output) {
        let read = file.checkpoint.as_ref().and_then(|checkpoint| {
            Some(serde_json::from_str::<Tally>(&checkpoint.tally).ok()?.total().read)
        });
        if let (Some(expected), Some(found), Some(_)) =
            (file.count, read, &file.resource_type)
            && expected != found
        {
            return Some(Verdict::Count { expected, found });
        }
    }
    let unproven = files().filter(|file| file.proof == Proof::Unproven).count() as u64;
    (unproven > 0 && evidence.sync.unproven_files == UnprovenFiles::Hold)
        .then_some(Verdict::Unproven(unproven))
}

fn of_faults(evidence: &Evidence<'_>, name: &str) -> Option<Verdict> {
    // What no type can be told of concerns every type.
    let faulty = evidence
        .tally
        .iter()
        .filter(|(kind, _)| *kind == name || kind.is_empty())
        .map(|(_, counts)| counts.faulty)
        .sum();
    (evidence.holds_on_fault && faulty > 0).then_some(Verdict::Faulty(faulty))
}

/// What is left to say when every file came whole.
fn of_presence(evidence: &Evidence<'_>, name: &str) -> Verdict {
    let asked = Asked::of(evidence.since);
    let is_all = name == all_types().as_str();
    let came = if is_all {
        evidence.came.values().sum()
    } else {
        evidence.came.get(name).copied().unwrap_or(0)
    };
    let probe = evidence.probes.get(name);
    if let Some(Probe::Counted(counted)) = probe
        && (evidence.is_comparable)(name)
        && *counted > tolerated(came, evidence.sync.probe_tolerance)
    {
        return Verdict::Suspect(Suspicion::CountedMore { counted: *counted, came });
    }
    let known = name.parse().ok().and_then(|kind| evidence.history.get(&kind));
    if asked == Asked::Changes
        && history::ignores_since(evidence.history, evidence.asked, evidence.came)
        && came > 0
    {
        let full = known.and_then(|known| known.full_count).unwrap_or(0);
        return Verdict::Suspect(Suspicion::SinceIgnored { came, full });
    }
    if came > 0 {
        return Verdict::Complete;
    }
    match probe {
        Some(Probe::Counted(0)) => return Verdict::EmptyConfirmed,
        Some(Probe::Refused) => return Verdict::NotGranted,
        Some(Probe::Counted(_) | Probe::Failed(_)) | None => {}
    }
    if let Some(guess) =
        evidence.guess.as_ref().filter(|_| !is_all || !all_none(evidence))
    {
        return Verdict::Doubtful(guess.clone());
    }
    let suspicion = known.and_then(|known| match asked {
        Asked::Whole => history::was_there(known),
        Asked::Changes => history::too_quiet(known),
    });
    if let Some(suspicion) = suspicion.or_else(|| referred_to(evidence, name)) {
        return Verdict::Suspect(suspicion);
    }
    let is_offered = name.parse().ok().and_then(|kind| evidence.met.offers(&kind));
    // Of changes it says nothing: the type has a watermark, so it came or was let pass.
    if is_offered == Some(false) && !is_all && asked == Asked::Whole {
        return Verdict::NotOffered;
    }
    match (asked, evidence.sync.probe) {
        (Asked::Whole, ProbeMode::Absent | ProbeMode::All) => Verdict::Unconfirmed,
        (Asked::Whole, ProbeMode::Off) | (Asked::Changes, _) => Verdict::Empty,
    }
}

/// Whether everything was counted, and nothing found.
fn all_none(evidence: &Evidence<'_>) -> bool {
    let mut probes = evidence.probes.values().peekable();
    probes.peek().is_some() && probes.all(|probe| *probe == Probe::Counted(0))
}

/// What came refers to a type of which none came: it is there, or what refers to it is wrong.
fn referred_to(evidence: &Evidence<'_>, name: &str) -> Option<Suspicion> {
    // An export of patients need not bring what is no patient's.
    if !(evidence.is_comparable)(name) {
        return None;
    }
    let mut counts = evidence.tally.iter().filter(|(kind, _)| *kind == name);
    let (_, counts) = counts.next()?;
    let references = counts.referred;
    (references > 0).then_some(Suspicion::ReferredTo { references })
}

/// The most that a server may count of what came as `came`: counts are estimates at times.
fn tolerated(came: u64, percent: u64) -> u64 {
    came.saturating_add(came.saturating_mul(percent) / 100)
}

#[cfg(test)]
mod tests;
