//! What the manifest says, and where it points.

use super::*;

#[test]
fn publishes_a_manifest_in_bulk_data_form() {
    let stage = stage();
    let mut tokens = Vec::new();
    for file in [0, 1] {
        let mut sink = sink(&stage, &json!({ "part-rows": 2 }));
        begin(&mut sink, file, None);
        let cases = [
            vec![patient(1, "a"), Case::resource(r#"{"resourceType":"Device"}"#).seq(1)],
            vec![patient(2, "b")],
            vec![
                Case::resource(r#"{"resourceType":"view/visits"}"#).seq(3),
                Case::retracted("Patient", "c").seq(3),
                Case::deleted("Patient", "d").seq(4),
            ],
        ];
        for case in cases.into_iter().take(3 - file as usize) {
            sink.deliver(&Records::new(case).batch()).unwrap();
        }
        tokens.push((file, sink.close(CloseReason::EndOfFile).unwrap().unwrap().token));
    }
    let mut concluding = sink(&stage, &json!({ "part-rows": 2 }));
    conclude(&mut concluding, &tokens);
    let once = stage.stored(STORE);
    let manifest = &once["e1/manifest.json"];
    assert_eq!(manifest.compression, Stored::None);
    assert!(manifest.bytes.ends_with(b"}\n"));
    let item = |kind: &str, url: &str| json!({ "type": kind, "url": url, "count": 1 });
    assert_eq!(
        serde_json::from_slice::<Value>(&manifest.bytes).unwrap(),
        json!({
            "transactionTime": "2026-01-31T10:00:00Z",
            "request": "https://ehr.example.org/fhir/$export?_type=Patient",
            "requiresAccessToken": false,
            "outputFormat": "application/fhir+ndjson",
            "output": [
                item("Device", "Device/00000-00000.ndjson"),
                item("Patient", "Patient/00000-00000.ndjson"),
                item("Patient", "Patient/00000-00001.ndjson"),
                item("Device", "Device/00001-00000.ndjson"),
                item("Patient", "Patient/00001-00000.ndjson"),
                item("Patient", "Patient/00001-00001.ndjson"),
            ],
            "deleted": [
                item("Bundle", "deleted/Patient-00000-00000.ndjson"),
                item("Bundle", "retracted/Patient-00000-00000.ndjson"),
            ],
            "error": [],
            "extension": { "streams": [
                { "stream": "view/visits", "url": "view/visits/00000-00000.ndjson", "count": 1 },
            ] },
        })
    );
    let reversed: Vec<(u32, Vec<u8>)> = tokens.into_iter().rev().collect();
    conclude(&mut concluding, &reversed);
    assert_eq!(stage.stored(STORE), once, "a repeated conclude changes nothing");
}

#[test]
fn points_from_the_manifest_to_the_parts() {
    // name, settings, where the manifest lies, where it points
    let cases = [
        (
            "relative",
            json!({ "layout": "fhir/{export}/{kind}/" }),
            "fhir/e1/manifest.json",
            "Patient/00000-00000.ndjson",
        ),
        (
            "relative, climbing",
            json!({ "layout": "fhir/type={kind}/{export}/" }),
            "fhir/e1/manifest.json",
            "../../fhir/type=Patient/e1/00000-00000.ndjson",
        ),
        (
            "absolute",
            json!({ "base-url": "s3://warehouse/raw" }),
            "e1/manifest.json",
            "s3://warehouse/raw/e1/Patient/00000-00000.ndjson",
        ),
    ];
    for (name, settings, manifest, url) in cases {
        let stage = stage();
        let mut sink = sink(&stage, &settings);
        begin(&mut sink, 0, None);
        sink.deliver(&Records::new([patient(1, "a")]).batch()).unwrap();
        let token = sink.flush().unwrap().token;
        conclude(&mut sink, &[(0, token)]);
        let bytes = &stage.stored(STORE)[manifest].bytes;
        let read: Value = serde_json::from_slice(bytes).unwrap();
        assert_eq!(read["output"][0]["url"], json!(url), "case: {name}");
    }
}
