//! The plugin as the host calls it, in memory.

mod published;
mod redelivery;

use bulkhead_plugin::{
    FinishedFile, Problem,
    artifacts::Compression as Stored,
    testing::{Case, Records, Stage},
};
use serde_json::{Value, json};

use super::*;

const STORE: &str = "lake";

#[test]
fn writes_one_part_a_series() {
    let stage = stage();
    let mut sink = sink(&stage, &json!({}));
    begin(&mut sink, 3, None);
    let receipt = sink
        .deliver(
            &Records::new([
                patient(1, "a"),
                patient(2, "b"),
                Case::resource(r#"{"resourceType":"Observation","id":"o"}"#).seq(3),
                Case::resource(r#"{"resourceType":"view/visits","n":1}"#).seq(3),
                Case::deleted("Patient", "c").seq(4),
                Case::retracted("Patient", "d").seq(5),
                patient(6, "e"),
            ])
            .batch(),
        )
        .unwrap();
    let expected =
        Receipt { accepted: Positions::All, rejects: Vec::new(), durable: None };
    assert_eq!(receipt, expected);
    assert!(stage.stored(STORE).is_empty(), "nothing is visible before a commit");

    let checkpoint = sink.flush().unwrap();
    assert_eq!(checkpoint.durable_through, 6);
    assert_eq!(sink.close(CloseReason::EndOfFile), Ok(Some(checkpoint)));
    let bundle = |id: &str| {
        format!(
            r#"{{"resourceType":"Bundle","type":"transaction","entry":[{{"request":{{"method":"DELETE","url":"Patient/{id}"}}}}]}}"#
        )
    };
    assert_eq!(
        texts(&stage),
        [
            ("e1/Observation/00003-00000.ndjson", r#"{"resourceType":"Observation","id":"o"}"#),
            (
                "e1/Patient/00003-00000.ndjson",
                "{\"resourceType\":\"Patient\",\"id\":\"a\"}\n{\"resourceType\":\"Patient\",\"id\":\"b\"}\n{\"resourceType\":\"Patient\",\"id\":\"e\"}",
            ),
            ("e1/deleted/Patient-00003-00000.ndjson", &bundle("c")),
            ("e1/retracted/Patient-00003-00000.ndjson", &bundle("d")),
            ("e1/view/visits/00003-00000.ndjson", r#"{"resourceType":"view/visits","n":1}"#),
        ]
        .map(|(name, text)| (name.to_owned(), format!("{text}\n")))
    );
}

#[test]
fn ends_parts_where_the_content_says_so() {
    // One patient is 35 bytes and a line end. name, settings, seqs that became durable
    let cases: &[(&str, Value, &[u64])] = &[
        ("every batch", json!({ "part-size": 1 }), &[1, 2, 3, 4, 5]),
        ("exactly two lines", json!({ "part-size": 72 }), &[2, 4]),
        ("a byte more", json!({ "part-size": "73B" }), &[3]),
        ("rows come first", json!({ "part-size": "1GiB", "part-rows": 2 }), &[2, 4]),
        ("bytes come first", json!({ "part-size": 72, "part-rows": 3 }), &[2, 4]),
        ("the default", json!({}), &[]),
    ];
    for (name, settings, expected) in cases {
        let stage = stage();
        let mut sink = sink(&stage, settings);
        begin(&mut sink, 0, None);
        let deliver = |seq| {
            let receipt =
                sink.deliver(&Records::new([patient(seq, "a")]).batch()).unwrap();
            receipt.durable.map(|durable| durable.durable_through)
        };
        let durable: Vec<u64> = (1..=5).filter_map(deliver).collect();
        assert_eq!(durable, *expected, "case: {name}");
        assert_eq!(stage.stored(STORE).len(), expected.len(), "case: {name}");
    }
}

#[test]
fn a_file_without_records_has_no_part() {
    let stage = stage();
    let mut sink = sink(&stage, &json!({}));
    begin(&mut sink, 0, None);
    let flushed = sink.flush().unwrap();
    assert_eq!(flushed.durable_through, 0);
    sink.close(CloseReason::EndOfFile).unwrap();
    conclude(&mut sink, &[(0, flushed.token), (1, Vec::new())]);
    let names: Vec<String> = stage.stored(STORE).into_keys().collect();
    assert_eq!(names, ["e1/manifest.json"]);
}

#[test]
fn gives_up_what_is_not_durable_unless_the_file_ended() {
    for why in [CloseReason::FatalElsewhere, CloseReason::Shutdown] {
        let stage = stage();
        let mut sink = sink(&stage, &json!({}));
        begin(&mut sink, 0, None);
        sink.deliver(&Records::new([patient(1, "a")]).batch()).unwrap();
        assert_eq!(sink.close(why), Ok(None));
        assert!(stage.stored(STORE).is_empty());
        assert_eq!(code(sink.flush().map(|_| ())), "not-open");
    }
    let stage = stage();
    let mut sink = sink(&stage, &json!({}));
    begin(&mut sink, 0, None);
    sink.deliver(&Records::new([patient(1, "a")]).batch()).unwrap();
    let closed = sink.close(CloseReason::EndOfFile).unwrap().unwrap();
    assert_eq!((closed.durable_through, stage.stored(STORE).len()), (1, 1));
}

#[test]
fn resumes_with_the_next_part() {
    let stage = stage();
    let mut first = sink(&stage, &json!({ "compression": "zstd" }));
    begin(&mut first, 0, None);
    first.deliver(&Records::new([patient(1, "a")]).batch()).unwrap();
    let checkpoint = first.flush().unwrap();

    let mut second = sink(&stage, &json!({ "compression": "zstd" }));
    begin(&mut second, 0, Some(checkpoint.clone()));
    assert_eq!(second.flush(), Ok(checkpoint));
    second.deliver(&Records::new([patient(2, "b")]).batch()).unwrap();
    second.flush().unwrap();
    let stored = stage.stored(STORE);
    let names: Vec<&str> = stored.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["e1/Patient/00000-00000.ndjson.zst", "e1/Patient/00000-00001.ndjson.zst"]
    );
    assert!(stored.values().all(|part| part.compression == Stored::Zstd));
}

#[test]
fn refuses_what_it_cannot_take_without_harm() {
    let stage = stage();
    let mut sink = sink(&stage, &json!({}));
    let one = Records::new([patient(1, "a")]);
    assert_eq!(code(sink.deliver(&one.batch()).map(|_| ())), "not-open");
    begin(&mut sink, 0, None);
    sink.deliver(&one.batch()).unwrap();
    assert_eq!(code(sink.deliver(&one.batch()).map(|_| ())), "out-of-order");
    let falling = Records::new([patient(3, "a"), patient(2, "b")]);
    assert_eq!(code(sink.deliver(&falling.batch()).map(|_| ())), "contract");
    let climbing = Records::new([Case::resource(r#"{"resourceType":"../x"}"#).seq(2)]);
    assert_eq!(code(sink.deliver(&climbing.batch()).map(|_| ())), "kind-name");
    // None of it has touched what was taken before.
    assert_eq!(sink.flush().unwrap().durable_through, 1);
    assert_eq!(stage.stored(STORE).len(), 1);
}

#[test]
fn a_part_that_cannot_be_opened_loses_nothing() {
    let granted = stage();
    let mut sink = sink(&granted, &json!({}));
    begin(&mut sink, 0, None);
    sink.deliver(&Records::new([patient(1, "a")]).batch()).unwrap();
    // The operator takes the store away: a new series finds none.
    let revoked = Stage::new();
    let other = Records::new([Case::deleted("Patient", "b").seq(2)]);
    assert_eq!(code(sink.deliver(&other.batch()).map(|_| ())), "artifact.unknown-store");
    let granted = revoked.store(STORE);
    sink.deliver(&other.batch()).unwrap();
    sink.flush().unwrap();
    assert_eq!(granted.stored(STORE).len(), 2);
}

#[test]
fn stops_before_a_checkpoint_outgrows_its_limit() {
    let stage = stage();
    let settings = json!({ "part-rows": 1 });
    let mut made = sink(&stage, &settings);
    begin(&mut made, 0, None);
    made.deliver(&Records::new([patient(1, "a")]).batch()).unwrap();
    // As after thousands of parts, with room for a few more.
    let one = String::from_utf8(made.flush().unwrap().token).unwrap();
    let parts = ((64 << 10) - one.len()) / 2 - 5;
    let token = one.replace("[1]", &format!("[1{}]", ",1".repeat(parts))).into_bytes();
    let stage = self::stage();
    let mut sink = sink(&stage, &settings);
    begin(&mut sink, 0, Some(Checkpoint { durable_through: 1, token }));

    let mut last = Checkpoint::default();
    let error = (2..20).find_map(|seq| {
        match sink.deliver(&Records::new([patient(seq, "a")]).batch()) {
            Ok(receipt) => {
                last = receipt.durable.unwrap();
                None
            }
            Err(error) => Some(error),
        }
    });
    assert_eq!(code(error.map_or(Ok(()), Err)), "too-many-parts");
    assert_eq!(code(sink.flush().map(|_| ())), "not-open", "the open parts are given up");
    assert!(last.token.len() <= 64 << 10 && last.token.len() > (64 << 10) - 8);
    // What does not fit in a checkpoint has not been committed either.
    assert_eq!(stage.stored(STORE).len() as u64, last.durable_through - 1);
}

#[test]
fn refuses_checkpoints_that_are_not_its_own() {
    let stage = stage();
    let mut made = sink(&stage, &json!({}));
    begin(&mut made, 0, None);
    made.deliver(&Records::new([patient(1, "a")]).batch()).unwrap();
    let token = made.flush().unwrap().token;
    let text = String::from_utf8(token.clone()).unwrap();
    let cases = [
        ("no JSON", b"{".to_vec(), json!({}), "token"),
        (
            "a later version",
            text.replace("\"v\":1", "\"v\":2").into_bytes(),
            json!({}),
            "token",
        ),
        (
            "a climbing kind",
            text.replace("Patient", "../x").into_bytes(),
            json!({}),
            "kind-name",
        ),
        (
            "other compression",
            token.clone(),
            json!({ "compression": "gzip" }),
            "settings-changed",
        ),
        (
            "other layout",
            token.clone(),
            json!({ "layout": "{export}/" }),
            "settings-changed",
        ),
    ];
    for (name, token, settings, expected) in cases {
        let mut sink = sink(&stage, &settings);
        let resume = Some(Checkpoint { durable_through: 1, token });
        let opened =
            sink.open(Assignment { export_id: "e1".to_owned(), file: 0, resume });
        assert_eq!(code(opened), expected, "case: {name}");
    }
    let same = sink(&stage, &json!({ "part-size": 1 })).open(Assignment {
        export_id: "e1".to_owned(),
        file: 0,
        resume: None,
    });
    assert_eq!(same, Ok(()));
}

#[test]
fn names_every_problem_and_its_place() {
    // name, settings, places of the problems
    let cases: &[(&str, Value, &[&str])] = &[
        ("only the store", json!({ "store": "s" }), &[]),
        ("no store", json!({}), &[""]),
        ("unknown key", json!({ "store": "s", "parts": 1 }), &[""]),
        ("empty store", json!({ "store": "" }), &["/store"]),
        (
            "layout",
            json!({ "store": "s", "layout": "{kind}/../" }),
            &["/layout", "/layout"],
        ),
        ("size", json!({ "store": "s", "part-size": "much" }), &["/part-size"]),
        ("size of zero", json!({ "store": "s", "part-size": 0 }), &["/part-size"]),
        ("rows", json!({ "store": "s", "part-rows": 0 }), &["/part-rows"]),
        ("relative base", json!({ "store": "s", "base-url": "data/" }), &["/base-url"]),
        (
            "query in base",
            json!({ "store": "s", "base-url": "https://h/?a=" }),
            &["/base-url"],
        ),
        (
            "user in base",
            json!({ "store": "s", "base-url": "https://u@h/" }),
            &["/base-url"],
        ),
        ("file base", json!({ "store": "s", "base-url": "file:///data" }), &[]),
        (
            "all at once",
            json!({ "store": "", "layout": "x", "part-size": 0, "part-rows": 0, "base-url": "" }),
            &["/store", "/layout", "/layout", "/part-size", "/part-rows", "/base-url"],
        ),
    ];
    for (name, settings, expected) in cases {
        let made = stage().sink::<FilesSink>(&settings.to_string());
        let problems: Vec<Problem> = made.err().unwrap_or_default();
        let places: Vec<&str> =
            problems.iter().map(|problem| problem.pointer.as_str()).collect();
        assert_eq!(places, *expected, "case: {name}: {problems:?}");
    }
}

#[test]
fn asks_for_artifacts_alone() {
    let manifest = FilesSink::manifest();
    let asked: Vec<&str> =
        manifest.capabilities.iter().map(|asked| asked.interface.as_str()).collect();
    assert_eq!(asked, ["artifacts"]);
    assert!(manifest.fields.is_empty() && manifest.rejects.is_empty());
    let properties = manifest.settings["properties"].as_object().unwrap();
    assert!(properties.values().all(|property| property["description"].is_string()));
    assert_eq!(properties["part-size"]["default"], json!("128MiB"));
}

fn stage() -> Stage {
    Stage::new().store(STORE)
}

fn sink(stage: &Stage, settings: &Value) -> FilesSink {
    let mut settings = settings.clone();
    settings["store"] = json!(STORE);
    stage.sink(&settings.to_string()).unwrap()
}

fn begin(sink: &mut FilesSink, file: u32, resume: Option<Checkpoint>) {
    sink.open(Assignment { export_id: "e1".to_owned(), file, resume }).unwrap();
}

fn conclude(sink: &mut FilesSink, tokens: &[(u32, Vec<u8>)]) {
    let files = tokens.iter().cloned().map(|(file, token)| FinishedFile { file, token });
    sink.conclude(FinishedExport {
        export_id: "e1".to_owned(),
        transaction_time: "2026-01-31T10:00:00Z".to_owned(),
        request: "https://ehr.example.org/fhir/$export?_type=Patient".to_owned(),
        files: files.collect(),
    })
    .unwrap();
}

fn patient(seq: u64, id: &str) -> Case {
    Case::resource(&format!(r#"{{"resourceType":"Patient","id":"{id}"}}"#)).seq(seq)
}

fn texts(stage: &Stage) -> Vec<(String, String)> {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    stage.stored(STORE).into_iter().map(|(name, part)| (name, text(part.bytes))).collect()
}

fn code(result: Result<(), PluginError>) -> String {
    match result {
        Err(PluginError::Fatal(failure) | PluginError::Retryable { failure, .. }) => {
            failure.code
        }
        Ok(()) => "none".to_owned(),
    }
}
