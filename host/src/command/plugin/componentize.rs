//! From a core module, as `rustc` makes it, to a component.
//!
//! No adapters: an import that is not of the contract is refused by name, because no grant
//! could ever satisfy it. The same module gives the same bytes on every machine.

use std::collections::BTreeMap;

use anyhow::Context;
use wasmparser::{Encoding, Parser, Payload};
use wit_component::ComponentEncoder;

use super::text::plain;
use crate::failure::Failure;

/// How many functions of a foreign import an error names.
const NAMED: usize = 3;

/// Makes a component of a core module that carries its interface types.
///
/// # Errors
///
/// A [`Failure`] when `core` is no core module or imports what is not of the contract; else
/// what the encoder says.
pub(super) fn componentize(core: &[u8]) -> anyhow::Result<Vec<u8>> {
    let foreign = foreign_imports(core)?;
    if !foreign.is_empty() {
        let listed: Vec<String> =
            foreign.iter().map(|(module, names)| told(module, names)).collect();
        let what = format!(
            "the module imports {}, which is not of the contract",
            listed.join("; ")
        );
        return Err(Failure { blame: "plugin", ..Failure::refused(what) }
            .hint(
                "a plugin has no WASI and no JavaScript: find the dependency with `cargo tree \
                 --target wasm32-unknown-unknown`, and turn off its feature or replace it",
            )
            .into());
    }
    let mut encoder = ComponentEncoder::default();
    encoder.validate(true);
    encoder.module(core).context("reading the module's interface types")?;
    encoder.encode().context("making a component of the module")
}

fn told(module: &str, names: &[String]) -> String {
    let shown: Vec<String> =
        names.iter().take(NAMED).map(|name| format!("`{}`", plain(name))).collect();
    let more = names.len().saturating_sub(NAMED);
    let rest = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{}{rest} from `{}`", shown.join(", "), plain(module))
}

/// What a core module imports from elsewhere, by module.
fn foreign_imports(core: &[u8]) -> anyhow::Result<BTreeMap<String, Vec<String>>> {
    let mut foreign: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for payload in Parser::new(0).parse_all(core) {
        let payload = payload.context("reading the module")?;
        if let Payload::Version { encoding: Encoding::Component, .. } = payload {
            let what = "the file is a component already, not a core module";
            return Err(Failure::refused(what).into());
        }
        if let Payload::ImportSection(section) = payload {
            for import in section.into_imports() {
                let import = import.context("reading the module's imports")?;
                if !is_of_contract(import.module) {
                    let names = foreign.entry(import.module.to_owned()).or_default();
                    names.push(import.name.to_owned());
                }
            }
        }
    }
    Ok(foreign)
}

/// Bindings put marks before the interface's name: of the naming scheme, and of what concerns
/// an exported interface.
fn is_of_contract(module: &str) -> bool {
    let module = module.strip_prefix("cm32p2|").unwrap_or(module);
    let module = module.strip_prefix("[export]").unwrap_or(module);
    module.starts_with("bulkhead:plugin/")
}

#[cfg(test)]
pub(super) mod tests {
    use wit_component::StringEncoding;
    use wit_parser::Resolve;

    use super::*;

    #[test]
    fn the_same_module_gives_the_same_component() {
        let core = describing("{}", "");
        let component = componentize(&core).unwrap();
        assert!(component.starts_with(b"\0asm\x0d\0\x01\0"));
        assert_eq!(component, componentize(&core).unwrap());
    }

    #[test]
    fn refuses_what_is_not_of_the_contract_and_names_it() {
        let wasi = r#"
            (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))"#;
        let browser = r#"(import "__wbindgen_placeholder__" "__wbindgen_throw" (func))"#;
        let many = r#"
            (import "env" "a" (func)) (import "env" "b" (func)) (import "env" "c" (func))
            (import "env" "d" (func)) (import "env" "e" (func))"#;
        let cases = [
            ("wasi", wasi, "`fd_write`, `proc_exit` from `wasi_snapshot_preview1`"),
            ("browser", browser, "`__wbindgen_throw` from `__wbindgen_placeholder__`"),
            ("many", many, "`a`, `b`, `c` and 2 more from `env`"),
        ];
        for (name, imports, named) in cases {
            let refused =
                componentize(&describing("{}", imports)).unwrap_err().to_string();
            let expected =
                format!("the module imports {named}, which is not of the contract");
            assert_eq!(refused, expected, "case: {name}");
        }
    }

    #[test]
    fn refuses_what_is_no_module_of_a_plugin() {
        let component = wat::parse_str("(component)").unwrap();
        let cases: [(&str, &[u8]); 4] = [
            ("nothing", b""),
            ("text", b"(module)"),
            ("cut short", b"\0asm\x01\0\0\0\x02\xff"),
            ("a component", &component),
        ];
        for (name, bytes) in cases {
            assert!(componentize(bytes).is_err(), "case: {name}");
        }
    }

    #[test]
    fn knows_the_contract_under_the_marks_of_bindings() {
        let cases = [
            ("plain", "bulkhead:plugin/batches@0.1.0", true),
            ("marked", "[export]bulkhead:plugin/sink@0.1.0", true),
            ("new naming", "cm32p2|bulkhead:plugin/batches@0.1", true),
            ("a namesake", "bulkhead:plugins/batches@0.1.0", false),
            ("wasi", "wasi:io/streams@0.2.0", false),
        ];
        for (name, module, expected) in cases {
            assert_eq!(is_of_contract(module), expected, "case: {name}");
        }
    }

    /// The core module of a plugin that tells `manifest` and accepts any settings. `imports`
    /// are further fields of the module, put first.
    pub(in crate::command::plugin) fn describing(
        manifest: &str,
        imports: &str,
    ) -> Vec<u8> {
        let escaped: Vec<String> =
            manifest.bytes().map(|byte| format!("\\{byte:02x}")).collect();
        let escaped = escaped.concat();
        let interface = "bulkhead:plugin/lifecycle@0.1.0";
        let text = format!(
            r#"(module
                {imports}
                (memory (export "memory") 2)
                (data (i32.const 4096) "{escaped}")
                (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                    i32.const 65536)
                (func (export "{interface}#describe") (result i32)
                    (i32.store (i32.const 16) (i32.const 4096))
                    (i32.store (i32.const 20) (i32.const {len}))
                    i32.const 16)
                (func (export "{interface}#configure") (param i32 i32) (result i32)
                    i32.const 32))"#,
            len = manifest.len(),
        );
        with_world(&wat::parse_str(text).unwrap(), "lifecycle-exports")
    }

    /// `core` with the interface types of a world of the contract.
    fn with_world(core: &[u8], world: &str) -> Vec<u8> {
        let mut resolve = Resolve::default();
        let wit = concat!(env!("CARGO_MANIFEST_DIR"), "/../wit");
        let (contract, _) = resolve.push_dir(wit).unwrap();
        let world = resolve.select_world(&[contract], Some(world)).unwrap();
        let mut module = core.to_vec();
        wit_component::embed_component_metadata(
            &mut module,
            &resolve,
            world,
            StringEncoding::UTF8,
            false,
        )
        .unwrap();
        module
    }
}
