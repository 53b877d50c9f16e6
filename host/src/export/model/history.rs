//! What happens in one history: to the server, to the cohort, to the operator. Data, so that a
//! failing history can be made shorter and shown.

use super::chance::Chance;

pub(super) const SECOND: i64 = 1_000;
pub(super) const MINUTE: i64 = 60 * SECOND;

/// Patients there are; the first resources are theirs.
pub(super) const PATIENTS: usize = 4;
/// Resources there may be, patients among them.
pub(super) const RESOURCES: usize = 16;

/// The latest that a write is visible, the oldest that a replica is, the longest that a job
/// runs: together less than the overlap, which is what an overlap is for.
const LATEST: i64 = 4 * MINUTE;
const AHEAD: i64 = 45 * SECOND;
const LAG: i64 = 2 * MINUTE;
const LONGEST: i64 = 2 * MINUTE;

/// More than a history ever has.
const WELL_AHEAD: usize = 1_000;

/// When a server says that it looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Start,
    End,
    Truncated,
    /// A replica's own time: honest.
    Snapshot,
    Never,
}

/// What a server is like, and how wrong our clock is.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is drawn by itself and shrunk by itself"
)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Habits {
    pub(super) told: Told,
    pub(super) tells_date: bool,
    pub(super) skew: i64,
    /// `_since` is >= and not >.
    pub(super) is_inclusive: bool,
    pub(super) reports_deletions: bool,
    /// We ask for all types without naming them.
    pub(super) asks_for_all: bool,
    /// Of so many records it is written down ahead of the sink's word that it has them.
    pub(super) handled: usize,
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Wait(i64),
    /// An ordinary write, also to another patient. `late` until it is visible; `ahead` of the
    /// server's clock.
    Write {
        resource: usize,
        patient: usize,
        late: i64,
        ahead: i64,
    },
    /// Without a new `lastUpdated`.
    EditSilently {
        resource: usize,
        patient: usize,
    },
    /// With an old `lastUpdated`.
    Backdate {
        resource: usize,
        patient: usize,
    },
    Delete {
        resource: usize,
        late: i64,
    },
    DeleteSilently {
        resource: usize,
    },
    /// Joins the cohort, or leaves it.
    Toggle {
        patient: usize,
    },
    Sync(Sync),
}

/// One run of the operator, and how it goes wrong.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is drawn by itself and shrunk by itself"
)]
#[derive(Clone, Debug, Default)]
pub(super) struct Sync {
    /// Of what the server does as it pleases.
    pub(super) seed: u64,
    pub(super) is_full: bool,
    pub(super) lag: i64,
    pub(super) takes: i64,
    /// A finished job is given out again.
    pub(super) reuses: bool,
    /// Written while the job runs.
    pub(super) meanwhile: Option<(usize, usize)>,
    /// Files show the moment at which they are written as well.
    pub(super) is_torn: bool,
    pub(super) repeats: bool,
    /// `deleted` names what was made again.
    pub(super) tells_too_much: bool,
    /// After so many steps, each after the one before.
    pub(super) crashes: Vec<u64>,
    /// Joins or leaves after the first crash.
    pub(super) toggles: Option<usize>,
    /// The job is gone after a crash.
    pub(super) forgets: bool,
    /// This file breaks off after so many lines, each time.
    pub(super) breaks: Option<(u32, usize)>,
}

/// One history.
#[derive(Clone, Debug)]
pub(super) struct History {
    pub(super) habits: Habits,
    pub(super) cohort: Vec<usize>,
    pub(super) steps: Vec<Step>,
}

impl History {
    pub(super) fn of(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let told = [Told::Start, Told::End, Told::Truncated, Told::Snapshot, Told::Never];
        let tells_date = !chance.once_in(4);
        // Without the server's clock ours counts, with a margin of five minutes.
        let most = if tells_date { 24 * 60 * MINUTE } else { 5 * MINUTE };
        let habits = Habits {
            told: told[chance.index(told.len())],
            tells_date,
            skew: chance.ms(2 * most) - most,
            is_inclusive: chance.once_in(2),
            reports_deletions: !chance.once_in(4),
            asks_for_all: chance.once_in(2),
            handled: WELL_AHEAD,
        };
        let mut steps: Vec<Step> = (0..PATIENTS + 4)
            .map(|resource| {
                let patient = chance.index(PATIENTS);
                Step::Write { resource, patient, late: 0, ahead: 0 }
            })
            .collect();
        for _ in 0..6 {
            for _ in 0..2 + chance.index(4) {
                steps.push(step(&mut chance));
            }
            let most = if chance.once_in(3) { 20 * SECOND } else { 30 * MINUTE };
            steps.push(Step::Wait(chance.ms(most)));
            steps.push(Step::Sync(sync(&mut chance)));
        }
        Self { habits, cohort: vec![0, 1], steps }
    }

    /// The same, with things written down ahead of the sink's word, or not.
    pub(super) fn ahead(mut self, seed: u64) -> Self {
        let mut chance = Chance::new(!seed);
        self.habits.handled =
            if chance.once_in(2) { 1 + chance.index(2) } else { WELL_AHEAD };
        self
    }

    /// Shorter histories, or such of fewer faults: larger cuts first.
    pub(super) fn shorter(&self) -> Vec<Self> {
        let with = |steps| Self { steps, ..self.clone() };
        let mut shorter = Vec::new();
        if self.habits.handled < WELL_AHEAD {
            let habits = Habits { handled: WELL_AHEAD, ..self.habits };
            shorter.push(Self { habits, ..self.clone() });
        }
        for size in [8, 4, 2, 1] {
            for at in (0..self.steps.len()).step_by(size) {
                let mut steps = self.steps.clone();
                steps.drain(at..(at + size).min(steps.len()));
                shorter.push(with(steps));
            }
        }
        for (at, step) in self.steps.iter().enumerate() {
            let Step::Sync(sync) = step else { continue };
            let fewer = [
                Sync { lag: 0, ..sync.clone() },
                Sync { reuses: false, ..sync.clone() },
                Sync { meanwhile: None, is_torn: false, ..sync.clone() },
                Sync { is_torn: false, ..sync.clone() },
                Sync { repeats: false, ..sync.clone() },
                Sync { tells_too_much: false, ..sync.clone() },
                Sync { crashes: Vec::new(), ..sync.clone() },
                Sync { toggles: None, ..sync.clone() },
                Sync { forgets: false, ..sync.clone() },
                Sync { breaks: None, ..sync.clone() },
                Sync { is_full: false, ..sync.clone() },
            ];
            for fewer in fewer {
                if format!("{fewer:?}") != format!("{sync:?}") {
                    let mut steps = self.steps.clone();
                    steps[at] = Step::Sync(fewer);
                    shorter.push(with(steps));
                }
            }
        }
        shorter
    }
}

fn step(chance: &mut Chance) -> Step {
    let resource = chance.index(RESOURCES);
    let patient = chance.index(PATIENTS);
    match chance.below(20) {
        0..9 => {
            let late = if chance.once_in(3) { chance.ms(LATEST) } else { 0 };
            let ahead = if chance.once_in(5) { chance.ms(AHEAD) } else { 0 };
            Step::Write { resource, patient, late, ahead }
        }
        9..12 => {
            let late = if chance.once_in(4) { chance.ms(LATEST) } else { 0 };
            Step::Delete { resource, late }
        }
        12 => Step::DeleteSilently { resource },
        13 => Step::EditSilently { resource, patient },
        14 => Step::Backdate { resource, patient },
        15..18 => Step::Toggle { patient },
        _ => Step::Wait(chance.ms(3 * MINUTE)),
    }
}

fn sync(chance: &mut Chance) -> Sync {
    let mut crashes = Vec::new();
    while crashes.len() < 3 && chance.once_in(2) {
        crashes.push(chance.below(40));
    }
    Sync {
        seed: chance.next(),
        is_full: chance.once_in(6),
        lag: if chance.once_in(4) { chance.ms(LAG) } else { 0 },
        takes: chance.ms(LONGEST),
        reuses: chance.once_in(8),
        meanwhile: chance
            .once_in(2)
            .then(|| (chance.index(RESOURCES), chance.index(PATIENTS))),
        is_torn: chance.once_in(3),
        repeats: chance.once_in(4),
        tells_too_much: chance.once_in(5),
        crashes,
        toggles: chance.once_in(4).then(|| chance.index(PATIENTS)),
        forgets: chance.once_in(6),
        breaks: chance
            .once_in(6)
            .then(|| (chance.index(5).try_into().unwrap(), chance.index(6))),
    }
}
