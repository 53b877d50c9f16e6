//! Modes of manifests and links: times, pages, where files are and what opens them.

use std::time::Duration;

use bulkhead_sample_server::{
    Data, Fault, On,
    scenario::{
        Access, Answer, Content, Expires, FilesAt, Links, Pages, Shift, Then,
        TransactionTime,
    },
};
use serde_json::Value;

use crate::auth::Signed;
use crate::client::{
    export, get, kickoff, misbehaving, modes, serve, small_files, target, types_of, visit,
};

/// Faults: F13.
#[tokio::test]
async fn links_end_and_are_renewed_or_not() {
    let answers = [
        Answer::status(403).body(Content::Xml),
        Answer::status(404),
        Answer::status(410),
        Answer::status(401),
    ];
    for answer in answers {
        let status = answer.status;
        let links = Links::dead_until_refreshed(answer);
        let server = serve(|modes| modes.links = Some(links)).await;
        let path = kickoff(&server, "$export?_type=Patient").await;
        let link =
            |manifest: Value| target(manifest["output"][0]["url"].as_str().unwrap());
        let first = link(get(&server, &path).await.json());
        assert_eq!(get(&server, &first).await.status, status);
        let second = link(get(&server, &path).await.json());
        assert_ne!(first, second);
        assert_eq!(get(&server, &second).await.status, 200);
        server.shutdown().await;
    }
    let links = Links {
        after: Some(Duration::from_mins(5)),
        downloads: None,
        answer: Answer::status(403),
        refreshed: false,
        generations: 1,
    };
    let server = serve(|modes| modes.links = Some(links)).await;
    let path = kickoff(&server, "$export?_type=Patient").await;
    let link = |manifest: Value| target(manifest["output"][0]["url"].as_str().unwrap());
    let first = link(get(&server, &path).await.json());
    assert_eq!(get(&server, &first).await.status, 200);
    server.control.advance(Duration::from_mins(6));
    assert_eq!(get(&server, &first).await.status, 403);
    assert_eq!(link(get(&server, &path).await.json()), first);
    server.shutdown().await;
}

/// Faults: F14.
#[tokio::test]
async fn the_expires_header_is_as_ordered() {
    let server = serve(|_| {}).await;
    let path = kickoff(&server, "$export").await;
    let now = get(&server, "/fhir/metadata").await.header("date").unwrap().to_owned();
    let cases = [
        ("absent", Expires::Absent, None),
        ("zero", Expires::Text("0".to_owned()), Some("0")),
        ("now", Expires::In(Shift::NONE), Some(now.as_str())),
    ];
    for (name, mode, expected) in cases {
        server.control.set_modes(|modes| modes.expires = mode);
        let answer = get(&server, &path).await;
        assert_eq!(answer.header("expires"), expected, "case: {name}");
    }
    server.shutdown().await;
}

/// Faults: F26.
#[tokio::test]
async fn transaction_times_are_written_in_every_way() {
    let server = serve(|_| {}).await;
    let start = server.control.now();
    let utc = start.to_string();
    let hour = Duration::from_hours(1);
    let local = start.plus(Duration::from_mins(330)).to_string().replace('Z', "+05:30");
    let cases = [
        ("start", TransactionTime::Start, Some(utc.clone())),
        ("ahead", TransactionTime::Ahead(hour), Some(start.plus(hour).to_string())),
        ("behind", TransactionTime::Behind(hour), Some(start.minus(hour).to_string())),
        ("missing", TransactionTime::Missing, None),
        ("zoneless", TransactionTime::Zoneless, Some(utc.replace('Z', ""))),
        ("truncated", TransactionTime::Truncated, Some(format!("{}Z", &utc[..16]))),
        ("offset", TransactionTime::Offset("+05:30".to_owned()), Some(local)),
        ("text", TransactionTime::Text("today".to_owned()), Some("today".to_owned())),
    ];
    for (name, mode, expected) in cases {
        server.control.set_modes(|modes| modes.transaction_time = mode);
        let manifest = export(&server, "$export?_type=Patient").await;
        let time = manifest.get("transactionTime").and_then(Value::as_str);
        assert_eq!(time, expected.as_deref(), "case: {name}");
    }
    for (name, mode, later) in
        [("end", TransactionTime::End, 1), ("now", TransactionTime::PollNow, 2)]
    {
        server.control.set_modes(|modes| modes.transaction_time = mode);
        let began = server.control.now();
        let path = kickoff(&server, "$export?_type=Patient").await;
        let mut time = Value::Null;
        for _ in 0..2 {
            server.control.advance(hour);
            time = get(&server, &path).await.json()["transactionTime"].clone();
        }
        assert_eq!(time, began.plus(hour * later).to_string(), "case: {name}");
    }
    let behind = TransactionTime::Behind(hour);
    let per_job = TransactionTime::PerJob(vec![behind, TransactionTime::Missing]);
    let other = serve(|modes| modes.transaction_time = per_job).await;
    for expected in [Some(start.minus(hour).to_string()), None, None] {
        let manifest = export(&other, "$export?_type=Patient").await;
        let time = manifest.get("transactionTime").and_then(Value::as_str);
        assert_eq!(time, expected.as_deref());
    }
    other.shutdown().await;
    server.shutdown().await;
}

/// Faults: F31.
#[tokio::test]
async fn manifests_come_in_pages() {
    let pages = Pages {
        files: 2,
        partial: true,
        empty: Some(1),
        then: Then::Loop,
        time_differs: true,
        errors_repeated: true,
        elsewhere: true,
    };
    let server = small_files(|modes| {
        modes.pages = Some(pages);
        modes.outcome.raw = Some("{}".to_owned());
    })
    .await;
    let path = kickoff(&server, "$export?_type=Patient&allowPartialManifests=true").await;
    let partial = get(&server, &path).await;
    assert_eq!((partial.status, partial.has("retry-after")), (202, true));
    let partial = partial.json();
    assert_eq!(types_of(&partial).len(), 2);
    assert!(partial.get("link").is_none());
    let file = target(partial["output"][0]["url"].as_str().unwrap());
    assert_eq!(get(&server, &file).await.status, 200);

    let first = get(&server, &path).await.json();
    assert_eq!(first["output"], partial["output"]);
    let mut seen = Vec::new();
    let mut page = first.clone();
    for _ in 0..4 {
        assert_eq!(page["error"].as_array().unwrap().len(), 1);
        seen.push(types_of(&page).len());
        let next = page["link"][0]["url"].as_str().unwrap();
        assert!(next.starts_with(server.elsewhere.as_ref().unwrap().as_str()));
        page = visit(next, &[]).await.json();
    }
    assert_eq!(seen, [2, 0, 2, 2]);
    assert_eq!(page["output"], first["output"]);
    let second = visit(first["link"][0]["url"].as_str().unwrap(), &[]).await.json();
    assert_ne!(second["transactionTime"], first["transactionTime"]);
    server.shutdown().await;
}

/// Faults: F31.
#[tokio::test]
async fn the_next_page_fails_on_order() {
    let pages = Pages { files: 1, ..Pages::default() };
    let fault = Fault::on(On::Manifest).page(1).times(1).answer(Answer::status(503));
    let scenario = modes(|modes| modes.pages = Some(pages)).with(fault);
    let server = misbehaving(Data::made_up(3, 7), scenario).await;
    let first = export(&server, "$export?_type=Condition,Patient").await;
    let next = first["link"][0]["url"].as_str().unwrap();
    assert_eq!(visit(next, &[]).await.status, 503);
    let second = visit(next, &[]).await.json();
    assert_eq!(types_of(&second), ["Patient"]);
    assert!(second.get("link").is_none());
    server.shutdown().await;
}

/// Faults: F34.
#[tokio::test]
async fn files_elsewhere_are_opened_by_their_link() {
    let bearer = [("Authorization", "Bearer x")];
    let cases = [
        ("capability", Access::Capability, false, 400),
        ("presigned", Access::TrueButPresigned, true, 400),
        ("never", Access::Never, false, 200),
    ];
    for (name, access, said, with_token) in cases {
        for at in [FilesAt::Elsewhere, FilesAt::Home] {
            let scenario = modes(|modes| {
                modes.access = access;
                modes.files_at = at;
            });
            let signed = Signed::start(Data::made_up(3, 7), scenario).await;
            let token = signed.token().await;
            let answer = signed.get("/fhir/$export?_type=Patient", &token).await;
            let status = target(answer.header("content-location").unwrap());
            let manifest = signed.get(&status, &token).await.json();
            assert_eq!(manifest["requiresAccessToken"], said, "case: {name}");
            let url = manifest["output"][0]["url"].as_str().unwrap();
            let is_home = url.starts_with(signed.server.base_url.as_str());
            assert_eq!(is_home, at == FilesAt::Home, "case: {name}");
            assert_eq!(visit(url, &[]).await.status, 200, "case: {name}");
            assert_eq!(visit(url, &bearer).await.status, with_token, "case: {name}");
            let unsigned = url.split('?').next().unwrap();
            assert_eq!(visit(unsigned, &[]).await.status, 403, "case: {name}");
            signed.server.shutdown().await;
        }
    }
    let server = serve(|modes| modes.access = Access::Always).await;
    let manifest = export(&server, "$export?_type=Patient").await;
    assert_eq!(manifest["requiresAccessToken"], true);
    server.shutdown().await;
}

/// Faults: F41.
#[tokio::test]
async fn files_come_as_binary_resources() {
    let server = serve(|modes| modes.files_at = FilesAt::Binary).await;
    let manifest = export(&server, "$export?_type=Patient").await;
    let url = manifest["output"][0]["url"].as_str().unwrap();
    assert!(url.contains("/fhir/Binary/"));
    let plain = visit(url, &[("Accept", "application/fhir+ndjson")]).await;
    assert_eq!(plain.header("content-type"), Some("application/fhir+ndjson"));
    let wrapped = visit(url, &[("Accept", "application/fhir+json")]).await.json();
    assert_eq!(wrapped["resourceType"], "Binary");
    let data = base64::Engine::decode(
        &base64::engine::general_purpose::STANDARD,
        wrapped["data"].as_str().unwrap(),
    );
    assert_eq!(data.unwrap(), plain.body);
    server.shutdown().await;
}
