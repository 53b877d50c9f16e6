use bulkhead_sandbox::EMBEDDED_MANIFEST;
use serde_json::json;

use super::*;
use crate::command::plugin::signed::Trusted;

/// A component that imports these interfaces and carries this manifest.
fn package(imports: &[&str], manifest: &serde_json::Value) -> Package {
    let imports: Vec<String> =
        imports.iter().map(|name| format!(r#"(import "{name}" (instance))"#)).collect();
    let imports = imports.concat();
    let component = wat::parse_str(format!("(component {imports})")).unwrap();
    let package = Package::from_bytes(component).unwrap();
    package.with_manifest(&manifest.to_string()).unwrap()
}

fn report(imports: &[&str], manifest: &serde_json::Value) -> Report {
    of("p/x.wasm", &package(imports, manifest), Described::Same)
}

/// Of a plugin that nobody signed.
fn of(file: &str, package: &Package, described: Described) -> Report {
    let signed = Signed::of(file.as_ref(), package, &Trusted::default());
    Report::of(file.as_ref(), package, described, signed)
}

fn manifest(role: &str, asks: &[&str]) -> serde_json::Value {
    let capabilities: Vec<_> = asks
        .iter()
        .map(|asked| json!({ "interface": asked, "why": "to work" }))
        .collect();
    json!({
        "bulkhead": 1, "name": "x", "version": "1.2.3", "role": role,
        "description": "Does it.", "capabilities": capabilities,
    })
}

#[test]
fn tells_what_no_grant_can_mend() {
    let batches = "bulkhead:plugin/batches@0.1.0";
    let bodies = "bulkhead:plugin/bodies@0.1.0";
    let http = "bulkhead:plugin/outbound-http@0.1.0";
    let keyed = "bulkhead:plugin/keyed-hash@0.1.0";
    let wasi = "wasi:io/streams@0.2.0";
    let cases: [(&str, &[&str], serde_json::Value, &[&str]); 8] = [
        ("asks and imports", &[batches, bodies], manifest("filter", &["bodies"]), &[]),
        ("asks for nothing", &[batches], manifest("filter", &[]), &[]),
        (
            "imports in secret",
            &[batches, bodies],
            manifest("filter", &[]),
            &["imports `bodies`, but its manifest does not ask"],
        ),
        (
            "asks and does not import",
            &[batches],
            manifest("filter", &["bodies"]),
            &["asks for `bodies`, but the plugin does not import it"],
        ),
        (
            "not for its role",
            &[keyed],
            manifest("filter", &["keyed-hash"]),
            &["a filter can never have `keyed-hash`"],
        ),
        (
            "asks for what is not for its role",
            &[],
            manifest("filter", &["artifacts"]),
            &["a filter can never have `artifacts`"],
        ),
        (
            "the network for a transform",
            &[http],
            manifest("transform", &["outbound-http"]),
            &["a transform can never have `outbound-http`"],
        ),
        ("foreign", &[wasi], manifest("filter", &[]), &["`wasi:io/streams@0.2.0`"]),
    ];
    for (name, imports, manifest, expected) in cases {
        let report = report(imports, &manifest);
        assert_eq!(report.loadable, expected.is_empty(), "case: {name}");
        assert_eq!(
            report.faults.len(),
            expected.len(),
            "case: {name}: {:?}",
            report.faults
        );
        for (fault, expected) in report.faults.iter().zip(expected) {
            assert!(fault.contains(expected), "case: {name}: {fault}");
        }
    }
}

#[test]
fn proves_by_absence_and_only_where_nothing_foreign_is_imported() {
    let batches = "bulkhead:plugin/batches@0.1.0";
    let blind = report(&[batches], &manifest("filter", &[]));
    assert!(blind.cannot.contains(&"reach the network"));
    assert!(blind.cannot.contains(&"receive a resource: whole bodies never enter it"));

    let reader = report(
        &[batches, "bulkhead:plugin/bodies@0.1.0"],
        &manifest("filter", &["bodies"]),
    );
    assert!(!reader.cannot.contains(&"receive a resource: whole bodies never enter it"));
    assert!(reader.cannot.contains(&"reach the network"));

    let foreign =
        report(&[batches, "elsewhere:io/streams@0.2.0"], &manifest("filter", &[]));
    assert_eq!(foreign.cannot, Vec::<&str>::new());
    assert!(foreign.to_string().contains("cannot be told"));
}

#[test]
fn wasi_is_shown_as_the_virtual_one_and_what_it_gives_is_not_proved_absent() {
    let imports = [
        "wasi:cli/environment@0.2.6",
        "wasi:clocks/wall-clock@0.2.6",
        "wasi:random/random@0.2.6",
    ];
    let told = report(&imports, &manifest("transform", &[]));
    assert_eq!(told.wasi, imports);
    let shown = told.to_string();
    let line =
        "  wasi:cli/environment@0.2.6: virtual WASI 0.2: no variables, no arguments\n";
    assert!(shown.contains(line), "{shown}");
    assert!(!told.cannot.contains(&"tell the time"));
    assert!(!told.cannot.contains(&"draw randomness"));
    assert!(told.cannot.contains(&"reach the network"));
}

#[test]
fn its_json_has_every_member_always() {
    let expected = [
        "bytes",
        "cannot",
        "described",
        "faults",
        "file",
        "format",
        "imports",
        "interfaces",
        "loadable",
        "manifest",
        "remarks",
        "sha256",
        "shape",
        "signature",
        "wasi",
    ];
    let error = anyhow::anyhow!("no plugin");
    let cases = [
        ("a plugin", report(&[], &manifest("filter", &[]))),
        ("none", Report::of_no_plugin("x.wasm".as_ref(), 0, &error)),
    ];
    for (name, report) in cases {
        let json = serde_json::to_value(&report).unwrap();
        let mut members: Vec<&str> =
            json.as_object().unwrap().keys().map(String::as_str).collect();
        members.sort_unstable();
        assert_eq!(members, expected, "case: {name}");
    }
}

#[test]
fn shows_how_to_use_what_can_be_loaded() {
    let mut asking = manifest("filter", &["bodies", "projection"]);
    asking["fields"] = json!(["status", "code.text"]);
    let imports = ["bulkhead:plugin/bodies@0.1.0", "bulkhead:plugin/projection@0.1.0"];
    let shown = report(&imports, &asking).to_string();
    let package = package(&imports, &asking);
    let usage = format!(
        "  [plugins.x]\n  path = \"p/x.wasm\"\n  sha256 = \"{}\"\n  \
         grants = {{ bodies = true, fields = [\"status\", \"code.text\"] }}\n",
        package.sha256()
    );
    assert!(shown.contains(&usage), "{shown}");
    let stanza: Vec<&str> = usage.lines().map(str::trim_start).collect();
    let stanza = stanza.join("\n");
    assert!(toml::from_str::<toml::Table>(&stanza).is_ok());
}

#[test]
fn a_plugin_cannot_write_on_the_terminal_what_it_likes() {
    // The package refuses control characters elsewhere; a schema is not its business.
    let deceiving = "x\u{1b}[2J\r\nloadable\u{202E}\u{9b}";
    let mut hostile = manifest("filter", &[]);
    hostile["settings"] = json!({ "properties": {
        deceiving: { "default": deceiving, "description": deceiving, "type": deceiving },
        "word": { "oneOf": [{ "const": deceiving, "description": deceiving }] },
        "table": { "type": "object", "properties": { deceiving: {} } },
    } });
    let shown = report(&[], &hostile).to_string();
    let controls: Vec<char> = shown
        .chars()
        .filter(|letter| letter.is_control() && *letter != '\n' || *letter == '\u{202E}')
        .collect();
    assert!(controls.is_empty(), "{shown:?}");
    assert!(!shown.lines().any(|line| line.starts_with("loadable\u{FFFD}")), "{shown}");
}

#[test]
fn says_when_the_plugin_does_not_agree_with_its_file() {
    let package = package(&[], &manifest("filter", &[]));
    let cases = [
        ("same", Described::Same, true),
        ("not asked", Described::NotRun, true),
        ("different", Described::Different, false),
        ("died", Described::Failed("it trapped".to_owned()), false),
    ];
    for (name, described, expected) in cases {
        let report = of("x.wasm", &package, described);
        assert_eq!(report.loadable, expected, "case: {name}");
    }
}

#[test]
fn a_file_without_a_manifest_is_reported_all_the_same() {
    let component = wat::parse_str("(component)").unwrap();
    assert!(
        !component
            .windows(EMBEDDED_MANIFEST.len())
            .any(|at| at == EMBEDDED_MANIFEST.as_bytes())
    );
    let package = Package::from_bytes(component).unwrap();
    let report = of("x.wasm", &package, Described::NotRun);
    assert!(!report.loadable);
    assert_eq!(report.sha256.as_deref(), Some(package.sha256()));
}
