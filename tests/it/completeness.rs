//! What is missing is noticed, held back, told with its evidence, and let pass only by an
//! operator's word.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::rig::{Exported, Fake, Framing, Served, Setup, Site};

fn lines(kind: &str, count: usize) -> String {
    let line = |n| format!("{{\"resourceType\":\"{kind}\",\"id\":\"{kind}-{n}\"}}\n");
    (0..count).map(line).collect()
}

fn outcome(severity: &str, code: &str, about: &str) -> Served {
    let issue = format!(
        r#"{{"severity":"{severity}","code":"{code}","diagnostics":"about {about}"}}"#
    );
    let line = format!(r#"{{"resourceType":"OperationOutcome","issue":[{issue}]}}"#);
    Served::new("OperationOutcome", line)
}

/// Three patients and two devices.
fn whole() -> Exported {
    Exported::new(vec![
        Served::new("Patient", lines("Patient", 3)),
        Served::new("Device", lines("Device", 2)),
    ])
}

/// Three patients, and no device.
fn without_devices() -> Exported {
    Exported::new(vec![Served::new("Patient", lines("Patient", 3))])
}

/// A chain that lets everything through, which asks for patients and devices.
fn setup(server: &Fake) -> Setup {
    let mut setup = Setup::new(&server.base(), ["Patient", "Device"]);
    setup.chains = vec![("research", String::new(), "")];
    setup
}

fn site(server: &Fake) -> Site {
    Site::with(&setup(server), &["m".to_owned()])
}

/// A client that signs in at the server's own token endpoint.
fn signing(setup: &mut Setup) -> String {
    let keys = Site::new();
    keys.program(&["keys", "generate", "--out", "client.pem"]).run().expect(0);
    setup.source =
        "[source.auth]\nclient-id = \"tests\"\nkey = { file = \"client.pem\" }\n"
            .to_owned();
    keys.read("client.pem")
}

/// The types whose watermark moved.
fn moved(site: &Site) -> Vec<String> {
    let status = site.status();
    let streams = status["watermarks"].as_object().unwrap();
    let marks = streams.values().filter_map(Value::as_object);
    marks.flat_map(|marks| marks.keys().cloned()).collect()
}

/// Items: 81, 92, 105, 112, S3, S6.
/// Faults: F12, F15, F16, F30.
#[test]
fn what_speaks_against_a_type_holds_it_and_no_other() {
    let mut miscounted = whole();
    miscounted.files[1].count = Some(5);
    let mut uncut = whole();
    uncut.files[1].framing = Framing::UntilClose;
    let mut counted = uncut.clone();
    counted.files[1].count = Some(2);
    let with = |issue: Served| Exported { outcomes: vec![issue], ..whole() };
    let totals = |devices| Exported {
        totals: BTreeMap::from([("Device", devices), ("Patient", 3)]),
        ..without_devices()
    };
    let unlisted = Exported { offered: vec!["Patient"], ..without_devices() };
    let mut forbidden = Exported { uncounted: 403, ..without_devices() };
    let nothing_is_searched = forbidden.clone();
    forbidden.totals = BTreeMap::from([("Patient", 3)]);
    let (all, patients, none) = (&["Device", "Patient"][..], &["Patient"][..], &[][..]);
    let cases = [
        ("nothing", whole(), 0, "Watermark of 2 of 2 types", all),
        (
            "a count",
            miscounted,
            3,
            "! Device: incomplete: 2 resources came, the manifest says 5",
            patients,
        ),
        (
            "a file that ends with its connection",
            uncut,
            3,
            "! Device: unproven: 1 files ended",
            patients,
        ),
        ("not when it is counted", counted, 0, "Watermark of 2 of 2 types", all),
        (
            "an error of it",
            with(outcome("error", "exception", "Device")),
            3,
            "! Device: incomplete: the server reports 2",
            patients,
        ),
        (
            "an omission of it",
            with(outcome("warning", "suppressed", "Device")),
            3,
            "! Device: incomplete: the server reports an omission: warning suppressed (1)",
            patients,
        ),
        (
            "an omission of whatever",
            with(outcome("information", "incomplete", "much")),
            3,
            "! Patient: incomplete: the server reports an omission",
            none,
        ),
        (
            "a report that is none",
            with(Served::new("OperationOutcome", "{}")),
            3,
            "! Patient: held: 1 of the server's own reports",
            none,
        ),
        (
            "the server's count",
            totals(4),
            3,
            "! Device: suspect: the server counts 4, 0 came",
            patients,
        ),
        ("not a count of none", totals(0), 0, "Watermark of 2 of 2 types", all),
        (
            "a refusal to count it",
            forbidden,
            3,
            "! Device: incomplete: the granted scope does not cover it",
            patients,
        ),
        (
            "the server's own list",
            unlisted,
            3,
            "! Device: incomplete: none came, and the server does not list it",
            patients,
        ),
        (
            "nothing that is known",
            without_devices(),
            0,
            "! Device: none came, and nothing shows that the server has none",
            patients,
        ),
        (
            "nothing, as counting is refused for all",
            nothing_is_searched,
            0,
            "! Device: none came, and nothing shows",
            patients,
        ),
    ];
    for (name, exported, code, line, expected) in cases {
        // One issue is counted once.
        let line = line.replace("reports 2", "reports 1");
        let (server, _) = Fake::exporting(exported);
        let site = site(&server);
        let ended = site.run().expect(code);
        assert!(ended.out.contains(&line), "case: {name}:\n{}", ended.out);
        assert_eq!(moved(&site), expected, "case: {name}");
    }
}

/// Items: 45, 70, 72.
/// Faults: F30.
#[test]
fn an_export_of_all_types_that_brought_nothing_but_errors_is_asked_for_again() {
    let (server, exported) = Fake::exporting(Exported {
        outcomes: vec![outcome("error", "exception", "everything")],
        ..Exported::new(Vec::new())
    });
    let mut setup = setup(&server);
    setup.types = Vec::new();
    let site = Site::with(&setup, &["m".to_owned()]);
    let ended = site.run().expect(3);
    let line = "! all types together: incomplete: the server reports 1 errors of its own";
    assert!(ended.out.contains(line), "{}", ended.out);
    assert_eq!(moved(&site), Vec::<String>::new());

    *exported.lock().unwrap() = whole();
    let ended = site.run().expect(0);
    assert!(ended.out.contains(": full, system level"), "{}", ended.out);
    assert_eq!(moved(&site), ["Resource"]);
}

/// Items: 26, 112.
/// Faults: F10.
#[test]
fn a_run_that_goes_on_knows_what_the_run_before_it_knew() {
    let mut unread = outcome("information", "informational", "nothing");
    unread.status = 503;
    let (server, exported) = Fake::exporting(Exported {
        outcomes: vec![outcome("error", "exception", "Device"), unread],
        scope: Some("system/Device.rs system/Patient.rs?active=true"),
        ..without_devices()
    });
    let mut setup = setup(&server);
    let key = signing(&mut setup);
    setup.tables = "[limits]\nfile-tries = 20\n".to_owned();
    let site = Site::with(&setup, &["m".to_owned()]);
    site.write("client.pem", key);
    let stopped = site.program(&["run"]).start();
    stopped.wait_for("the granted scope covers only a part of Patient");
    stopped.wait_for("an outcome file could not be had and is tried again");
    stopped.signal("INT");
    stopped.finish().expect(5);

    // The token is another by now, and the error was read by another process.
    {
        let mut exported = exported.lock().unwrap();
        exported.outcomes[1].status = 200;
        exported.scope = Some("system/*.rs");
    }
    let ended = site.run().expect(3);
    for line in [
        "! Patient: incomplete: the granted scope covers a part of it",
        "! Device: incomplete: the server reports 1 errors of its own",
    ] {
        assert!(ended.out.contains(line), "{line}:\n{}", ended.out);
    }
    assert_eq!(moved(&site), Vec::<String>::new());
}

#[test]
fn an_omission_is_accepted_by_name_with_a_reason_and_that_is_written_down() {
    let exported =
        Exported { totals: BTreeMap::from([("Device", 9)]), ..without_devices() };
    let (server, _) = Fake::exporting(exported);
    let by_hand = site(&server);
    by_hand.run().expect(3);
    assert_eq!(moved(&by_hand), ["Patient"]);
    by_hand.program(&["run", "--accept-omission", "Device"]).run().expect(2);
    let args =
        ["run", "--accept-omission", "Device", "--reason", "agreed with the clinic"];
    let ended = by_hand.program(&args).env("USER", "nurse").run().expect(0);
    // The real user first: what the environment says is what anybody may say.
    let is_told = |said: &str| {
        said.starts_with("    accepted by ")
            && said.ends_with(", by its environment `nurse`: agreed with the clinic")
    };
    assert!(ended.out.lines().any(is_told), "{}", ended.out);
    assert_eq!(moved(&by_hand), ["Device", "Patient"]);
    let status = by_hand.status();
    let written =
        status["accepted-omissions"].as_object().unwrap().values().next().unwrap();
    assert_eq!(written[0]["type"], "Device");
    let by = written[0]["accepted-by"].as_str().unwrap();
    assert!(by.ends_with(", by its environment `nurse`"), "{by}");
    assert_eq!(written[0]["verdict"], "suspect: the server counts 9, 0 came");
    let told = by_hand.program(&["status"]).run().expect(0);
    assert!(told.out.contains("`nurse` accepted in export"), "{}", told.out);

    let mut setup = setup(&server);
    setup.tables = "[sync]\naccept-omission = [\"Device\"]\n".to_owned();
    let standing = Site::with(&setup, &["m".to_owned()]);
    let ended = standing.run().expect(0);
    assert!(ended.out.contains("accepted by the configuration"), "{}", ended.out);
    assert_eq!(moved(&standing), ["Device", "Patient"]);
}

/// Items: 142, S6.
/// Faults: F12, F28.
#[test]
fn what_earlier_exports_brought_is_remembered() {
    let full = || {
        Exported::new(vec![
            Served::new("Patient", lines("Patient", 25)),
            Served::new("Device", lines("Device", 5)),
        ])
    };
    let (server, exported) = Fake::exporting(full());
    let site = site(&server);
    site.run().expect(0);

    // The same again, though only changes were asked for.
    let ended = site.run().expect(3);
    let line = "! Patient: suspect: 25 came, as much as the 25 of the last full export: the \
        server seems to ignore `_since`";
    assert!(ended.out.contains(line), "{}", ended.out);

    // Everything was asked for, and a whole type is gone without a word.
    exported.lock().unwrap().files.truncate(1);
    let ended = site.program(&["run", "--full"]).run().expect(3);
    let line = "! Device: suspect: none came, but 5 were in the full export of ";
    assert!(ended.out.contains(line), "{}", ended.out);
    let ended = site.program(&["run", "--full"]).run().expect(3);
    assert!(ended.out.contains(line), "it is remembered until somebody accepts it");

    let status = site.status();
    let export = status["exports"][0]["export"].as_str().unwrap();
    let again = site.program(&["status", "--report", export]).run().expect(0);
    let (_, evidence) = again.out.split_once("Evidence, by type:\n").unwrap();
    for text in [
        "  Patient: complete\n    asked for; ",
        "; 5 in the full export of ",
        "; 25 came; ",
    ] {
        assert!(evidence.contains(text), "{text}:\n{evidence}");
    }

    let why = site.program(&["status", "--why", "Device"]).run().expect(0);
    for line in [
        "Watermark: 2026-11-22T10:00:00Z",
        "Next `_since`: 2026-11-22T09:55:00Z",
        line.trim_start_matches("! Device: "),
    ] {
        assert!(why.out.contains(line), "{line}:\n{}", why.out);
    }
    let why = site.program(&["status", "--why", "Device", "--json"]).run().expect(0);
    let why: Value = serde_json::from_str(&why.out).unwrap();
    let evidence = &why["why"][0]["exports"][0]["evidence"];
    assert_eq!(evidence["last-full"]["count"], 5);
    assert_eq!(evidence["came"], 0);
}

#[test]
fn counts_are_bounded_by_what_the_export_was_bounded_by() {
    let exported =
        Exported { totals: BTreeMap::from([("Device", 2), ("Patient", 3)]), ..whole() };
    let (server, _) = Fake::exporting(exported);
    let mut setup = setup(&server);
    setup.tables = "[sync]\nprobe = \"all\"\n".to_owned();
    let site = Site::with(&setup, &["m".to_owned()]);
    for _ in 0..2 {
        site.run().expect(0);
    }
    let seen = server.seen();
    let queries: Vec<&str> = seen
        .iter()
        .filter(|seen| seen.path == "/fhir/Patient")
        .map(|seen| seen.query.as_str())
        .collect();
    let until = "_lastUpdated=le2026-11-22T10%3A00%3A00Z";
    assert_eq!(
        queries,
        [
            format!("_summary=count&{until}"),
            format!("_summary=count&_lastUpdated=gt2026-11-22T09%3A55%3A00Z&{until}"),
        ]
    );
}

/// Faults: F12.
#[test]
fn a_silence_that_cannot_be_chance_is_suspect_until_it_is_explained() {
    let with = |patients, devices| {
        let patients = Served::new("Patient", lines("Patient", patients));
        let devices = Served::new("Device", lines("Device", devices));
        Exported::new(vec![patients, devices])
    };
    let (server, exported) = Fake::exporting(with(30, 5));
    let site = site(&server);
    site.run().expect(0);
    for _ in 0..4 {
        *exported.lock().unwrap() = with(8, 1);
        site.run().expect(0);
    }
    // One device a run is little: a run without one is no news. Eight patients are.
    *exported.lock().unwrap() = Exported::new(Vec::new());
    let ended = site.run().expect(3);
    let line = "! Patient: suspect: none came 1 times in a row, after 32 in 4 incremental exports";
    assert!(ended.out.contains(line), "{}", ended.out);
    assert!(!ended.out.contains("! Device"), "{}", ended.out);
    exported.lock().unwrap().totals = BTreeMap::from([("Patient", 0)]);
    site.run().expect(0);
    let searches = server.seen();
    let searches = searches.iter().filter(|seen| seen.path == "/fhir/Device");
    assert_eq!(searches.count(), 0, "what is not suspect is not counted");
}
