//! Faults whose end the program decides: its exit code, whether a watermark moves, and what
//! lies at the destination once the server behaves again.
//!
//! Owns the whole-program rows of the faults F1 to F41; what the client alone makes of them is
//! in `host/bulk/tests/faults`.

mod asked;
mod drift;
mod groups;
mod incomplete;
mod times;

use std::{collections::BTreeMap, time::Duration};

use bulkhead_model::Instant;
use bulkhead_sample_server::{
    Data, Fault, Gzip, On, Scenario,
    scenario::{
        Answer, At, BodyFault, Content, Count, CutHow, Framing, Issue, LineEdit, Links,
        Modes, Omission, Outcome, Pages, Profile, Then,
    },
};
use serde_json::{Value, json};

use crate::rig::{Sample, Setup, Site};

const TYPES: [&str; 3] = ["Condition", "Encounter", "Patient"];
const HOUR: Duration = Duration::from_hours(1);
const MINUTE: Duration = Duration::from_mins(1);

fn start(scenario: Scenario) -> Sample {
    Sample::start(Data::made_up(6, 3), |options| {
        options.behaviour.retry_after = Duration::ZERO;
        options.behaviour.gzip = Gzip::Never;
        options.scenario = scenario;
    })
}

/// A chain that lets everything through.
fn site(server: &Sample) -> Site {
    let mut setup = Setup::new(&server.base, TYPES);
    setup.chains = vec![("everything", String::new(), "")];
    setup.tables = "[limits]\nfile-tries = 2\n".to_owned();
    Site::with(&setup, &["m".to_owned()])
}

/// The watermarks, by type.
fn marks(site: &Site) -> BTreeMap<String, Instant> {
    let status = site.status();
    let streams = status["watermarks"].as_object().unwrap();
    let marks = streams.values().filter_map(Value::as_object).flatten();
    marks
        .map(|(name, mark)| (name.clone(), mark.as_str().unwrap().parse().unwrap()))
        .collect()
}

/// What is at the destination after all exports: later ones add, replace and take back.
fn held(site: &Site) -> BTreeMap<String, Value> {
    let mut held = BTreeMap::new();
    if !site.path("out").is_dir() {
        return held;
    }
    for export in site.delivered("") {
        for (name, lines) in &export.lines {
            for line in lines {
                let line: Value = serde_json::from_slice(line).unwrap();
                held.insert(format!("{name}/{}", line["id"].as_str().unwrap()), line);
            }
        }
        held.retain(|key, _| !export.deleted.contains(key));
    }
    held
}

/// What the server holds.
fn truth(server: &Sample) -> Vec<String> {
    let ids = server.control.ids().into_iter();
    let wanted = ids.filter(|(name, _)| TYPES.contains(&name.as_str()));
    let mut all: Vec<String> = wanted
        .flat_map(|(name, ids)| ids.into_iter().map(move |id| format!("{name}/{id}")))
        .collect();
    all.sort();
    all
}

fn has_all(site: &Site, server: &Sample, case: &str) {
    let held: Vec<String> = held(site).into_keys().collect();
    assert_eq!(held, truth(server), "case: {case}");
}

fn condition(id: &str, patient: &str) -> String {
    json!({
        "resourceType": "Condition",
        "id": id,
        "subject": {"reference": format!("Patient/{patient}")},
    })
    .to_string()
}

fn on(fault: Fault) -> Scenario {
    Scenario::default().with(fault)
}

fn mode(set: impl FnOnce(&mut Modes)) -> Scenario {
    Scenario::default().in_mode(set)
}

/// The first file of conditions.
fn spoilt(body: BodyFault) -> Fault {
    Fault::on(On::File).of_type("Condition").body(body)
}

/// As `spoilt`, with a count that knows of one more line.
fn one_more(edit: LineEdit) -> Scenario {
    let count = Fault::on(On::Manifest).of_type("Condition").count(Count::Add(1));
    on(spoilt(BodyFault::line(edit))).with(count)
}

fn issue(severity: &str) -> Scenario {
    let issue = Issue {
        severity: severity.to_owned(),
        code: "exception".to_owned(),
        resource_type: Some("Condition".to_owned()),
    };
    mode(|modes| modes.outcome = Outcome { issues: vec![issue], ..Outcome::default() })
}

/// Faults: F3, F4, F12, F13, F15, F22, F23, F30, F31, F41.
/// Items: 67, 68, 81, 89.
#[test]
fn a_fault_holds_what_it_is_about_and_the_next_run_brings_the_rest() {
    let all = &TYPES[..];
    let others = &["Encounter", "Patient"][..];
    let none = &[][..];
    let failed = Answer::status(500).outcome(["processing"]);
    let empty = Answer::status(200).body(Content::Json(json!({})));
    let html = Answer::status(200).body(Content::Html);
    let cut = |framing, how| BodyFault {
        framing: Some(framing),
        ..BodyFault::cut(At::LineEnd(2), how)
    };
    let broken = cut(Framing::Length, CutHow::Close);
    let uncounted = on(spoilt(cut(Framing::UntilClose, CutHow::Clean)))
        .with(Fault::on(On::Manifest).of_type("Condition").count(Count::Absent));
    let counted = on(spoilt(cut(Framing::UntilClose, CutHow::Clean)));
    let short = Omission {
        types: vec!["Condition".to_owned()],
        rows_after: Some(2),
        lying_count: true,
        ..Omission::default()
    };
    let silent = Omission { types: vec!["Condition".to_owned()], ..Omission::default() };
    let xml = Answer::status(403).body(Content::Xml);
    let stale = Links { refreshed: false, ..Links::dead_until_refreshed(xml.clone()) };
    let hapi = Scenario::profile(Profile::HapiLike).unwrap();
    let stranger = LineEdit::Replace {
        row: 1,
        text: r#"{"resourceType":"Observation","id":"stray"}"#.to_owned(),
    };
    let raw = Outcome { raw: Some("<html>".to_owned()), ..Outcome::default() };
    let absent = Outcome { absent: true, ..Outcome::default() };
    let paged = |then| {
        let pages = Pages { files: 1, then, ..Pages::default() };
        mode(|modes| modes.pages = Some(pages))
    };
    let lost = Fault::on(On::Manifest).page(1).answer(Answer::status(404));
    let cases: Vec<(&str, Scenario, i32, &[&str])> = vec![
        ("F3 a failed job", on(Fault::on(On::Poll).answer(failed)), 1, none),
        (
            "F4 a job that is gone once",
            on(Fault::on(On::Poll).times(1).vanish(410)),
            0,
            all,
        ),
        (
            "F4 no manifest once",
            on(Fault::on(On::Manifest).times(1).answer(empty.clone())),
            0,
            all,
        ),
        ("F4 no manifest", on(Fault::on(On::Manifest).answer(empty)), 1, none),
        (
            "F4 a web page once",
            on(Fault::on(On::Manifest).times(1).answer(html.clone())),
            0,
            all,
        ),
        ("F4 a web page", on(Fault::on(On::Manifest).answer(html)), 1, none),
        ("F12 a type", mode(|modes| modes.omit = vec![silent]), 3, others),
        ("F12 rows", mode(|modes| modes.omit = vec![short]), 3, others),
        (
            "F13 links renewed",
            mode(|modes| modes.links = Some(Links::dead_until_refreshed(xml.clone()))),
            0,
            all,
        ),
        ("F13 links not renewed", mode(|modes| modes.links = Some(stale)), 3, none),
        ("F15 cut once", on(spoilt(broken.clone()).times(1)), 0, all),
        ("F15 cut for ever", on(spoilt(broken)), 3, others),
        ("F15 cut cleanly, with a count", counted, 3, others),
        ("F15 cut cleanly, without", uncounted, 3, others),
        ("F22 a stranger", on(spoilt(BodyFault::line(stranger))), 3, others),
        ("F23 a line twice", one_more(LineEdit::Duplicate(1)), 0, all),
        ("F23 an older one after it", one_more(LineEdit::Older(1)), 0, all),
        ("F30 information", issue("information"), 0, all),
        ("F30 an error", issue("error"), 3, others),
        ("F30 no json", mode(|modes| modes.outcome = raw), 3, none),
        ("F30 no list", mode(|modes| modes.outcome = absent), 0, all),
        ("F31 pages", paged(Then::End), 0, all),
        ("F31 a circle", paged(Then::Loop), 1, none),
        ("F31 a page that is gone", paged(Then::End).with(lost), 3, none),
        ("F41 like hapi", hapi, 0, all),
    ];
    let mut wrong = Vec::new();
    for (name, scenario, code, moved) in cases {
        let is_struck = !scenario.faults.is_empty();
        let server = start(scenario);
        let site = site(&server);
        let ended = site.run();
        let found: Vec<String> = marks(&site).into_keys().collect();
        if ended.code != Some(code) || found != moved {
            wrong.push(format!(
                "{name}: {:?} {found:?}\n{}{}",
                ended.code, ended.out, ended.err
            ));
            continue;
        }
        assert!(!is_struck || !server.control.struck().is_empty(), "case: {name}");
        if code == 0 {
            has_all(&site, &server, name);
        }
        assert_eq!(server.control.lapses(), [], "case: {name}");
        // The server behaves again, and nothing was lost by what it did.
        server.control.relent();
        server.control.set_modes(|modes| *modes = Modes::default());
        server.control.advance(HOUR);
        site.run().expect(0);
        has_all(&site, &server, name);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Faults: F3.
/// Items: 119.
#[test]
fn a_job_that_failed_is_deleted_all_the_same() {
    let failed = Answer::status(500).outcome(["processing"]);
    let server = start(on(Fault::on(On::Poll).answer(failed)));
    site(&server).run().expect(1);
    let requests = server.control.requests();
    assert_eq!(requests.iter().filter(|one| one.method == "DELETE").count(), 1);
}
