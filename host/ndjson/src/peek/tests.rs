mod agreement;
mod oracle;

use std::ops::Range;

use bulkhead_model::PatientKey;

use super::*;
use crate::{PatientList, Patients};

fn peek(line: &str) -> Result<Envelope, Malformed> {
    let bases = Bases::new(["https://ehr.example/fhir".to_owned()]);
    Peek::new("Observation".parse().ok().as_ref(), bases).read(line.as_bytes())
}

fn keys(ids: &[&str]) -> PatientList {
    ids.iter().map(|id| PatientKey::of(id)).collect()
}

fn text<'l>(line: &'l str, span: &Range<u32>) -> &'l str {
    &line[span.start as usize..span.end as usize]
}

/// Items: 108, 140.
#[test]
fn reads_type_id_and_moment_wherever_they_stand() {
    let cases = [
        r#"{"resourceType":"Observation","id":"o1","meta":{"lastUpdated":"2026-01-31T10:00:00Z"}}"#,
        r#"{"meta":{"versionId":"3","lastUpdated":"2026-01-31T12:00:00+02:00"},"id":"o1","status":"final","resourceType":"Observation"}"#,
    ];
    for line in cases {
        let envelope = peek(line).expect(line);
        assert_eq!(text(line, &envelope.resource_type), "Observation");
        assert_eq!(envelope.id.as_ref().map(|span| text(line, span)), Some("o1"));
        assert_eq!(envelope.last_updated, "2026-01-31T10:00:00Z".parse().ok());
    }
}

/// Items: 108.
#[test]
fn a_resource_need_not_say_when_it_changed() {
    let cases = [
        ("no meta", r#"{"resourceType":"Observation","id":"o1"}"#),
        ("an empty one", r#"{"resourceType":"Observation","id":"o1","meta":{}}"#),
        (
            "no moment",
            r#"{"resourceType":"Observation","id":"o1","meta":{"lastUpdated":"yesterday"}}"#,
        ),
        (
            "no zone",
            r#"{"resourceType":"Observation","id":"o1","meta":{"lastUpdated":"2026-01-31T10:00:00"}}"#,
        ),
    ];
    for (name, line) in cases {
        let envelope = peek(line).expect(name);
        let id = envelope.id.as_ref().map(|span| text(line, span));
        assert_eq!((id, envelope.last_updated), (Some("o1"), None), "case: {name}");
    }
}

#[test]
fn finds_patients_by_the_role_of_their_path() {
    // name, line, primary, linked, mentioned, primary unresolved, unresolved
    type Row<'a> =
        (&'a str, &'a str, &'a [&'a str], &'a [&'a str], &'a [&'a str], bool, bool);
    let cases: &[Row<'_>] = &[
        (
            "a patient is its own",
            r#"{"resourceType":"Patient","id":"1","link":[{"other":{"reference":"Patient/2"}}]}"#,
            &["1"],
            &["2", "1"],
            &[],
            false,
            false,
        ),
        (
            "subject and performer",
            r#"{"resourceType":"Observation","subject":{"reference":"Patient/1"},"performer":[{"reference":"Practitioner/9"},{"reference":"Patient/2"}]}"#,
            &["1"],
            &["1", "2"],
            &[],
            false,
            false,
        ),
        (
            "the same patient twice is one",
            r#"{"resourceType":"Observation","subject":{"reference":"Patient/1"},"performer":[{"reference":"https://ehr.example/fhir/Patient/1/_history/2"}]}"#,
            &["1"],
            &["1"],
            &[],
            false,
            false,
        ),
        (
            "anywhere else is a mention",
            r#"{"resourceType":"Observation","subject":{"reference":"Patient/1"},"extension":[{"url":"x","valueReference":{"reference":"Patient/3"}}]}"#,
            &["1"],
            &["1"],
            &["3"],
            false,
            false,
        ),
        (
            "a type that the file did not announce",
            r#"{"resourceType":"Coverage","beneficiary":{"reference":"Patient/1"},"payor":[{"reference":"Patient/2"}]}"#,
            &["1"],
            &["1", "2"],
            &[],
            false,
            false,
        ),
        (
            "outside the compartment",
            r#"{"resourceType":"Task","for":{"reference":"Patient/1"},"owner":{"reference":"Patient/2"}}"#,
            &["1"],
            &["1", "2"],
            &[],
            false,
            false,
        ),
        (
            "an unknown type still shows whom it mentions",
            r#"{"resourceType":"FutureThing","who":{"reference":"Patient/1"}}"#,
            &[],
            &[],
            &["1"],
            false,
            false,
        ),
        (
            "by identifier alone",
            r#"{"resourceType":"Observation","subject":{"identifier":{"value":"mrn-1"}}}"#,
            &[],
            &[],
            &[],
            true,
            true,
        ),
        (
            "a logical device is no patient",
            r#"{"resourceType":"Observation","subject":{"type":"Device","identifier":{"value":"d"}}}"#,
            &[],
            &[],
            &[],
            false,
            false,
        ),
        (
            "a logical performer is rarely a patient",
            r#"{"resourceType":"Observation","subject":{"reference":"Patient/1"},"performer":[{"identifier":{"value":"npi"}}]}"#,
            &["1"],
            &["1"],
            &[],
            false,
            false,
        ),
        (
            "a contained patient",
            r##"{"resourceType":"Observation","contained":[{"resourceType":"Patient","id":"p"}],"subject":{"reference":"#p"}}"##,
            &[],
            &[],
            &[],
            true,
            true,
        ),
        (
            "a contained practitioner, named before it comes",
            r##"{"resourceType":"Observation","performer":[{"reference":"#d"}],"contained":[{"id":"d","resourceType":"Practitioner"}],"subject":{"reference":"Patient/1"}}"##,
            &["1"],
            &["1"],
            &[],
            false,
            false,
        ),
        (
            "a contained resource's own subject",
            r#"{"resourceType":"Observation","subject":{"reference":"Patient/1"},"contained":[{"resourceType":"Observation","id":"c","subject":{"reference":"Patient/4"}}]}"#,
            &["1"],
            &["1"],
            &["4"],
            false,
            false,
        ),
        (
            "a repeated element hides nobody",
            r#"{"resourceType":"Observation","subject":{"reference":"Patient/1"},"subject":{"reference":"Patient/2"}}"#,
            &["1", "2"],
            &["1", "2"],
            &[],
            false,
            false,
        ),
        (
            "an escaped reference is the same reference",
            r#"{"resourceType":"Observation","subject":{"reference":"Patient\/1"}}"#,
            &["1"],
            &["1"],
            &[],
            false,
            false,
        ),
        (
            "an escaped key is the same key",
            r#"{"resourceType":"Observation","subject":{"\u0072eference":"Patient/1"}}"#,
            &["1"],
            &["1"],
            &[],
            false,
            false,
        ),
    ];
    for (name, line, primary, linked, mentioned, primary_unresolved, unresolved) in cases
    {
        let expected = Patients {
            primary: keys(primary),
            linked: keys(linked),
            mentioned: keys(mentioned),
            primary_unresolved: *primary_unresolved,
            unresolved: *unresolved,
        };
        assert_eq!(
            peek(line).map(|envelope| envelope.patients),
            Ok(expected),
            "case: {name}"
        );
    }
}

/// Items: 128.
/// Faults: F22.
#[test]
fn refuses_what_is_no_resource() {
    let deep =
        format!(r#"{{"resourceType":"X","a":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    let cases: &[(&str, &[u8], Malformed)] = &[
        ("text", b"hello", Malformed::Json),
        ("an array", b"[]", Malformed::Json),
        ("cut short", br#"{"resourceType":"Patient","id":"1""#, Malformed::Json),
        ("two objects", br#"{"resourceType":"Patient"}{}"#, Malformed::Json),
        (
            "a bad number deep inside",
            br#"{"resourceType":"Patient","x":[{"y":01}]}"#,
            Malformed::Json,
        ),
        ("no type", br#"{"id":"1"}"#, Malformed::ResourceType),
        ("a number as type", br#"{"resourceType":1}"#, Malformed::ResourceType),
        (
            "an escaped type",
            br#"{"resourceType":"P\u0061tient"}"#,
            Malformed::ResourceType,
        ),
        (
            "two types",
            br#"{"resourceType":"Patient","resourceType":"Group"}"#,
            Malformed::Duplicate,
        ),
        (
            "two ids",
            br#"{"resourceType":"Patient","id":"1","id":"2"}"#,
            Malformed::Duplicate,
        ),
        ("a path as id", br#"{"resourceType":"Patient","id":"a/b"}"#, Malformed::Id),
        ("a number as id", br#"{"resourceType":"Patient","id":7}"#, Malformed::Id),
        ("not utf-8", b"{\"resourceType\":\"Patient\",\"id\":\"\xff\"}", Malformed::Utf8),
        (
            "a hidden reference",
            br#"{"resourceType":"X","a":{"reference":{"b":1}}}"#,
            Malformed::Json,
        ),
        ("deeper than is sane", deep.as_bytes(), Malformed::Json),
    ];
    let peek = Peek::new(None, Bases::default());
    for (name, line, expected) in cases {
        assert_eq!(peek.read(line).err(), Some(*expected), "case: {name}");
    }
}

#[test]
fn follows_a_reference_that_is_an_object() {
    let cases: &[(&str, &str, &[&str], &[&str])] = &[
        (
            "an element of R4 that is called reference",
            r#"{"resourceType":"Consent","patient":{"reference":"Patient/1"},"provision":{"data":[{"reference":{"reference":"Patient/2"}}]}}"#,
            &["1"],
            &["2"],
        ),
        (
            "a CodeableReference of R5 at a known path",
            r#"{"resourceType":"DeviceRequest","subject":{"reference":"Patient/1"},"performer":{"reference":{"reference":"Patient/2"}}}"#,
            &["1", "2"],
            &[],
        ),
        (
            "a list of references",
            r#"{"resourceType":"Observation","extension":[{"reference":["Patient/3",{"reference":"Patient/4"}]}]}"#,
            &[],
            &["3", "4"],
        ),
        (
            "an object where other text belongs",
            r#"{"resourceType":"Observation","subject":{"type":{"a":{"reference":"Patient/5"}}}}"#,
            &[],
            &["5"],
        ),
        (
            "meta that is a list",
            r#"{"resourceType":"Observation","meta":[{"reference":"Patient/6"}]}"#,
            &[],
            &["6"],
        ),
    ];
    for (name, line, linked, mentioned) in cases {
        let patients = peek(line).expect(line).patients;
        assert_eq!(
            (patients.linked, patients.mentioned),
            (keys(linked), keys(mentioned)),
            "case: {name}"
        );
    }
}

/// Items: 128.
/// Faults: F19.
#[test]
fn is_not_fooled_by_a_second_element() {
    let cases = [
        (
            "a type after an escaped one",
            r#"{"resourceType":"P\u0061tient","resourceType":"Group"}"#,
            Err(Malformed::Duplicate),
        ),
        (
            "an id after a number",
            r#"{"resourceType":"Group","id":1,"id":"1"}"#,
            Err(Malformed::Id),
        ),
        (
            "a contained patient with the id of a device",
            r##"{"resourceType":"Observation","contained":[{"resourceType":"Device","id":"a"},{"resourceType":"Patient","id":"a"}],"subject":{"reference":"#a"}}"##,
            Ok(true),
        ),
        (
            "a contained resource of two types",
            r##"{"resourceType":"Observation","contained":[{"resourceType":"Patient","id":"a","resourceType":"Device"}],"subject":{"reference":"#a"}}"##,
            Ok(true),
        ),
    ];
    for (name, line, expected) in cases {
        let unresolved = peek(line).map(|envelope| envelope.patients.primary_unresolved);
        assert_eq!(unresolved, expected, "case: {name}");
    }
}

#[test]
fn a_group_of_many_has_each_member_once_and_in_order() {
    let ids: Vec<String> = (0..1000).map(|number| format!("p{number}")).collect();
    let twice = ids.iter().chain(&ids);
    let members: Vec<String> = twice
        .map(|id| format!(r#"{{"entity":{{"reference":"Patient/{id}"}}}}"#))
        .collect();
    let line = format!(r#"{{"resourceType":"Group","member":[{}]}}"#, members.join(","));
    let patients = peek(&line).expect("a group").patients;
    let expected: Vec<PatientKey> = ids.iter().map(|id| PatientKey::of(id)).collect();
    assert_eq!(patients.linked.as_slice(), expected);
    let all_but_one = expected.iter().skip(1).copied().collect();
    assert_eq!(patients.membership(&all_but_one).outsiders, 1);
}

#[test]
fn an_outsider_counts_once_however_often_and_wherever_it_is_named() {
    let many: Vec<PatientKey> =
        (0..40).map(|number| PatientKey::of(&number.to_string())).collect();
    for (name, len) in [("few", 4), ("many", 40)] {
        let all = PatientList::from_slice(many.get(..len).unwrap_or_default());
        let patients =
            Patients { linked: all.clone(), mentioned: all, ..Patients::default() };
        let inside = many.iter().take(1).copied().collect();
        assert_eq!(patients.membership(&inside).outsiders, len - 1, "case: {name}");
    }
}
