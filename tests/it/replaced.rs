//! Plugins that somebody replaces while a run is under way: the run has those that it began with,
//! and the next one refuses what its configuration does not pin.

use std::collections::BTreeMap;

use bulkhead_guest_builder::Guest;
use bulkhead_sample_server::{Data, Fault, On};
use bulkhead_sandbox::Package;

use crate::rig::{Sample, Setup, Site, tree};

const TYPES: [&str; 4] = ["Condition", "Encounter", "Observation", "Patient"];

/// The plugins of the chain. What takes their places keeps all, changes nothing, and takes all and
/// writes nothing.
const PLUGINS: [(&str, &str); 3] =
    [("cohort_filter", "filter"), ("deidentify", "transform"), ("files_sink", "sink")];

/// A site that has files of its own for its plugins.
fn site(server: &Sample, members: &[String], isolation: &str) -> Site {
    let mut setup = Setup::new(&server.base, TYPES);
    setup.tables = "[limits]\nfiles-in-flight = 1\n".to_owned();
    setup.chains = vec![("research", Setup::filter_and_deidentify(), "")];
    let site = Site::with(&setup, members);
    for (name, _) in PLUGINS {
        let shipped = bulkhead_tests::plugin(name);
        fs_err::copy(&shipped, site.path(&format!("{name}.wasm"))).unwrap();
        let shipped = shipped.display().to_string();
        site.edit("bulkhead.toml", &shipped, &format!("{name}.wasm"));
    }
    let isolated = format!("\nisolation = \"{isolation}\"\ngrants = ");
    let text = site.read("bulkhead.toml").replace("\ngrants = ", &isolated);
    site.write("bulkhead.toml", text);
    site
}

/// What was delivered, but for the manifest, which carries times.
fn delivered(site: &Site) -> BTreeMap<String, Vec<u8>> {
    let mut files = tree(&site.path("out"));
    files.retain(|name, _| !name.ends_with("manifest.json"));
    files
}

/// Attacks: 52.
#[test]
fn a_run_has_the_plugins_it_began_with_and_the_next_one_refuses_others() {
    for isolation in ["in-process", "process"] {
        let server = Sample::start(Data::made_up(40, 3), |_| {});
        let members: Vec<String> = server.ids("Patient").into_iter().step_by(2).collect();
        let undisturbed = site(&server, &members, isolation);
        undisturbed.run().expect(0);

        // The second file waits until every plugin is another, and compiled code is gone.
        let gate = Fault::on(On::File).named("gate").after(1).hold("gate");
        server.control.order(gate).unwrap();
        let site = site(&server, &members, isolation);
        let running = site.program(&["run"]).start();
        running.wait_for("file 0 (");
        for (name, role) in PLUGINS {
            let guest = Guest::made(name, role, &[], "", "");
            let hostile = Package::from_bytes(guest.component()).unwrap();
            let hostile = hostile.with_manifest(&guest.manifest().to_string()).unwrap();
            // As a package manager does it: written apart, then renamed.
            site.write("new.wasm", hostile.bytes());
            let path = site.path(&format!("{name}.wasm"));
            fs_err::rename(site.path("new.wasm"), path).unwrap();
        }
        fs_err::remove_dir_all(site.path(".bulkhead/compiled")).unwrap();
        assert_eq!(delivered(&site).len(), 1, "the others are still to come");
        server.control.release("gate");
        running.finish().expect(0);
        assert!(delivered(&undisturbed).len() >= 4);
        assert!(
            delivered(&site) == delivered(&undisturbed),
            "case: {isolation}: another plugin ran"
        );

        let refused = site.run().expect(2);
        assert!(
            refused.err.contains("but the configuration pins"),
            "case: {isolation}: {}",
            refused.err
        );
    }
}
