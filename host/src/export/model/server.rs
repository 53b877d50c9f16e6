//! A server of which everything is known: what it holds at any moment, what it shows of it, and
//! what nobody who asks for changes can see.

use std::collections::{BTreeMap, BTreeSet};

use bulkhead_ledger::FileArray;
use bulkhead_model::Instant;

use super::{
    chance::Chance,
    history::{Habits, MINUTE, PATIENTS, Step, Sync, Told},
};

/// One version of one resource.
#[derive(Clone, Debug)]
struct Version {
    visible: i64,
    updated: i64,
    /// Whose it is, and what it says; `None` of what is deleted.
    body: Option<(usize, u64)>,
    is_reported: bool,
}

/// A file that a job made.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) array: FileArray,
    pub(super) kind: &'static str,
    pub(super) lines: Vec<String>,
}

/// A job that is done.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) transaction_time: Option<Instant>,
    pub(super) files: Vec<Made>,
    asked: Asked,
    done_at: i64,
}

/// What a kick-off asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) since: Option<Instant>,
    /// Ids; empty for all.
    pub(super) patients: Vec<String>,
    /// Who is in the cohort: no business of the server's. An old job is not given out for
    /// everything after somebody joined: it may bring what was deleted since, of which the
    /// destination had no need to hear then.
    pub(super) cohort: BTreeSet<usize>,
}

/// The server.
pub(super) struct Server {
    habits: Habits,
    pub(super) now: i64,
    resources: BTreeMap<usize, Vec<Version>>,
    /// Resources whose latest change nobody can see who asks for changes.
    pub(super) hidden: BTreeSet<usize>,
    jobs: Vec<Job>,
    words: u64,
}

pub(super) const KINDS: [&str; 3] = ["Patient", "Condition", "Observation"];

impl Server {
    pub(super) const fn new(habits: Habits) -> Self {
        Self {
            habits,
            now: 1_767_225_600_000,
            resources: BTreeMap::new(),
            hidden: BTreeSet::new(),
            jobs: Vec::new(),
            words: 0,
        }
    }

    /// Lets one thing happen that is the server's.
    pub(super) fn step(&mut self, step: &Step) {
        match *step {
            Step::Wait(ms) => self.now += ms,
            Step::Write { resource, patient, late, ahead } => {
                let body = self.body(resource, patient);
                self.push(resource, late, self.now + ahead, Some(body), true);
                self.hidden.remove(&resource);
            }
            Step::EditSilently { resource, patient } => {
                if let Some(last) = self.last(resource) {
                    let (updated, body) = (last.updated, self.body(resource, patient));
                    self.push(resource, 0, updated, Some(body), true);
                    self.hidden.insert(resource);
                }
            }
            Step::Backdate { resource, patient } => {
                let body = self.body(resource, patient);
                self.push(resource, 0, self.now - 48 * 60 * MINUTE, Some(body), true);
                self.hidden.insert(resource);
            }
            Step::Delete { resource, late } => self.delete(resource, late, true),
            Step::DeleteSilently { resource } => self.delete(resource, 0, false),
            Step::Toggle { .. } | Step::Sync(_) => {}
        }
        // Two things do not happen at once.
        self.now += 1;
    }

    fn delete(&mut self, resource: usize, late: i64, is_reported: bool) {
        if self.last(resource).is_none() {
            return;
        }
        let is_reported = is_reported && self.habits.reports_deletions;
        self.push(resource, late, self.now, None, is_reported);
        if is_reported {
            self.hidden.remove(&resource);
        } else {
            self.hidden.insert(resource);
        }
    }

    /// The latest version, visible or not, unless it is a deletion.
    fn last(&self, resource: usize) -> Option<&Version> {
        self.resources.get(&resource)?.last().filter(|version| version.body.is_some())
    }

    fn body(&mut self, resource: usize, patient: usize) -> (usize, u64) {
        self.words += 1;
        (if resource < PATIENTS { resource } else { patient }, self.words)
    }

    fn push(
        &mut self,
        resource: usize,
        late: i64,
        updated: i64,
        body: Option<(usize, u64)>,
        is_reported: bool,
    ) {
        let versions = self.resources.entry(resource).or_default();
        // Versions of one resource do not overtake each other.
        let visible = versions.last().map_or(i64::MIN, |last| last.visible);
        let visible = visible.max(self.now + late);
        versions.push(Version { visible, updated, body, is_reported });
    }

    fn seen_at(&self, resource: usize, at: i64) -> Option<&Version> {
        self.resources.get(&resource)?.iter().rfind(|version| version.visible <= at)
    }

    /// Whether it can be read by id, by its key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.resources.keys().any(|resource| {
            name(*resource) == key
                && self.seen_at(*resource, self.now).is_some_and(|of| of.body.is_some())
        })
    }

    /// What the destination should hold, by key.
    pub(super) fn expected(&self, cohort: &BTreeSet<usize>) -> BTreeMap<String, String> {
        let mut expected = BTreeMap::new();
        for resource in self.resources.keys() {
            if let Some(version) = self.seen_at(*resource, self.now)
                && let Some((patient, word)) = version.body
                && cohort.contains(&patient)
            {
                let line = line(*resource, patient, word, version.updated);
                expected.insert(name(*resource), line);
            }
        }
        expected
    }

    /// Keys of what nobody can see who asks for changes.
    pub(super) fn hidden(&self) -> BTreeSet<String> {
        self.hidden.iter().map(|resource| name(*resource)).collect()
    }

    pub(super) fn date(&self) -> Option<Instant> {
        let date = Instant::from_unix_ms(self.now).floor_seconds();
        self.habits.tells_date.then_some(date)
    }

    pub(super) fn job(&self, number: usize) -> &Job {
        &self.jobs[number]
    }

    /// Runs a job from kick-off to manifest, and gives its number.
    pub(super) fn run(&mut self, asked: Asked, sync: &Sync) -> usize {
        let again = self
            .jobs
            .iter()
            .rposition(|job| job.asked == asked && self.now - job.done_at < 60 * MINUTE);
        // Who cannot tell that a job is old cannot know what it lacks: no client can.
        if sync.reuses
            && sync.toggles.is_none()
            && self.habits.told != Told::Never
            && let Some(number) = again
        {
            return number;
        }
        let start = self.now;
        let snapshot = start - sync.lag;
        self.now += sync.takes / 2;
        if let Some((resource, patient)) = sync.meanwhile {
            self.step(&Step::Write { resource, patient, late: 0, ahead: 0 });
        }
        self.now += sync.takes / 2 + 1;
        let at = |ms| Some(Instant::from_unix_ms(ms));
        let transaction_time = match self.habits.told {
            Told::Start => at(start),
            Told::End => at(self.now),
            Told::Truncated => at(start - start.rem_euclid(MINUTE / 60)),
            Told::Snapshot => at(snapshot),
            Told::Never => None,
        };
        let files = self.files(&asked, sync, snapshot);
        self.jobs.push(Job { transaction_time, files, asked, done_at: self.now });
        self.jobs.len() - 1
    }

    fn files(&self, asked: &Asked, sync: &Sync, snapshot: i64) -> Vec<Made> {
        let mut chance = Chance::new(sync.seed);
        let mut files = Vec::new();
        let moments =
            if sync.is_torn { vec![snapshot, self.now] } else { vec![snapshot] };
        for kind in KINDS {
            let mut lines = BTreeSet::new();
            for moment in &moments {
                lines.extend(self.lines(kind, asked, *moment));
            }
            let mut lines: Vec<String> = lines.into_iter().collect();
            if sync.repeats && !lines.is_empty() {
                lines.push(lines[chance.index(lines.len())].clone());
            }
            chance.shuffle(&mut lines);
            let middle = chance.index(lines.len() + 1);
            let rest = lines.split_off(middle);
            let array = FileArray::Output;
            let parts = [lines, rest].into_iter().filter(|lines| !lines.is_empty());
            files.extend(parts.map(|lines| Made { array, kind, lines }));
        }
        let mut lines = self.deletions(asked, sync, snapshot);
        if !lines.is_empty() {
            chance.shuffle(&mut lines);
            files.push(Made { array: FileArray::Deleted, kind: "Bundle", lines });
        }
        files
    }

    fn is_after(&self, updated: i64, since: Option<Instant>) -> bool {
        let Some(since) = since.map(Instant::unix_ms) else { return true };
        updated > since || self.habits.is_inclusive && updated == since
    }

    fn lines(&self, kind: &str, asked: &Asked, moment: i64) -> Vec<String> {
        let of = |resource: &usize| {
            let version = self.seen_at(*resource, moment)?;
            let (patient, word) = version.body?;
            let is_asked_for = asked.patients.is_empty()
                || asked.patients.contains(&format!("p{patient}"));
            let is_in = kind_of(*resource) == kind
                && is_asked_for
                && self.is_after(version.updated, asked.since);
            is_in.then(|| line(*resource, patient, word, version.updated))
        };
        self.resources.keys().filter_map(of).collect()
    }

    fn deletions(&self, asked: &Asked, sync: &Sync, snapshot: i64) -> Vec<String> {
        if asked.since.is_none() {
            return Vec::new();
        }
        let mut lines = Vec::new();
        for (resource, versions) in &self.resources {
            let mut seen = versions.iter().filter(|of| of.visible <= snapshot).rev();
            let is_told = |of: &Version| {
                of.body.is_none()
                    && of.is_reported
                    && self.is_after(of.updated, asked.since)
            };
            let last_is = seen.next().is_some_and(is_told);
            if last_is || sync.tells_too_much && seen.any(is_told) {
                let url = name(*resource);
                lines.push(format!(
                    r#"{{"resourceType":"Bundle","type":"transaction","entry":[{{"request":{{"method":"DELETE","url":"{url}"}}}}]}}"#
                ));
            }
        }
        lines
    }
}

const fn kind_of(resource: usize) -> &'static str {
    if resource < PATIENTS { KINDS[0] } else { KINDS[1 + resource % 2] }
}

fn name(resource: usize) -> String {
    let letter = if resource < PATIENTS { 'p' } else { 'r' };
    format!("{}/{letter}{resource}", kind_of(resource))
}

fn line(resource: usize, patient: usize, word: u64, updated: i64) -> String {
    let (kind, key) = (kind_of(resource), name(resource));
    let id = key.rsplit('/').next().unwrap();
    let updated = Instant::from_unix_ms(updated);
    let subject = if resource < PATIENTS {
        String::new()
    } else {
        format!(r#""subject":{{"reference":"Patient/p{patient}"}},"#)
    };
    format!(
        r#"{{"resourceType":"{kind}","id":"{id}","meta":{{"lastUpdated":"{updated}"}},{subject}"language":"{word}"}}"#
    )
}
