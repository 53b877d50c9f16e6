//! What is refused before a guest runs: files that are no plugins, manifests that lie, and
//! what is said of wishes and grants that disagree.

use bulkhead_sandbox::{Denied, Error, Grants, Package, Role, Sandbox};
use serde_json::{Value, json};

use crate::guest::{Ground, Guest};

/// Attacks: 47, 48.
#[test]
fn refuses_files_that_are_no_plugins() {
    let whole = Guest::new(Role::Filter).package();
    let component = || wat::parse_str("(component)").unwrap();
    let cut = whole.bytes()[..whole.bytes().len() - 1].to_vec();
    let engine = wasmtime::Engine::default();
    let mut too_large = component();
    too_large.resize((64 << 20) + 1, 0);
    let strange = r#"(component (import "a:b/c" (instance)))"#;
    let mut strange = wat::parse_str(strange).unwrap();
    let at = strange.windows(3).position(|three| three == b"a:b").unwrap();
    strange[at + 1] = 0x1b;
    let cases = [
        ("nothing", Vec::new(), "the file is not WebAssembly"),
        ("a picture", b"\x89PNG".to_vec(), "the file is not WebAssembly"),
        (
            "text",
            b"\n(component)".to_vec(),
            "the file is WebAssembly as text: build it with `bulkhead plugin build`",
        ),
        (
            "compiled code",
            engine.precompile_component(&component()).unwrap(),
            "the file is compiled code (`.cwasm`): give the component it was made from",
        ),
        (
            "a core module",
            wat::parse_str("(module)").unwrap(),
            "the file is a core module: make it a component with `bulkhead plugin build`",
        ),
        ("a part of a plugin", cut, "the component is cut short or broken"),
        ("an import for a terminal", strange, "the component is cut short or broken"),
        (
            "trailing bytes",
            [whole.bytes(), b"\x7f"].concat(),
            "the component is cut short or broken",
        ),
        ("a file without end", too_large, "the file is larger than 64 MiB"),
        (
            "a plugin with two manifests",
            [whole.bytes(), &manifest_section()].concat(),
            "the component has two manifests",
        ),
    ];
    for (name, bytes, expected) in cases {
        let refused = Package::from_bytes(bytes).err().map(|error| error.to_string());
        assert_eq!(refused.as_deref(), Some(expected), "case: {name}");
    }
}

#[test]
fn refuses_manifests_that_it_does_not_read() {
    let component =
        || Package::from_bytes(wat::parse_str("(component)").unwrap()).unwrap();
    assert!(matches!(component().manifest(), Err(Error::NotAPlugin(_))));
    let cases = [
        ("no JSON", "{".to_owned(), true),
        (
            "no role",
            json!({ "bulkhead": 1, "name": "x", "version": "1" }).to_string(),
            true,
        ),
        ("a later version", later().to_string(), false),
    ];
    for (name, manifest, is_shape) in cases {
        let refused = component().with_manifest(&manifest);
        match refused.err() {
            Some(Error::Manifest { .. }) => assert!(is_shape, "case: {name}"),
            Some(Error::NotAPlugin(_)) => assert!(!is_shape, "case: {name}"),
            other => panic!("case: {name}: {other:?}"),
        }
    }
}

/// Attacks: 50.
#[tokio::test]
async fn refuses_a_manifest_that_is_not_what_the_guest_says() {
    let told =
        Some(json!({ "bulkhead": 1, "name": "x", "version": "1", "role": "filter" }));
    let guest = Guest { told, ..Guest::new(Role::Filter) };
    let sandbox = Sandbox::new(None).unwrap();
    let refused = guest.load(&sandbox, Ground::bare("a")).await;
    assert!(matches!(refused.err(), Some(Error::ManifestLies)));
}

#[tokio::test]
async fn describes_what_it_may_not_load() {
    let imports = r#"(import "bulkhead:plugin/clock@0.1.0" "wall-ms"
        (func $wall (result i64)))"#;
    let guest = Guest::transform("clock", imports, "(drop (call $wall))");
    let sandbox = Sandbox::new(None).unwrap();
    let told = sandbox.describe(&guest.package()).await.unwrap();
    assert_eq!(told, guest.manifest.to_string());
}

/// Items: 128.
/// Attacks: 47.
#[tokio::test]
async fn two_keys_open_a_capability_and_the_role_bounds_both() {
    let bodies = || Grants { bodies: true, ..Grants::default() };
    let fields = |fields: &[&str]| Grants {
        fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        ..Grants::default()
    };
    let name = |interface: &str| interface.to_owned();
    let contract = |interface: &str| format!("bulkhead:plugin/{interface}@0.1.0");
    let wrong =
        |interface: &str, role| Denied::WrongRole { interface: name(interface), role };
    let why = || "to test".to_owned();
    let plain = |role: &str| manifest(role, &[], &[]);
    let cases = [
        ("nothing of anything", None, plain("filter"), Grants::default(), vec![]),
        (
            "both keys",
            Some(contract("bodies")),
            manifest("filter", &["bodies"], &[]),
            bodies(),
            vec![],
        ),
        (
            "asked, not granted",
            Some(contract("bodies")),
            manifest("filter", &["bodies"], &[]),
            Grants::default(),
            vec![Denied::NotGranted { interface: name("bodies"), why: why() }],
        ),
        (
            "granted, not asked",
            None,
            plain("filter"),
            bodies(),
            vec![Denied::Unneeded(name("bodies"))],
        ),
        (
            "imported and granted, not asked",
            Some(contract("bodies")),
            plain("filter"),
            bodies(),
            vec![Denied::NotAsked(name("bodies")), Denied::Unneeded(name("bodies"))],
        ),
        (
            "imported against the role",
            Some(contract("clock")),
            manifest("filter", &["clock"], &[]),
            Grants { clock: true, ..Grants::default() },
            vec![wrong("clock", "filter")],
        ),
        (
            "asked against the role",
            None,
            manifest("sink", &["cohorts"], &[]),
            Grants { cohorts: vec![name("study")], ..Grants::default() },
            vec![wrong("cohorts", "sink")],
        ),
        (
            "something that nobody has",
            None,
            manifest("sink", &["teleport"], &[]),
            Grants::default(),
            vec![wrong("teleport", "sink")],
        ),
        (
            "the network, not granted",
            Some(contract("outbound-http")),
            manifest("sink", &["outbound-http"], &[]),
            Grants::default(),
            vec![Denied::NotGranted { interface: name("outbound-http"), why: why() }],
        ),
        (
            "the network for a transform",
            Some(contract("outbound-http")),
            manifest("transform", &["outbound-http"], &[]),
            Grants { destinations: vec![name("dwh")], ..Grants::default() },
            vec![wrong("outbound-http", "transform")],
        ),
        (
            "asked and granted, not imported",
            None,
            manifest("filter", &["bodies"], &[]),
            bodies(),
            vec![Denied::NotImported(name("bodies"))],
        ),
        (
            "something foreign",
            Some(name("wasi:cli/environment@0.2.0")),
            plain("filter"),
            Grants::default(),
            vec![Denied::Foreign(name("wasi:cli/environment@0.2.0"))],
        ),
        (
            "a field too few",
            Some(contract("projection")),
            manifest("filter", &["projection"], &["id", "status"]),
            fields(&["id"]),
            vec![Denied::FieldNotGranted(name("status"))],
        ),
        (
            "a field too many",
            Some(contract("projection")),
            manifest("filter", &["projection"], &["id"]),
            fields(&["id", "status"]),
            vec![Denied::FieldNotAsked(name("status"))],
        ),
    ];
    let sandbox = Sandbox::new(None).unwrap();
    for (case, import, manifest, grants, expected) in cases {
        let import = import.map(|name| format!(r#"(import "{name}" (instance))"#));
        let component = format!("(component {})", import.unwrap_or_default());
        let package = Package::from_bytes(wat::parse_str(component).unwrap()).unwrap();
        let package = package.with_manifest(&manifest.to_string()).unwrap();
        let Ground { stage, limits, resources, .. } = Ground::bare("a");
        let loaded = bulkhead_sandbox::Plugin::load(
            &sandbox,
            &package,
            stage,
            &Value::Null,
            grants,
            limits,
            resources,
        )
        .await;
        match loaded.err() {
            Some(Error::Denied { denied }) => {
                assert_eq!(denied, expected, "case: {case}");
                for denied in denied {
                    let shown = denied.to_string();
                    assert!(
                        shown.len() > 20 && !shown.ends_with('.'),
                        "case: {case}: {shown}"
                    );
                }
            }
            // An empty component has no exports, which is found out after the grants.
            Some(Error::Link { .. }) => assert!(expected.is_empty(), "case: {case}"),
            other => panic!("case: {case}: {other:?}"),
        }
    }
}

fn manifest(role: &str, asks: &[&str], fields: &[&str]) -> Value {
    let asks = asks.iter().map(|asked| json!({ "interface": asked, "why": "to test" }));
    json!({
        "bulkhead": 1,
        "name": "x",
        "version": "1",
        "role": role,
        "capabilities": asks.collect::<Vec<_>>(),
        "fields": fields,
    })
}

fn later() -> Value {
    json!({ "bulkhead": 2, "name": "x", "version": "1", "role": "filter" })
}

/// A custom section with a manifest that is not one.
fn manifest_section() -> Vec<u8> {
    let name = bulkhead_sandbox::EMBEDDED_MANIFEST;
    let body = u8::try_from(name.len() + 1).unwrap();
    [&[0, body, body - 1], name.as_bytes()].concat()
}
