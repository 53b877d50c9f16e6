//! The ledger through its public door: every test has a database of its own on disk.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod audit;
mod cohorts;
mod crash;
mod delivered;
mod evidence;
mod files;
mod journal;
mod overlaps;
mod place;
mod shared;
mod state;
mod voids;
mod watermarks;

use bulkhead_ledger::{
    Completion, ExportId, FileArray, FileCheckpoint, Ledger, NewExport, NewFile,
    QuarantineEntry, Watermark,
};
use bulkhead_model::{Instant, ResourceType};
use tempfile::TempDir;

/// A ledger in a directory that goes with it.
struct Fixture {
    ledger: Ledger,
    directory: TempDir,
}

impl Fixture {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(directory.path().join("ledger.db")).unwrap();
        Self { ledger, directory }
    }

    /// With export `e1` of stream `s` under way: files of Patient, Observation, no type.
    fn under_way() -> Self {
        let fixture = Self::new();
        manifest(&fixture.ledger, "e1", None, &three_files());
        fixture
    }
}

fn manifest(ledger: &Ledger, name: &str, since: Option<i64>, files: &[NewFile]) {
    begin(ledger, name, since);
    ledger.accepted(&id(name), "https://h/job/1").unwrap();
    ledger.manifested(&id(name), "{}", Some(at(100)), files).unwrap();
}

fn begin(ledger: &Ledger, name: &str, since: Option<i64>) {
    ledger.begin(&NewExport { since: since.map(at), ..new_export(&id(name)) }).unwrap();
}

fn new_export(id: &ExportId) -> NewExport<'_> {
    NewExport {
        id,
        stream: "s",
        chain: "research",
        request: "{}",
        fingerprint: "f",
        kickoff_instant: at(110),
        server_date: Some(at(105)),
        since: None,
    }
}

fn three_files() -> Vec<NewFile> {
    vec![
        file(0, FileArray::Output, Some("Patient")),
        file(1, FileArray::Output, Some("Observation")),
        file(2, FileArray::Outcome, None),
    ]
}

fn file(index: u32, array: FileArray, resource_type: Option<&str>) -> NewFile {
    NewFile { index, array, resource_type: resource_type.map(kind), count: Some(7) }
}

fn through(line: u64) -> FileCheckpoint {
    FileCheckpoint {
        durable_through: line,
        token: line.to_be_bytes().to_vec(),
        prefix_hash: u128::from(line).to_be_bytes(),
        tally: format!("{{\"read\":{line}}}"),
    }
}

fn refused(file: u32, line: u64) -> QuarantineEntry {
    QuarantineEntry {
        file,
        line,
        resource_type: Some(kind("Patient")),
        stage: "cohort-filter".to_owned(),
        class: "rejected".to_owned(),
        code: "no-patient".to_owned(),
    }
}

fn mark(effective: i64) -> Watermark {
    Watermark {
        effective: at(effective),
        set_by: id("e1"),
        transaction_time: Some(at(effective)),
        server_date: None,
        kickoff_instant: at(effective + 5),
    }
}

/// An end with these watermarks and nothing else.
fn end<'a>(
    report: &'a str,
    watermarks: &'a [(ResourceType, Watermark)],
) -> Completion<'a> {
    Completion { watermarks, subject: "s", baselines: &[], omissions: &[], report }
}

fn at(ms: i64) -> Instant {
    Instant::from_unix_ms(ms)
}

fn id(text: &str) -> ExportId {
    text.parse().unwrap()
}

fn kind(text: &str) -> ResourceType {
    text.parse().unwrap()
}
