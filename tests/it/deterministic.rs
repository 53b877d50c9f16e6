//! A deterministic chain, run ten times over the same server, delivers the same bytes.

use bulkhead_guest_builder::Guest;
use bulkhead_model::Instant;
use bulkhead_sample_server::Data;
use bulkhead_sandbox::Package;
use serde_json::Value;

use crate::rig::{Sample, Setup, Site, sha256, tree};

/// Replaces every record by a Patient whose id is the time in 11 hexadecimal digits, a dash, and
/// 16 digits of randomness.
const ON_BATCH: &str = r"
  (global.set $batch (local.get $of))
  (local.set $of (i32.const 0))
  (call $random (i32.mul (local.get $len) (i32.const 8)) (i32.const 2048))
  (i32.store (i32.const 1028) (i32.const 131072))
  (i32.store (i32.const 1032) (local.get $len))
  (loop $l
    (global.set $edit (i32.add (i32.const 131072) (i32.mul (local.get $of) (i32.const 16))))
    (global.set $body (i32.add (i32.const 196608) (i32.mul (local.get $of) (i32.const 64))))
    (i32.store (global.get $edit) (local.get $of))
    (i32.store8 offset=4 (global.get $edit) (i32.const 1))
    (i32.store offset=8 (global.get $edit) (global.get $body))
    (i32.store offset=12 (global.get $edit) (i32.const 62))
    (memory.copy (global.get $body) (i32.const 4096) (i32.const 62))
    (call $hex (i32.add (global.get $body) (i32.const 32)) (call $wall) (i32.const 11))
    (call $hex (i32.add (global.get $body) (i32.const 44))
      (i64.load (i32.add (i32.load (i32.const 2048)) (i32.mul (local.get $of) (i32.const 8))))
      (i32.const 16))
    (local.set $of (i32.add (local.get $of) (i32.const 1)))
    (br_if $l (i32.lt_u (local.get $of) (local.get $len))))
  (local.set $of (global.get $batch))";

const ITEMS: &str = r#"
  (global $batch (mut i32) (i32.const 0))
  (global $edit (mut i32) (i32.const 0))
  (global $body (mut i32) (i32.const 0))
  (data (i32.const 4096) "{\"resourceType\":\"Patient\",\"id\":\"ttttttttttt-rrrrrrrrrrrrrrrr\"}")
  (data (i32.const 4192) "0123456789abcdef")
  (func $hex (param $at i32) (param $number i64) (param $digits i32)
    (loop $l
      (local.set $digits (i32.sub (local.get $digits) (i32.const 1)))
      (i32.store8 (i32.add (local.get $at) (local.get $digits))
        (i32.load8_u (i32.add (i32.const 4192)
          (i32.and (i32.wrap_i64 (local.get $number)) (i32.const 15)))))
      (local.set $number (i64.shr_u (local.get $number) (i64.const 4)))
      (br_if $l (local.get $digits))))"#;

const IMPORTS: &str = r#"
  (import "bulkhead:plugin/clock@0.1.0" "wall-ms" (func $wall (result i64)))
  (import "bulkhead:plugin/random@0.1.0" "get" (func $random (param i32 i32)))"#;

/// Attacks: 46.
#[test]
fn ten_runs_of_a_deterministic_chain_deliver_the_same() {
    let server = Sample::start(Data::made_up(8, 1), |_| {});
    let folder = tempfile::tempdir().unwrap();
    let plugin = folder.path().join("gambler.wasm");
    fs_err::write(&plugin, gambler()).unwrap();
    let mut setup = Setup::new(&server.base, ["Patient"]);
    setup.tables = format!(
        "[plugins.gambler]\npath = {plugin:?}\nsha256 = \"{}\"\n\
         grants = {{ clock = true, random = true }}\n",
        sha256(&gambler())
    );
    let stages =
        format!("{}, {{ plugin = \"gambler\" }}", Setup::filter_and_deidentify());
    setup.chains = vec![("research", stages, "")];
    let patients = server.ids("Patient");
    let run = |seed: Option<&str>| {
        let site = Site::with(&setup, &patients);
        if let Some(seed) = seed {
            let chain = format!("[[chain]]\ndeterministic = {{ seed = \"{seed}\" }}\n");
            site.edit("bulkhead.toml", "[[chain]]\n", &chain);
        }
        site.run().expect(0);
        let delivered = site.delivered("");
        assert_eq!(delivered.len(), 1);
        assert_eq!(delivered[0].count(), patients.len());
        let first = String::from_utf8(delivered[0].lines["Patient"][0].clone()).unwrap();
        let manifest = site.read(&format!("out/{}/manifest.json", delivered[0].id));
        let manifest: Value = serde_json::from_str(&manifest).unwrap();
        let time: Instant =
            manifest["transactionTime"].as_str().unwrap().parse().unwrap();
        let mut files = tree(&site.path("out"));
        // It names the export and the times of the run.
        files.remove("EXPORT/manifest.json").unwrap();
        assert!(!files.is_empty());
        (files, first, time)
    };
    let (first, line, time) = run(Some("s"));
    for at in 1..10 {
        assert!(run(Some("s")).0 == first, "run {at} delivered something else");
    }
    // Not the machine's time, nor the beginning of time: the server's snapshot.
    let id = line.strip_prefix("{\"resourceType\":\"Patient\",\"id\":\"").unwrap();
    assert_eq!(i64::from_str_radix(&id[..11], 16).unwrap(), time.unix_ms());
    assert!(run(Some("t")).0 != first, "another seed");
    assert!(run(None).0 != first, "no seed");
}

#[test]
fn state_in_a_deterministic_chain_needs_one_file_at_a_time() {
    let server = Sample::start(Data::made_up(1, 1), |_| {});
    let setup = Setup::new(&server.base, ["Patient"]);
    let site = Site::with(&setup, &["m".to_owned()]);
    site.edit(
        "bulkhead.toml",
        "[[chain]]\n",
        "[[chain]]\ndeterministic = { seed = \"s\" }\n",
    );
    site.edit(
        "bulkhead.toml",
        "stores = [\"lake\"]",
        "stores = [\"lake\"], state = true",
    );
    let refused = site.run().expect(2);
    assert!(refused.err.contains("set `limits.files-in-flight = 1`"), "{}", refused.err);
}

/// The plugin as shipped.
fn gambler() -> Vec<u8> {
    let guest =
        Guest::made("gambler", "transform", &["clock", "random"], IMPORTS, ON_BATCH);
    let guest = guest.with("items", ITEMS).with("memory", "8");
    let package = Package::from_bytes(guest.component()).unwrap();
    package.with_manifest(&guest.manifest().to_string()).unwrap().bytes().to_vec()
}
