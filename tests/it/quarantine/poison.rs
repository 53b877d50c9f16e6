//! A plugin that says a whole body when it complains, and then dies on it: both are sealed with
//! the record, and lie nowhere in clear.

use std::path::PathBuf;

use bulkhead_guest_builder::Guest;
use bulkhead_sandbox::Package;

use super::sealed::{
    FILTER, fates, files, holding, list, observation, patient, quarantine, site, unsealed,
};
use crate::rig::{Fake, sha256};

/// Says the first body of a batch, asks for the batch again, and dies when it comes.
const ON_BATCH: &str = r"
    (call $read (local.get $of) (i32.const 0) (i32.const 1) (i32.const 2048))
    (i32.store (i32.const 4000) (i32.add (i32.load (i32.const 4000)) (i32.const 1)))
    (if (i32.eq (i32.load (i32.const 4000)) (i32.const 2)) (then (unreachable)))
    (i32.store (i32.const 4096) (i32.const 0x6574616c)) ;; late
    (i32.store8 (i32.const 1024) (i32.const 1))
    (i32.store (i32.const 1032) (i32.const 4096))
    (i32.store (i32.const 1036) (i32.const 4))
    (i32.store (i32.const 1040) (i32.load (i32.const 2048)))
    (i32.store (i32.const 1044) (i32.load (i32.const 2052)))";

/// A transform of this name that does what `on_batch` says.
fn transform(on_batch: &str) -> Package {
    let read = "(import \"bulkhead:plugin/bodies@0.1.0\" \"read\" \
                (func $read (param i32 i32 i32 i32)))";
    let guest = Guest::made("attacker", "transform", &["bodies"], read, on_batch);
    let package = Package::from_bytes(guest.component()).unwrap();
    package.with_manifest(&guest.manifest().to_string()).unwrap()
}

/// Attacks: 41, 42.
#[test]
fn what_a_plugin_says_of_the_record_that_kills_it_is_sealed_with_it() {
    let attacker = transform(ON_BATCH);
    let lines = [observation("outsider", "other", ""), observation("poison", "m", "")];
    let server = Fake::export(files(&lines), false);
    let pin = sha256(attacker.bytes());
    let tables = format!(
        "[plugins.attacker]\npath = \"attacker.wasm\"\nsha256 = \"{pin}\"\n\
         grants = {{ bodies = true }}\n"
    );
    let site = site(&server, &format!("{FILTER}, {{ plugin = \"attacker\" }}"), &tables);
    site.write("attacker.wasm", attacker.bytes());
    let ran = site.program(&["--log", "trace", "run"]).run().expect(3);
    let trap = ("attacker".to_owned(), "plugin-trap".to_owned(), "sealed".to_owned());
    assert_eq!(fates(&site), [trap.clone(), trap]);
    assert_eq!(unsealed(&site), [lines[1].clone(), patient("m", "")]);

    let entries = list(&site);
    let of = entries.iter().find(|entry| entry["type"] == "Observation").unwrap();
    let entry = of["entry"].as_str().unwrap();
    let args = ["show", entry, "--identity", "key.txt", "--message"];
    let said: String =
        serde_json::from_str(quarantine(&site, &args).expect(0).out.trim()).unwrap();
    assert_eq!(said, lines[1], "its own body is what it said");
    assert_eq!(holding(&site.path(".bulkhead"), "CANARY"), Vec::<PathBuf>::new());
    assert_eq!(holding(&site.path("out"), "CANARY"), Vec::<PathBuf>::new());
    assert!(!ran.out.contains("CANARY") && !ran.err.contains("CANARY"));

    // A better version of the plugin takes both.
    let better = transform("");
    site.write("attacker.wasm", better.bytes());
    site.edit("bulkhead.toml", &pin, &sha256(better.bytes()));
    quarantine(&site, &["replay", "--identity", "key.txt"]).expect(0);
    let delivered = &site.delivered("")[1].lines;
    assert_eq!(delivered["Observation"], [lines[1].as_bytes()]);
    assert_eq!(delivered["Patient"], [patient("m", "").as_bytes()]);
    assert_eq!(unsealed(&site), Vec::<String>::new());
}
