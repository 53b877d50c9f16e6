//! What goes over the wire: headers, the token, and who gets neither.

use bulkhead_sample_server::{Auth, Client, Data};

use crate::rig::{Fake, Sample, Served, Setup, Site};

/// Items: 29, 36, 37, 43, 60, 95, 100, 120.
#[test]
fn every_request_has_the_headers_that_the_guide_asks_for() {
    let keys = Site::new();
    let made = keys.program(&["keys", "generate", "--out", "client.pem"]).run().expect(0);
    let client = Client::from_jwks("tests", &made.out).unwrap();
    let server = Sample::start(Data::made_up(10, 1), |options| {
        options.auth = Auth::Clients(vec![client]);
    });
    let members = server.ids("Patient");
    let mut setup = Setup::new(&server.base, ["Condition", "Patient"]);
    setup.source =
        "[source.auth]\nclient-id = \"tests\"\nkey = { file = \"client.pem\" }\n"
            .to_owned();
    let site = Site::with(&setup, &members);
    site.write("client.pem", keys.read("client.pem"));
    site.run().expect(0);

    let seen = server.control.requests();
    let at = |method: &str, what: &str| -> Vec<usize> {
        let is = |seen: &bulkhead_sample_server::LoggedRequest| {
            seen.method == method && seen.path.contains(what)
        };
        seen.iter().enumerate().filter(|(_, seen)| is(seen)).map(|(at, _)| at).collect()
    };
    let header = |at: usize| {
        let seen = &seen[at];
        (seen.accept.as_deref(), seen.prefer.as_deref(), seen.authorized, seen.status)
    };
    let kickoffs = at("GET", "/$export");
    assert_eq!(kickoffs.len(), 1);
    assert_eq!(
        header(kickoffs[0]),
        (Some("application/fhir+json"), Some("respond-async"), true, 202)
    );
    assert!(seen[kickoffs[0]].query.contains("_type="), "{}", seen[kickoffs[0]].query);
    let cancelled = at("DELETE", "/");
    assert_eq!(cancelled.len(), 1);
    assert!(header(cancelled[0]).2);
    let status = &seen[cancelled[0]].path;
    let polls = at("GET", status);
    assert!(!polls.is_empty());
    let files: Vec<usize> = (0..seen.len())
        .filter(|at| seen[*at].accept.as_deref() == Some("application/fhir+ndjson"))
        .collect();
    assert_eq!(files.len(), 2);
    for file in files {
        assert_eq!(header(file), (Some("application/fhir+ndjson"), None, true, 200));
        assert!(file < cancelled[0], "a file after the job was given up");
        assert!(file > polls[0], "a file before the manifest");
    }
    assert_eq!(header(polls[0]).0, Some("application/json"));
    assert!(header(polls[0]).2);
    for discovery in ["/metadata", "/.well-known/smart-configuration", "/auth/token"] {
        for seen in &seen {
            assert!(!(seen.path.ends_with(discovery) && seen.authorized));
        }
    }
    // Nothing of the token lies in the folder, the logs or the ledger's JSON.
    assert!(!site.status().to_string().contains("oken"));
}

/// Items: 31, 32, 80, 95, 124.
/// Faults: F34.
#[test]
fn a_token_is_never_sent_to_another_origin() {
    const TOKEN: &str = "the-token-of-this-test";
    let line = "{\"resourceType\":\"Patient\",\"id\":\"m\"}\n";
    for (name, requires_token, code) in
        [("files are open", false, 0), ("files ask for the token", true, 1)]
    {
        let other = Fake::files(vec![Served::new("Patient", line)]);
        let mut file = Served::new("Patient", line);
        file.elsewhere = Some(other.url.clone());
        let server = Fake::export(vec![file], requires_token);
        let mut setup = Setup::new(&server.base(), ["Patient"]);
        setup.source = "[source.auth]\nbearer = { env = \"TOKEN\" }\n".to_owned();
        setup.tables = "[limits]\nfile-tries = 1\n".to_owned();
        let site = Site::with(&setup, &["m".to_owned()]);
        let ended = site.program(&["run"]).env("TOKEN", TOKEN).run().expect(code);
        for seen in other.seen() {
            let headers = format!("{:?}", seen.headers);
            assert!(!headers.contains(TOKEN), "case: {name}: {headers}");
            assert!(!seen.headers.contains_key("authorization"), "case: {name}");
        }
        let bearer = format!("Bearer {TOKEN}");
        let kickoff = server.seen().into_iter().find(|seen| seen.path == "/fhir/$export");
        assert_eq!(kickoff.unwrap().headers.get("authorization"), Some(&bearer));
        assert!(!format!("{}{}", ended.out, ended.err).contains(TOKEN), "case: {name}");
        if code == 0 {
            assert_eq!(site.delivered("")[0].count(), 1, "case: {name}");
        } else {
            assert!(ended.err.contains("FAILED"), "case: {name}: {}", ended.err);
        }
    }
}

/// Items: 120, S3.
#[test]
fn one_file_that_fails_holds_its_type_back_and_no_other() {
    let line = |kind: &str| format!("{{\"resourceType\":\"{kind}\",\"id\":\"m\"}}\n");
    let mut broken = Served::new("Patient", line("Patient"));
    broken.status = 500;
    let server = Fake::export(
        vec![broken, Served::new("Practitioner", line("Practitioner"))],
        false,
    );
    let mut setup = Setup::new(&server.base(), ["Patient", "Practitioner"]);
    setup.tables = "[limits]\nfile-tries = 1\n".to_owned();
    let site = Site::with(&setup, &["m".to_owned()]);
    let ended = site.run().expect(3);
    assert!(
        ended.out.contains("! Patient: incomplete: a file failed: "),
        "{}",
        ended.out
    );
    let status = site.status();
    let marks = status["watermarks"].as_object().unwrap().values().next().unwrap();
    let names: Vec<&String> = marks.as_object().unwrap().keys().collect();
    assert_eq!(names, ["Practitioner"]);
    // Nothing will come back for the file: the server may let the job go.
    assert_eq!(server.seen().iter().filter(|seen| seen.method == "DELETE").count(), 1);
}
