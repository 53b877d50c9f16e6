//! What an operator is told before and after the kick-off: where the server's own words and the
//! configuration do not agree.

use crate::rig::{Exported, Fake, Served, Setup, Site};

fn exported() -> Exported {
    let line = "{\"resourceType\":\"Patient\",\"id\":\"m\"}\n";
    Exported::new(vec![Served::new("Patient", line)])
}

fn site(server: &Fake, source: &str, types: &[&str]) -> Site {
    let mut setup = Setup::new(&server.base(), types);
    source.clone_into(&mut setup.source);
    Site::with(&setup, &["m".to_owned()])
}

/// Items: 4, 84.
#[test]
fn what_is_not_offered_and_what_is_passed_over_is_told() {
    let offering = Exported { offered: vec!["Patient"], ..exported() };
    let organised = Exported { organised_by: Some("Patient"), ..exported() };
    let not_offered = "the server does not offer `Device` for this export";
    let passed_over = "the server passed over `organizeOutputBy` without a word";
    let organise = "organize-output-by = \"Patient\"\n";
    // name, server, [source], types, the remark and how often it comes
    let cases = [
        (
            "another type",
            offering.clone(),
            "",
            &["Patient", "Device"][..],
            not_offered,
            1,
        ),
        ("what is offered", offering, "", &["Patient"], not_offered, 0),
        ("a server that says nothing", exported(), "", &["Device"], not_offered, 0),
        ("passed over", exported(), organise, &["Patient"], passed_over, 1),
        ("done", organised, organise, &["Patient"], passed_over, 0),
    ];
    for (name, exported, source, types, remark, expected) in cases {
        let (server, _) = Fake::exporting(exported);
        let ended = site(&server, source, types).run();
        assert_eq!(
            ended.err.matches(remark).count(),
            expected,
            "case: {name}: {}",
            ended.err
        );
        if let Some(at) = ended.err.find(remark) {
            let waiting = ended.err.find("waiting for the server").unwrap();
            assert_eq!(
                at < waiting,
                remark == not_offered,
                "case: {name}: {}",
                ended.err
            );
        }
    }
}

/// Items: 1.
#[test]
fn why_nothing_is_known_of_what_the_server_can_do_is_told() {
    // A page in its place: the export goes on.
    let (server, _) =
        Fake::exporting(Exported { page: Some("<p>Sign in"), ..exported() });
    let ended = site(&server, "", &["Patient"]).run().expect(0);
    let remark = format!(
        "the capability statement cannot be read: the answer of `{}/metadata` (HTTP 200, \
         `text/html`) is no JSON (line 1, column 1); nothing is known of what the server can do",
        server.base()
    );
    assert_eq!(ended.err.matches(&remark).count(), 1, "{}", ended.err);

    // None at all: most likely that is no FHIR base.
    let (server, _) =
        Fake::exporting(Exported { metadata_faults: vec![404], ..exported() });
    let ended = site(&server, "", &["Patient"]).run().expect(1);
    ended.says(&format!(
        "  because: asking what the server can do: `{}/metadata` refused (HTTP 404): no reason given",
        server.base()
    ));
    ended.says("  whose: operator");
    ended.says(
        "hint: every FHIR server has this address below its base: check `source.base-url`",
    );

    // Nobody there: the cause is told with the first wait already.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nowhere = format!("http://{}/fhir", listener.local_addr().unwrap());
    drop(listener);
    let setup = Setup::new(&nowhere.parse().unwrap(), ["Patient"]);
    let ended = Site::with(&setup, &["m".to_owned()]).run().expect(1);
    let waits: Vec<&str> =
        ended.err.lines().filter(|line| line.contains("it is asked again in")).collect();
    assert_eq!(waits.len(), 2, "{}", ended.err);
    for wait in waits {
        assert!(wait.contains("Connection refused"), "{wait}");
    }
}

/// Items: 142.
#[test]
fn a_server_without_since_is_asked_for_everything_and_the_run_says_why() {
    let (server, _) = Fake::exporting(exported());
    let site = site(&server, "since-style = \"unsupported\"\n", &["Patient"]);
    site.run().expect(0);
    let ended = site.run().expect(0);
    let why = "full, because `source.since-style` says that the server knows no `_since`";
    assert!(ended.err.contains(why), "{}", ended.err);
    assert!(ended.out.contains(": full, system level"), "{}", ended.out);
    let kickoffs: Vec<_> =
        server.seen().into_iter().filter(|seen| seen.path == "/fhir/$export").collect();
    assert_eq!(kickoffs.len(), 2);
    assert!(kickoffs.iter().all(|seen| !seen.query.contains("_since")));
}

/// Items: 45.
#[test]
fn the_history_of_a_type_that_the_server_offers_since_lately_is_asked_for_once() {
    let offered = vec!["Patient"];
    let (server, exported) = Fake::exporting(Exported { offered, ..exported() });
    let site = site(&server, "", &[]);
    site.run().expect(0);
    let new = "the server offers Device, which it did not when export";
    let ended = site.run();
    assert!(!ended.err.contains(new), "{}", ended.err);
    exported.lock().unwrap().offered.push("Device");
    let ended = site.run();
    assert!(ended.err.contains(new), "{}", ended.err);
    let kickoffs = || -> Vec<String> {
        let seen = server.seen().into_iter();
        let asked = seen.filter(|seen| seen.path == "/fhir/$export");
        asked.map(|seen| seen.query).collect()
    };
    let asked = kickoffs();
    assert_eq!(asked.len(), 4, "{asked:?}");
    assert!(
        asked[2].contains("_type=Device") && !asked[2].contains("_since"),
        "{asked:?}"
    );
    assert!(!asked[3].contains("_type") && asked[3].contains("_since"), "{asked:?}");
    let ended = site.run();
    assert!(!ended.err.contains(new), "{}", ended.err);
    assert_eq!(kickoffs().len(), 5);
}
