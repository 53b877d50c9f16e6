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

#[test]
fn refuses_what_is_no_manifest() {
    let cases = [
        ("empty object", "{}", "NotAManifest"),
        ("html", "<html>", "Json"),
        ("array", "[]", "Json"),
        ("file without url", r#"{"output":[{"type":"Patient"}]}"#, "FileUrl"),
        ("parquet", r#"{"output":[],"outputFormat":"application/parquet"}"#, "Format"),
        (
            "next without url",
            r#"{"output":[],"link":[{"relation":"next","url":"http://"}]}"#,
            "NextUrl",
        ),
    ];
    for (name, body, expected) in cases {
        let error = format!("{:?}", read(body, 0).unwrap_err());
        assert!(error.starts_with(expected), "case: {name}: {error}");
    }
}

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

#[test]
fn pages_that_disagree_about_access_withhold_the_token_from_strangers() {
    let page = |yes: bool| format!(r#"{{"requiresAccessToken":{yes},"output":[]}}"#);
    let manifest = manifest(&[&page(true), &page(false)]);
    assert_eq!(manifest.access, FileAccess::Unstated);
    assert!(manifest.warnings.contains(&Warning::AccessDiffers));
}

#[test]
fn capability_urls_do_not_print() {
    let manifest =
        manifest(&[r#"{"output":[{"type":"Patient","url":"https://s/f?sig=secret"}]}"#]);
    let shown = format!("{manifest:?}");
    assert!(!shown.contains("secret") && shown.contains("https://s/f?…"), "{shown}");
}
