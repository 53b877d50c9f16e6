//! The guide for operators: every example in it can be played.

use bulkhead_sample_server::{Data, Scenario};

use crate::client::{export, kickoff, misbehaving, send, target, visit};

const GUIDE: &str = include_str!("../../../../docs/rehearsing.md");

#[tokio::test]
async fn every_example_of_the_guide_is_a_scenario() {
    let examples: Vec<&str> = GUIDE
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert_eq!(examples.len(), 6);
    for text in examples {
        let scenario = Scenario::parse(text).map_err(|error| error.to_string());
        let scenario = scenario.unwrap();
        assert_ne!(scenario, Scenario::default(), "{text}");
        let server = misbehaving(Data::made_up(3, 7), scenario).await;
        server.shutdown().await;
    }
}

/// Faults: F8, F34, F41.
#[tokio::test]
async fn a_hapi_like_server_does_all_that_hapi_does() {
    let text = "profile = \"hapi-like\"\n[behaviour]\nready-after-polls = 0\n";
    let server = misbehaving(Data::made_up(3, 7), Scenario::parse(text).unwrap()).await;
    let manifest = export(&server, "$export?_type=Patient").await;
    assert_eq!(manifest["requiresAccessToken"], true);
    assert!(manifest.get("error").is_none());
    let url = manifest["output"][0]["url"].as_str().unwrap();
    let wrapped = visit(url, &[("Accept", "application/fhir+json")]).await;
    assert_eq!(wrapped.json()["resourceType"], "Binary");
    let repeated = "/fhir/$export?_type=Patient&_type=Task";
    let headers = crate::client::ASYNC;
    assert_eq!(send(server.addr, "GET", repeated, &headers, "").await.status, 400);
    let status = kickoff(&server, "$export?_type=Patient").await;
    assert_eq!(status, target(&format!("{}/bulk/{}", server.base_url, job(url))));
    assert_eq!(send(server.addr, "DELETE", &status, &[], "").await.status, 404);
    server.shutdown().await;
}

fn job(url: &str) -> &str {
    let name = url.rsplit('/').next().unwrap();
    name.split('-').next().unwrap()
}
