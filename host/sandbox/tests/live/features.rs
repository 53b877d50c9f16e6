//! WebAssembly that is switched off: every proposal that no plugin needs, in core modules and
//! in components, and what is on, to see that the probes probe.

use bulkhead_sandbox::{Error, Package, Sandbox};

/// How it is told that a probe is no WebAssembly text, which proves nothing.
const NO_TEXT: &str = "the text is wrong";

/// What became of a component: how the engine refused it, or `None` when it compiled.
async fn refused(sandbox: &Sandbox, name: &str, component: &str) -> Option<String> {
    let bytes = match wat::parse_str(component) {
        Ok(bytes) => bytes,
        Err(error) => return Some(format!("{NO_TEXT}: {error}")),
    };
    let package = match Package::from_bytes(bytes) {
        Ok(package) => package,
        Err(error) => return Some(error.to_string()),
    };
    match sandbox.describe(&package).await {
        Err(Error::Compile { source }) => Some(format!("{source:#}")),
        // It compiled, and is no plugin.
        Err(Error::Link { .. }) => None,
        other => panic!("case: {name}: {other:?}"),
    }
}

/// Attacks: 53, 46.
#[tokio::test]
async fn features_of_core_modules_that_no_plugin_needs_are_off() {
    // name, fields of a core module, words of the refusal
    let cases = [
        (
            "threads",
            "(memory 1) (func (drop (i32.atomic.load (i32.const 0))))",
            "threads",
        ),
        ("shared memory", "(memory 1 1 shared)", "threads"),
        ("shared everything", "(table shared 1 (ref null (shared func)))", "shared"),
        ("garbage collection", "(type (struct (field i32)))", "gc"),
        ("arrays", "(type (array i32))", "gc"),
        ("small numbers as references", "(func (param i31ref))", "gc"),
        ("references to the host", "(table 1 externref)", "gc"),
        (
            "references to functions",
            "(type $f (func)) (func (param (ref $f)) (call_ref $f (local.get 0)))",
            "function references",
        ),
        ("exceptions", "(tag)", "exceptions"),
        ("old exceptions", "(func try catch_all end)", "exceptions"),
        ("64-bit memory", "(memory i64 1)", "memory64"),
        ("64-bit tables", "(table i64 1 funcref)", "memory64"),
        ("several memories", "(memory 1) (memory 1)", "multi"),
        ("tail calls", "(func $f (return_call $f))", "tail calls"),
        (
            "relaxed vectors",
            "(func (param v128) (drop (i32x4.relaxed_trunc_f32x4_s (local.get 0))))",
            "relaxed SIMD",
        ),
        ("pages of a byte", "(memory 1 (pagesize 1))", "custom page sizes"),
        (
            "wide arithmetic",
            "(func (param i64 i64 i64 i64) (result i64 i64)
              (i64.add128 (local.get 0) (local.get 1) (local.get 2) (local.get 3)))",
            "wide arithmetic",
        ),
        ("stack switching", "(type $f (func)) (type (cont $f))", "stack switching"),
    ];
    let modules = cases.map(|(name, fields, words)| {
        (name, format!("(component (core module {fields}))"), words)
    });
    assert_refused(&modules).await;
}

/// Asserts that the engine refuses each, in these words, and shows all that it does not.
async fn assert_refused(cases: &[(&str, String, &str)]) {
    let sandbox = Sandbox::new(None).unwrap();
    let mut taken = Vec::new();
    for (name, component, words) in cases {
        let refused = refused(&sandbox, name, component).await;
        let is_text = |why: &String| why.starts_with(NO_TEXT);
        if !refused.as_ref().is_some_and(|why| why.contains(words) && !is_text(why)) {
            taken.push(format!("{name}: {refused:?}"));
        }
    }
    assert!(
        taken.is_empty(),
        "{}",
        taken.join(
            "
"
        )
    );
}

/// Attacks: 53.
#[tokio::test]
async fn features_of_components_that_no_plugin_needs_are_off() {
    let cases = [
        ("functions that wait", r#"(component (import "f" (func async)))"#, "async"),
        ("streams", "(component (type (stream u8)))", "async"),
        ("futures", "(component (type (future u8)))", "async"),
        ("tasks", "(component (core func (canon task.cancel)))", "async"),
        ("back pressure", "(component (core func (canon backpressure.inc)))", "async"),
        ("waitable sets", "(component (core func (canon waitable-set.new)))", "async"),
        ("sub-tasks", "(component (core func (canon subtask.drop)))", "async"),
        (
            "lifting that waits",
            r#"(component
              (core module $m (func (export "f") (result i32) (i32.const 0))
                (func (export "c") (param i32 i32 i32) (result i32) (i32.const 0)))
              (core instance $i (instantiate $m))
              (func (export "f") (canon lift (core func $i "f") async
                (callback (core func $i "c")))))"#,
            "async",
        ),
        ("contexts of errors", "(component (type error-context))", "error"),
        ("threads", "(component (core func (canon thread.index)))", "thread"),
        ("lists of a fixed length", "(component (type (list u8 4)))", "fixed"),
        ("maps", "(component (type (map string u8)))", "map"),
        ("values", r#"(component (import "v" (value string)))"#, "value"),
        ("nested names", r#"(component (import "a:b:c/d" (func)))"#, "a:b:c/d"),
        (
            "garbage collection",
            r#"(component
              (core module $m (func (export "f")))
              (core instance $i (instantiate $m))
              (func (export "f") (canon lift (core func $i "f") gc)))"#,
            "gc",
        ),
    ];
    assert_refused(&cases.map(|(name, text, words)| (name, text.to_owned(), words)))
        .await;
}

#[tokio::test]
async fn what_compilers_of_plugins_write_is_on() {
    let cases = [
        ("nothing", ""),
        ("a memory and a table", "(memory 1) (table 1 funcref)"),
        ("vectors", "(func (param v128) (drop (i8x16.popcnt (local.get 0))))"),
        (
            "copies",
            "(memory 1) (func (memory.copy (i32.const 0) (i32.const 1) (i32.const 2)))",
        ),
        ("several results", "(func (result i32 i32) (i32.const 1) (i32.const 2))"),
        ("sign extension", "(func (param i32) (drop (i32.extend8_s (local.get 0))))"),
        ("saturation", "(func (param f32) (drop (i32.trunc_sat_f32_s (local.get 0))))"),
        ("several tables", "(table 1 funcref) (table 1 funcref)"),
        ("sums in constants", "(global i32 (i32.add (i32.const 1) (i32.const 2)))"),
        ("globals that change", r#"(global (export "g") (mut i32) (i32.const 0))"#),
    ];
    let sandbox = Sandbox::new(None).unwrap();
    for (name, fields) in cases {
        let component = format!("(component (core module {fields}))");
        assert_eq!(refused(&sandbox, name, &component).await, None, "case: {name}");
    }
}
