//! The survey of a configuration: its table, its findings, and the page that an auditor files.

use bulkhead_sample_server::Data;
use serde_json::{Value, json};

use super::{LOG, audit, head, ran, server};
use crate::rig::{Sample, Setup, Site, sha256, tree};

/// What the audit says of one capability.
fn capability<'a>(survey: &'a Value, plugin: &str, interface: &str) -> &'a Value {
    let plugins = survey["plugins"].as_array().unwrap();
    let plugin = plugins.iter().find(|of| of["name"] == plugin).unwrap();
    let rows = plugin["capabilities"].as_array().unwrap();
    rows.iter().find(|row| row["interface"] == interface).unwrap()
}

#[test]
fn the_table_tells_what_was_asked_granted_and_really_used() {
    let server = server();
    let mut setup = Setup::new(&server.base, ["Observation", "Patient"]);
    setup.chains = vec![("research", Setup::filter_and_deidentify(), "")];
    let site = Site::with(&setup, &server.ids("Patient")[..4]);
    let before = audit(&site, &[], 0);
    assert_eq!(capability(&before, "files-sink", "artifacts")["used"]["calls"], 0);
    let codes = |survey: &Value| -> Vec<String> {
        let findings = survey["findings"].as_array().unwrap();
        findings.iter().map(|of| of["code"].as_str().unwrap().to_owned()).collect()
    };
    assert!(codes(&before).contains(&"no-runs".to_owned()));

    site.run().expect(0);
    let after = audit(&site, &[], 0);
    let stored: u64 = tree(&site.path("out")).len() as u64;
    let artifacts = capability(&after, "files-sink", "artifacts");
    assert_eq!(artifacts["name"], "lake");
    assert_eq!(artifacts["is-granted"], true);
    assert!(artifacts["why"].as_str().unwrap().starts_with("to create the files"));
    assert_eq!(artifacts["used"]["runs"], 1);
    assert_eq!(artifacts["used"]["calls"], stored, "a file a call");
    assert!(artifacts["used"]["bytes"].as_u64().unwrap() > 1_000);
    let cohorts = &capability(&after, "cohort-filter", "cohorts")["used"];
    let bodies = &capability(&after, "deidentify", "bodies")["used"];
    for used in [cohorts, bodies] {
        assert!(used["calls"].as_u64().unwrap() > 0 && used["latest"].is_string());
    }
    assert!(!codes(&after).contains(&"no-runs".to_owned()));
    assert!(!codes(&after).contains(&"unused-grant".to_owned()), "{:?}", codes(&after));

    // Which data reaches the store, and past whom.
    let reach = after["chains"][0]["flow"]["reach"].as_array().unwrap();
    let store = reach.iter().find(|of| of["place"] == "store `lake`").unwrap();
    assert_eq!(
        store["of"],
        "what `cohort-filter` keeps of cohort `study`; as `deidentify` made it"
    );
    let text = site.program(&["audit"]).run().expect(0).out;
    assert!(text.contains("used in 1 of 1 run: "), "{text}");
    assert!(
        text.contains("sees no content: type, size, position, time of change"),
        "{text}"
    );
}

#[test]
fn a_run_that_is_stopped_still_tells_what_its_plugins_used() {
    let server = Sample::start(Data::made_up(300, 2), |_| {});
    let mut setup =
        Setup::new(&server.base, ["AllergyIntolerance", "Observation", "Patient"]);
    setup.tables = "[limits]\nblock = \"4KiB\"\nfiles-in-flight = 1\n".to_owned();
    let site = Site::with(&setup, &server.ids("Patient"));
    let stopped = site.program(&["run"]).start();
    stopped.wait_for("file 0 (AllergyIntolerance): ");
    stopped.signal("INT");
    stopped.finish().expect(5);
    let survey = audit(&site, &[], 0);
    let used = &capability(&survey, "cohort-filter", "cohorts")["used"];
    let first = used["calls"].as_u64().unwrap();
    assert!(first > 0, "{used}");
    site.run().expect(0);
    let survey = audit(&site, &[], 0);
    let used = &capability(&survey, "cohort-filter", "cohorts")["used"];
    assert!(used["calls"].as_u64().unwrap() > first);
    assert_eq!(used["runs"], 1, "one export, however many processes");
}

/// A component that can do nothing, with this manifest: enough to be judged.
fn component(manifest: &Value) -> Vec<u8> {
    let number = |mut value: usize| {
        let mut bytes = Vec::new();
        loop {
            let low = u8::try_from(value & 0x7f).unwrap();
            value >>= 7;
            bytes.push(if value == 0 { low } else { low | 0x80 });
            if value == 0 {
                return bytes;
            }
        }
    };
    let (name, data) = ("bulkhead:manifest", manifest.to_string());
    let mut section = number(name.len());
    section.extend(name.bytes().chain(data.bytes()));
    let mut bytes = b"\0asm\x0d\0\x01\0\0".to_vec();
    bytes.extend(number(section.len()));
    bytes.extend(section);
    bytes
}

/// Attacks: 41.
#[test]
fn the_page_holds_no_secret_no_patient_and_no_markup_of_a_plugin() {
    let server = server();
    let mut setup = Setup::new(&server.base, ["Patient"]);
    let evil = "<script>alert('x')</script>";
    let bytes = component(&json!({
        "bulkhead": 1, "name": evil, "version": evil, "description": evil,
        "role": "transform", "fields": [evil],
        "capabilities": [{ "interface": "bodies", "why": evil },
            { "interface": "projection", "why": evil }, { "interface": "state", "why": evil }],
    }));
    let site = Site::with(&setup, &server.ids("Patient"));
    site.run().expect(0);
    setup.tables =
        "[plugins.evil]\npath = \"evil.wasm\"\ngrants = { bodies = true, state = \
        true }\n"
            .to_owned();
    setup.chains[0].1 += ", { plugin = \"evil\" }";
    let other = Site::cold(&setup, &server.ids("Patient"));
    let toml = other.read("bulkhead.toml");
    site.write("bulkhead.toml", toml);
    site.write("evil.wasm", bytes);

    let survey = audit(&site, &["--html", "page.html", "--fail-on", "high"], 3);
    let codes: Vec<&str> = survey["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|of| of["about"] == "plugins.evil")
        .map(|of| of["code"].as_str().unwrap())
        .collect();
    for code in ["unpinned", "would-not-load", "state-with-bodies"] {
        assert!(codes.contains(&code), "{code} is not in {codes:?}");
    }
    let page = site.read("page.html");
    assert!(!page.contains("<script"));
    assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"));
    assert!(page.contains(&head(&site)));
    assert!(page.contains(&sha256(site.read("bulkhead.toml").as_bytes())));
    let text = site.program(&["audit"]).run().expect(0).out;
    let log = site.program(&["audit", "log"]).run().expect(0).out;
    let places = [
        ("page", page),
        ("text", text),
        ("json", survey.to_string()),
        ("log", site.read(LOG)),
        ("log in words", log),
    ];
    let mut canaries = server.ids("Patient");
    canaries.push(site.read("research.key"));
    canaries.push("birthDate".to_owned());
    for (place, text) in places {
        for canary in &canaries {
            assert!(!text.contains(canary.as_str()), "`{canary}` is in the {place}");
        }
    }
}

#[test]
fn findings_decide_the_exit_code_when_asked_to() {
    let server = server();
    let site = ran(&server);
    let mode = |mode| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        fs_err::set_permissions(site.path("research.key"), mode).unwrap();
    };
    mode(0o600);
    let high = |site: &Site| site.program(&["audit", "--fail-on", "high"]).run();
    high(&site).expect(0);
    mode(0o644);
    let told = high(&site).expect(3).out;
    assert!(
        told.contains("high   keys.research: anybody on this machine may read"),
        "{told}"
    );
    site.program(&["audit"]).run().expect(0);
    site.program(&["audit", "--chain", "nowhere"]).run().expect(2);
}
