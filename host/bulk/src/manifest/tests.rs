//! Manifests of every edition, and of servers that follow none.

use super::*;

fn read(body: &str, number: u32) -> Result<Page, ManifestError> {
    let url = "https://ehr.example/fhir/status/1".parse().unwrap();
    let date = "2026-11-22T10:00:00Z".parse().unwrap();
    Page::read(body.as_bytes(), &PageOrigin { url, number, date })
}

fn manifest(pages: &[&str]) -> Manifest {
    let mut manifest = Manifest::empty();
    for (body, number) in pages.iter().zip(0..) {
        manifest.add(read(body, number).unwrap());
    }
    manifest
}

fn urls(files: &[OutputFile]) -> Vec<&str> {
    files.iter().map(|file| file.url.as_str()).collect()
}

/// Items: 76, 77, 79, 80, 82, 85, 86.
/// Faults: F39.
#[test]
fn reads_manifests_of_every_edition() {
    let cases: &[(&str, &str, FileAccess, &[Warning])] = &[
        (
            "version 1",
            r#"{"transactionTime":"2026-11-22T09:00:00Z","request":"r","requiresAccessToken":true,
                "output":[{"type":"Patient","url":"../files/1","count":2}],"error":[]}"#,
            FileAccess::Token,
            &[],
        ),
        (
            "version 4",
            r#"{"transactionTime":"2026-11-22T11:00:00+02:00","requiresAccessToken":false,
                "manifestType":"x","outputFormat":"application/fhir+ndjson",
                "output":[{"type":"Patient","url":"https://ehr.example/fhir/files/1","count":2,
                "fileSize":"12","extension":[{"url":"u","valueString":"v"}]}],"outcome":[]}"#,
            FileAccess::Open,
            &[],
        ),
        (
            "text for a boolean, text for a number",
            r#"{"transactionTime":"2026-11-22T09:00:00Z","requiresAccessToken":"true",
                "output":[{"type":"Patient","url":"../files/1","count":"2"}]}"#,
            FileAccess::Token,
            &[Warning::AccessIsText],
        ),
        (
            "missing what is required",
            r#"{"transactionTime":"2026-11-22T09:00:00Z",
                "output":[{"type":"Patient","url":"/fhir/files/1","count":2}],"more":{"a":[]}}"#,
            FileAccess::Unstated,
            &[Warning::AccessUnstated],
        ),
    ];
    for (name, body, access, warnings) in cases {
        let manifest = manifest(&[body]);
        assert_eq!(manifest.access, *access, "case: {name}");
        assert_eq!(manifest.warnings, *warnings, "case: {name}");
        let time = "2026-11-22T09:00:00Z".parse().ok();
        assert_eq!(manifest.transaction_time, time, "case: {name}");
        assert_eq!(
            urls(&manifest.output),
            ["https://ehr.example/fhir/files/1"],
            "case: {name}"
        );
        let file = &manifest.output[0];
        assert_eq!(file.count, Some(2), "case: {name}");
        assert_eq!(file.resource_type, "Patient".parse().ok(), "case: {name}");
    }
}

/// Items: 70, 76, 78.
/// Faults: F41.
#[test]
fn a_manifest_of_time_and_request_alone_is_one_of_nothing_by_guess() {
    let time = r#""transactionTime":"2026-11-22T09:00:00Z""#;
    let request = r#""request":"https://ehr.example/fhir/$export""#;
    let access = r#""requiresAccessToken":true"#;
    let cases = [
        ("as older HAPI", format!("{{{time},{request}}}"), true),
        ("with access", format!("{{{time},{request},{access}}}"), false),
        ("with an empty output", format!("{{{time},{request},\"output\":[]}}"), false),
    ];
    for (name, body, expected) in cases {
        let manifest = manifest(&[&body]);
        assert_eq!(manifest.is_guess(), expected, "case: {name}");
        assert_eq!(manifest.files().count(), 0, "case: {name}");
    }
}

/// Items: 70, 78, 87, 93.
#[test]
fn refuses_what_is_no_manifest() {
    let cases = [
        ("empty object", "{}", "NotAManifest"),
        ("html", "<html>", "Json"),
        ("array", "[]", "Json"),
        (
            "file without url",
            r#"{"requiresAccessToken":true,"output":[{"type":"Patient"}]}"#,
            "FileUrl",
        ),
        (
            "parquet",
            r#"{"requiresAccessToken":true,"output":[],"outputFormat":"application/parquet"}"#,
            "Format",
        ),
        ("an output that is none", r#"{"output":{"type":"Patient"}}"#, "Shape"),
        (
            "request alone",
            r#"{"request":"https://ehr.example/fhir/$export"}"#,
            "NotAManifest",
        ),
        ("output alone", r#"{"output":[]}"#, "NotAManifest"),
        ("time alone", r#"{"transactionTime":"2026-11-22T09:00:00Z"}"#, "NotAManifest"),
        ("access alone", r#"{"requiresAccessToken":true}"#, "NotAManifest"),
        (
            "output beside a time that is none",
            r#"{"transactionTime":"yesterday","output":[]}"#,
            "NotAManifest",
        ),
        (
            "time beside an access that is none",
            r#"{"transactionTime":"2026-11-22T09:00:00Z","requiresAccessToken":"maybe"}"#,
            "NotAManifest",
        ),
        (
            "an outcome",
            r#"{"resourceType":"OperationOutcome","issue":[]}"#,
            "NotAManifest",
        ),
        (
            "next without url",
            r#"{"requiresAccessToken":true,"output":[],"link":[{"relation":"next","url":"http://"}]}"#,
            "NextUrl",
        ),
    ];
    for (name, body, expected) in cases {
        let error = format!("{:?}", read(body, 0).unwrap_err());
        assert!(error.starts_with(expected), "case: {name}: {error}");
    }
}

/// Items: 75.
/// Faults: F26.
#[test]
fn keeps_the_earliest_time_that_can_be_right() {
    let page = |time: &str| {
        format!(r#"{{"transactionTime":{time},"requiresAccessToken":true,"output":[]}}"#)
    };
    let early = page(r#""2026-11-22T08:00:00.000Z""#);
    let late = page(r#""2026-11-22T09:00:00Z""#);
    let ahead = page(r#""2026-11-22T10:03:00Z""#);
    let zoneless = page(r#""2026-11-22T09:00:00""#);
    let cases: &[(&str, &[&str], Option<&str>, &[Warning])] = &[
        ("one", &[&late], Some("2026-11-22T09:00:00Z"), &[]),
        (
            "earlier page",
            &[&late, &early],
            Some("2026-11-22T08:00:00Z"),
            &[Warning::TimeDiffers],
        ),
        (
            "ahead",
            &[&ahead],
            None,
            &[Warning::TimeAhead("2026-11-22T10:03:00Z".parse().unwrap())],
        ),
        ("no zone", &[&zoneless], None, &[Warning::TimeUnreadable]),
        (
            "no zone, then good",
            &[&zoneless, &late],
            Some("2026-11-22T09:00:00Z"),
            &[Warning::TimeUnreadable],
        ),
    ];
    for (name, pages, time, warnings) in cases {
        let manifest = manifest(pages);
        let shown = manifest.transaction_time.map(|time| time.to_string());
        assert_eq!(shown.as_deref(), *time, "case: {name}");
        assert_eq!(manifest.warnings, *warnings, "case: {name}");
    }
}

/// Items: 85, 86, 87, 88.
/// Faults: F30, F31.
#[test]
fn sums_pages_and_counts_repeated_outcomes_once() {
    let first = r#"{"transactionTime":"2026-11-22T09:00:00Z","requiresAccessToken":true,
        "output":[{"type":"Patient","url":"1"},{"type":"Patient","url":"2"}],
        "error":[{"type":"OperationOutcome","url":"e"}],
        "link":[{"relation":"self","url":"x"},{"relation":"next","url":"1?page=2"}]}"#;
    let second = r#"{"transactionTime":"2026-11-22T09:00:00Z","requiresAccessToken":true,
        "output":[{"type":"Patient","url":"3"}],"deleted":[{"type":"Bundle","url":"d"}],
        "error":[{"type":"OperationOutcome","url":"e"},{"type":"OperationOutcome","url":"f"}]}"#;
    let next = read(first, 0).unwrap().next.map(String::from);
    assert_eq!(next.as_deref(), Some("https://ehr.example/fhir/status/1?page=2"));
    let manifest = manifest(&[first, second]);
    let at = |name: &str| format!("https://ehr.example/fhir/status/{name}");
    assert_eq!(urls(&manifest.output), [at("1"), at("2"), at("3")]);
    assert_eq!(urls(&manifest.deleted), [at("d")]);
    assert_eq!(urls(&manifest.outcome), [at("e"), at("f")]);
    let id = FileId { page: 1, list: FileList::Output, position: 0 };
    assert_eq!(manifest.file(id).unwrap().url.as_str(), at("3"));
    let text = serde_json::to_string(&manifest).unwrap();
    assert_eq!(serde_json::from_str::<Manifest>(&text).unwrap(), manifest);
}

/// Items: 88, 95.
/// Faults: F31.
#[test]
fn pages_that_disagree_about_access_withhold_the_token_from_strangers() {
    let page = |yes: bool| format!(r#"{{"requiresAccessToken":{yes},"output":[]}}"#);
    let manifest = manifest(&[&page(true), &page(false)]);
    assert_eq!(manifest.access, FileAccess::Unstated);
    assert!(manifest.warnings.contains(&Warning::AccessDiffers));
}

/// Items: 127.
#[test]
fn capability_urls_do_not_print() {
    let manifest = manifest(&[
        r#"{"requiresAccessToken":true,"output":[{"type":"Patient","url":"https://s/f?sig=secret"}]}"#,
    ]);
    let shown = format!("{manifest:?}");
    assert!(!shown.contains("secret") && shown.contains("https://s/f?…"), "{shown}");
}

/// Items: 78, 79, 84, 86.
#[test]
fn notes_what_is_odd_about_files() {
    let page = |rest: &str| {
        let head =
            r#""transactionTime":"2026-11-22T09:00:00Z","requiresAccessToken":true"#;
        format!("{{{head},{rest}}}")
    };
    let cases = [
        ("nothing at all", r#""outcome":[]"#, vec![Warning::OutputMissing]),
        ("no type", r#""output":[{"url":"1"}]"#, vec![Warning::TypeMissing]),
        (
            "a type that is none",
            r#""output":[{"type":"patients","url":"1"}]"#,
            vec![Warning::Type, Warning::TypeMissing],
        ),
        (
            "no type, for output is organised",
            r#""outputOrganizedBy":"Patient","output":[{"url":"1"}]"#,
            vec![],
        ),
        (
            "a type although output is organised",
            r#""outputOrganizedBy":"Patient","output":[{"type":"Patient","url":"1"}]"#,
            vec![Warning::TypeUnexpected],
        ),
        ("a deletion without type", r#""output":[],"deleted":[{"url":"1"}]"#, vec![]),
        (
            "a count that is none",
            r#""output":[{"type":"Patient","url":"1","count":"many"}]"#,
            vec![Warning::Count],
        ),
    ];
    for (name, rest, expected) in cases {
        let manifest = manifest(&[&page(rest)]);
        assert_eq!(manifest.warnings, expected, "case: {name}");
        let holds = manifest.warnings.iter().any(Warning::holds_watermarks);
        assert!(!holds, "case: {name}");
    }
    let organized = r#""outputOrganizedBy":"Patient","outputOrganizedByDetail":{"a":1},"output":[
        {"url":"1","continuesInFile":"2"},{"url":"2"}],"outcome":[
        {"url":"o","countSeverity":[{"code":"error","count":2},{"code":"fatal","count":"1"},
        {"code":"warning","count":9}]}]"#;
    let organized = manifest(&[&page(organized)]);
    assert_eq!(organized.organized_by.as_deref(), Some("Patient"));
    assert!(organized.organized_by_detail.is_some());
    let continues = organized.output[0].continues_in.as_ref().map(Url::as_str);
    assert_eq!(continues, Some(organized.output[1].url.as_str()));
    assert_eq!(organized.outcome[0].errors_stated(), Some(3));
    assert_eq!(organized.output[0].errors_stated(), None);
    let asked = Kickoff {
        organize_output_by: Some("Patient".to_owned()),
        ..Kickoff::new(bulkhead_model::Level::System)
    };
    assert!(organized.ignored(&asked).is_empty());
    let plain = manifest(&[&page(r#""output":[]"#)]);
    assert_eq!(plain.ignored(&asked), ["organizeOutputBy"]);
}

/// Items: 88.
/// Faults: F31.
#[test]
fn pages_that_disagree_are_told_and_those_of_two_shapes_hold_the_watermarks() {
    let page = |rest: &str| {
        format!(
            r#"{{"transactionTime":"2026-11-22T09:00:00Z","requiresAccessToken":true,
            "output":[]{rest}}}"#
        )
    };
    let cases = [
        ("the same", "", vec![], false),
        (
            "organised",
            r#","outputOrganizedBy":"Patient""#,
            vec![Warning::OrganizedDiffers],
            true,
        ),
        (
            "another format",
            r#","outputFormat":"application/ndjson""#,
            vec![Warning::FormatDiffers],
            false,
        ),
        (
            "another extension",
            r#","extension":{"a":1}"#,
            vec![Warning::ExtensionDiffers],
            false,
        ),
    ];
    for (name, rest, warnings, holds) in cases {
        let manifest = manifest(&[&page(""), &page(rest)]);
        assert_eq!(manifest.warnings, warnings, "case: {name}");
        let found = manifest.warnings.iter().any(Warning::holds_watermarks);
        assert_eq!(found, holds, "case: {name}");
    }
}

/// Items: 71, 89, 97.
#[test]
fn files_are_known_again_by_place_type_and_count_and_ordered_by_their_end() {
    let page = |name: &str, kind: &str, count: u32| {
        format!(
            r#"{{"transactionTime":"2026-11-22T09:00:00Z","requiresAccessToken":true,
            "output":[{{"type":"{kind}","url":"{name}","count":{count}}}]}}"#
        )
    };
    let at = |text: &str| text.parse::<Instant>().ok();
    let add = |manifest: &mut Manifest, body: &str, expires: Option<Instant>| {
        let mut page = read(body, manifest.pages).unwrap();
        page.expires = expires;
        manifest.add(page);
    };
    let mut old = Manifest::empty();
    add(&mut old, &page("a", "Patient", 1), None);
    add(&mut old, &page("b", "Patient", 1), at("2026-11-22T12:00:00Z"));
    add(&mut old, &page("c", "Patient", 1), at("2026-11-22T11:00:00Z"));
    assert_eq!(old.expires, at("2026-11-22T11:00:00Z"), "the earliest of all pages");
    assert_eq!(old.soonest_first(), [2, 1, 0]);
    let cases = [
        ("fresh link", page("a?2", "Patient", 1), true),
        ("another type", page("a", "Device", 1), false),
        ("another count", page("a", "Patient", 2), false),
    ];
    for (name, body, same) in cases {
        let new = manifest(&[&body]);
        assert_eq!(new.renewed(&old.output[0]).is_some(), same, "case: {name}");
        assert!(new.renewed(&old.output[1]).is_none(), "case: {name}: no such page");
    }
}
