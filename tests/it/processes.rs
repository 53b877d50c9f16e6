//! Plugins in processes of their own: the same outputs, and who is told where they run.

use std::collections::BTreeMap;

use bulkhead_sample_server::Data;

use crate::rig::{Sample, Setup, Site, tree};

/// What a run delivers, with every plugin isolated in that way.
fn delivered(server: &Sample, isolation: &str) -> BTreeMap<String, Vec<u8>> {
    let types = ["Condition", "Encounter", "Observation", "Patient"];
    let mut setup = Setup::new(&server.base, types);
    setup.chains = vec![("research", Setup::filter_and_deidentify(), "")];
    let members: Vec<String> = server.ids("Patient").into_iter().step_by(2).collect();
    let folder = Site::with(&setup, &members);
    let text = folder.read("bulkhead.toml");
    let isolated = format!("\nisolation = \"{isolation}\"\ngrants = ");
    folder.write("bulkhead.toml", text.replace("\ngrants = ", &isolated));
    let checked = folder.program(&["check"]).run().expect(0);
    let expected = match isolation {
        "in-process" => "    runs in this process",
        _ => "    runs in a process of its own (seccomp, landlock ABI ",
    };
    let shown = checked.out.lines().filter(|line| line.starts_with(expected)).count();
    assert_eq!(shown, 3, "{}", checked.out);
    folder.run().expect(0);
    let mut files = tree(&folder.path("out"));
    // The manifest carries the time and the export's name; its lines are in the others.
    files.retain(|name, _| !name.ends_with("manifest.json"));
    files
}

#[test]
fn plugins_deliver_the_same_bytes_from_processes_of_their_own() {
    let server = Sample::start(Data::made_up(40, 3), |_| {});
    let here = delivered(&server, "in-process");
    assert!(here.len() >= 4, "{:?}", here.keys());
    for isolation in ["process", "process-unconfined"] {
        let apart = delivered(&server, isolation);
        assert!(here == apart, "{isolation}: {:?}", apart.keys());
    }
}

#[test]
fn an_unknown_isolation_is_refused_with_the_words_there_are() {
    let server = Sample::start(Data::made_up(1, 1), |_| {});
    let mut setup = Setup::new(&server.base, ["Patient"]);
    setup.chains = vec![("research", Setup::filter_and_deidentify(), "")];
    let folder = Site::with(&setup, &["m".to_owned()]);
    folder.edit("bulkhead.toml", "\ngrants = ", "\nisolation = \"vm\"\ngrants = ");
    let refused = folder.program(&["check"]).run().expect(2);
    assert!(
        refused.err.contains(
            "isolation` = \"vm\": write \"in-process\" or \"process\" or \"process-unconfined\""
        ),
        "{}",
        refused.err
    );
}
