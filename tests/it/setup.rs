//! The first minutes: a configuration to start from, and completions.

use std::path::Path;

use bulkhead_sample_server::Data;

use crate::rig::{Ended, Sample, Setup, Site};

#[test]
fn the_configuration_to_start_from_lacks_nothing_but_its_files() {
    let site = Site::new();
    let printed = site.program(&["init", "--print"]).run().expect(0).out;
    site.program(&["init"]).run().expect(0);
    assert_eq!(site.read("bulkhead.toml"), printed);
    let again: Ended = site.program(&["init"]).run().expect(2);
    again.says("error: bulkhead.toml is already there");

    let checked = site.program(&["check"]).run().expect(2);
    let (_, problems) = checked.out.split_once(" to mend:\n").unwrap();
    for problem in problems.lines() {
        assert!(problem.contains("No such file or directory"), "{problem}");
    }
    assert_eq!(problems.lines().count(), 3, "{problems}");

    // With the files it names, it is accepted.
    let other =
        Site::with(&Setup::new(&"http://127.0.0.1/fhir".parse().unwrap(), [""; 0]), &[]);
    let text = other.read("bulkhead.toml");
    fs_err::create_dir(site.path("plugins")).unwrap();
    for name in ["cohort_filter", "files_sink"] {
        let line = text.lines().find(|line| line.contains(name)).unwrap();
        let path = line.split('"').nth(1).unwrap();
        fs_err::copy(Path::new(path), site.path(&format!("plugins/{name}.wasm")))
            .unwrap();
    }
    site.write("members.csv", "patient_id\nm\n");
    let unpinned = printed
        .lines()
        .filter(|line| !line.starts_with("sha256"))
        .collect::<Vec<_>>()
        .join("\n");
    site.write("bulkhead.toml", unpinned);
    let checked = site.program(&["check", "--dev"]).run().expect(0);
    assert!(
        checked.out.ends_with("No problem found. `bulkhead run` contacts the server.\n")
    );
    site.program(&["check"]).run().expect(2);
}

#[test]
fn completions_are_written_for_the_usual_shells() {
    let site = Site::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = site.program(&["completions", shell]).run().expect(0).out;
        for command in ["check", "run", "serve-sample", "status"] {
            assert!(script.contains(command), "case: {shell}, {command}");
        }
    }
}

/// Items: 32.
#[test]
fn a_configuration_that_is_accepted_runs() {
    let server = Sample::start(Data::made_up(3, 1), |_| {});
    let site = Site::with(&Setup::new(&server.base, ["Patient"]), &server.ids("Patient"));
    site.program(&["check"]).run().expect(0);
    let ended = site.program(&["run", "--json"]).run().expect(0);
    let last: serde_json::Value =
        serde_json::from_str(ended.out.lines().last().unwrap()).unwrap();
    assert_eq!(last["event"], "report");
    assert_eq!(last["report"]["tally"]["Patient"]["delivered"], 3);
    for line in ended.out.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(event["event"].is_string());
    }
}
