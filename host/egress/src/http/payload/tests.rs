use bulkhead_ndjson::{Framer, FramerLimits};
use bulkhead_pipeline::{FileKind, Intake, Tally};
use serde_json::{Value, json};

use super::*;

/// Records of these lines, with the changes and new bodies that stages would make of them.
fn batch(lines: &[&str], change: impl Fn(usize, &mut Record)) -> Batch {
    let mut framer = Framer::new(FramerLimits::default());
    framer.push(lines.join("\n").into());
    let block = framer.finish().0.unwrap();
    let mut intake = Intake::new(0, FileKind::Output(None), Bases::default());
    let batch = intake.take(&block, &mut Tally::default()).unwrap().batch.unwrap();
    let mut records = batch.records().to_vec();
    for (at, record) in records.iter_mut().enumerate() {
        change(at, record);
    }
    Batch::new(0, batch.kinds().clone(), records, block.bytes)
}

const LINES: [&str; 3] = [
    r#"{"resourceType":"Patient","id":"a","active":true}"#,
    r#"{"resourceType":"Patient","id":"b"}"#,
    r#"{"resourceType":"Observation","id":"a"}"#,
];

fn whole(payload: &Payload) -> String {
    let whole = String::from_utf8(payload.pieces().concat()).unwrap();
    assert_eq!(payload.len(), whole.len() as u64);
    whole
}

fn send(batch: &Batch, which: &Positions, framing: Framing) -> Result<String, HttpError> {
    Payload::records(batch, which, framing).map(|payload| whole(&payload))
}

#[test]
fn writes_the_chosen_records_in_each_framing() {
    let batch = batch(&LINES, |_, _| ());
    let [a, b, o] = LINES;
    let some = Positions::Bits(vec![0b101]);
    let cases = [
        ("lines", Positions::All, Framing::Ndjson, format!("{a}\n{b}\n{o}\n")),
        ("some lines", some.clone(), Framing::Ndjson, format!("{a}\n{o}\n")),
        ("an array", Positions::All, Framing::JsonArray, format!("[{a},{b},{o}]")),
        ("an array of some", some, Framing::JsonArray, format!("[{a},{o}]")),
    ];
    for (name, which, framing, expected) in cases {
        assert_eq!(send(&batch, &which, framing).unwrap(), expected, "case: {name}");
    }
    let none = send(&batch, &Positions::None, Framing::Ndjson);
    assert!(matches!(none, Err(HttpError::Records { .. })));
}

#[test]
fn a_bundle_puts_what_is_there_and_deletes_what_is_not() {
    let batch = batch(&LINES, |at, record| {
        record.change = [Change::Upsert, Change::Delete, Change::Retract][at];
    });
    for (framing, kind) in
        [(Framing::FhirTransaction, "transaction"), (Framing::FhirBatch, "batch")]
    {
        let sent = send(&batch, &Positions::All, framing).unwrap();
        let expected = json!({
            "resourceType": "Bundle",
            "type": kind,
            "entry": [
                {
                    "resource": { "resourceType": "Patient", "id": "a", "active": true },
                    "request": { "method": "PUT", "url": "Patient/a" },
                },
                { "request": { "method": "DELETE", "url": "Patient/b" } },
                { "request": { "method": "DELETE", "url": "Observation/a" } },
            ],
        });
        assert_eq!(
            serde_json::from_str::<Value>(&sent).unwrap(),
            expected,
            "case: {kind}"
        );
        assert!(sent.contains(LINES[0]), "the body goes byte for byte");
    }
}

#[test]
fn a_bundle_names_a_resource_as_it_is_now_and_only_once() {
    let lines =
        [LINES[0], LINES[1], r#"{"resourceType":"Patient","id":"b","active":false}"#];
    let batch = batch(&lines, |at, record| {
        if at == 0 {
            let pseudonym = r#"{"id":"x-1","resourceType":"Patient"}"#;
            record.body = Bytes::from_static(pseudonym.as_bytes());
            record.is_changed = true;
        }
    });
    let sent = send(&batch, &Positions::All, Framing::FhirTransaction).unwrap();
    let sent: Value = serde_json::from_str(&sent).unwrap();
    let urls: Vec<&str> = sent["entry"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["request"]["url"].as_str().unwrap())
        .collect();
    assert_eq!(urls, ["Patient/x-1", "Patient/b"]);
    assert_eq!(sent["entry"][1]["resource"]["active"], json!(false), "the last one");
}

#[test]
fn what_cannot_be_named_in_a_bundle_is_not_sent() {
    type Change = fn(usize, &mut Record);
    let cases: [(&str, &str, Change); 3] = [
        ("a row", LINES[0], |_, record| record.is_row = true),
        ("no id", r#"{"resourceType":"Patient"}"#, |_, _| ()),
        ("no resource any more", LINES[0], |_, record| {
            record.is_changed = true;
            record.body = Bytes::from_static(b"{}");
        }),
    ];
    for (name, line, change) in cases {
        let batch = batch(&[line], change);
        let sent = send(&batch, &Positions::All, Framing::FhirBatch);
        assert!(matches!(sent, Err(HttpError::Records { .. })), "case: {name}");
    }
}
