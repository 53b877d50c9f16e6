//! What earlier exports tell of one type: how many there were, and how many usually come.
//!
//! Pure arithmetic over [`Baseline`]s. Counts are of resources as read, before any stage.

use std::collections::BTreeMap;

use bulkhead_ledger::Baseline;
use bulkhead_model::{Instant, ResourceType};

use super::verdict::Suspicion;

/// Fewer incremental exports than these say nothing of a mean.
const FEWEST_RUNS: u64 = 4;

/// The chance that so long a silence is chance, under which it is suspect: exp(-λk).
const CHANCE: f64 = 1e-3;

/// Fewer resources than these in all last full exports prove nothing by coming again.
const FEWEST_RESOURCES: u64 = 20;

/// Whether `_since` counted in an export, and what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Everything.
    Whole,
    /// What changed.
    Changes,
}

impl Asked {
    pub(super) const fn of(since: Option<Instant>) -> Self {
        match since {
            Some(_) => Self::Changes,
            None => Self::Whole,
        }
    }
}

/// Whether none in one more incremental export would be too quiet.
///
/// The mean is over the exports before the present silence; a silence no longer than one that
/// was heard before is a habit of the type.
pub(super) fn too_quiet(baseline: &Baseline) -> Option<Suspicion> {
    let before = baseline.runs.saturating_sub(baseline.quiet);
    let runs = baseline.quiet + 1;
    if before < FEWEST_RUNS || runs <= baseline.longest_quiet {
        return None;
    }
    let chance = (-(baseline.resources as f64 / before as f64) * runs as f64).exp();
    (chance < CHANCE).then_some(Suspicion::Quiet {
        runs,
        resources: baseline.resources,
        in_runs: before,
    })
}

/// Whether the last full export had some.
pub(super) fn was_there(baseline: &Baseline) -> Option<Suspicion> {
    let (count, at) = (baseline.full_count?, baseline.full_at?);
    (count > 0).then_some(Suspicion::WasThere { count, at })
}

/// Whether an incremental export brought of *every* known type at least what the last full one
/// did: then the server most likely ignores `_since`.
pub(super) fn ignores_since(
    history: &BTreeMap<ResourceType, Baseline>,
    asked: &[ResourceType],
    came: &BTreeMap<String, u64>,
) -> bool {
    let known = history
        .iter()
        .filter(|(name, _)| asked.is_empty() || asked.contains(name))
        .filter_map(|(name, baseline)| {
            Some((name, baseline.full_count.filter(|count| *count > 0)?))
        });
    let mut in_full = 0;
    for (name, full) in known {
        if came.get(name.as_str()).copied().unwrap_or(0) < full {
            return false;
        }
        in_full += full;
    }
    in_full >= FEWEST_RESOURCES
}

/// The baseline after a full export that counts.
pub(super) fn after_full(old: &Baseline, came: u64, at: Instant) -> Baseline {
    Baseline { full_count: Some(came), full_at: Some(at), ..old.clone() }
}

/// The baseline after an incremental export. A silence that was explained is a habit.
pub(super) fn after_changes(old: &Baseline, came: u64, is_explained: bool) -> Baseline {
    let mut new = old.clone();
    new.runs += 1;
    new.resources = new.resources.saturating_add(came);
    if came == 0 {
        new.quiet += 1;
    }
    if came > 0 || is_explained {
        new.longest_quiet = new.longest_quiet.max(new.quiet);
    }
    if came > 0 {
        new.quiet = 0;
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baseline(runs: u64, resources: u64, quiet: u64, longest_quiet: u64) -> Baseline {
        Baseline { runs, resources, quiet, longest_quiet, ..Baseline::default() }
    }

    /// Faults: F12.
    #[test]
    fn a_silence_is_suspect_when_it_is_no_chance_and_no_habit() {
        // name, runs before, resources in them, quiet by now, longest quiet, suspect
        let cases = [
            ("nothing known", 0, 0, 0, 0, false),
            ("too few exports", 3, 300, 0, 0, false),
            ("seven a run, one silence: e^-7 = 0.0009", 10, 70, 0, 0, true),
            ("six a run, one silence: e^-6 = 0.0025", 10, 60, 0, 0, false),
            ("six a run, two silences: e^-12", 11, 60, 1, 0, true),
            ("one in ten runs, five silences", 15, 1, 5, 0, false),
            ("a habit", 10, 700, 0, 1, false),
            ("longer than the habit", 11, 700, 1, 1, true),
            ("nothing ever came", 50, 0, 50, 0, false),
        ];
        for (name, runs, resources, quiet, longest, expected) in cases {
            let found = too_quiet(&baseline(runs, resources, quiet, longest));
            assert_eq!(found.is_some(), expected, "case: {name}");
        }
    }

    /// Items: S6.
    #[test]
    fn a_silence_ends_with_a_resource_or_an_explanation() {
        let quiet = after_changes(&baseline(5, 50, 0, 0), 0, false);
        assert_eq!(quiet, baseline(6, 50, 1, 0));
        assert_eq!(after_changes(&quiet, 3, false), baseline(7, 53, 0, 1));
        let explained = after_changes(&baseline(5, 50, 0, 0), 0, true);
        assert_eq!(explained, baseline(6, 50, 1, 1));
        assert!(too_quiet(&after_changes(&explained, 9, false)).is_none());
    }

    /// Items: 142. Faults: F28.
    #[test]
    fn since_was_ignored_when_every_type_came_whole() {
        let kind = |name: &str| name.parse::<ResourceType>().unwrap();
        let full = |count| Baseline { full_count: Some(count), ..Baseline::default() };
        let history: BTreeMap<ResourceType, Baseline> = [
            (kind("Patient"), full(15)),
            (kind("Condition"), full(30)),
            (kind("Basic"), full(0)),
        ]
        .into();
        let came = |patients, conditions| {
            BTreeMap::from([
                ("Patient".to_owned(), patients),
                ("Condition".to_owned(), conditions),
            ])
        };
        let all = [kind("Patient"), kind("Condition")];
        let cases = [
            ("all of both", &all[..], came(15, 30), true),
            ("more of both", &all[..], came(16, 31), true),
            ("all of one", &all[..], came(15, 2), false),
            ("all of the one that was asked for, but few", &all[..1], came(15, 2), false),
            ("whatever the server gives", &[], came(15, 30), true),
            ("nothing", &[], came(0, 0), false),
        ];
        for (name, asked, came, expected) in cases {
            assert_eq!(ignores_since(&history, asked, &came), expected, "case: {name}");
        }
    }
}
