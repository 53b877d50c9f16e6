//! What rules do to elements, and what remains around them.

use super::*;

#[test]
fn the_preset_removes_what_names_someone() {
    let keep = r#""ids":"keep""#;
    check(&[
        (
            "names, telecom, photo, contact",
            keep,
            r#"{"resourceType":"Patient","id":"1","name":[{"family":"Example"}],"telecom":[{"value":"555"}],"gender":"male","photo":[{"data":"AA=="}],"contact":[{"name":{"family":"Other"}}]}"#,
            r#"{"resourceType":"Patient","id":"1","gender":"male"}"#,
        ),
        (
            "address below state",
            keep,
            r#"{"resourceType":"Patient","address":[{"use":"home","line":["1 Test St"],"city":"Town","district":"D","state":"CA","postalCode":"94110-1234","country":"US"}]}"#,
            r#"{"resourceType":"Patient","address":[{"use":"home","state":"CA","postalCode":"941","country":"US"}]}"#,
        ),
        (
            "sparse and foreign postal codes",
            keep,
            r#"{"resourceType":"Patient","address":[{"state":"NH","postalCode":"03601"},{"country":"GB","postalCode":"SW1A 1AA"}]}"#,
            r#"{"resourceType":"Patient","address":[{"state":"NH","postalCode":"000"},{"country":"GB"}]}"#,
        ),
        (
            "narrative, and text of concepts",
            keep,
            r#"{"resourceType":"Condition","text":{"status":"generated","div":"<div>Jo</div>"},"code":{"text":"Asthma"}}"#,
            r#"{"resourceType":"Condition","code":{"text":"Asthma"}}"#,
        ),
        (
            "notes and free text",
            keep,
            r#"{"resourceType":"Observation","note":[{"text":"called Jo"}],"valueString":"Jo is well"}"#,
            r#"{"resourceType":"Observation","note":[{"text":"[redacted]"}],"valueString":"[redacted]"}"#,
        ),
        (
            "attachments",
            keep,
            r#"{"resourceType":"DocumentReference","content":[{"attachment":{"contentType":"text/plain","data":"Sm8=","url":"Binary/1","title":"Jo","size":2}}]}"#,
            r#"{"resourceType":"DocumentReference","content":[{"attachment":{"contentType":"text/plain","size":2}}]}"#,
        ),
        (
            "waveforms are no attachments",
            keep,
            r#"{"resourceType":"Observation","valueSampledData":{"data":"1 2 3"}}"#,
            r#"{"resourceType":"Observation","valueSampledData":{"data":"1 2 3"}}"#,
        ),
        (
            "meta",
            keep,
            r#"{"resourceType":"Basic","meta":{"versionId":"3","lastUpdated":"2026-01-02T03:04:05Z","source":"urn:x","tag":[{"code":"a"}],"security":[{"code":"R"}]}}"#,
            r#"{"resourceType":"Basic","meta":{"versionId":"3","lastUpdated":"2026-01-02T03:04:05Z","security":[{"code":"R"}]}}"#,
        ),
        (
            "concept descriptions keep their codes",
            keep,
            r#"{"resourceType":"Goal","description":{"coding":[{"code":"a","display":"A"}]}}"#,
            r#"{"resourceType":"Goal","description":{"coding":[{"code":"a","display":"A"}]}}"#,
        ),
        (
            "element ids",
            keep,
            r#"{"resourceType":"Condition","id":"1","code":{"id":"jo","text":"A"}}"#,
            r#"{"resourceType":"Condition","id":"1","code":{"text":"A"}}"#,
        ),
        (
            "blanks do not matter",
            keep,
            "{ \"resourceType\" : \"Patient\" , \"name\" : [ ] , \"gender\" : \"male\" , \"photo\" : [ 1 ] }",
            "{ \"resourceType\" : \"Patient\" , \"gender\" : \"male\" }",
        ),
        (
            "nothing but what goes",
            keep,
            r#"{"name":[],"resourceType":"Patient"}"#,
            r#"{"resourceType":"Patient"}"#,
        ),
        (
            "what is left with nothing goes too",
            keep,
            r#"{"resourceType":"Patient","address":[{"line":["x"]},{"city":"y"}],"gender":"male"}"#,
            r#"{"resourceType":"Patient","gender":"male"}"#,
        ),
    ]);
}

#[test]
fn every_action_does_what_its_name_says() {
    let mrn = pseudonym_of("value:A-1");
    let cases = [
        (Action::Remove, r#"{"a":1}"#, None),
        (Action::Redact, r#""x""#, Some(r#""[redacted]""#.to_owned())),
        (Action::Redact, r#"{"a":1}"#, None),
        (Action::Redact, r#"["x",1]"#, Some(r#"["[redacted]"]"#.to_owned())),
        (Action::Pseudonym, r#""A-1""#, Some(format!("\"{mrn}\""))),
        (Action::Pseudonym, "17", None),
        (Action::Keep, r#""2020-02-03""#, Some(r#""2020-02-03""#.to_owned())),
        (
            Action::Keep,
            r#"{"start":"2020-02-03"}"#,
            Some(r#"{"start":"2020-02-03"}"#.to_owned()),
        ),
        (Action::Year, r#""2020-02-03""#, Some(r#""2020""#.to_owned())),
        (
            Action::Year,
            r#"{"start":"2020-02-03"}"#,
            Some(r#"{"start":"2020"}"#.to_owned()),
        ),
        (Action::Year, r#""not a date""#, None),
        (
            Action::Shift,
            r#""2020-02-03""#,
            Some(format!("\"{}\"", moved_of("2020-02-03"))),
        ),
        (Action::Shift, "true", None),
        (Action::Zip3, r#""94110""#, Some(r#""941""#.to_owned())),
        (Action::Zip3, r#""123""#, Some(r#""000""#.to_owned())),
        (Action::Zip3, r#""9""#, None),
        (Action::Age, "91", Some("90".to_owned())),
        (Action::Age, "89.9", Some("89.9".to_owned())),
    ];
    for preset in ["none", "safe-harbor-assist"] {
        for (action, value, expected) in &cases {
            let name = name_of(*action);
            let settings = format!(
                r#""ids":"keep","preset":"{preset}","sparse-zip3":["123"],"rules":[{{"path":"Patient.x","action":"{name}"}}]"#
            );
            let body =
                format!(r#"{{"resourceType":"Patient","id":"1","x":{value},"z":0}}"#);
            let left =
                expected.as_ref().map_or(String::new(), |x| format!(r#","x":{x}"#));
            let expected =
                format!(r#"{{"resourceType":"Patient","id":"1"{left},"z":0}}"#);
            assert_eq!(
                through(&settings, &body),
                expected,
                "case: {preset} {name} {value}"
            );
        }
    }
}

#[test]
fn the_operators_rules_come_first() {
    check(&[
        (
            "keep what the preset redacts",
            r#""ids":"keep","rules":[{"path":"Observation.valueString","action":"keep"},{"path":"*.valueString","action":"remove"}]"#,
            r#"{"resourceType":"Observation","valueString":"Negative"}"#,
            r#"{"resourceType":"Observation","valueString":"Negative"}"#,
        ),
        (
            "remove what the preset keeps",
            r#""ids":"keep","rules":[{"path":"**.meta","action":"remove"}]"#,
            r#"{"resourceType":"Basic","meta":{"versionId":"1"},"contained":[{"resourceType":"Basic","meta":{"versionId":"1"},"id":"a"}]}"#,
            r#"{"resourceType":"Basic","contained":[{"resourceType":"Basic","id":"a"}]}"#,
        ),
        (
            "without the preset only they count",
            r#""ids":"keep","preset":"none","rules":[{"path":"Patient.name.family","action":"redact"}]"#,
            r#"{"resourceType":"Patient","name":[{"id":"n","family":"Example","given":["A"]}],"birthDate":"1980-01-01","modifierExtension":[{"url":"u"}]}"#,
            r#"{"resourceType":"Patient","name":[{"id":"n","family":"[redacted]","given":["A"]}],"birthDate":"1980-01-01","modifierExtension":[{"url":"u"}]}"#,
        ),
    ]);
}

#[test]
fn identifiers_keep_their_system_and_a_pseudonym() {
    let value = pseudonym_of("identifier:urn:mrn|A-1");
    let bare = pseudonym_of("identifier:|A-1");
    let subscriber = pseudonym_of("value:S-1");
    check(&[
        (
            "list",
            r#""ids":"keep""#,
            r#"{"resourceType":"Patient","identifier":[{"use":"official","type":{"text":"MRN"},"system":"urn:mrn","value":"A-1","assigner":{"display":"H"}},{"value":"A-1"},{"use":"old"}]}"#,
            &format!(
                r#"{{"resourceType":"Patient","identifier":[{{"system":"urn:mrn","value":"{value}"}},{{"value":"{bare}"}}]}}"#
            ),
        ),
        (
            "single, by another name, and plain text",
            r#""ids":"keep""#,
            r#"{"resourceType":"Coverage","subscriberId":"S-1","requisition":{"system":"urn:mrn","value":"A-1"}}"#,
            &format!(
                r#"{{"resourceType":"Coverage","subscriberId":"{subscriber}","requisition":{{"system":"urn:mrn","value":"{value}"}}}}"#
            ),
        ),
        (
            "written with an escape",
            r#""ids":"keep""#,
            r#"{"resourceType":"Coverage","subscriberId":"S\u002d1"}"#,
            &format!(r#"{{"resourceType":"Coverage","subscriberId":"{subscriber}"}}"#),
        ),
    ]);
}

#[test]
fn only_extensions_known_to_be_safe_stay() {
    let race = r#"{"url":"http://hl7.org/fhir/us/core/StructureDefinition/us-core-race","extension":[{"url":"ombCategory","valueCoding":{"system":"urn:oid:2.16.840.1.113883.6.238","code":"2106-3","display":"White"}},{"url":"text","valueString":"White"}]}"#;
    let sex = r#"{"url":"http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex","valueCode":"F"}"#;
    let odd = r#"{"url":"http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex","valueString":"Jo"}"#;
    let twice = r#"{"url":"http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex","url":"u","valueCode":"F"}"#;
    let maiden = r#"{"url":"http://example.org/maiden-name","valueString":"Jones"}"#;
    let site = r#"{"url":"http://example.org/site","extension":[{"url":"since","valueDate":"2020-02-03"},{"url":"who","valueString":"Jo"}]}"#;
    let kept = r#"{"url":"http://example.org/site","extension":[{"url":"since","valueDate":"2020"},{"url":"who","valueString":"[redacted]"}]}"#;
    let keep_site = r#""ids":"keep","keep-extensions":["http://example.org/site"]"#;
    let cases = [
        (
            "race and birth sex",
            "\"ids\":\"keep\"",
            format!("[{race},{sex}]"),
            Some(format!("[{race},{sex}]")),
        ),
        (
            "an unknown one",
            "\"ids\":\"keep\"",
            format!("[{maiden},{sex}]"),
            Some(format!("[{sex}]")),
        ),
        ("a known one with free text", "\"ids\":\"keep\"", format!("[{odd}]"), None),
        ("a known one with a second url", "\"ids\":\"keep\"", format!("[{twice}]"), None),
        (
            "one that the operator keeps",
            keep_site,
            format!("[{site},{maiden}]"),
            Some(format!("[{kept}]")),
        ),
    ];
    for (name, settings, extensions, expected) in cases {
        let body = format!(
            r#"{{"resourceType":"Location","extension":{extensions},"mode":"kind"}}"#
        );
        let left =
            expected.map_or(String::new(), |left| format!(r#""extension":{left},"#));
        let expected = format!(r#"{{"resourceType":"Location",{left}"mode":"kind"}}"#);
        assert_eq!(through(settings, &body), expected, "case: {name}");
    }
}

#[test]
fn siblings_of_primitives_are_judged_too() {
    let keep = r#""ids":"keep","preset":"safe-harbor-assist","as-of":"2026-01-01""#;
    let born = moved_of("1980-01-01");
    let first = moved_of("2020-01-01");
    check(&[
        (
            "birth time",
            keep,
            r#"{"resourceType":"Patient","id":"1","birthDate":"1980-01-01","_birthDate":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/patient-birthTime","valueDateTime":"1980-01-01T01:02:03Z"}]}}"#,
            &format!(r#"{{"resourceType":"Patient","id":"1","birthDate":"{born}"}}"#),
        ),
        (
            "unknown one on another element",
            keep,
            r#"{"resourceType":"Patient","id":"1","gender":"male","_gender":{"id":"g","extension":[{"url":"u","valueString":"Jo"}]}}"#,
            r#"{"resourceType":"Patient","id":"1","gender":"male"}"#,
        ),
        (
            "of a list, position by position",
            keep,
            r#"{"resourceType":"Patient","id":"1","event":["2020-01-01","2020-02-30"],"_event":[{"id":"a"},{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"error"}]}]}"#,
            &format!(
                r#"{{"resourceType":"Patient","id":"1","event":["{first}",null],"_event":[null,{{"extension":[{{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"error"}}]}}]}}"#
            ),
        ),
    ]);
}

fn pseudonym_of(value: &str) -> String {
    let _granted = granted();
    pseudonym(value)
}

fn moved_of(date: &str) -> String {
    let _granted = granted();
    moved(date, "1")
}
