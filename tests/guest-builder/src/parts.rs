//! What a small component is made of: pieces of WebAssembly text, put into a core module with
//! the layouts of the canonical ABI, and that into a component by the same tool that plugin
//! authors use.
//!
//! Whatever is not written answers with zeroed memory, which stands for "all is well" in every
//! result of the contract. Memory: 64 the description's place, 1024 what calls return, 2048 what
//! imports return, 4096 the guest's own data, 16384 the manifest, from 32768 on what the host
//! asks for.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

use crate::fail::{fail, ok};

/// What a guest is made of.
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    /// What its file says of it; the role says which world it is of.
    pub manifest: Value,
    /// The manifest as `describe` tells it, when that is another.
    pub told: Option<Value>,
    /// Imports beyond those of every guest.
    pub imports: &'a str,
    /// Globals, tables, functions, data.
    pub items: &'a str,
    /// Limits of its memory.
    pub memory: &'a str,
    /// What goes before the answer of `describe`.
    pub on_describe: &'a str,
    /// The same of `configure`.
    pub on_configure: &'a str,
    /// The same of `cabi_realloc`.
    pub on_realloc: &'a str,
    /// The same of `evaluate`, `apply` or `deliver`, with `$of`, the batch, and `$len`, and
    /// `$left` to count with; `1024` is what it returns, `$taken` how many records it saw.
    pub on_batch: &'a str,
    /// What runs when the host has read what `on_batch` returned.
    pub on_post: &'a str,
    /// The same of `flush`.
    pub on_flush: &'a str,
    /// The same of `close`.
    pub on_close: &'a str,
    /// A package of WIT beside the contract, whose world `guest` it is of.
    pub wit: Option<&'a str>,
    /// How it writes its strings.
    pub strings: Strings,
}

/// How a guest writes its strings.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Strings {
    /// UTF-8.
    #[default]
    Utf8,
    /// UTF-16.
    Utf16,
    /// Latin-1 or UTF-16, as a bit of each length says.
    Latin1OrUtf16,
}

impl Parts<'_> {
    /// A guest of this role that keeps, or takes, everything.
    pub fn new(role: &str) -> Self {
        let manifest = json!({
            "bulkhead": 1,
            "name": "guest",
            "version": "1.0.0",
            "role": role,
            "rejects": [{ "code": "no", "meaning": "it did not like the record" }],
        });
        Self {
            manifest,
            told: None,
            imports: "",
            items: "",
            memory: "1",
            on_describe: "",
            on_configure: "",
            on_realloc: "",
            on_batch: "",
            on_post: "",
            on_flush: "",
            on_close: "",
            wit: None,
            strings: Strings::Utf8,
        }
    }

    /// The component, without its manifest.
    ///
    /// # Panics
    ///
    /// When its text cannot be made into one.
    pub fn component(&self) -> Vec<u8> {
        let (world, exports) = match self.manifest["role"].as_str() {
            Some("filter") => (
                "body-filter-plugin",
                self.batch("bulkhead:plugin/filter@0.1.0#evaluate"),
            ),
            Some("transform") => {
                ("transform-plugin", self.batch("bulkhead:plugin/transform@0.1.0#apply"))
            }
            Some("sink") => ("sink-plugin", self.sink()),
            Some(_) | None => return fail("a guest without a role"),
        };
        let mut module = ok(wat::parse_str(self.core(&exports)));
        let mut wit = wit_parser::Resolve::default();
        let contract = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
        let (mut package, _) = ok(wit.push_dir(contract));
        let mut world = world;
        if let Some(more) = self.wit {
            package = ok(wit.push_str("guest.wit", more));
            world = "guest";
        }
        let world = ok(wit.select_world(&[package], Some(world)));
        let strings = match self.strings {
            Strings::Utf8 => StringEncoding::UTF8,
            Strings::Utf16 => StringEncoding::UTF16,
            Strings::Latin1OrUtf16 => StringEncoding::CompactUTF16,
        };
        ok(embed_component_metadata(&mut module, &wit, world, strings, false));
        let mut encoder = ComponentEncoder::default();
        ok(ok(encoder.validate(true).module(&module)).encode())
    }

    fn core(&self, exports: &str) -> String {
        let Self {
            imports, items, memory, on_describe, on_configure, on_realloc, ..
        } = self;
        let told = self.told.as_ref().unwrap_or(&self.manifest).to_string();
        let (told, len) = self.written(&told);
        format!(
            r#"(module
  (import "bulkhead:plugin/batches@0.1.0" "[resource-drop]batch" (func $drop (param i32)))
  (import "bulkhead:plugin/batches@0.1.0" "[method]batch.len"
    (func $len (param i32) (result i32)))
  {imports}
  (memory (export "memory") {memory})
  (data (i32.const 16384) "{told}")
  (global $top (mut i32) (i32.const 32768))
  (global $taken (mut i64) (i64.const 0))
  {items}
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    {on_realloc}
    (global.set $top (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
    (global.get $top)
    (global.set $top (i32.add (global.get $top) (local.get 3))))
  (func (export "bulkhead:plugin/lifecycle@0.1.0#describe") (result i32)
    {on_describe}
    (i32.store (i32.const 64) (i32.const 16384))
    (i32.store (i32.const 68) (i32.const {len}))
    (i32.const 64))
  (func (export "bulkhead:plugin/lifecycle@0.1.0#configure") (param i32 i32) (result i32)
    {on_configure}
    (global.set $top (i32.const 32768))
    (i32.const 1024))
  {exports})"#
        )
    }

    /// A string in the guest's own encoding, as text of a data segment, and its length.
    fn written(&self, text: &str) -> (String, usize) {
        let bytes: Vec<u8> = match self.strings {
            // What is ASCII is Latin-1.
            Strings::Utf8 | Strings::Latin1OrUtf16 => text.bytes().collect(),
            Strings::Utf16 => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        };
        let units = match self.strings {
            Strings::Utf8 | Strings::Latin1OrUtf16 => bytes.len(),
            Strings::Utf16 => bytes.len() / 2,
        };
        let escaped = bytes.iter().map(|byte| format!("\\{byte:02x}"));
        (escaped.collect::<Vec<_>>().concat(), units)
    }

    fn batch(&self, export: &str) -> String {
        let on_batch = self.on_batch;
        let post = match self.on_post {
            "" => String::new(),
            code => format!(r#"(func (export "cabi_post_{export}") (param i32) {code})"#),
        };
        format!(
            r#"{post}
  (func (export "{export}") (param $of i32) (result i32)
    (local $len i32) (local $left i32)
    (global.set $top (i32.const 32768))
    (memory.fill (i32.const 1024) (i32.const 0) (i32.const 256))
    (local.set $len (call $len (local.get $of)))
    (global.set $taken
      (i64.add (global.get $taken) (i64.extend_i32_u (local.get $len))))
    {on_batch}
    (call $drop (local.get $of))
    (i32.const 1024))"#
        )
    }

    fn sink(&self) -> String {
        let deliver = self.batch("bulkhead:plugin/sink@0.1.0#deliver");
        let simple = |name: &str, params: &str, code: &str| {
            format!(
                r#"(func (export "bulkhead:plugin/sink@0.1.0#{name}") {params} (result i32)
    (memory.fill (i32.const 1024) (i32.const 0) (i32.const 256))
    {code}
    (i32.const 1024))"#
            )
        };
        [
            deliver,
            simple("open", "(param i32 i32 i32 i32 i64 i32 i32)", ""),
            simple("flush", "", self.on_flush),
            simple("close", "(param i32)", self.on_close),
            simple("conclude", "(param i32 i32 i32 i32 i32 i32 i32 i32)", ""),
        ]
        .join("\n")
    }
}
