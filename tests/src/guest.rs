//! A hostile guest as a file under `tests/guests/`, and the component that is made of it.
//!
//! A file is WebAssembly text in pieces, under a head of `;; key = value` lines in TOML:
//!
//! ```text
//! ;; attacks = [5]                   which cases of docs/attacks.md it plays
//! ;; does = "grows its memory …"     what it does, for people
//! ;; role = "filter"                 filter, transform or sink
//! ;; asks = ["telemetry"]            capabilities: asked for, granted, imported
//! ;; dies = "plugin-memory"          what becomes of it: see the keys of `Ending`
//! ;; -- on-batch                     code that runs on a batch, before "all is well"
//! ```
//!
//! Pieces: `imports`, `items` (globals, tables, functions, data), `memory` (its limits),
//! `on-describe`, `on-configure`, `on-realloc`, `on-batch` (with `$of`, the batch, and `$len`).
//! `whole` instead of all of them is a component of its own, or bytes that pretend to be one.
//!
//! Whatever is not written answers with zeroed memory, which stands for "all is well" in every
//! result of the contract. Memory: 64 the description's place, 1024 what calls return, 2048 what
//! imports return, 4096 the guest's own data, 16384 the manifest, from 32768 on what the host
//! asks for.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::{Value, json};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

/// A hostile guest.
#[derive(Clone, Debug)]
pub struct Guest {
    /// Its file, without folder and ending.
    pub name: String,
    /// Its folder below `tests/guests`: what it is about.
    pub about: String,
    /// What the file says of it.
    pub head: Head,
    pieces: BTreeMap<String, String>,
}

/// The head of a guest's file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Head {
    /// Cases of `docs/attacks.md`.
    pub attacks: Vec<u8>,
    /// What it does, for people.
    pub does: String,
    /// What it is to the chain.
    #[serde(default = "filter")]
    pub role: String,
    /// Capabilities that it asks for and is granted.
    #[serde(default)]
    pub asks: Vec<String>,
    /// The manifest that `describe` tells, when that is another: members that differ.
    #[serde(default)]
    pub tells: BTreeMap<String, String>,
    /// What becomes of it.
    #[serde(flatten)]
    pub ending: Ending,
}

/// What becomes of a guest.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// It dies on every record. The quarantine code; for a sink, words of the error.
    Dies(String),
    /// It gives up; words of the error.
    GivesUp(String),
    /// It goes on as if nothing had been: the attack has no effect. Why that is.
    GoesOn(String),
    /// It is not loaded; words of the error.
    Refused(String),
}

fn filter() -> String {
    "filter".to_owned()
}

/// All guests below `tests/guests`, by folder and name.
///
/// # Panics
///
/// When a file is not of the form above.
pub fn all() -> Vec<Guest> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("guests");
    let mut found = Vec::new();
    for folder in entries(&root) {
        for file in entries(&folder) {
            found.push(Guest::read(&file));
        }
    }
    found
}

pub(crate) fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs_err::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.map(|entry| entry.path())).map(ok).collect();
    paths.sort();
    paths
}

/// A test's own files are as they should be, or the test fails here.
fn ok<T, E: std::fmt::Display>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => fail(&error.to_string()),
    }
}

#[expect(clippy::panic, reason = "a test's own files are wrong: the test fails")]
pub(crate) fn fail<T>(why: &str) -> T {
    panic!("{why}")
}

impl Guest {
    fn read(path: &Path) -> Self {
        let text = ok(fs_err::read_to_string(path));
        let named = |part: Option<&std::ffi::OsStr>| {
            part.unwrap_or_default().to_string_lossy().into_owned()
        };
        let mut head = String::new();
        let mut pieces: BTreeMap<String, String> = BTreeMap::new();
        let mut piece = None;
        for line in text.lines() {
            if let Some(name) = line.strip_prefix(";; -- ") {
                piece = Some(name.trim().to_owned());
            } else if let Some(name) = &piece {
                let code = pieces.entry(name.clone()).or_default();
                code.push_str(line);
                code.push('\n');
            } else if let Some(line) = line.strip_prefix(";; ") {
                head.push_str(line);
                head.push('\n');
            }
        }
        let known = [
            "imports",
            "items",
            "memory",
            "on-describe",
            "on-configure",
            "on-realloc",
            "on-batch",
            "whole",
        ];
        if let Some(unknown) = pieces.keys().find(|name| !known.contains(&name.as_str()))
        {
            return fail(&format!("{}: no piece is called `{unknown}`", path.display()));
        }
        let head = match toml::from_str(&head) {
            Ok(head) => head,
            Err(error) => return fail(&format!("{}: {error}", path.display())),
        };
        Self {
            name: named(path.file_stem()),
            about: named(path.parent().and_then(Path::file_name)),
            head,
            pieces,
        }
    }

    /// The same with other code on a batch.
    #[must_use]
    pub fn with(mut self, piece: &str, code: &str) -> Self {
        self.pieces.insert(piece.to_owned(), code.to_owned());
        self
    }

    /// A guest of this role that does nothing but what `on_batch` says.
    pub fn made(
        name: &str,
        role: &str,
        asks: &[&str],
        imports: &str,
        on_batch: &str,
    ) -> Self {
        let head = Head {
            attacks: Vec::new(),
            does: String::new(),
            role: role.to_owned(),
            asks: asks.iter().map(|name| (*name).to_owned()).collect(),
            tells: BTreeMap::new(),
            ending: Ending::GoesOn(String::new()),
        };
        let pieces = [("imports", imports), ("on-batch", on_batch)];
        let pieces = pieces.map(|(name, code)| (name.to_owned(), code.to_owned()));
        Self { name: name.to_owned(), about: String::new(), head, pieces: pieces.into() }
    }

    fn piece(&self, name: &str) -> &str {
        self.pieces.get(name).map_or("", String::as_str)
    }

    /// Its embedded manifest.
    pub fn manifest(&self) -> Value {
        let asks = self.head.asks.iter();
        let capabilities: Vec<Value> =
            asks.map(|name| json!({ "interface": name, "why": "to attack" })).collect();
        json!({
            "bulkhead": 1,
            "name": self.name,
            "version": "1.0.0",
            "role": self.head.role,
            "capabilities": capabilities,
            "events": ["said"],
            "metrics": ["seen"],
            "rejects": [{ "code": "no", "meaning": "it did not like the record" }],
        })
    }

    /// The component without its manifest; what a file says under `whole`, as it stands there.
    ///
    /// # Panics
    ///
    /// When its text cannot be made into one.
    pub fn component(&self) -> Vec<u8> {
        if let Some(whole) = self.pieces.get("whole") {
            return ok(wat::parse_str(whole));
        }
        let world = match self.head.role.as_str() {
            "filter" => "body-filter-plugin",
            "transform" => "transform-plugin",
            "sink" => "sink-plugin",
            other => return fail(&format!("{}: no role is called `{other}`", self.name)),
        };
        let mut module = ok(wat::parse_str(self.core()));
        let mut wit = wit_parser::Resolve::default();
        let contract = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
        let (package, _) = ok(wit.push_dir(contract));
        let world = ok(wit.select_world(&[package], Some(world)));
        ok(embed_component_metadata(
            &mut module,
            &wit,
            world,
            StringEncoding::UTF8,
            false,
        ));
        let mut encoder = ComponentEncoder::default();
        ok(ok(encoder.validate(true).module(&module)).encode())
    }

    fn core(&self) -> String {
        let mut told = self.manifest();
        for (key, value) in &self.head.tells {
            if let Some(members) = told.as_object_mut() {
                members.insert(key.clone(), json!(value));
            }
        }
        let told = told.to_string();
        let escaped = told.replace('\\', "\\5c").replace('"', "\\22");
        let len = told.len();
        let memory = match self.piece("memory").trim() {
            "" => "1",
            limits => limits,
        };
        let (imports, items) = (self.piece("imports"), self.piece("items"));
        let (on_describe, on_configure) =
            (self.piece("on-describe"), self.piece("on-configure"));
        let on_realloc = self.piece("on-realloc");
        let exports = match self.head.role.as_str() {
            "filter" => self.on_batch("bulkhead:plugin/filter@0.1.0#evaluate"),
            "transform" => self.on_batch("bulkhead:plugin/transform@0.1.0#apply"),
            _ => self.sink_exports(),
        };
        format!(
            r#"(module
  (import "bulkhead:plugin/batches@0.1.0" "[resource-drop]batch" (func $drop (param i32)))
  (import "bulkhead:plugin/batches@0.1.0" "[method]batch.len"
    (func $len (param i32) (result i32)))
  {imports}
  (memory (export "memory") {memory})
  (data (i32.const 16384) "{escaped}")
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

    fn on_batch(&self, export: &str) -> String {
        let on_batch = self.piece("on-batch");
        format!(
            r#"(func (export "{export}") (param $of i32) (result i32)
    (local $len i32)
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

    fn sink_exports(&self) -> String {
        let deliver = self.on_batch("bulkhead:plugin/sink@0.1.0#deliver");
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
            // All it was handed is durable, it says: `$taken` records on as many lines.
            simple("flush", "", "(i64.store (i32.const 1032) (global.get $taken))"),
            simple("close", "(param i32)", ""),
            simple("conclude", "(param i32 i32 i32 i32 i32 i32 i32 i32)", ""),
        ]
        .join("\n")
    }
}
