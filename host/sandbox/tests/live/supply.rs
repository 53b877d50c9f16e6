//! The way of a plugin's bytes from a file to code: what is hashed and signed is what runs.

use std::io::Cursor;

use bulkhead_model::Instant;
use bulkhead_pipeline::{Crash, Limit, Stage as _, Verdict};
use bulkhead_sandbox::{
    Cache, Error, Package, Plugin, PluginStage, Role, Sandbox, Signature, SignatureError,
    TrustedKey,
};
use minisign::KeyPair;
use serde_json::Value;

use crate::guest::{Ground, Guest, batch};

const NOW: Instant = Instant::from_unix_ms(1_795_694_400_000);

/// Drops everything.
const DROPS: &str = "(i32.store8 (i32.const 1028) (i32.const 1))";

fn signature(pair: &KeyPair, bytes: &[u8]) -> Signature {
    let signature = minisign::sign(None, &pair.sk, Cursor::new(bytes), Some("x"), None);
    Signature::parse(&signature.unwrap().to_bytes()).unwrap()
}

async fn load(sandbox: &Sandbox, package: &Package) -> Result<Plugin, Error> {
    let Ground { stage, grants, limits, resources } = Ground::bare("a");
    Plugin::load(sandbox, package, stage, &Value::Null, grants, limits, resources).await
}

/// Attacks: 51.
#[tokio::test]
async fn a_file_replaced_after_it_was_read_changes_nothing() {
    let (keeps, drops) =
        (Guest::new(Role::Filter).package(), Guest::filter(DROPS).package());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("plugin.wasm");
    let cache =
        || Cache::open(&dir.path().join("cache"), &dir.path().join("key")).unwrap();
    let pair = KeyPair::generate_unencrypted_keypair().unwrap();
    let trusted = [TrustedKey::parse("team", &pair.pk.to_base64()).unwrap()];
    let signature = signature(&pair, keeps.bytes());
    // The second time its code comes from the cache.
    for round in 0..2 {
        fs_err::write(&path, keeps.bytes()).unwrap();
        let read = Package::read(&path).unwrap();
        assert_eq!(read.sha256(), keeps.sha256());
        fs_err::write(&path, drops.bytes()).unwrap();
        assert!(read.verify(&signature, &trusted, NOW).is_ok(), "round {round}");
        let sandbox = Sandbox::new(Some(cache())).unwrap();
        let plugin = load(&sandbox, &read).await.unwrap();
        fs_err::remove_file(&path).unwrap();
        let judged = PluginStage::new(plugin).judge(&batch(1)).await;
        assert_eq!(judged, Ok(vec![Verdict::Keep]), "round {round}");
    }
    // And what stands there now is another plugin, to both keys.
    fs_err::write(&path, drops.bytes()).unwrap();
    let read = Package::read(&path).unwrap();
    assert_ne!(read.sha256(), keeps.sha256());
    let refused = read.verify(&signature, &trusted, NOW);
    assert!(matches!(refused, Err(SignatureError::OtherBytes { .. })));
}

/// Attacks: 49.
#[test]
fn a_signature_covers_every_section() {
    let whole = Guest::new(Role::Filter).package();
    let custom = [&[0, 6, 5][..], b"extra"].concat();
    let manifest = whole.manifest_json().unwrap().len();
    // The manifest is the last section: its name, its length and the two before it.
    let head = whole.bytes().len() - manifest;
    let head = whole.bytes()[..head]
        .windows(18)
        .rposition(|bytes| bytes == b"\x11bulkhead:manifest")
        .unwrap();
    let stripped = whole.bytes()[..head].to_vec();
    let stripped = (0..6).find_map(|back| {
        let end = stripped.len().checked_sub(back)?;
        let package = Package::from_bytes(stripped.get(..end)?.to_vec()).ok()?;
        package.manifest_json().is_none().then_some(package)
    });
    let appended = Package::from_bytes([whole.bytes(), &custom].concat()).unwrap();
    let pair = KeyPair::generate_unencrypted_keypair().unwrap();
    let trusted = [TrustedKey::parse("team", &pair.pk.to_base64()).unwrap()];
    let signature = signature(&pair, whole.bytes());
    assert!(whole.verify(&signature, &trusted, NOW).is_ok());
    for (name, package) in [("stripped", stripped.unwrap()), ("appended", appended)] {
        let refused = package.verify(&signature, &trusted, NOW);
        assert!(
            matches!(refused, Err(SignatureError::OtherBytes { .. })),
            "case: {name}: {refused:?}"
        );
        assert_ne!(package.sha256(), whole.sha256(), "case: {name}");
    }
}

/// Attacks: 50.
#[tokio::test]
async fn refuses_a_plugin_that_changes_its_words() {
    let guest = Guest {
        items: "(global $told (mut i32) (i32.const 0))",
        on_describe: "
          (if (global.get $told) (then
            (i32.store (i32.const 64) (i32.const 16384))
            (i32.store (i32.const 68) (i32.const 3))
            (return (i32.const 64))))
          (global.set $told (i32.const 1))",
        ..Guest::new(Role::Filter)
    };
    for sandbox in crate::sandboxes() {
        let refused = guest.clone().load(&sandbox, Ground::bare("a")).await;
        assert!(matches!(refused.err(), Some(Error::ManifestChanges)));
    }
}

/// Attacks: 50.
#[tokio::test]
async fn refuses_a_plugin_that_needs_a_capability_to_say_what_it_is() {
    let imports = r#"(import "bulkhead:plugin/clock@0.1.0" "wall-ms"
        (func $wall (result i64)))"#;
    let guest = Guest {
        on_describe: "(drop (call $wall))",
        ..Guest::transform("clock", imports, "")
    };
    let sandbox = Sandbox::new(None).unwrap();
    let mut ground = Ground::bare("a");
    ground.grants.clock = true;
    let refused = guest.load(&sandbox, ground).await;
    assert!(matches!(refused.err(), Some(Error::Died { crash: Crash::Trap })));
}

/// Attacks: 2, 50.
#[tokio::test]
async fn a_plugin_that_spins_before_it_says_what_it_is_ends_in_time() {
    let cases = [
        ("in `describe`", "", "(loop $l (br $l))"),
        ("at its start", "(func $start (loop $l (br $l))) (start $start)", ""),
    ];
    let sandbox = Sandbox::new(None).unwrap();
    for (name, items, on_describe) in cases {
        let guest = Guest { items, on_describe, ..Guest::new(Role::Filter) };
        let refused = guest.load(&sandbox, Ground::bare("a")).await;
        let died = Some(Crash::Limit(Limit::Cpu));
        let found = refused.err().map(|error| {
            let Error::Died { crash } = error else { panic!("case: {name}: {error:?}") };
            crash
        });
        assert_eq!(found, died, "case: {name}");
    }
}

/// Attacks: 47, 50.
#[test]
fn only_the_outermost_component_speaks_for_a_plugin() {
    let manifest = r#"(@custom "bulkhead:manifest" "{}")"#;
    let wasi = r#"(import "wasi:cli/environment@0.2.0" (instance))"#;
    let cases = [
        (
            "a manifest in a nested component",
            format!("(component (component {manifest}))"),
        ),
        ("a manifest in a module", format!("(component (core module {manifest}))")),
        ("an import of a nested component", format!("(component (component {wasi}))")),
    ];
    for (name, component) in cases {
        let package = Package::from_bytes(wat::parse_str(component).unwrap()).unwrap();
        assert!(package.manifest().is_err(), "case: {name}");
        assert_eq!(package.manifest_json(), None, "case: {name}");
        assert_eq!(package.imports(), [""; 0], "case: {name}");
    }
    // What is within reaches nothing that the outermost does not import.
    let passed = r#"(component
      (import "wasi:cli/environment@0.2.0" (instance $of))
      (component $c (import "env" (instance)))
      (instance (instantiate $c (with "env" (instance $of)))))"#;
    let package = Package::from_bytes(wat::parse_str(passed).unwrap()).unwrap();
    assert_eq!(package.imports(), ["wasi:cli/environment@0.2.0"]);
}

/// Attacks: 11.
#[tokio::test]
async fn components_nested_without_end_break_nothing() {
    let mut bytes = wat::parse_str("(component)").unwrap();
    let header = bytes.clone();
    for _ in 0..2_000 {
        let mut outer = header.clone();
        outer.push(4);
        let mut len = bytes.len();
        while len > 127 {
            outer.push(u8::try_from(len & 127).unwrap() | 128);
            len >>= 7;
        }
        outer.push(u8::try_from(len).unwrap());
        outer.extend(bytes);
        bytes = outer;
    }
    let package = Package::from_bytes(bytes).unwrap();
    assert_eq!(package.anatomy().unwrap().components, 2_000);
    let sandbox = Sandbox::new(None).unwrap();
    assert!(sandbox.describe(&package).await.is_err());
}
