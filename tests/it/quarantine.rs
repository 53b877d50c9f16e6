//! Lines that cannot be read: quarantined, counted, and asked for again. What is sealed of refused
//! records, and how they come out again, is in the modules.

mod kills;
mod poison;
mod replay;
mod sealed;

use serde_json::json;

use crate::rig::{Fake, Served, Setup, Site};

/// Items: 103, 106, 117, S3.
/// Faults: F19, F22.
#[test]
fn bad_lines_are_quarantined_and_hold_the_watermark_of_their_type() {
    let patient = |id: &str| format!("{{\"resourceType\":\"Patient\",\"id\":\"{id}\"}}");
    let lines = [
        patient("m"),
        "{\"resourceType\":\"Patient\",\"id\":\"cut".to_owned(),
        "{\"resourceType\":\"Observation\",\"id\":\"o\",\"subject\":{\"reference\":\"Patient/m\"}}".to_owned(),
        format!("{{\"resourceType\":\"Patient\",\"id\":\"m\",\"x\":\"{}\"}}", "y".repeat(5_000)),
        patient("other"),
    ];
    let practitioner = "{\"resourceType\":\"Practitioner\",\"id\":\"p\"}\n";
    let server = Fake::export(
        vec![
            Served::new("Patient", lines.join("\n")),
            Served::new("Practitioner", practitioner),
        ],
        false,
    );
    let mut setup = Setup::new(&server.base(), ["Patient", "Practitioner"]);
    setup.tables = "[limits]\nline = \"4KiB\"\n".to_owned();
    let site = Site::with(&setup, &["m".to_owned()]);
    let ended = site.run().expect(3);
    assert!(
        ended.out.contains("! Patient: held: 3 in quarantine for a fault"),
        "{}",
        ended.out
    );
    assert!(
        ended.out.contains(
            "The sums agree: 6 read = 2 delivered + 1 dropped + 3 quarantined."
        ),
        "{}",
        ended.out
    );
    let delivered = site.delivered("");
    assert_eq!(delivered[0].lines["Patient"], [lines[0].as_bytes()]);
    let report = site.report(&delivered[0].id);
    let patients = &report["tally"]["Patient"];
    assert_eq!(
        (&patients["read"], &patients["delivered"], &patients["faulty"]),
        (&json!(5), &json!(1), &json!(3))
    );
    assert_eq!(patients["dropped"], json!({"cohort-filter": 1}));
    let reasons: u64 = patients["quarantined"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|codes| codes.as_object().unwrap().values())
        .map(|count| count.as_u64().unwrap())
        .sum();
    assert_eq!(reasons, 3);
    let codes = patients["quarantined"].to_string();
    for code in ["line-too-long", "wrong-type-in-file"] {
        assert!(codes.contains(code), "{codes}");
    }
    let status = site.status();
    let marks = status["watermarks"].as_object().unwrap().values().next().unwrap();
    let names: Vec<&String> = marks.as_object().unwrap().keys().collect();
    assert_eq!(names, ["Practitioner"]);

    // The next run asks for the held type whole, and for the other from its watermark.
    let again = site.run().expect(3);
    let kickoffs: Vec<&str> =
        again.err.lines().filter(|line| line.contains("/fhir/$export")).collect();
    let base = server.base();
    assert_eq!(kickoffs.len(), 2, "{}", again.err);
    assert_eq!(kickoffs[0], format!("  {base}/$export?_type=Patient"));
    assert!(kickoffs[1].ends_with("&_type=Practitioner"), "{}", kickoffs[1]);
    assert!(kickoffs[1].contains("_since="), "{}", kickoffs[1]);

    // An operator who would rather go on says so.
    site.edit(
        "bulkhead.toml",
        "name = \"research\"",
        "name = \"research\"\non-fault = \"advance\"",
    );
    site.run().expect(0);
}
