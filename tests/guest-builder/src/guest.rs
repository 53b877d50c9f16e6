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
//! More keys are in `guest/head.rs`. Pieces are those of `Parts`; `honest` is what stands in the
//! place of `on-batch` in the file that somebody takes this one for; `whole` instead of all of
//! them is a component of its own, or bytes that pretend to be one.

mod head;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

pub use self::head::{Ending, Forgery, Head, Tampered, Unsigned};
use crate::{
    fail::{fail, ok},
    parts::Parts,
};

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

const PIECES: [&str; 13] = [
    "imports",
    "items",
    "memory",
    "on-describe",
    "on-configure",
    "on-realloc",
    "on-batch",
    "on-post",
    "on-flush",
    "on-close",
    "honest",
    "whole",
    "wit",
];

/// All is durable that it was handed, it says: `$taken` records on as many lines.
const DURABLE: &str = "(i64.store (i32.const 1032) (global.get $taken))";

/// All guests below `tests/guests`, by folder and name.
///
/// # Panics
///
/// When a file is not of the form above.
pub fn all() -> Vec<Guest> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guests");
    let mut found = Vec::new();
    for folder in entries(&root) {
        for file in entries(&folder) {
            found.push(Guest::read(&file));
        }
    }
    found
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs_err::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.map(|entry| entry.path())).map(ok).collect();
    paths.sort();
    paths
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
        if let Some(unknown) = pieces.keys().find(|name| !PIECES.contains(&name.as_str()))
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

    /// What this one is taken for, or would be without its attack: a guest of the same name and
    /// items, with the piece `honest` for code and nothing wrong with its file.
    #[must_use]
    pub fn honest(&self) -> Self {
        let mut honest = self.clone();
        honest.head.file = None;
        honest.pieces.retain(|name, _| !name.starts_with("on-"));
        let code = honest.pieces.remove("honest").unwrap_or_default();
        honest.with("on-batch", &code)
    }

    /// A guest of this role that does nothing but what `on_batch` says.
    pub fn made(
        name: &str,
        role: &str,
        asks: &[&str],
        imports: &str,
        on_batch: &str,
    ) -> Self {
        let asks = asks.iter().map(|name| (*name).to_owned()).collect();
        let head = Head { asks, ..Head::new(role) };
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
        match (self.pieces.get("whole"), self.head.bomb) {
            (Some(whole), _) => ok(wat::parse_str(whole)),
            (None, Some(bomb)) => bomb.component(),
            (None, None) => self.parts().component(),
        }
    }

    fn parts(&self) -> Parts<'_> {
        let manifest = self.manifest();
        let mut told = manifest.clone();
        for (key, value) in &self.head.tells {
            if let Some(members) = told.as_object_mut() {
                members.insert(key.clone(), json!(value));
            }
        }
        let or = |name: &str, default: &'static str| match self.piece(name).trim() {
            "" => default,
            code => code,
        };
        Parts {
            manifest,
            told: Some(told),
            imports: self.piece("imports"),
            items: self.piece("items"),
            memory: or("memory", "1"),
            on_describe: self.piece("on-describe"),
            on_configure: self.piece("on-configure"),
            on_realloc: self.piece("on-realloc"),
            on_batch: self.piece("on-batch"),
            on_post: self.piece("on-post"),
            on_flush: or("on-flush", DURABLE),
            on_close: self.piece("on-close"),
            wit: self.pieces.get("wit").map(String::as_str),
            strings: self.head.strings,
        }
    }
}
