//! The plugin as the host calls it: settings in, decisions out.

use bulkhead_plugin::testing::{Case, Records, Stage};
use serde_json::json;

use super::*;

const BEARING: u8 = Membership::PATIENT_BEARING;
const SUBJECT: u8 = BEARING | Membership::PRIMARY_PATH;
const NAMED: u8 = SUBJECT | Membership::PRIMARY_NAMED;
const MEMBER: u8 = NAMED | Membership::PRIMARY_IS_MEMBER;
const KEY: u8 = SUBJECT | Membership::KEY_ONLY;

#[test]
fn judges_records_as_they_come() {
    let batch = Records::new([
        resource("Patient", Membership::of(1, 1, 0).with_flags(MEMBER)),
        resource("Patient", Membership::of(1, 0, 1).with_flags(NAMED)),
        resource("Observation", Membership::of(2, 1, 1).with_flags(MEMBER)),
        resource("Observation", Membership::of(0, 0, 0).with_flags(SUBJECT)),
        resource(
            "Observation",
            Membership::of(0, 0, 0).with_flags(
                SUBJECT | Membership::PRIMARY_UNRESOLVED | Membership::UNRESOLVED,
            ),
        ),
        resource("Provenance", Membership::of(3, 3, 0).with_flags(BEARING)),
        resource("Provenance", Membership::of(3, 2, 1).with_flags(BEARING)),
        resource("Organization", Membership::of(0, 0, 0)),
        resource("Organization", Membership::of(0, 0, 1)),
        deleted(
            "Patient",
            Membership::of(1, 0, 1).with_flags(KEY | Membership::PRIMARY_NAMED),
        ),
        deleted("Observation", Membership::of(0, 0, 0).with_flags(KEY)),
        retracted(
            "Patient",
            Membership::of(1, 0, 1).with_flags(KEY | Membership::PRIMARY_NAMED),
        ),
    ]);
    let primary = decide(&json!({ "cohort": "study" }), &batch);
    let kept = [0, 2, 5, 7, 10, 11];
    let rejects = vec![
        reject(3, "no-patient"),
        reject(4, "unresolved-patient"),
        reject(8, "shared-outsiders"),
    ];
    assert_eq!(primary, Ok(Decision { keep: positions(12, &kept), rejects }));

    let drops = json!({
        "cohort": "study", "mode": "any", "no-patient": "drop", "unresolved": "drop",
        "shared": "drop", "outsiders": "quarantine", "deletions": "drop",
    });
    let rejects = vec![reject(2, "outsiders"), reject(6, "outsiders")];
    assert_eq!(
        decide(&drops, &batch),
        Ok(Decision { keep: positions(12, &[0, 5]), rejects })
    );
}

#[test]
fn passes_whole_batches_in_the_cheapest_form() {
    let of =
        |membership| Records::new((0..70).map(|_| resource("Observation", membership)));
    let settings = json!({ "cohort": "study" });
    let kept = decide(&settings, &of(Membership::of(1, 1, 0).with_flags(MEMBER)));
    assert_eq!(kept, Ok(Decision { keep: Positions::All, rejects: Vec::new() }));
    let dropped = decide(&settings, &of(Membership::of(1, 0, 1).with_flags(NAMED)));
    assert_eq!(dropped, Ok(Decision { keep: Positions::None, rejects: Vec::new() }));
}

#[test]
fn stops_when_the_cohort_is_not_there() {
    let batch =
        Records::new([resource("Patient", Membership::default())]).with_cohort("other");
    let error = decide(&json!({ "cohort": "study" }), &batch).unwrap_err();
    let PluginError::Fatal(failure) = error else { panic!("{error:?}") };
    assert_eq!(failure.code, "cohort-unknown");
    let PluginError::Fatal(failure) = refused(CohortError::NotGranted) else { panic!() };
    assert_eq!(failure.code, "cohort-not-granted");
}

#[test]
fn refuses_settings_that_it_does_not_know() {
    let cases = [
        ("no cohort", json!({}), ""),
        ("empty cohort", json!({ "cohort": " " }), "/cohort"),
        ("unknown key", json!({ "cohort": "c", "modus": "any" }), ""),
        ("unknown mode", json!({ "cohort": "c", "mode": "some" }), ""),
        ("snake case", json!({ "cohort": "c", "no_patient": "drop" }), ""),
        (
            "no quarantine of the shared",
            json!({ "cohort": "c", "shared": "quarantine" }),
            "",
        ),
    ];
    for (name, settings, pointer) in cases {
        let problems =
            Stage::new().filter::<CohortFilter>(&settings.to_string()).unwrap_err();
        let pointers: Vec<&str> =
            problems.iter().map(|problem| problem.pointer.as_str()).collect();
        assert_eq!(pointers, [pointer], "case: {name}");
    }
}

#[test]
fn asks_for_cohorts_alone_and_declares_its_codes() {
    let manifest = CohortFilter::manifest();
    let asked: Vec<&str> =
        manifest.capabilities.iter().map(|asked| asked.interface.as_str()).collect();
    assert_eq!(asked, ["cohorts"]);
    let codes: Vec<&str> =
        manifest.rejects.iter().map(|reject| reject.code.as_str()).collect();
    assert_eq!(
        codes,
        ["no-patient", "outsiders", "shared-outsiders", "unresolved-patient"]
    );
    assert!(manifest.fields.is_empty() && manifest.streams.is_empty());
}

#[test]
fn the_schema_describes_every_setting_with_its_default() {
    let schema = CohortFilter::manifest().settings;
    assert_eq!(schema["additionalProperties"], json!(false));
    let defaults = [
        ("cohort", json!(null)),
        ("deletions", json!("keep")),
        ("mode", json!("primary")),
        ("no-patient", json!("quarantine")),
        ("outsiders", json!("keep")),
        ("shared", json!("keep")),
        ("shared-outsiders", json!("quarantine")),
        ("unresolved", json!("quarantine")),
    ];
    let properties = schema["properties"].as_object().unwrap();
    assert_eq!(properties.len(), defaults.len());
    for (name, default) in defaults {
        let property = &properties[name];
        assert!(property["description"].is_string(), "case: {name}");
        assert_eq!(
            property.get("default").unwrap_or(&json!(null)),
            &default,
            "case: {name}"
        );
    }
}

fn decide(
    settings: &serde_json::Value,
    batch: &Records,
) -> Result<Decision, PluginError> {
    let mut filter = Stage::new().filter::<CohortFilter>(&settings.to_string()).unwrap();
    filter.evaluate(&batch.batch())
}

fn resource(kind: &str, membership: Membership) -> Case {
    Case::resource(&json!({ "resourceType": kind, "id": "1" }).to_string())
        .membership(membership)
}

fn deleted(kind: &str, membership: Membership) -> Case {
    Case::deleted(kind, "1").membership(membership)
}

fn retracted(kind: &str, membership: Membership) -> Case {
    Case::retracted(kind, "1").membership(membership)
}

fn positions(len: usize, chosen: &[usize]) -> Positions {
    Positions::where_true((0..len).map(|index| chosen.contains(&index)))
}

fn reject(index: usize, code: &str) -> Rejection {
    Rejection::new(index, RejectClass::Policy, code)
}
