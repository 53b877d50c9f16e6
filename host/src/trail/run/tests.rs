//! What stands in the audit log of a run.

use bulkhead_ledger::{NewExport, PluginUse, audit::AuditLine};
use bulkhead_model::Instant;

use super::*;

fn ledger(folder: &std::path::Path) -> Ledger {
    Ledger::open(folder.join("ledger.db")).unwrap()
}

/// The lines of the log.
fn lines(ledger: &Ledger) -> Vec<(String, Value)> {
    let text = fs_err::read(ledger.audit_path()).unwrap();
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let decoded = lines.map(|line| AuditLine::decode(line).unwrap());
    decoded.map(|line| (line.event, line.payload)).collect()
}

#[test]
fn another_plugin_under_the_same_name_is_written_down_once() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(folder.path());
    let trail = Trail::new(&ledger);
    let of = |digest: &str| BTreeMap::from([("p".to_owned(), digest.to_owned())]);
    for digest in ["a", "a", "b", "b"] {
        trail.plugins(&of(digest)).unwrap();
    }
    let changed = json!({ "plugin": "p", "before": "a", "now": "b" });
    assert_eq!(lines(&ledger), [("plugin-changed".to_owned(), changed)]);
}

/// Attacks: 22.
#[test]
fn what_guests_died_of_and_asked_for_in_vain_is_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(folder.path());
    let at = Instant::from_unix_ms(1_000);
    let id: ExportId = "e1".parse().unwrap();
    let export = NewExport {
        id: &id,
        stream: "s",
        chain: "c",
        request: "{}",
        fingerprint: "f",
        kickoff_instant: at,
        server_date: None,
        since: None,
    };
    ledger.begin(&export).unwrap();
    let called = |interface: &str, name: &str, calls, refused| PluginUse {
        stage: "sink".to_owned(),
        digest: "d".to_owned(),
        interface: interface.to_owned(),
        name: name.to_owned(),
        calls,
        bytes: 0,
        refused,
    };
    let uses = [
        called(DEATHS, "plugin-memory", 2, 0),
        called("outbound-http", "dwh", 5, 0),
        called("outbound-http", "", 0, 3),
        called("artifacts", "", 0, 1),
    ];
    ledger.note_uses(&id, &uses, at).unwrap();
    let trail = Trail::new(&ledger);
    let head = trail.write(Event::RunStarted, &json!({})).unwrap();
    let started = Started { chain: "c".to_owned(), head };
    trail.ended(&started, &Ok(Vec::new()), &[id]).unwrap();
    let (_, told) = lines(&ledger).pop().unwrap();
    assert_eq!(told["deaths"], json!({ "sink": { "plugin-memory": 2 } }));
    let refused = json!({ "sink": { "artifacts": 1, "outbound-http": 3 } });
    assert_eq!(told["refused-calls"], refused);
}
