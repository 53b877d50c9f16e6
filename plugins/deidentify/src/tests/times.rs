//! Dates: moved, cut, kept.

use super::*;

#[test]
fn dates_move_with_their_patient() {
    let _granted = granted();
    let one = |date: &str| format!(r#""{}""#, moved(date, "1"));
    let cases = [
        ("date", r#""2020-02-29""#, one("2020-02-29")),
        (
            "time and zone stay",
            r#""2020-02-29T23:59:59.120+01:00""#,
            one("2020-02-29T23:59:59.120+01:00"),
        ),
        (
            "inside objects and lists",
            r#"[{"start":"2020-01-01"}]"#,
            format!(r#"[{{"start":{}}}]"#, one("2020-01-01")),
        ),
        ("escaped", r#""2020\u002d01-01""#, one("2020-01-01")),
        ("month", r#""2020-02""#, r#""2020""#.to_owned()),
        ("year", r#""2020""#, r#""2020""#.to_owned()),
        ("open end", r#""9999-12-31""#, r#""9999""#.to_owned()),
        (
            "first day of all",
            r#""0001-01-01T00:00:00Z""#,
            r#""0001-01-01T00:00:00Z""#.to_owned(),
        ),
        ("code-like", r#""8480-6""#, r#""8480-6""#.to_owned()),
    ];
    for (name, value, expected) in cases {
        let body = format!(
            r#"{{"resourceType":"Basic","x":{value},"subject":{{"reference":"https://h/Patient/1"}}}}"#
        );
        let expected = format!(
            r#"{{"resourceType":"Basic","x":{expected},"subject":{{"reference":"https://h/Patient/1"}}}}"#
        );
        assert_eq!(through(r#""ids":"keep""#, &body), expected, "case: {name}");
    }
}

#[test]
fn a_resource_of_no_patient_keeps_years() {
    check(&[
        (
            "date and instant",
            r#""ids":"keep""#,
            r#"{"resourceType":"Slot","x":"2020-02-03","start":"2020-02-03T10:00:00+01:00"}"#,
            r#"{"resourceType":"Slot","x":"2020","start":"2020-01-01T00:00:00Z"}"#,
        ),
        (
            "about a group",
            r#""ids":"keep""#,
            r#"{"resourceType":"Observation","subject":{"reference":"Group/1"},"effectiveDateTime":"2020-02-03"}"#,
            r#"{"resourceType":"Observation","subject":{"reference":"Group/1"},"effectiveDateTime":"2020"}"#,
        ),
        (
            "codes and versions are no dates",
            r#""ids":"keep""#,
            r#"{"resourceType":"Basic","code":{"coding":[{"system":"s","version":"2023-09-01","code":"2020-01"}]}}"#,
            r#"{"resourceType":"Basic","code":{"coding":[{"system":"s","version":"2023-09-01","code":"2020-01"}]}}"#,
        ),
    ]);
}

#[test]
fn resources_within_move_with_the_right_patient() {
    let _granted = granted();
    let (one, two) = (moved("2020-01-01", "1"), moved("2020-01-01", "2"));
    assert_ne!(one, two, "the ids of this test must differ in their shift");
    let body = r#"{"resourceType":"Bundle","timestamp":"2020-01-01T00:00:01Z","entry":[{"resource":{"resourceType":"Encounter","subject":{"reference":"Patient/1"},"x":"2020-01-01","contained":[{"resourceType":"Basic","x":"2020-01-01"}]}},{"resource":{"resourceType":"Patient","id":"2","deceasedDateTime":"2020-01-01"}}]}"#;
    let expected = format!(
        r#"{{"resourceType":"Bundle","timestamp":"2020-01-01T00:00:00Z","entry":[{{"resource":{{"resourceType":"Encounter","subject":{{"reference":"Patient/1"}},"x":"{one}","contained":[{{"resourceType":"Basic","x":"{one}"}}]}}}},{{"resource":{{"resourceType":"Patient","id":"2","deceasedDateTime":"{two}"}}}}]}}"#
    );
    assert_eq!(through(r#""ids":"keep""#, body), expected);
}

#[test]
fn every_way_to_name_the_patient_counts() {
    let _granted = granted();
    let day = moved("2020-01-01", "1");
    for name in [
        "subject",
        "patient",
        "beneficiary",
        "individual",
        "for",
        "candidate",
        "deliverTo",
    ] {
        let body = |day: &str| {
            format!(
                r#"{{"resourceType":"Basic","{name}":{{"reference":"Patient/1"}},"x":"{day}"}}"#
            )
        };
        assert_eq!(
            through(r#""ids":"keep""#, &body("2020-01-01")),
            body(&day),
            "case: {name}"
        );
    }
}

#[test]
fn the_shift_is_as_wide_as_the_operator_says() {
    let body =
        |day: &str| format!(r#"{{"resourceType":"Patient","id":"1","x":"{day}"}}"#);
    let out = through(r#""ids":"keep","shift-days":1"#, &body("2020-01-02"));
    assert!([body("2020-01-01"), body("2020-01-03")].contains(&out), "{out}");
}
