//! Counting by search, for proofs of completeness.

use bulkhead_bulk::{Auth, Error};
use bulkhead_model::{ResourceType, Secret};

use crate::{
    client,
    server::{Server, now, reply},
    settings,
};

/// Items: 142.
#[tokio::test]
async fn a_count_is_asked_for_with_the_token_and_within_bounds() {
    let server = Server::start(|request, _, _| match request.target.as_str() {
        target if target.starts_with("/fhir/Observation?") => {
            reply(200, &[], r#"{"resourceType":"Bundle","total":7}"#)
        }
        target if target.starts_with("/fhir/Basic?") => {
            reply(200, &[], r#"{"entry":[]}"#)
        }
        _ => reply(403, &[], ""),
    })
    .await;
    let client = client(settings(&server.url, Auth::Bearer(Secret::new("t0ken").into())));
    let kind = |name: &str| name.parse::<ResourceType>().unwrap();
    let count = client.count(&kind("Observation"), None, None).await.unwrap();
    assert_eq!(count, 7);
    let (after, until) = (Some("2026-11-21T00:00:00Z".parse().unwrap()), Some(now()));
    client.count(&kind("Observation"), after, until).await.unwrap();
    let seen = server.requests("GET", "/fhir/Observation");
    let targets: Vec<&str> = seen.iter().map(|seen| seen.target.as_str()).collect();
    assert_eq!(
        targets,
        [
            "/fhir/Observation?_summary=count",
            "/fhir/Observation?_summary=count&_lastUpdated=gt2026-11-21T00%3A00%3A00Z\
             &_lastUpdated=le2026-11-22T10%3A00%3A00Z",
        ]
    );
    assert!(seen.iter().all(|seen| seen.header("authorization") == Some("Bearer t0ken")));
    let refused = client.count(&kind("Condition"), None, None).await.unwrap_err();
    assert!(matches!(refused, Error::Refused { status: 403, .. }), "{refused:?}");
    let silent = client.count(&kind("Basic"), None, None).await.unwrap_err();
    assert!(matches!(silent, Error::Json { .. }), "{silent:?}");
}
