//! What is not granted is not linked: the second wall, behind [`check`].

use wasmtime::{
    Engine,
    component::{Component, Linker},
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use serde_json::{Value, json};

use super::*;
use crate::{context::Context, provide};

/// Every grant, as it is written, with the interface that it opens.
fn written() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        ("artifacts", "stores", json!(["x"])),
        ("bodies", "bodies", json!(true)),
        ("clock", "clock", json!(true)),
        ("cohorts", "cohorts", json!(["x"])),
        ("keyed-hash", "keys", json!(["x"])),
        ("outbound-http", "destinations", json!(["x"])),
        ("projection", "fields", json!(["x"])),
        ("random", "random", json!(true)),
        ("state", "state", json!(true)),
        ("telemetry", "telemetry", json!(true)),
        ("wasi", "wasi", json!(true)),
    ]
}

/// Everything but one interface.
fn without(interface: &str) -> Grants {
    let kept = written().into_iter().filter(|(opens, _, _)| *opens != interface);
    let grants = kept.map(|(_, key, value)| (key.to_owned(), value)).collect();
    serde_json::from_value(Value::Object(grants)).unwrap()
}

fn everything() -> Grants {
    without("nothing")
}

/// A function of each interface, as a core module imports it.
const FUNCTIONS: [(&str, &str, &str); 10] = [
    ("artifacts", "[resource-drop]writer", "(param i32)"),
    ("bodies", "read", "(param i32 i32 i32 i32)"),
    ("clock", "wall-ms", "(result i64)"),
    ("cohorts", "test", "(param i32 i32 i32 i32)"),
    ("keyed-hash", "hmac", "(param i32 i32 i32 i32 i32)"),
    (
        "outbound-http",
        "send",
        "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)",
    ),
    ("projection", "text", "(param i32 i32 i32 i32)"),
    ("random", "get", "(param i32 i32)"),
    ("state", "get", "(param i32 i32 i32)"),
    ("telemetry", "count", "(param i32 i32 i64)"),
];

/// A component that imports this function and nothing else.
fn importing(interface: &str, function: &str, of: &str) -> Vec<u8> {
    let module = format!(
        r#"(module
          (import "bulkhead:plugin/{interface}@0.1.0" "{function}" (func {of}))
          (memory (export "memory") 1)
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 8))"#
    );
    let mut module = wat::parse_str(module).unwrap();
    let mut wit = Resolve::default();
    let contract = concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit");
    let (package, _) = wit.push_dir(contract).unwrap();
    let world = wit.select_world(&[package], Some("all-imports")).unwrap();
    embed_component_metadata(&mut module, &wit, world, StringEncoding::UTF8, false)
        .unwrap();
    ComponentEncoder::default().module(&module).unwrap().encode().unwrap()
}

fn link(grants: &Grants, component: &[u8]) -> Result<(), String> {
    let engine = Engine::default();
    let component = Component::from_binary(&engine, component).unwrap();
    let mut linker: Linker<Context> = Linker::new(&engine);
    provide::link(&mut linker, &component, grants).unwrap();
    let outcome = linker.instantiate_pre(&component).map(|_| ());
    outcome.map_err(|error| error.to_string())
}

/// Attacks: 47.
#[test]
fn an_import_that_is_not_granted_fails_by_name_however_it_came_so_far() {
    for (interface, function, of) in FUNCTIONS {
        let component = importing(interface, function, of);
        let import = format!("`bulkhead:plugin/{interface}@0.1.0`");
        let is_refused = |grants: &Grants| {
            link(grants, &component).is_err_and(|why| why.contains(&import))
        };
        let is_provided = PROVIDED.contains(&interface);
        let linked = link(&everything(), &component);
        assert_eq!(linked.is_ok(), is_provided, "case: {interface}: {linked:?}");
        assert!(is_refused(&without(interface)), "case: {interface}");
        assert!(is_refused(&Grants::default()), "case: {interface}");
        assert!(!without(interface).grants(interface), "case: {interface}");
    }
    let wasi = r#"(component (import "wasi:cli/environment@0.2.0" (instance
      (export "get-arguments" (func (result (list string)))))))"#;
    let wasi = wat::parse_str(wasi).unwrap();
    assert_eq!(link(&everything(), &wasi), Ok(()));
    let refused = link(&without("wasi"), &wasi);
    assert!(refused.is_err_and(|why| why.contains("`wasi:cli/environment@0.2.0`")));
    let foreign = [
        "bulkhead:plugin/bodies@9.0.0",
        "bulkhead:plugin/bodies",
        "wasi:nn/tensor@0.2.0",
    ];
    for import in foreign {
        let component =
            format!(r#"(component (import "{import}" (instance (export "f" (func)))))"#);
        let refused = link(&everything(), &wat::parse_str(component).unwrap());
        assert!(
            refused.as_ref().is_err_and(|why| why.contains(import)),
            "case: {import}: {refused:?}"
        );
    }
}

#[test]
fn what_can_be_granted_is_what_can_be_provided() {
    let granted: Vec<&str> = everything().interfaces().collect();
    assert_eq!(granted, PROVIDED);
    assert_eq!(Grants::default().interfaces().count(), 0);
    for interface in PROVIDED {
        assert!(!remedy(interface).starts_with("nothing"), "case: {interface}");
    }
}
