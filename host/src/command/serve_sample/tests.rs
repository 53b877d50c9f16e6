//! The arguments of `serve-sample`, and what is told of them.

use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    serve: ServeSample,
}

fn serve(arguments: &[&str]) -> Result<ServeSample, clap::Error> {
    Line::try_parse_from(["serve-sample"].iter().chain(arguments)).map(|line| line.serve)
}

#[test]
fn leaves_this_machine_only_when_told_to() {
    let cases: [(&str, &[&str], Option<&str>); 7] = [
        ("default", &[], Some("127.0.0.1:8080")),
        ("another port", &["--port", "0"], Some("127.0.0.1:0")),
        (
            "address and port",
            &["--bind", "127.0.0.2:1", "--port", "9"],
            Some("127.0.0.2:9"),
        ),
        ("v6", &["--bind", "[::1]:80"], Some("[::1]:80")),
        ("everywhere", &["--bind", "0.0.0.0:80"], None),
        ("another machine's", &["--bind", "192.0.2.1:80"], None),
        (
            "everywhere, on purpose",
            &["--bind", "0.0.0.0:80", "--allow-remote"],
            Some("0.0.0.0:80"),
        ),
    ];
    for (name, arguments, expected) in cases {
        let addr = serve(arguments).unwrap().addr().ok().map(|addr| addr.to_string());
        assert_eq!(addr.as_deref(), expected, "case: {name}");
    }
}

#[test]
fn refuses_arguments_that_contradict_each_other() {
    let cases: [(&str, &[&str]); 7] = [
        ("a folder of made-up patients", &["--data", "d", "--patients", "3"]),
        ("leniency towards made-up patients", &["--lenient"]),
        ("sign-in without a client", &["--auth", "backend-services", "--jwks", "j"]),
        ("sign-in without keys", &["--auth", "backend-services", "--client-id", "c"]),
        ("empty files", &["--resources-per-file", "0"]),
        ("an unknown profile", &["--profile", "acme"]),
        ("two masters", &["--profile", "inferno", "--scenario", "s.toml"]),
    ];
    for (name, arguments) in cases {
        assert!(serve(arguments).is_err(), "case: {name}");
    }
    let client = serve(&["--client-id", "c"]).unwrap();
    assert!(client.auth().is_err());
}

#[test]
fn the_snippet_is_what_the_configuration_reads() {
    let auth: &[&str] =
        &["--auth", "backend-services", "--client-id", "c", "--jwks", "j"];
    let cases: [(&str, &[&str], &str); 3] = [
        ("open", &[], "http://127.0.0.1:8080/fhir"),
        ("with a client", auth, "http://127.0.0.1:8080/fhir"),
        ("on another machine", &[], "http://192.0.2.1:8080/fhir"),
    ];
    let rest = "[plugins.p]\npath = \"p\"\n[[chain]]\nsink = { plugin = \"p\" }\n";
    for (name, arguments, base) in cases {
        let snippet = serve(arguments).unwrap().snippet(&base.parse().unwrap());
        let text = format!("{snippet}\n{rest}");
        let read = crate::config::Config::parse(
            "bulkhead.toml".as_ref(),
            &text,
            crate::config::Pinning::Waived,
        );
        let config = read.map_err(|problems| problems.to_string()).unwrap();
        assert_eq!(config.source.base_url.as_str(), base, "case: {name}");
        let is_insecure = !config.source.insecure_origins.is_empty();
        assert_eq!(is_insecure, !base.contains("127.0.0.1"), "case: {name}");
    }
}

#[test]
fn a_flag_wins_over_the_scenario() {
    let text = "[behaviour]\ngzip = \"never\"\nresources-per-file = 3\n[modes]\nedition = \"v2\"\n";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.toml");
    fs_err::write(&path, text).unwrap();
    let path = path.to_str().unwrap();
    let options = serve(&["--scenario", path, "--gzip", "always"]).unwrap().options();
    let scenario = options.unwrap().scenario;
    assert_eq!(scenario.modes.edition, bulkhead_sample_server::scenario::Edition::V2);
    let gzip = scenario.behaviour.gzip;
    assert_eq!(gzip, Some(bulkhead_sample_server::Gzip::Always));
    assert_eq!(scenario.behaviour.resources_per_file, NonZeroU64::new(3));
    fs_err::write(folder.path().join("s.toml"), "[modes]\nedition = 9\n").unwrap();
    let refused = serve(&["--scenario", path]).unwrap().options().unwrap_err();
    assert!(format!("{refused:#}").contains("line 2: "), "{refused:#}");
}

#[tokio::test]
async fn serves_what_was_asked_for() {
    let serve = serve(&["--port", "0", "--patients", "3"]).unwrap();
    let running = Server::start(serve.options().unwrap()).await.unwrap();
    assert!(is_local(running.addr.ip()));
    let told = serve.told(&running.base_url, &running.token_url);
    let first = format!("FHIR base URL  {}\n", running.base_url);
    assert!(told.starts_with(&first), "{told}");
    running.shutdown().await;
}
