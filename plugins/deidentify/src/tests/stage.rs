//! The stage as the host sees it: settings, batches, rejects, grants.

use bulkhead_plugin::RejectClass;

use super::*;
use crate::{REFUSALS, walk::Refusal};

#[test]
fn what_cannot_be_read_is_rejected() {
    let deep = format!(
        r#"{{"resourceType":"Basic","x":{}1{}}}"#,
        "[".repeat(150),
        "]".repeat(150)
    );
    let cases: &[(&str, &str, RejectClass, &str)] = &[
        ("no json", "{", RejectClass::Malformed, "not-json"),
        ("nothing", "", RejectClass::Malformed, "not-json"),
        ("no object", "[]", RejectClass::Malformed, "not-json"),
        ("no type", r#"{"id":"1"}"#, RejectClass::Malformed, "no-resource-type"),
        (
            "type is no text",
            r#"{"resourceType":1}"#,
            RejectClass::Malformed,
            "no-resource-type",
        ),
        (
            "type is no type",
            r#"{"resourceType":"a b"}"#,
            RejectClass::Malformed,
            "no-resource-type",
        ),
        (
            "contained without a type",
            r#"{"resourceType":"Basic","contained":[{"name":"Jo"}]}"#,
            RejectClass::Malformed,
            "no-resource-type",
        ),
        (
            "entry without a type",
            r#"{"resourceType":"Bundle","entry":[{"resource":{"name":"Jo"}}]}"#,
            RejectClass::Malformed,
            "no-resource-type",
        ),
        ("too deep", &deep, RejectClass::Malformed, "too-deep"),
        (
            "escaped name",
            r#"{"resourceType":"Patient","n\u0061me":[{"text":"Jo"}]}"#,
            RejectClass::Malformed,
            "escaped-name",
        ),
        (
            "two types",
            r#"{"resourceType":"Basic","resourceType":"Patient"}"#,
            RejectClass::Malformed,
            "repeated-type",
        ),
        (
            "modifier extension",
            r#"{"resourceType":"Basic","x":[{"modifierExtension":[{"url":"u"}]}]}"#,
            RejectClass::Policy,
            "modifier-extension",
        ),
    ];
    for (name, body, class, code) in cases {
        let expected = [Rejection::new(0, *class, *code)];
        assert_eq!(rejects("", body), expected, "case: {name}");
    }
    let kept =
        r#"{"resourceType":"Basic","modifierExtension":[{"url":"u","valueCode":"x"}]}"#;
    assert_eq!(through(r#""keep-extensions":["u"]"#, kept), kept);
}

#[test]
fn bytes_that_are_no_text_are_rejected() {
    let planned =
        stage_with("").plan_body(b"{\"resourceType\":\"Basic\",\"x\":\"\xff\"}");
    assert_eq!(planned, Err(Refusal::NotJson));
}

#[test]
fn one_bad_record_does_not_stop_the_others() {
    let mut stage = stage_with("");
    let records = Records::new([
        Case::resource(r#"{"resourceType":"Patient","id":"1"}"#),
        Case::resource(r#"{"resourceType":"Patient","id":"2","modifierExtension":[{}]}"#),
        Case::resource(r#"{"resourceType":"Basic"}"#),
        Case::resource("nonsense"),
        Case::resource(r#"{"resourceType":"Patient","id":"3"}"#),
    ]);
    let changes = stage.apply(&records.batch()).unwrap();
    let indexes: Vec<u32> = changes.edits.iter().map(|edit| edit.index).collect();
    assert_eq!(indexes, [0, 4]);
    let expected = [
        Rejection::new(1, RejectClass::Policy, "modifier-extension"),
        Rejection::new(3, RejectClass::Malformed, "not-json"),
    ];
    assert_eq!(changes.rejects, expected);
    let patient = |id: &str| {
        format!(
            r#"{{"resourceType":"Patient","id":"{}"}}"#,
            pseudonym(&format!("id:{id}"))
        )
    };
    assert_eq!(bodies(&changes), [patient("1"), patient("3")]);
}

#[test]
fn what_no_rule_touches_stays_byte_for_byte() {
    let body = "{ \"resourceType\":\"Observation\", \"valueQuantity\":{\"value\":1.10,\"x\":-0.50e+1,\"y\":123456789012345678901234567890}, \"u\":\"\\u00e9\\/\" }";
    assert_eq!(through("", body), body);
    let changed =
        r#"{"resourceType":"Observation","z":1.10,"note":[{"text":"a"}],"a":2.0e5}"#;
    let expected = r#"{"resourceType":"Observation","z":1.10,"note":[{"text":"[redacted]"}],"a":2.0e5}"#;
    assert_eq!(through("", changed), expected);
}

#[test]
fn batches_and_instances_agree() {
    let cases = |ids: &[&str]| {
        let body = |id: &&str| {
            let body = format!(
                r#"{{"resourceType":"Encounter","id":"e{id}","subject":{{"reference":"Patient/{id}"}},"x":"2020-01-01"}}"#
            );
            Case::resource(&body)
        };
        Records::new(ids.iter().map(body).collect::<Vec<_>>())
    };
    let mut stage = stage_with("");
    let together = bodies(&stage.apply(&cases(&["1", "2", "3", "1"]).batch()).unwrap());
    assert_eq!(together.first(), together.last());
    let again = bodies(&stage.apply(&cases(&["1", "2", "3", "1"]).batch()).unwrap());
    assert_eq!(together, again);
    for (id, expected) in ["1", "2", "3"].iter().zip(&together) {
        let alone = bodies(&stage_with("").apply(&cases(&[id]).batch()).unwrap());
        assert_eq!(alone, std::slice::from_ref(expected));
        assert!(expected.contains(&moved("2020-01-01", id)), "case: {id}");
    }
}

#[test]
fn another_key_makes_other_pseudonyms() {
    let records =
        Records::new([Case::resource(r#"{"resourceType":"Patient","id":"1"}"#)]);
    let mut one: Deidentify =
        Stage::new().key("k", b"one").transform(r#"{"key":"k"}"#).unwrap();
    let first = bodies(&one.apply(&records.batch()).unwrap());
    let mut two: Deidentify =
        Stage::new().key("k", b"two").transform(r#"{"key":"k"}"#).unwrap();
    assert_ne!(first, bodies(&two.apply(&records.batch()).unwrap()));
}

#[test]
fn a_missing_key_stops_the_first_batch() {
    let settings = r#"{"key":"other","ids":"keep","preset":"none"}"#;
    let mut stage: Deidentify = granted().transform(settings).unwrap();
    let records = Records::new([Case::resource(r#"{"resourceType":"Basic"}"#)]);
    for _ in 0..2 {
        let error = stage.apply(&records.batch()).unwrap_err();
        assert_eq!(fatal_code(error), "key-not-granted");
    }
}

#[test]
fn settings_name_every_problem_and_its_place() {
    let cases = [
        ("no key", "{}", vec![""]),
        ("unknown", r#"{"key":"k","salt":"x"}"#, vec![""]),
        (
            "unknown action",
            r#"{"key":"k","rules":[{"path":"A.b","action":"burn"}]}"#,
            vec![""],
        ),
        (
            "several",
            r#"{"key":"","shift-days":0,"as-of":"2026","sparse-zip3":["036","12"],"rules":[{"path":"Patient.name","action":"keep"},{"path":"Patient","action":"keep"},{"path":"**.reference","action":"keep"}]}"#,
            vec![
                "/key",
                "/shift-days",
                "/as-of",
                "/sparse-zip3/1",
                "/rules/1/path",
                "/rules/2/path",
            ],
        ),
    ];
    for (name, settings, expected) in cases {
        let problems = granted().transform::<Deidentify>(settings).unwrap_err();
        let pointers: Vec<&str> =
            problems.iter().map(|problem| problem.pointer.as_str()).collect();
        assert_eq!(pointers, expected, "case: {name}");
    }
}

#[test]
fn asks_for_bodies_and_keyed_hash_and_nothing_else() {
    let manifest = Deidentify::manifest();
    let asked: Vec<&str> =
        manifest.capabilities.iter().map(|asked| asked.interface.as_str()).collect();
    assert_eq!(asked, ["bodies", "keyed-hash"]);
    assert_eq!(manifest.rejects.len(), REFUSALS.len());
}

proptest::proptest! {
    #[test]
    fn the_result_is_json_with_no_trace_of_the_removed(
        names in proptest::collection::vec("(id|name|text|family|x|display|note|extension|line|subject)", 1..6),
        nested: bool,
    ) {
        let value = |inner: &str| if nested { format!("[{{{inner}}}]") } else { "\"Secret\"".to_owned() };
        let members: Vec<String> = names
            .iter()
            .map(|name| format!("\"{name}\":{}", value(r#""family":"Secret","given":["Secret"]"#)))
            .collect();
        let body = format!(r#"{{"resourceType":"Patient",{}}}"#, members.join(","));
        let out = through("", &body);
        proptest::prop_assert!(serde_json::from_str::<serde_json::Value>(&out).is_ok(), "{}", out);
        let is_kept = !nested && names.iter().any(|name| matches!(name.as_str(), "x" | "display" | "subject" | "line"));
        proptest::prop_assert!(is_kept || !out.contains("Secret"), "{}", out);
    }
}
