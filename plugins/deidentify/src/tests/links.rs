//! Ids and everything that repeats one.

use super::*;

#[test]
fn references_get_the_pseudonym_of_what_they_point_at() {
    let _granted = granted();
    let id = pseudonym("id:p-1");
    let dashed = uuid("id:p-1");
    let oid =
        format!("2.25.{}", u128::from_str_radix(&pseudonym("id:1.2.3"), 16).unwrap());
    let unknown = uuid("id:https://other.example.org/thing");
    let relative = format!(r#"{{"reference":"Patient/{id}"}}"#);
    let cases = [
        ("relative", r#"{"reference":"Patient/p-1"}"#, relative.clone()),
        ("escaped", r#"{"reference":"Patient\/p-1"}"#, relative.clone()),
        ("versioned", r#"{"reference":"Patient/p-1/_history/7"}"#, relative.clone()),
        (
            "absolute",
            r#"{"reference":"https://ehr.example.org/fhir/Patient/p-1"}"#,
            relative.clone(),
        ),
        (
            "display and identifier go",
            r#"{"reference":"Patient/p-1","identifier":{"value":"A-1"},"display":"Jo"}"#,
            relative,
        ),
        (
            "contained",
            r##"{"reference":"#p-1"}"##,
            format!(r##"{{"reference":"#{id}"}}"##),
        ),
        ("container", r##"{"reference":"#"}"##, r##"{"reference":"#"}"##.to_owned()),
        (
            "uuid",
            r#"{"reference":"urn:uuid:p-1"}"#,
            format!(r#"{{"reference":"urn:uuid:{dashed}"}}"#),
        ),
        (
            "oid",
            r#"{"reference":"urn:oid:1.2.3"}"#,
            format!(r#"{{"reference":"urn:oid:{oid}"}}"#),
        ),
        (
            "conditional",
            r#"{"reference":"Patient?identifier=urn:mrn|A-1"}"#,
            r#"{"type":"Patient"}"#.to_owned(),
        ),
        (
            "conditional with a type",
            r#"{"reference":"Patient?identifier=A-1","type":"Patient"}"#,
            r#"{"type":"Patient"}"#.to_owned(),
        ),
        (
            "logical",
            r#"{"type":"Patient","identifier":{"value":"A-1"},"display":"Jo"}"#,
            r#"{"type":"Patient"}"#.to_owned(),
        ),
        (
            "with a member of no Reference",
            r#"{"reference":"Patient/p-1","display":"Jo","x":1}"#,
            format!(r#"{{"reference":"Patient/{id}","x":1}}"#),
        ),
        (
            "logical with a member of no Reference",
            r#"{"identifier":{"value":"A-1"},"display":"Jo","x":1}"#,
            r#"{"x":1}"#.to_owned(),
        ),
        (
            "of no known form",
            r#"{"reference":"https://other.example.org/thing"}"#,
            format!(r#"{{"reference":"urn:uuid:{unknown}"}}"#),
        ),
    ];
    for (name, reference, expected) in cases {
        let body = format!(r#"{{"resourceType":"Basic","subject":{reference},"z":1}}"#);
        let expected =
            format!(r#"{{"resourceType":"Basic","subject":{expected},"z":1}}"#);
        assert_eq!(through("", &body), expected, "case: {name}");
    }
    let named = r#"{"resourceType":"Basic","subject":{"display":"Jo"},"z":1}"#;
    assert_eq!(through("", named), r#"{"resourceType":"Basic","z":1}"#);
}

#[test]
fn contained_resources_and_references_to_them_agree() {
    let _granted = granted();
    let (outer, inner) = (pseudonym("id:m1"), pseudonym("id:med"));
    let expected = format!(
        r##"{{"resourceType":"MedicationRequest","id":"{outer}","contained":[{{"resourceType":"Medication","id":"{inner}"}}],"medicationReference":{{"reference":"#{inner}"}}}}"##
    );
    let body = r##"{"resourceType":"MedicationRequest","id":"m1","contained":[{"resourceType":"Medication","id":"med","text":{"div":"x"}}],"medicationReference":{"reference":"#med"}}"##;
    assert_eq!(through("", body), expected);
}

#[test]
fn bundles_repeat_no_id() {
    let _granted = granted();
    let (id, dashed) = (pseudonym("id:1"), uuid("id:1"));
    let body = r#"{"resourceType":"Bundle","type":"transaction","link":[{"relation":"self","url":"https://h/Patient?name=jo"}],"entry":[{"fullUrl":"https://h/fhir/Patient/1","resource":{"resourceType":"Patient","id":"1","name":[{"family":"Example"}]},"request":{"method":"PUT","url":"Patient/1"},"response":{"status":"201","location":"https://h/fhir/Patient/1/_history/1"}},{"request":{"method":"DELETE","url":"Patient/1"}},{"request":{"method":"DELETE","url":"Patient?identifier=A-1"}},{"request":{"method":"POST","url":"Patient","ifNoneExist":"identifier=A-1"}}]}"#;
    let expected = format!(
        r#"{{"resourceType":"Bundle","type":"transaction","entry":[{{"fullUrl":"urn:uuid:{dashed}","resource":{{"resourceType":"Patient","id":"{id}"}},"request":{{"method":"PUT","url":"Patient/{id}"}},"response":{{"status":"201","location":"Patient/{id}"}}}},{{"request":{{"method":"DELETE","url":"Patient/{id}"}}}},{{"request":{{"method":"DELETE","url":"Patient"}}}},{{"request":{{"method":"POST","url":"Patient"}}}}]}}"#
    );
    assert_eq!(through("", body), expected);
}

#[test]
fn ids_stay_when_the_operator_says_so() {
    let body = r#"{"resourceType":"Observation","id":"o","subject":{"reference":"https://h/Patient/1/_history/2"}}"#;
    assert_eq!(through(r#""ids":"keep""#, body), body);
    let conditional = r#"{"resourceType":"Observation","subject":{"reference":"Patient?identifier=A"}}"#;
    let typed = r#"{"resourceType":"Observation","subject":{"type":"Patient"}}"#;
    assert_eq!(through(r#""ids":"keep""#, conditional), typed);
    assert_eq!(through(r#""ids":"keep","preset":"none""#, conditional), conditional);
}

#[test]
fn deletions_and_retractions_still_match() {
    let stage = &mut stage_with("");
    let records = Records::new([
        Case::resource(r#"{"resourceType":"Patient","id":"p-1"}"#),
        Case::deleted("Patient", "p-1"),
        Case::retracted("Patient", "p-1"),
    ]);
    let out = bodies(&stage.apply(&records.batch()).unwrap());
    let key = format!(r#"{{"resourceType":"Patient","id":"{}"}}"#, pseudonym("id:p-1"));
    assert_eq!(out, [key.clone(), key.clone(), key]);
}
