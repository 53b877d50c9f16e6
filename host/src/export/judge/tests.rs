//! Verdicts of one type, one piece of evidence a case.

use std::time::Duration;

use bulkhead_ledger::FileCheckpoint;
use bulkhead_pipeline::RejectClass;

use super::*;

/// Everything that a verdict is made of; by default one Patient that came whole in an export of
/// everything.
struct Case {
    asked: Vec<ResourceType>,
    since: Option<Instant>,
    files: Vec<FileRecord>,
    tally: Tally,
    outcomes: OutcomeCounts,
    doubt: Option<String>,
    guess: Option<String>,
    met: Met,
    history: BTreeMap<ResourceType, Baseline>,
    probes: BTreeMap<String, Probe>,
    is_comparable: bool,
    holds_on_fault: bool,
    sync: SyncConfig,
}

fn kind(name: &str) -> ResourceType {
    name.parse().unwrap()
}

fn file(name: Option<&str>, count: Option<u64>, read: u64) -> FileRecord {
    let mut tally = Tally::default();
    tally.of(name.unwrap_or("Patient")).read = read;
    FileRecord {
        index: 0,
        array: FileArray::Output,
        resource_type: name.map(kind),
        count,
        state: FileState::Closed,
        checkpoint: Some(FileCheckpoint {
            durable_through: read,
            token: Vec::new(),
            prefix_hash: [0; 16],
            tally: serde_json::to_string(&tally).unwrap(),
        }),
        failure: None,
        proof: Proof::Proven,
    }
}

impl Case {
    fn new() -> Self {
        let mut tally = Tally::default();
        tally.of("Patient").read = 1;
        Self {
            asked: vec![kind("Patient")],
            since: None,
            files: vec![file(Some("Patient"), None, 1)],
            tally,
            outcomes: OutcomeCounts::default(),
            doubt: None,
            guess: None,
            met: Met::default(),
            history: BTreeMap::new(),
            probes: BTreeMap::new(),
            is_comparable: true,
            holds_on_fault: true,
            sync: SyncConfig {
                overlap: Duration::ZERO,
                clock_skew: Duration::ZERO,
                probe: ProbeMode::Absent,
                probe_tolerance: 10,
                unproven_files: UnprovenFiles::Hold,
                incomplete: crate::config::Incomplete::Hold,
                accept_omission: Vec::new(),
                keep_history: Duration::ZERO,
                remembers: crate::config::Remembers::Resources,
                left: crate::config::LeftPolicy::Retract,
                backfill: Vec::new(),
                everything_most: 0,
                backfill_most: 0,
                samples: 0,
                keep_deleted: Duration::ZERO,
                most_deletions: 10,
                catch_up: None,
                full_resync: None,
                export_log: None,
            },
        }
    }

    /// The same without any Patient.
    fn absent() -> Self {
        Self { files: Vec::new(), tally: Tally::default(), ..Self::new() }
    }

    fn verdicts(&self) -> BTreeMap<String, Verdict> {
        judge(&Evidence {
            asked: &self.asked,
            since: self.since,
            files: &self.files,
            tally: &self.tally,
            came: &came(&self.tally),
            outcomes: &self.outcomes,
            doubt: self.doubt.clone(),
            guess: self.guess.clone(),
            met: &self.met,
            history: &self.history,
            probes: &self.probes,
            is_comparable: &|_| self.is_comparable,
            holds_on_fault: self.holds_on_fault,
            sync: &self.sync,
        })
    }
}

fn scope(text: &str) -> Met {
    Met { scope: Some(text.to_owned()), ..Met::default() }
}

fn issue(of: &str, issue: &str) -> OutcomeCounts {
    let issues = BTreeMap::from([(issue.to_owned(), 2)]);
    let concerns = BTreeMap::from([(of.to_owned(), issues)]);
    OutcomeCounts { concerns, ..OutcomeCounts::default() }
}

fn probed(probe: Probe) -> BTreeMap<String, Probe> {
    BTreeMap::from([("Patient".to_owned(), probe)])
}

fn history(baseline: Baseline) -> BTreeMap<ResourceType, Baseline> {
    BTreeMap::from([(kind("Patient"), baseline)])
}

fn at() -> Instant {
    Instant::from_unix_ms(0)
}

/// Items: 26, 27, 81, 92, 105, 112, 142, S6.
/// Faults: F10, F12, F15, F16, F28, F30.
#[test]
fn every_piece_of_evidence_has_its_verdict() {
    let since = Some(at());
    let full = |count| Baseline {
        full_count: Some(count),
        full_at: Some(at()),
        ..Baseline::default()
    };
    let busy = Baseline { runs: 10, resources: 900, ..full(50) };
    let omitted =
        |issue: &str| Verdict::OmittedReported(BTreeMap::from([(issue.to_owned(), 2)]));
    let mut failed = file(Some("Patient"), None, 0);
    failed.state = FileState::Failed;
    failed.failure = Some("gone".to_owned());
    let deletions = FileRecord {
        array: FileArray::Deleted,
        resource_type: Some(kind("Bundle")),
        ..failed.clone()
    };
    let unproven =
        FileRecord { proof: Proof::Unproven, ..file(Some("Patient"), None, 1) };
    let mut faulty = Tally::default();
    faulty.of("Patient").read = 1;
    faulty.quarantine("", "read", RejectClass::Malformed, "not-json");
    let trusting = SyncConfig { probe: ProbeMode::Off, ..Case::new().sync };
    let lenient =
        SyncConfig { unproven_files: UnprovenFiles::Accept, ..Case::new().sync };
    let lists = |names: &[&str]| Met {
        offered: names.iter().map(|name| kind(name)).collect(),
        ..Met::default()
    };
    let new = Case::new;
    let absent = Case::absent;
    let cases = vec![
        ("it came", new(), Verdict::Complete),
        (
            "a file failed",
            Case { files: vec![failed], ..new() },
            Verdict::FileFailed("gone".into()),
        ),
        (
            "deletions failed",
            Case { files: vec![deletions], ..new() },
            Verdict::FileFailed("gone".into()),
        ),
        (
            "not granted",
            Case { met: scope("system/Basic.rs"), ..new() },
            Verdict::NotGranted,
        ),
        ("nothing granted", Case { met: scope(""), ..new() }, Verdict::NotGranted),
        (
            "partly granted",
            Case { met: scope("system/Patient.rs?x=y"), ..new() },
            Verdict::PartlyGranted,
        ),
        ("granted", Case { met: scope("system/*.rs"), ..new() }, Verdict::Complete),
        (
            "errors of it",
            Case { outcomes: issue("Patient", "error exception"), ..new() },
            Verdict::ServerErrors(2),
        ),
        (
            "errors of none",
            Case { outcomes: issue("", "fatal exception"), ..new() },
            Verdict::ServerErrors(2),
        ),
        (
            "errors of another",
            Case { outcomes: issue("Basic", "error exception"), ..new() },
            Verdict::Complete,
        ),
        (
            "omission of it",
            Case { outcomes: issue("Patient", "warning suppressed"), ..new() },
            omitted("warning suppressed"),
        ),
        (
            "omission of some",
            Case { outcomes: issue("", "information too-costly"), ..new() },
            omitted("information too-costly"),
        ),
        (
            "outcomes unread",
            Case {
                outcomes: OutcomeCounts { unread: 3, ..OutcomeCounts::default() },
                ..new()
            },
            Verdict::OutcomesUnread(3),
        ),
        (
            "a guess of nothing",
            Case { guess: Some("x".into()), ..absent() },
            Verdict::Doubtful("x".into()),
        ),
        (
            "a guess of nothing, which a count confirms",
            Case {
                guess: Some("x".into()),
                probes: probed(Probe::Counted(0)),
                ..absent()
            },
            Verdict::EmptyConfirmed,
        ),
        (
            "a doubtful manifest",
            Case { doubt: Some("x".into()), ..new() },
            Verdict::Doubtful("x".into()),
        ),
        (
            "a wrong count",
            Case { files: vec![file(Some("Patient"), Some(5), 1)], ..new() },
            Verdict::Count { expected: 5, found: 1 },
        ),
        (
            "a right count",
            Case { files: vec![file(Some("Patient"), Some(1), 1)], ..new() },
            Verdict::Complete,
        ),
        (
            "cut without a sign",
            Case { files: vec![unproven.clone()], ..new() },
            Verdict::Unproven(1),
        ),
        (
            "taken as whole",
            Case { files: vec![unproven], sync: lenient, ..new() },
            Verdict::Complete,
        ),
        (
            "a fault of no type",
            Case { tally: faulty.clone(), ..new() },
            Verdict::Faulty(1),
        ),
        (
            "a fault let pass",
            Case { tally: faulty, holds_on_fault: false, ..new() },
            Verdict::Complete,
        ),
        (
            "counted more",
            Case { probes: probed(Probe::Counted(2)), ..new() },
            Verdict::Suspect(Suspicion::CountedMore { counted: 2, came: 1 }),
        ),
        (
            "counted as many",
            Case { probes: probed(Probe::Counted(1)), ..new() },
            Verdict::Complete,
        ),
        (
            "counted elsewhere",
            Case { probes: probed(Probe::Counted(9)), is_comparable: false, ..new() },
            Verdict::Complete,
        ),
        (
            "came, though counting is refused",
            Case { probes: probed(Probe::Refused), ..new() },
            Verdict::Complete,
        ),
        ("absent, nothing known", absent(), Verdict::Unconfirmed),
        ("absent, trusted", Case { sync: trusting, ..absent() }, Verdict::Empty),
        (
            "absent, counted none",
            Case { probes: probed(Probe::Counted(0)), ..absent() },
            Verdict::EmptyConfirmed,
        ),
        (
            "absent, counted some",
            Case { probes: probed(Probe::Counted(4)), ..absent() },
            Verdict::Suspect(Suspicion::CountedMore { counted: 4, came: 0 }),
        ),
        (
            "absent, counting is refused",
            Case { probes: probed(Probe::Refused), ..absent() },
            Verdict::NotGranted,
        ),
        (
            "absent, counting failed",
            Case { probes: probed(Probe::Failed("x".into())), ..absent() },
            Verdict::Unconfirmed,
        ),
        (
            "absent, not offered",
            Case { met: lists(&["Basic"]), ..absent() },
            Verdict::NotOffered,
        ),
        (
            "absent, offered",
            Case { met: lists(&["Basic", "Patient"]), ..absent() },
            Verdict::Unconfirmed,
        ),
        (
            "came, not offered",
            Case { met: lists(&["Basic"]), ..new() },
            Verdict::Complete,
        ),
        (
            "absent, was there",
            Case { history: history(full(3)), ..absent() },
            Verdict::Suspect(Suspicion::WasThere { count: 3, at: at() }),
        ),
        (
            "absent, was never there",
            Case { history: history(full(0)), ..absent() },
            Verdict::Unconfirmed,
        ),
        (
            "absent, was there, counted none",
            Case {
                history: history(full(3)),
                probes: probed(Probe::Counted(0)),
                ..absent()
            },
            Verdict::EmptyConfirmed,
        ),
        ("nothing new", Case { since, ..absent() }, Verdict::Empty),
        (
            "nothing new, not offered",
            Case { since, met: lists(&["Basic"]), ..absent() },
            Verdict::Empty,
        ),
        (
            "nothing new of many",
            Case { since, history: history(busy.clone()), ..absent() },
            Verdict::Suspect(Suspicion::Quiet { runs: 1, resources: 900, in_runs: 10 }),
        ),
        (
            "nothing new of many, counted none",
            Case {
                since,
                history: history(busy),
                probes: probed(Probe::Counted(0)),
                ..absent()
            },
            Verdict::EmptyConfirmed,
        ),
        (
            "some new",
            Case { since, history: history(full(50)), ..new() },
            Verdict::Complete,
        ),
    ];
    for (name, case, expected) in cases {
        let verdicts = case.verdicts();
        assert_eq!(verdicts.get("Patient"), Some(&expected), "case: {name}");
    }

    let mut everything = Case { since, history: history(full(50)), ..new() };
    everything.tally.of("Patient").read = 50;
    let expected = Verdict::Suspect(Suspicion::SinceIgnored { came: 50, full: 50 });
    assert_eq!(everything.verdicts()["Patient"], expected);
}

mod together;
