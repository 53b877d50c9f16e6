//! Out of quarantine: through the chain again, once, and never over something newer.

use std::collections::BTreeSet;

use bulkhead_guest_builder::Guest;
use bulkhead_sandbox::Package;
use serde_json::Value;

use super::sealed::{
    FAULT, FILTER, MODIFIER, PUBLIC, fates, files, observation, quarantine, site, stages,
    unsealed,
};
use crate::rig::{Ended, Exported, Fake, Site, sha256};

/// `bulkhead quarantine replay` to its end.
fn replay(site: &Site) -> Ended {
    quarantine(site, &["replay", "--identity", "key.txt"])
}

/// Lets `deidentify` take what it refused.
fn mend(site: &Site) {
    let (from, to) =
        ("ids = \"keep\"", "ids = \"keep\", keep-extensions = [\"http://x/y\"]");
    site.edit("bulkhead.toml", from, to);
}

fn fate_of(site: &Site) -> Vec<String> {
    fates(site).into_iter().map(|(_, _, fate)| fate).collect()
}

/// The keys of each export, oldest first.
fn keys(site: &Site) -> Vec<BTreeSet<String>> {
    site.delivered("").iter().map(crate::rig::Delivered::keys).collect()
}

fn set(keys: &[&str]) -> BTreeSet<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

#[test]
fn what_is_mended_is_delivered_once_and_what_is_not_stays() {
    let lines = [
        observation("good", "m", ""),
        observation("poison", "m", MODIFIER),
        observation("fault", "m", FAULT),
    ];
    let server = Fake::export(files(&lines), false);
    let site = site(&server, &stages(), "");
    site.run().expect(3);
    assert_eq!(keys(&site), [set(&["Patient/m", "Observation/good"])]);
    mend(&site);

    let ended = replay(&site).expect(3);
    assert!(ended.out.contains("of chain `research`: 2 records from quarantine"));
    assert!(
        ended.out.contains(
            "The sums agree: 2 read = 1 delivered + 0 dropped + 1 quarantined."
        ),
        "{}",
        ended.out
    );
    assert!(
        ended
            .out
            .contains("1 of 2 records are in quarantine no more; 1 were refused again")
    );
    assert_eq!(keys(&site)[1], set(&["Observation/poison"]));
    assert_eq!(unsealed(&site), [lines[2].clone()], "the other's body is gone");
    let fates = fate_of(&site);
    assert_eq!(fates, ["again", "sealed", "replayed"]);
    let status = site.program(&["status"]).run().expect(0);
    assert!(status.out.contains("research   replay      completed: 2 read, 1 delivered"));

    // Once more: the fault alone. Nothing is delivered twice.
    let again = replay(&site).expect(3);
    assert!(again.out.contains("1 record from quarantine"), "{}", again.out);
    assert!(keys(&site)[2..].iter().all(BTreeSet::is_empty), "{:?}", keys(&site));
    let args = ["replay", "--identity", "key.txt", "--code", "modifier-extension"];
    assert_eq!(quarantine(&site, &args).expect(0).out, "There is nothing to replay.\n");

    // An export of everything knows what a replay delivered.
    let run = site.run().expect(3);
    let sums = "The sums agree: 4 read = 2 delivered + 1 dropped + 1 quarantined.";
    assert!(run.out.contains(sums), "{}", run.out);
}

#[test]
fn a_newer_version_is_not_overwritten_and_the_older_body_is_gone() {
    let version = |more: &str, at: &str| {
        let meta = format!("\"meta\":{{\"lastUpdated\":\"{at}\"}}");
        let more = if more.is_empty() { meta } else { format!("{meta},{more}") };
        observation("o", "m", &more)
    };
    // A server whose moments go back: the later export is the newer one all the same.
    let old = version(MODIFIER, "2026-11-22T09:00:00Z");
    let new = version("", "2026-11-22T08:00:00Z");
    let (server, says) =
        Fake::exporting(Exported::new(files(std::slice::from_ref(&old))));
    let site = site(&server, &stages(), "");
    site.run().expect(0);
    says.lock().unwrap().files = files(&[new]);
    site.program(&["run", "--full"]).run().expect(0);
    mend(&site);
    let ended = replay(&site).expect(0);
    assert!(ended.out.contains("1 read = 0 delivered + 1 dropped"), "{}", ended.out);
    assert_eq!(fate_of(&site), ["replayed"]);
    assert_eq!(unsealed(&site), Vec::<String>::new());
}

#[test]
fn who_left_the_cohort_meanwhile_does_not_come_out() {
    let server = Fake::export(files(&[observation("o", "m", MODIFIER)]), false);
    let site = site(&server, &stages(), "");
    site.run().expect(0);
    mend(&site);
    site.write("members.csv", "id\nsomebody\n");
    let ended = replay(&site).expect(0);
    assert!(ended.out.contains("1 read = 0 delivered + 1 dropped"), "{}", ended.out);
    assert_eq!(unsealed(&site), Vec::<String>::new(), "it may not be kept any more");
}

/// The filter, then a de-identification that makes pseudonyms and one that refuses.
fn twice(second: &str) -> String {
    let stage = |name: &str, more: &str| {
        format!(
            "{{ name = \"{name}\", plugin = \"deidentify\", config = {{ key = \"research\"{more} }} }}"
        )
    };
    let first = stage("first", ", keep-extensions = [\"http://x/y\"]");
    format!("{FILTER}, {first}, {}", stage("second", second))
}

#[test]
fn a_changed_body_goes_on_at_the_stage_that_refused_it() {
    let keeps = ", keep-extensions = [\"http://x/y\"]";
    let lines = [observation("o", "m", MODIFIER)];
    let server = Fake::export(files(&lines), false);
    let undisturbed = site(&server, &twice(keeps), "");
    undisturbed.run().expect(0);
    let expected = &undisturbed.delivered("")[0].lines["Observation"];

    let site = site(&server, &twice(""), "");
    site.run().expect(0);
    let sealed = unsealed(&site);
    assert_eq!(sealed.len(), 1);
    assert!(!sealed[0].contains("Patient/m\""), "the line as it came is not kept");
    let text = site.read("bulkhead.toml");
    let at = text.rfind("config = { key = \"research\" }").unwrap();
    let mended = format!("config = {{ key = \"research\"{keeps} }}");
    site.write("bulkhead.toml", text[..at].to_owned() + &mended + &text[at + 29..]);
    replay(&site).expect(0);
    assert_eq!(&site.delivered("")[1].lines["Observation"], expected);
    assert_eq!(unsealed(&site), Vec::<String>::new());

    // Known as what it is: the next export of everything does not bring it again.
    let run = site.run().expect(0);
    let sums = "The sums agree: 2 read = 1 delivered + 1 dropped + 0 quarantined.";
    assert!(run.out.contains(sums), "{}", run.out);
}

/// Attacks: 41.
#[test]
fn what_a_filter_that_reads_bodies_passed_once_does_not_come_out() {
    // It kept the line as it came; what it would say of it today, nobody can ask.
    let imports = r#"(import "bulkhead:plugin/bodies@0.1.0" "read"
        (func $read (param i32 i32 i32 i32)))"#;
    let consent = Guest::made("consent", "filter", &["bodies"], imports, "");
    let package = Package::from_bytes(consent.component()).unwrap();
    let package = package.with_manifest(&consent.manifest().to_string()).unwrap();
    let table = format!(
        "[plugins.consent]\npath = \"consent.wasm\"\nsha256 = \"{}\"\n\
         grants = {{ bodies = true }}\n",
        sha256(package.bytes())
    );
    let lines = [observation("o", "m", MODIFIER)];
    let server = Fake::export(files(&lines), false);
    let stages = format!("{{ plugin = \"consent\" }}, {}", twice(""));
    let site = site(&server, &stages, &table);
    site.write("consent.wasm", package.bytes());
    site.run().expect(0);
    assert_eq!(unsealed(&site).len(), 1);
    let text = site.read("bulkhead.toml");
    let at = text.rfind("config = { key = \"research\" }").unwrap();
    let mended =
        "config = { key = \"research\", keep-extensions = [\"http://x/y\"] }".to_owned();
    site.write("bulkhead.toml", text[..at].to_owned() + &mended + &text[at + 29..]);
    let ended = replay(&site).expect(0);
    assert!(ended.out.contains("There is nothing to replay."), "{}", ended.out);
    ended.says(
        "note: left in quarantine: 1 record: `consent` says whose data may pass, and cannot be \
         asked again without the line as it came; ask for the data again with \
         `bulkhead run --full`, and purge them",
    );
    assert_eq!((fate_of(&site), unsealed(&site).len()), (vec!["sealed".to_owned()], 1));
    assert_eq!(site.delivered("").len(), 1, "nothing more was delivered");
}

#[test]
fn a_body_that_other_settings_made_stays() {
    let lines = [observation("o", "m", MODIFIER)];
    let server = Fake::export(files(&lines), false);
    let site = site(&server, &twice(""), "");
    site.run().expect(0);
    site.write("research.key", "another key of the tests, so other pseudonyms");
    let ended = replay(&site).expect(0);
    assert!(ended.out.contains("There is nothing to replay."), "{}", ended.out);
    ended.says(
        "note: left in quarantine: 1 record: a stage before the one that refused them, its \
         settings or its key is another now, and what it made of them fits no more; ask for the \
         data again with `bulkhead run --full`, and purge them",
    );
    assert_eq!((fate_of(&site), unsealed(&site).len()), (vec!["sealed".to_owned()], 1));
}

#[test]
fn without_a_memory_only_the_last_exports_records_come_out() {
    let server = Fake::export(files(&[observation("o", "m", MODIFIER)]), false);
    let site = site(&server, &stages(), "[sync]\nremember = \"nothing\"\n");
    site.run().expect(0);
    site.program(&["run", "--full"]).run().expect(0);
    mend(&site);
    let ended = replay(&site).expect(0);
    let why = "note: left in quarantine: 1 record: with `sync.remember = \"nothing\"` nobody knows";
    assert!(ended.err.contains(why), "{}", ended.err);
    assert_eq!(fate_of(&site), ["replayed", "sealed"]);
    assert_eq!(keys(&site)[2], set(&["Observation/o"]));
}

#[test]
fn events_are_told_as_json_with_the_report_last() {
    let server = Fake::export(files(&[observation("o", "m", MODIFIER)]), false);
    let site = site(&server, &stages(), "");
    site.run().expect(0);
    mend(&site);
    let args = ["replay", "--identity", "key.txt", "--json"];
    let ended = quarantine(&site, &args).expect(0);
    let events: Vec<Value> =
        ended.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = events.last().unwrap();
    assert_eq!(last["event"], "report");
    let expected = serde_json::json!({"records": 1, "replayed": 1, "again": 0});
    assert_eq!(last["report"]["replay"], expected);
    assert!(!ended.out.contains("CANARY") && !ended.out.contains(PUBLIC));
}
