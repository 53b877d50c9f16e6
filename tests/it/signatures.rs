//! Plugins that are signed, by the program that signs them and the program that loads them.

use std::{net::TcpListener, os::unix::fs::PermissionsExt as _};

use serde_json::Value;
use url::Url;

use crate::rig::{Ended, Setup, Site, sha256};

/// A site whose cohort filter is a file of its own, signed by `team.key`, whose server is not
/// there.
fn site() -> Site {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base: Url =
        format!("http://{}/fhir", listener.local_addr().unwrap()).parse().unwrap();
    let site = Site::with(&Setup::new(&base, ["Patient"]), &["m".to_owned()]);
    let text = site.read("bulkhead.toml");
    let (_, rest) = text.split_once("[plugins.cohort-filter]\npath = \"").unwrap();
    let path = rest.split_once('"').unwrap().0;
    fs_err::copy(path, site.path("filter.wasm")).unwrap();
    site.edit("bulkhead.toml", path, "filter.wasm");
    for name in ["team", "other"] {
        let key = format!("{name}.key");
        let made =
            site.program(&["plugin", "keygen", "--out", &key, "--no-password"]).run();
        let made = made.expect(0);
        made.says(
            "warning: it has no password: whoever gets the file signs in your name",
        );
        site.write(&format!("{name}.pub"), made.out);
    }
    let trust = "[trust.team]\npublic-key = { file = \"team.pub\" }\n[plugins.cohort-filter]\n\
                 signed-by = [\"team\"]\n";
    site.edit("bulkhead.toml", "[plugins.cohort-filter]\n", trust);
    site
}

fn sign(site: &Site, key: &str, more: &[&str]) -> String {
    let args = ["plugin", "sign", "filter.wasm", "--key", key];
    site.program(&[&args, more].concat()).run().expect(0).out
}

/// Asserts that these words stand on standard output.
#[track_caller]
fn tells(ended: &Ended, words: &str) {
    assert!(ended.out.contains(words), "`{words}` is missing in:\n{}", ended.out);
}

/// The id in a public key's comment.
fn id(site: &Site, name: &str) -> String {
    let text = site.read(&format!("{name}.pub"));
    text.lines().next().unwrap().rsplit(' ').next().unwrap().to_owned()
}

/// Attacks: 49.
#[test]
fn a_plugin_runs_only_with_the_signature_that_is_asked_for() {
    let site = site();
    let check = || site.program(&["check"]).run();
    let refused = check().expect(2);
    tells(&refused, "plugin `cohort-filter`, signature ");
    tells(&refused, "there is no signature file");

    let signed = sign(&site, "team.key", &["--expires", "2999-12-31"]);
    let team = id(&site, "team");
    assert!(
        signed.starts_with(&format!("signed by key {team}, until 2999-12-31\n")),
        "{signed}"
    );
    check().expect(0);

    sign(&site, "other.key", &[]);
    let refused = check().expect(2);
    let stranger = format!(
        "it is signed by key {}, and trusted are only {team} (`team`)",
        id(&site, "other")
    );
    tells(&refused, &stranger);

    // An appended section changes what a plugin does in nothing, and its digest is pinned anew:
    // the signature is another key.
    sign(&site, "team.key", &[]);
    let mut bytes = fs_err::read(site.path("filter.wasm")).unwrap();
    let pin = sha256(&bytes);
    bytes.extend(b"\0\x06\x05extra");
    site.write("filter.wasm", &bytes);
    site.edit("bulkhead.toml", &pin, &sha256(&bytes));
    tells(&check().expect(2), "did not sign these bytes");
    let run = site.run().expect(2);
    run.says("hint: fetch plugin and signature anew from its signers, and find out who changed them");

    // And the other way round: a good signature makes up for no pin.
    sign(&site, "team.key", &[]);
    check().expect(0);
    site.edit("bulkhead.toml", &sha256(&bytes), &pin);
    tells(&check().expect(2), "the plugin's SHA-256 is");
}

/// Attacks: 49.
#[test]
fn a_site_can_demand_signatures_of_every_plugin() {
    let site = site();
    sign(&site, "team.key", &[]);
    let text = site.read("bulkhead.toml");
    site.write("bulkhead.toml", format!("require-signatures = true\n{text}"));
    for args in [&["check"][..], &["check", "--dev"]] {
        let refused = site.program(args).run().expect(2);
        for name in ["deidentify", "files-sink"] {
            let missing = format!(
                "`plugins.{name}.signed-by` is missing, and `require-signatures` is true: name \
                 the keys of `[trust]` that may sign it"
            );
            assert!(refused.err.contains(&missing), "{}", refused.err);
        }
        assert!(!refused.err.contains("plugins.cohort-filter"), "{}", refused.err);
    }
}

/// Attacks: 49.
#[test]
fn whoever_judges_a_plugin_sees_who_signed_it() {
    let site = site();
    let inspect = |more: &[&str]| {
        let args = ["plugin", "inspect", "filter.wasm", "--json", "--no-run"];
        site.program(&[&args, more].concat()).run()
    };
    let state = |out: &str| {
        let told: Value = serde_json::from_str(out).unwrap();
        told["signature"]["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(state(&inspect(&[]).expect(0).out), "absent");
    assert_eq!(state(&inspect(&["--trust", "team.pub"]).expect(2).out), "absent");
    sign(&site, "team.key", &[]);
    assert_eq!(state(&inspect(&[]).expect(0).out), "unverified");
    assert_eq!(state(&inspect(&["--trust", "team.pub"]).expect(0).out), "verified");
    assert_eq!(state(&inspect(&["-c", "bulkhead.toml"]).expect(0).out), "verified");
    assert_eq!(state(&inspect(&["--trust", "other.pub"]).expect(2).out), "refused");
    let told: Value = serde_json::from_str(&inspect(&[]).expect(0).out).unwrap();
    let tools = told["shape"]["toolchain"].as_array().unwrap();
    assert!(tools.iter().any(|tool| tool["name"] == "wit-component"), "{tools:?}");
}

#[test]
fn a_new_version_that_may_more_is_told_by_the_exit_code() {
    let site = site();
    let plugin = |name: &str| {
        let text = site.read("bulkhead.toml");
        let (_, rest) = text.split_once(&format!("[plugins.{name}]\npath = \"")).unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    };
    let (old, new) = (plugin("deidentify"), plugin("files-sink"));
    let diff = |old: &str, new: &str| {
        site.program(&["plugin", "inspect", "--diff", old, new, "--json"]).run()
    };
    let same: Value = serde_json::from_str(&diff(&old, &old).expect(0).out).unwrap();
    assert_eq!(same["same-bytes"], true);
    let wider: Value = serde_json::from_str(&diff(&old, &new).expect(3).out).unwrap();
    let widened: Vec<(&str, &str)> = wider["widened"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| {
            (change["what"].as_str().unwrap(), change["item"].as_str().unwrap())
        })
        .collect();
    assert!(widened.contains(&("import", "artifacts")), "{widened:?}");
    assert!(widened.contains(&("role", "")), "{widened:?}");
    diff(&old, "bulkhead.toml").expect(2);
}

/// Items: 31.
#[test]
fn a_key_that_signs_is_for_its_owner_alone_and_never_replaced() {
    let site = site();
    let key = fs_err::read(site.path("team.key")).unwrap();
    let mode = fs_err::metadata(site.path("team.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = ["plugin", "keygen", "--out", "team.key", "--no-password"];
    site.program(&again)
        .run()
        .expect(2)
        .says("hint: a key is never replaced: name another file with --out");
    assert_eq!(fs_err::read(site.path("team.key")).unwrap(), key);

    let keygen =
        ["plugin", "keygen", "--out", "locked.key", "--password-env", "PASSWORD"];
    let ended = site.program(&keygen).env("PASSWORD", "correct horse").run().expect(0);
    assert!(!ended.err.contains("warning"), "{}", ended.err);
    let sign = ["plugin", "sign", "filter.wasm", "--key", "locked.key"];
    site.program(&sign).run().expect(2);
    site.write("password", "wrong\n");
    let with = [&sign[..], &["--password-file", "password"]].concat();
    site.program(&with).run().expect(2);
    site.write("password", "correct horse\n");
    site.program(&with).run().expect(0);
    let neither = ["plugin", "keygen", "--out", "x.key"];
    site.program(&neither).run().expect(2);
}
