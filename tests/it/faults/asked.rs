//! A server that sends what nobody asked for, or that passes over a parameter without a word.

use std::collections::BTreeSet;

use bulkhead_sample_server::{
    Data, Fault, On, Scenario,
    scenario::{
        Answer, Blocks, GroupSince, Member, Modes, Omission, Organized, Shift, Since,
        Treatment, What,
    },
};
use serde_json::{Value, json};

use super::{HOUR, TYPES, condition, has_all, held, marks, mode, site, start};
use crate::rig::{Sample, Setup, Site};

fn passes_over(parameter: &str) -> impl Fn(&mut Modes) + use<> {
    let parameter = parameter.to_owned();
    move |modes| {
        modes.parameters.insert(parameter.clone(), Treatment::Ignore);
    }
}

/// Sums over the types of a report.
fn sum(report: &Value, of: impl Fn(&Value) -> u64) -> u64 {
    report["tally"].as_object().unwrap().values().map(of).sum()
}

fn last_report(site: &Site) -> Value {
    site.report(&site.delivered("").last().unwrap().id)
}

/// Items: 107. Faults: F35.
#[test]
fn types_that_nobody_asked_for_are_told_and_not_delivered() {
    let blocks = Organized::Honoured(Blocks::default());
    let gone = Fault::on(On::File).of_type("Observation").answer(Answer::status(500));
    let cases = [
        ("files", mode(passes_over("_type")), ""),
        ("a file that cannot be had", mode(passes_over("_type")).with(gone), ""),
        (
            "blocks of all types",
            mode(passes_over("_type")).in_mode(|modes| modes.organized = blocks),
            "organize-output-by = \"Patient\"\n",
        ),
    ];
    for (name, scenario, source) in cases {
        let server = start(scenario);
        let mut setup = Setup::new(&server.base, TYPES);
        setup.chains = vec![("everything", String::new(), "")];
        setup.tables = "[limits]\nfile-tries = 2\n".to_owned();
        source.clone_into(&mut setup.source);
        let site = Site::with(&setup, &["m".to_owned()]);
        let ended = site.run().expect(0);
        has_all(&site, &server, name);
        let told = format!("! {} passes over `_type`: it sent ", server.base);
        assert!(ended.out.contains(&told), "case: {name}: {}", ended.out);
        let agree = ended.out.lines().find(|line| line.starts_with("The sums agree"));
        assert!(agree.is_some_and(|line| line.contains(" not asked for + ")), "{name}");
        let report = last_report(&site);
        let other = &report["tally"]["Procedure"];
        assert!(other["read"].as_u64() > Some(0), "case: {name}: {report}");
        assert_eq!(other["read"], other["not-asked"]["_type"], "case: {name}");
        assert_eq!(marks(&site).into_keys().collect::<Vec<_>>(), TYPES, "case: {name}");
        // Of what is not asked for nothing is said to be missing.
        let verdicts: Vec<&String> =
            report["verdicts"].as_object().unwrap().keys().collect();
        assert_eq!(verdicts, TYPES, "case: {name}");
    }
}

/// Items: 137. Faults: F35, F36.
#[test]
fn strangers_in_the_history_of_who_joined_are_told_and_not_delivered() {
    let server = Sample::start(Data::made_up(12, 3), |options| {
        options.scenario = mode(passes_over("patient"));
        options.scenario.modes.group = GroupSince::ChangedOnly;
    });
    let mut setup = Setup::new(&server.base, TYPES);
    setup.source = "level = { group = \"cohort-a\" }\n".to_owned();
    setup.chains = vec![("everything", String::new(), "")];
    let site = Site::with(&setup, &["m".to_owned()]);
    site.run().expect(0);
    let before: BTreeSet<String> = held(&site).into_keys().collect();
    let outsider = server
        .ids("Patient")
        .into_iter()
        .find(|id| !before.contains(&format!("Patient/{id}")));
    let joined = outsider.clone().unwrap();
    server.control.advance(HOUR);
    let member = Member { patient: outsider, ..Member::pick("cohort-a", 1) };
    server.control.change(&What::AddMember(member)).unwrap();
    // Nothing of who was there comes along with who joined, although it is new.
    let old = before.iter().find_map(|key| key.strip_prefix("Patient/")).unwrap();
    server.control.put(&condition("of-another", old)).unwrap();
    server.control.advance(HOUR);
    let ended = site.run().expect(0);
    let told = format!("! {} passes over `patient`: it sent ", server.base);
    assert!(ended.out.contains(&told), "{}", ended.out);
    let exports = site.delivered("");
    let history = &exports[exports.len() - 2];
    assert!(history.keys().contains(&format!("Patient/{joined}")), "{history:?}");
    assert!(!history.keys().contains("Condition/of-another"), "{history:?}");
    let report = site.report(&history.id);
    assert!(sum(&report, |of| of["not-asked"]["patient"].as_u64().unwrap_or(0)) > 20);
    // The export of changes brings it.
    assert!(held(&site).contains_key("Condition/of-another"));
}

/// Items: 135, 142. Faults: F28, F35.
#[test]
fn what_is_old_is_delivered_once_and_a_server_that_sends_it_all_is_named() {
    let server = start(mode(|modes| modes.since = Since::Ignored));
    let site = site(&server);
    site.run().expect(0);
    server.control.advance(HOUR);
    let patient = server.ids("Patient").remove(0);
    let text = condition("referenced", &patient);
    let shift = Shift::back(100 * HOUR);
    server.control.change(&What::PutAt { shift, text }).unwrap();
    let ended = site.run();
    let told = format!("resources that {} sent have not changed since ", server.base);
    assert!(ended.out.contains(&told), "{}", ended.out);
    assert!(ended.out.contains("it seems to pass over `_since`"), "{}", ended.out);
    // However old it is, what is new here is delivered, and nothing else.
    let last = site.delivered("").pop().unwrap();
    assert_eq!(last.keys(), BTreeSet::from(["Condition/referenced".to_owned()]));
}

/// Items: S12. Faults: F12.
#[test]
fn a_type_that_others_refer_to_and_of_which_none_came_is_suspect() {
    let silent = Omission { types: vec!["Encounter".to_owned()], ..Omission::default() };
    let server = start(mode(|modes| modes.omit = vec![silent]));
    let mut setup = Setup::new(&server.base, TYPES);
    setup.chains = vec![("everything", String::new(), "")];
    // Nothing else would tell.
    setup.tables = "[sync]\nprobe = \"off\"\n".to_owned();
    let site = Site::with(&setup, &["m".to_owned()]);
    let patient = server.ids("Patient").remove(0);
    let text = json!({
        "resourceType": "Condition", "id": "met",
        "subject": {"reference": format!("Patient/{patient}")},
        "encounter": {"reference": "Encounter/e1"},
    });
    server.control.put(&text.to_string()).unwrap();
    let ended = site.run().expect(3);
    let told =
        "! Encounter: suspect: none came, but other resources of this export refer to it";
    assert!(ended.out.contains(told), "{}", ended.out);
    assert!(!marks(&site).contains_key("Encounter"));
    // The server mends it, and all is well.
    server.control.set_modes(|modes| *modes = Modes::default());
    server.control.advance(HOUR);
    site.run().expect(0);
    has_all(&site, &server, "mended");
}

/// Items: 106, 112. Faults: F22, F30.
#[test]
fn an_outcome_among_the_outputs_is_the_servers_word_and_no_resource() {
    let entry = json!({"type": "OperationOutcome"});
    let told = Scenario::default()
        .with(Fault::on(On::Manifest).json("/output/0/type", entry["type"].clone()));
    let server = start(told);
    let site = site(&server);
    // A file of conditions that is called a file of outcomes: the server's reports cannot be
    // read, and that holds every type.
    let ended = site.run().expect(3);
    assert!(ended.out.contains("of the server's own reports could not be read"));
    assert!(!held(&site).keys().any(|key| key.starts_with("OperationOutcome")));
    assert_eq!(marks(&site).len(), 0, "{}", ended.out);
}
