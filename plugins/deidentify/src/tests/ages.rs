//! Ages over 89.

use super::*;

const MASKED: &str = r#"{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"masked"}"#;
const OVER: &str = r#"{"url":"urn:bulkhead:deidentify:age","valueAge":{"value":90,"comparator":">=","unit":"a","system":"http://unitsofmeasure.org","code":"a"}}"#;

#[test]
fn birth_dates_tell_no_age_over_89() {
    let _granted = granted();
    let as_of = r#""ids":"keep","as-of":"2026-03-01""#;
    let born = |date: &str| format!(r#""birthDate":"{date}""#);
    let over = format!(r#""_birthDate":{{"extension":[{MASKED},{OVER}]}}"#);
    let masked = format!(r#""_birthDate":{{"extension":[{MASKED}]}}"#);
    let year = r#""ids":"keep","as-of":"2026-03-01","rules":[{"path":"Patient.birthDate","action":"year"}]"#;
    let cases = [
        ("89", as_of, born("1936-03-02"), born(&moved("1936-03-02", "1"))),
        ("90", as_of, born("1936-03-01"), over.clone()),
        ("month of 90", as_of, born("1936-03"), over.clone()),
        ("year of 90 or 89", as_of, born("1936"), over.clone()),
        ("year of 89", as_of, born("1937"), born("1937")),
        ("no date", as_of, born("unknown"), String::new()),
        ("nothing to judge by", r#""ids":"keep""#, born("1980-01-01"), masked),
        (
            "judged by the record",
            r#""ids":"keep""#,
            format!(
                r#"{},"meta":{{"lastUpdated":"2026-03-01T00:00:00Z"}}"#,
                born("1936-03-01")
            ),
            format!(r#"{over},"meta":{{"lastUpdated":"2026-03-01T00:00:00Z"}}"#),
        ),
        ("the operator's year of 90", year, born("1936-03-01"), over.clone()),
        ("the operator's year of 80", year, born("1946-03-01"), born("1946")),
        (
            "no second sibling",
            as_of,
            format!(r#"{},"_birthDate":{{"extension":[{MASKED}]}}"#, born("1936-03-01")),
            over,
        ),
    ];
    for (name, settings, given, expected) in cases {
        let body = format!(r#"{{"resourceType":"Patient","id":"1",{given}}}"#);
        let comma = if expected.is_empty() { "" } else { "," };
        let expected =
            format!(r#"{{"resourceType":"Patient","id":"1"{comma}{expected}}}"#);
        assert_eq!(through(settings, &body), expected, "case: {name}");
    }
}

#[test]
fn quantities_tell_no_age_over_89() {
    let ninety = r#"{"value":90,"comparator":">=","unit":"a","system":"http://unitsofmeasure.org","code":"a"}"#;
    let cases = [
        (
            "89 years",
            "onsetAge",
            r#"{"value":89.50,"code":"a"}"#,
            Some(r#"{"value":89.50,"code":"a"}"#),
        ),
        ("91 years", "onsetAge", r#"{"value":91,"code":"a"}"#, Some(ninety)),
        ("months", "onsetAge", r#"{"value":1081,"unit":"months"}"#, Some(ninety)),
        (
            "few months",
            "onsetAge",
            r#"{"value":900,"code":"mo"}"#,
            Some(r#"{"value":900,"code":"mo"}"#),
        ),
        ("unknown unit", "onsetAge", r#"{"value":91,"unit":"rings"}"#, Some(ninety)),
        (
            "a range up to 95",
            "onsetRange",
            r#"{"low":{"value":80},"high":{"value":95}}"#,
            None,
        ),
        (
            "a range up to 60",
            "onsetRange",
            r#"{"low":{"value":50},"high":{"value":60}}"#,
            Some(r#"{"low":{"value":50},"high":{"value":60}}"#),
        ),
    ];
    for (name, element, value, expected) in cases {
        let body = format!(r#"{{"resourceType":"Condition","{element}":{value},"z":1}}"#);
        let left =
            expected.map_or(String::new(), |left| format!(r#""{element}":{left},"#));
        let expected = format!(r#"{{"resourceType":"Condition",{left}"z":1}}"#);
        assert_eq!(through(r#""ids":"keep""#, &body), expected, "case: {name}");
    }
}
