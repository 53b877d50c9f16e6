//! Capability statements of every edition.

use serde_json::json;

use super::*;

/// Items: 1, 3.
#[test]
fn finds_export_however_it_is_announced() {
    let definition = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/";
    let cases = [
        (
            "version 1.0",
            json!([]),
            json!([{"name": "x", "definition": format!("{definition}group-export")}]),
            "export",
            Version::V2,
        ),
        (
            "version 2",
            json!([{"name": "group-export", "definition": format!("{definition}group-export|2.0.0")}]),
            json!([]),
            "export",
            Version::V2,
        ),
        (
            "version 4 only",
            json!([{"name": "export-v4", "definition": format!("{definition}group-export|4.0.0")}]),
            json!([]),
            "export-v4",
            Version::V4,
        ),
        (
            "versions 3 and 4",
            json!([
                {"name": "export", "definition": format!("{definition}group-export|3.0.0")},
                {"name": "export-v4", "definition": format!("{definition}group-export|4.0.0")},
            ]),
            json!([]),
            "export",
            Version::V2,
        ),
        (
            "version 4 has the plain name",
            json!([
                {"name": "export", "definition": format!("{definition}group-export|4.0.0")},
                {"name": "export-v3", "definition": format!("{definition}group-export|3.0.0")},
            ]),
            json!([]),
            "export-v3",
            Version::V2,
        ),
        (
            "a reference, as before version 4 of FHIR",
            json!([{"name": "export", "definition": {"reference": format!("{definition}group-export")}}]),
            json!([]),
            "export",
            Version::V2,
        ),
        ("nothing", json!([]), json!([]), "export", Version::V2),
    ];
    let level = Level::Group("1".to_owned());
    for (name, group, system, segment, version) in cases {
        let body = json!({"rest": [{"resource": [{"type": "Group", "operation": group}], "operation": system}]});
        let capability = Capability::read(body.to_string().as_bytes()).unwrap();
        let found = capability.version(&level);
        assert_eq!(found, version, "case: {name}");
        assert_eq!(capability.segment(&level, found), segment, "case: {name}");
    }
}

/// Items: 2, 4, 5.
#[test]
fn leaves_out_types_that_export_does_not_offer() {
    let body = json!({
        "fhirVersion": "4.0.1",
        "software": {"name": "S\n1", "version": "2"},
        "instantiates": [format!("{IG}|2.0.0")],
        "rest": [{
            "security": {"extension": [{"url": "oauth-uris", "extension": [{"url": "token", "valueUri": "https://as/t"}]}]},
            "resource": [
                {"type": "Patient"},
                {"type": "AuditEvent", "extension": [{"url": UNSUPPORTED[0], "valueCanonical": IG}]},
                {"type": "Binary", "extension": [{"url": UNSUPPORTED[1], "valueCanonical": IG}]},
                {"type": "Device", "extension": [{"url": UNSUPPORTED[1], "valueCanonical": "http://x/group-export"}]},
            ],
        }],
    });
    let capability = Capability::read(body.to_string().as_bytes()).unwrap();
    let types: Vec<&str> = capability.types.iter().map(ResourceType::as_str).collect();
    assert_eq!(types, ["Device", "Patient"]);
    assert_eq!(capability.software_name.as_deref(), Some("S 1"));
    assert!(capability.follows_ig);
    assert_eq!(capability.token_endpoint.as_deref(), Some("https://as/t"));
}

/// Items: 1, 3.
#[test]
fn tells_which_levels_are_announced() {
    let other = "http://example.org/OperationDefinition/ours";
    let operation = |name: &str| json!([{"name": name, "definition": other}]);
    let resource = |kind: &str| json!({"type": kind, "operation": operation("export")});
    let at = |level: Level, capability: &Capability| capability.announces(&level);
    let cases = [
        (
            "by name alone",
            json!({"resource": [resource("Patient")]}),
            [false, true, false],
        ),
        (
            "of the system",
            json!({"operation": operation("export")}),
            [true, false, false],
        ),
        ("of a group", json!({"resource": [resource("Group")]}), [false, false, true]),
        ("of no level", json!({"resource": [resource("Device")]}), [false, false, false]),
        (
            "by its old name at the system",
            json!({"operation": operation("patient-export")}),
            [false, true, false],
        ),
    ];
    for (name, rest, expected) in cases {
        let body = json!({"rest": [rest]}).to_string();
        let capability = Capability::read(body.as_bytes()).unwrap();
        let found = [
            at(Level::System, &capability),
            at(Level::Patient, &capability),
            at(Level::Group("1".to_owned()), &capability),
        ];
        assert_eq!(found, expected, "case: {name}");
    }
}

/// Items: 3, 34.
#[test]
fn speaks_version_4_under_its_own_name_when_told_to() {
    let body = json!({"rest": [{"operation": [
        {"name": "export", "definition": "http://x/export|3.0.0"},
        {"name": "export-v4", "definition": "http://x/export|4.0.0"},
    ]}]});
    let capability = Capability::read(body.to_string().as_bytes()).unwrap();
    assert_eq!(capability.version(&Level::System), Version::V2);
    assert_eq!(capability.segment(&Level::System, Version::V4), "export-v4");
    assert_eq!(capability.segment(&Level::Patient, Version::V4), "export");
}

/// Items: 4, 5, 6.
#[test]
fn leaves_out_types_and_parameters_level_by_level() {
    let no = |value: Option<&str>| match value {
        Some(value) => json!([{"url": UNSUPPORTED[1], "valueCanonical": value}]),
        None => json!([{"url": UNSUPPORTED[0]}]),
    };
    let group = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/group-export|3.0.0";
    let body = json!({
        "publisher": "P", "implementation": {"description": "D", "url": "https://u"},
        "rest": [{"resource": [
            {"type": "Patient", "searchParam": [
                {"name": "birthdate"},
                {"name": "phonetic", "extension": no(Some(IG))},
                {"name": "name", "extension": no(Some(group))},
            ]},
            {"type": "Device", "extension": no(Some(group))},
            {"type": "AuditEvent", "extension": no(None)},
            {"type": "Binary", "extension": no(Some("http://x/OperationDefinition/other"))},
        ]}],
    });
    let capability = Capability::read(body.to_string().as_bytes()).unwrap();
    let at = |level: Level| {
        let types = capability.types_at(&level);
        types.iter().map(|name| name.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(at(Level::System), ["Binary", "Device", "Patient"]);
    assert_eq!(at(Level::Group("1".to_owned())), ["Binary", "Patient"]);
    let patient = "Patient".parse().unwrap();
    let params: Vec<&str> =
        capability.search_params[&patient].iter().map(String::as_str).collect();
    assert_eq!(params, ["birthdate", "name"]);
    assert_eq!(capability.publisher.as_deref(), Some("P"));
    assert_eq!(capability.implementation.as_deref(), Some("D https://u"));
}

/// Items: 1, 2.
#[test]
fn a_member_of_another_shape_is_as_good_as_absent() {
    let definition = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/patient-export";
    let body = json!({
        "fhirVersion": "3.0.1", "instantiates": null, "publisher": ["x"],
        "software": "S", "implementation": {"description": 7, "url": "https://ehr.example/fhir"},
        "rest": {"operation": null, "security": {"extension": {}}, "resource": [
            {"type": "Patient", "searchParam": {"name": "name"}, "operation": [
                7, {"name": "patient-export", "definition": {"reference": definition}},
            ]},
            "Group",
        ]},
    });
    let capability = Capability::read(body.to_string().as_bytes()).unwrap();
    assert!(capability.announces(&Level::Patient));
    assert_eq!(capability.fhir_version.as_deref(), Some("3.0.1"));
    assert_eq!(
        capability.implementation_url.as_deref(),
        Some("https://ehr.example/fhir")
    );
    assert_eq!(capability.search_params.values().flatten().collect::<Vec<_>>(), ["name"]);
    assert_eq!(capability.types.len(), 1);
}
