//! Kick-offs in every dialect.

use super::*;

fn style(version: Version) -> Style {
    Style { version, since: SinceStyle::Seconds, commas: FilterCommas::Escaped }
}

fn kickoff() -> Kickoff {
    Kickoff {
        since: "2026-11-22T10:00:00.9+01:00".parse().ok(),
        types: vec!["Patient".parse().unwrap(), "Observation".parse().unwrap()],
        type_filters: vec![
            "Observation?code=a,b".to_owned(),
            "Patient?active=true".to_owned(),
        ],
        include_associated_data: vec!["LatestProvenanceResources".to_owned()],
        ..Kickoff::new(Level::System)
    }
}

/// Items: 41, 43, 44, 48, 50.
#[test]
fn writes_queries_in_the_dialect_of_the_edition() {
    let cases = [
        (
            "version 1",
            Version::V1,
            "_since=2026-11-22T09%3A00%3A00Z&_type=Patient%2CObservation\
             &_typeFilter=Observation%3Fcode%3Da%252Cb%2CPatient%3Factive%3Dtrue\
             &includeAssociatedData=LatestProvenanceResources",
        ),
        (
            "version 2",
            Version::V2,
            "_since=2026-11-22T09%3A00%3A00Z&_type=Patient%2CObservation\
             &_typeFilter=Observation%3Fcode%3Da%252Cb&_typeFilter=Patient%3Factive%3Dtrue\
             &includeAssociatedData=LatestProvenanceResources",
        ),
    ];
    for (name, version, expected) in cases {
        let mut url = Url::parse("https://ehr.example/fhir/$export").unwrap();
        kickoff().write_query(&mut url, style(version));
        assert_eq!(url.query(), Some(expected), "case: {name}");
        assert_eq!(url.path(), "/fhir/$export", "case: {name}");
    }
}

/// Items: 50.
#[test]
fn commas_of_filters_are_plain_where_the_operator_or_the_edition_says_so() {
    let plain = FilterCommas::Plain;
    let cases = [
        ("escaped", style(Version::V2), "Observation?code=a%2Cb"),
        ("plain", Style { commas: plain, ..style(Version::V3) }, "Observation?code=a,b"),
        ("version 4", style(Version::V4), "Observation?code=a,b"),
    ];
    for (name, style, expected) in cases {
        let body = kickoff().body(style);
        let parameters = body["parameter"].as_array().unwrap();
        let filter = parameters.iter().find(|one| one["name"] == "_typeFilter").unwrap();
        assert_eq!(filter["valueString"], expected, "case: {name}");
    }
}

/// Items: 40, 51, 52.
#[test]
fn writes_nothing_for_an_export_of_everything() {
    let mut url = Url::parse("https://ehr.example/fhir/$export").unwrap();
    Kickoff::new(Level::System).write_query(&mut url, style(Version::V2));
    assert_eq!(url.as_str(), "https://ehr.example/fhir/$export");
}

/// Items: 35, 44, 47, 48.
#[test]
fn writes_bodies_in_the_dialect_of_the_edition() {
    let kickoff =
        Kickoff { patients: vec!["p1".to_owned(), "Patient/p2".to_owned()], ..kickoff() };
    let since = json!({"name": "_since", "valueInstant": "2026-11-22T09:00:00Z"});
    let filters = |comma: &str| {
        let coded = format!("Observation?code=a{comma}b");
        [coded.as_str(), "Patient?active=true"]
            .map(|filter| json!({"name": "_typeFilter", "valueString": filter}))
    };
    let patients = [
        json!({"name": "patient", "valueReference": {"reference": "Patient/p1"}}),
        json!({"name": "patient", "valueReference": {"reference": "Patient/p2"}}),
    ];
    let code = "LatestProvenanceResources";
    let cases = [
        (
            "version 3",
            Version::V3,
            "%2C",
            vec![json!({"name": "_type", "valueString": "Patient,Observation"})],
            json!({"name": "includeAssociatedData", "valueCode": code}),
        ),
        (
            "version 4",
            Version::V4,
            ",",
            vec![
                json!({"name": "_type", "valueString": "Patient"}),
                json!({"name": "_type", "valueString": "Observation"}),
            ],
            json!({"name": "includeAssociatedData", "valueCoding": {"code": code}}),
        ),
    ];
    for (name, version, comma, types, code) in cases {
        let mut expected = vec![since.clone()];
        expected.extend(types);
        expected.extend(filters(comma));
        expected.push(code);
        expected.extend(patients.clone());
        let expected = json!({"resourceType": "Parameters", "parameter": expected});
        assert_eq!(kickoff.body(style(version)), expected, "case: {name}");
    }
}

/// Items: 47, 57.
#[test]
fn survives_the_journal_and_hides_patients() {
    let kickoff = Kickoff { patients: vec!["jane-roe".to_owned()], ..kickoff() };
    let text = serde_json::to_string(&kickoff).unwrap();
    assert_eq!(serde_json::from_str::<Kickoff>(&text).unwrap(), kickoff);
    assert!(!format!("{kickoff:?}").contains("jane"));
}

/// Items: 35, 42, 46, 51, 52.
#[test]
fn writes_what_version_3_added_both_ways() {
    let kickoff = Kickoff {
        until: "2026-11-22T10:00:00.9Z".parse().ok(),
        elements: vec!["id".to_owned(), "Patient.name".to_owned()],
        organize_output_by: Some("Patient".to_owned()),
        allow_partial_manifests: true,
        separate_export_status: true,
        ..Kickoff::new(Level::Patient)
    };
    let mut url = Url::parse("https://ehr.example/fhir/Patient/$export").unwrap();
    kickoff.write_query(&mut url, style(Version::V3));
    let expected = "_until=2026-11-22T10%3A00%3A00Z&_elements=id%2CPatient.name\
        &organizeOutputBy=Patient&allowPartialManifests=true";
    assert_eq!(url.query(), Some(expected));
    let expected = json!({"resourceType": "Parameters", "parameter": [
        {"name": "_until", "valueInstant": "2026-11-22T10:00:00Z"},
        {"name": "_elements", "valueString": "id"},
        {"name": "_elements", "valueString": "Patient.name"},
        {"name": "organizeOutputBy", "valueString": "Patient"},
        {"name": "allowPartialManifests", "valueBoolean": true},
    ]});
    assert_eq!(kickoff.body(style(Version::V4)), expected);
}

/// Items: 12, 41.
#[test]
fn writes_since_as_a_server_takes_it_and_never_later_than_it_is() {
    let cases = [
        ("seconds", SinceStyle::Seconds, Some("_since=2026-11-22T09%3A00%3A00Z")),
        ("milliseconds", SinceStyle::Millis, Some("_since=2026-11-22T09%3A00%3A00.000Z")),
        ("offset", SinceStyle::Offset, Some("_since=2026-11-22T09%3A00%3A00%2B00%3A00")),
        ("not at all", SinceStyle::Unsupported, None),
    ];
    for (name, since, expected) in cases {
        let kickoff = Kickoff {
            since: "2026-11-22T10:00:00.9+01:00".parse().ok(),
            ..Kickoff::new(Level::System)
        };
        let mut url = Url::parse("https://ehr.example/fhir/$export").unwrap();
        kickoff.write_query(&mut url, Style { since, ..style(Version::V2) });
        assert_eq!(url.query(), expected, "case: {name}");
    }
}

/// Items: 47.
#[test]
fn refuses_what_no_server_can_give() {
    let at = |text: &str| text.parse().ok();
    let (early, late) = (at("2026-11-22T10:00:00Z"), at("2026-11-22T11:00:00Z"));
    let patients = vec!["p1".to_owned()];
    let new = Kickoff::new;
    let cases = [
        ("everything", new(Level::System), true),
        ("a span", Kickoff { since: early, until: late, ..new(Level::System) }, true),
        (
            "a span backwards",
            Kickoff { since: late, until: early, ..new(Level::System) },
            false,
        ),
        ("patients", Kickoff { patients: patients.clone(), ..new(Level::Patient) }, true),
        ("patients of the system", Kickoff { patients, ..new(Level::System) }, false),
    ];
    for (name, kickoff, expected) in cases {
        assert_eq!(kickoff.fault().is_none(), expected, "case: {name}");
    }
}

/// Items: 46, 51, 52, 55.
#[test]
fn leaves_out_only_what_saves_work() {
    let whole = Kickoff {
        until: "2026-11-22T10:00:00Z".parse().ok(),
        elements: vec!["id".to_owned()],
        organize_output_by: Some("Patient".to_owned()),
        allow_partial_manifests: true,
        separate_export_status: true,
        ..kickoff()
    };
    let mut left = whole.clone();
    for name in crate::operation_outcome::SAVES_WORK {
        assert!(left.leave_out(name), "{name}");
        assert!(!left.leave_out(name), "{name} twice");
    }
    for name in ["_since", "_until", "_type", "_typeFilter", "patient"] {
        assert!(!left.leave_out(name), "{name}");
    }
    assert_eq!(left, Kickoff { until: whole.until, ..kickoff() });
}
