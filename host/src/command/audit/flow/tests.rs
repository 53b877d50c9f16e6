use super::*;
use crate::command::audit::capabilities::Row;

fn plugin(name: &str, granted: &[(&str, &str)]) -> PluginFacts {
    let row = |(interface, name): &(&str, &str)| Row {
        interface: (*interface).to_owned(),
        name: (*name).to_owned(),
        is_granted: true,
        ..Row::default()
    };
    PluginFacts {
        name: name.to_owned(),
        capabilities: granted.iter().map(row).collect(),
        ..PluginFacts::default()
    }
}

fn stage(name: &str, role: &str, is_gate: bool) -> StageFacts {
    StageFacts {
        name: name.to_owned(),
        plugin: name.to_owned(),
        role: role.to_owned(),
        is_gate,
    }
}

fn usual(seals: Seals) -> Flow {
    let plugins = [
        plugin("gate", &[("cohorts", "study"), ("telemetry", "")]),
        plugin("change", &[("bodies", ""), ("keyed-hash", "study"), ("state", "")]),
        plugin("files", &[("artifacts", "lake"), ("artifacts", "copy")]),
    ];
    let stages = [
        stage("gate", "filter", true),
        stage("change", "transform", false),
        stage("files", "sink", false),
    ];
    flow("https://ehr.example/fhir", &stages, &plugins, Remembers::Resources, seals)
}

#[test]
fn says_whose_data_reaches_which_place_and_in_which_form() {
    use Cargo::{Bodies, Chosen, Codes, Counts, Hashes, Positions};
    let everybody = "everybody whom the server exports; as the server sent it";
    let cohort = "what `gate` keeps of cohort `study`; as the server sent it";
    let changed = "what `gate` keeps of cohort `study`; as `change` made it";
    let bodies = format!("{cohort}; made of what it sees: whole bodies");
    let blind = format!(
        "{changed}; made of what it sees: no content: type, size, position, time of change"
    );
    let host = "lines of everybody whom the server exports; hashes of resources that were \
                delivered, and of their patients";
    let whole = "exports, files and types as a whole";
    // place, by, what, whose
    let expected: [(&str, &str, &[Cargo], &str); 10] = [
        ("ledger", "", &[Counts, Hashes, Positions], host),
        ("logs, reports, audit log", "", &[Codes, Counts], whole),
        ("quarantine", "gate", &[Codes, Positions], everybody),
        ("logs, reports", "gate", &[Codes, Counts], everybody),
        ("quarantine", "change", &[Codes, Positions], cohort),
        ("ledger", "change", &[Chosen], &bodies),
        ("quarantine", "files", &[Codes, Positions], changed),
        ("ledger", "files", &[Chosen], &blind),
        ("store `lake`", "files", &[Bodies, Chosen], changed),
        ("store `copy`", "files", &[Bodies, Chosen], changed),
    ];
    let flow = usual(Seals::Nothing);
    let found: Vec<(&str, &str, &[Cargo], &str)> = flow
        .reach
        .iter()
        .map(|of| (of.place.as_str(), of.by.as_str(), &of.carries[..], of.of.as_str()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn a_cohort_filter_is_a_gate_and_a_blind_sink_is_said_to_see_nothing() {
    let flow = usual(Seals::Nothing);
    let middle: Vec<(Kind, &str, &[String])> = flow
        .nodes
        .iter()
        .filter(|node| node.column == Column::Middle)
        .map(|node| (node.kind, node.title.as_str(), &node.notes[..]))
        .collect();
    let kinds: Vec<Kind> = middle.iter().map(|(kind, ..)| *kind).collect();
    assert_eq!(kinds, [Kind::Source, Kind::Gate, Kind::Stage, Kind::Stage, Kind::Store]);
    assert_eq!(middle[2].2, ["sees whole bodies"]);
    assert!(middle[3].2[0].starts_with("sees no content"), "{:?}", middle[3]);
}

#[test]
fn every_way_leads_from_one_node_to_another() {
    let flow = usual(Seals::Nothing);
    for edge in &flow.edges {
        assert!(edge.from < flow.nodes.len() && edge.to < flow.nodes.len());
        assert!(edge.from != edge.to && !edge.carries.is_empty());
    }
    // Everything but the source can be reached from something, or reaches something.
    for at in 0..flow.nodes.len() {
        assert!(flow.edges.iter().any(|edge| edge.from == at || edge.to == at));
    }
}

#[test]
fn bodies_are_sealed_only_behind_every_stage_that_says_whose_data_may_pass() {
    let plugins = [
        plugin("gate", &[("cohorts", "study")]),
        plugin("sieve", &[("projection", "status")]),
        plugin("change", &[("bodies", "")]),
        plugin("asks", &[("bodies", ""), ("cohorts", "study")]),
        plugin("files", &[("artifacts", "lake")]),
        plugin("nosy", &[("artifacts", "lake"), ("cohorts", "study")]),
    ];
    let (gate, sieve) = (stage("gate", "filter", true), stage("sieve", "filter", false));
    let (change, asks) =
        (stage("change", "transform", false), stage("asks", "transform", false));
    let (files, nosy) = (stage("files", "sink", false), stage("nosy", "sink", false));
    // What stands in the chain, and whose refusals are sealed.
    let cases: [(&str, Vec<&StageFacts>, &[&str]); 7] = [
        ("behind the gate", vec![&gate, &change, &files], &["change", "files"]),
        ("behind the last filter", vec![&gate, &change, &sieve, &files], &["files"]),
        ("behind who asks for a cohort", vec![&gate, &asks, &files], &["files"]),
        ("without any", vec![&change, &files], &["change", "files"]),
        ("a gate alone", vec![&gate, &files], &["files"]),
        ("a sink that asks", vec![&gate, &change, &nosy], &["change", "nosy"]),
        ("a sink alone", vec![&files], &["files"]),
    ];
    for (name, stages, expected) in cases {
        let stages: Vec<StageFacts> = stages.into_iter().cloned().collect();
        let sealed = |seals: Seals| -> Vec<String> {
            let flow =
                flow("https://ehr.example", &stages, &plugins, Remembers::Nothing, seals);
            let reach = flow.reach.iter();
            let by: Vec<String> = reach
                .filter(|of| of.carries.contains(&Cargo::Sealed))
                .map(|of| of.by.clone())
                .collect();
            let edges = flow.edges.iter();
            let ways = edges.filter(|edge| edge.carries.contains(&Cargo::Sealed)).count();
            assert_eq!(ways, by.len(), "case: {name}: a way each");
            by
        };
        assert_eq!(sealed(Seals::Bodies), expected, "case: {name}");
        assert_eq!(sealed(Seals::Nothing), Vec::<String>::new(), "case: {name}");
    }
}

#[test]
fn a_sealed_body_is_told_as_it_entered_the_stage_and_for_whom() {
    let flow = usual(Seals::Bodies);
    let sealed: Vec<(&str, &str)> = flow
        .reach
        .iter()
        .filter(|of| of.place == "quarantine, sealed")
        .map(|of| (of.by.as_str(), of.of.as_str()))
        .collect();
    let expected = [
        (
            "change",
            "what `gate` keeps of cohort `study`; as the server sent it; for \
             `quarantine.recipients` alone",
        ),
        (
            "files",
            "what `gate` keeps of cohort `study`; as `change` made it; for \
             `quarantine.recipients` alone",
        ),
    ];
    assert_eq!(sealed, expected);
}
