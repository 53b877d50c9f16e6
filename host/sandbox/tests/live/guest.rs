//! Makes small components of core WebAssembly text, with the layouts of the canonical ABI.
//!
//! A guest answers every call with zeroed memory, which stands for "all is well" in every
//! result of the contract; a test puts code in front of that.
//!
//! Memory: 64 the description's place, 1024 what calls return, 2048 what imports return,
//! 4096 the test's own data, 16384 the manifest, from 32768 on what the host asks for.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bulkhead_model::{ByteSize, Instant};
use bulkhead_ndjson::{Bases, Framer, FramerLimits};
use bulkhead_pipeline::{Batch, FileKind, Intake, Tally};
use bulkhead_sandbox::{
    Error, Grants, Limits, Package, Plugin, Resources, Role, Sandbox,
};
use serde_json::{Value, json};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

/// What a guest is made of. Code is WebAssembly text.
#[derive(Clone)]
pub(crate) struct Guest {
    pub(crate) manifest: Value,
    /// The manifest as `describe` tells it, when that is another.
    pub(crate) told: Option<Value>,
    /// Imports beyond those of every guest.
    pub(crate) imports: &'static str,
    /// Globals, tables, functions.
    pub(crate) items: &'static str,
    /// Limits of its memory.
    pub(crate) memory: &'static str,
    pub(crate) on_describe: &'static str,
    pub(crate) on_configure: &'static str,
    /// `evaluate`, `apply` or `deliver`, with `$of` and `$len`; `1024` is what it returns.
    pub(crate) on_batch: &'static str,
    /// `cabi_realloc`.
    pub(crate) on_realloc: &'static str,
    /// Packages of WIT beside the contract, and the world `guest` that imports of them.
    pub(crate) wit: Option<&'static str>,
}

impl Guest {
    /// A guest that keeps, or takes, everything.
    pub(crate) fn new(role: Role) -> Self {
        let manifest = json!({
            "bulkhead": 1,
            "name": "guest",
            "version": "1.0.0",
            "role": role.as_str(),
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
            on_batch: "",
            on_realloc: "",
            wit: None,
        }
    }

    /// A filter with this in front of "keep all".
    pub(crate) fn filter(on_batch: &'static str) -> Self {
        Self { on_batch, ..Self::new(Role::Filter) }
    }

    /// A transform that asks for `interface`, with this in front of "no change".
    pub(crate) fn transform(
        interface: &str,
        imports: &'static str,
        on_batch: &'static str,
    ) -> Self {
        Self { imports, on_batch, ..Self::new(Role::Transform) }.asking(interface)
    }

    /// The same, with a manifest that asks for `interface`.
    pub(crate) fn asking(mut self, interface: &str) -> Self {
        self.manifest["capabilities"] =
            json!([{ "interface": interface, "why": "to test" }]);
        self
    }

    /// As a package, with its manifest.
    pub(crate) fn package(&self) -> Package {
        let package = Package::from_bytes(self.component()).unwrap();
        package.with_manifest(&self.manifest.to_string()).unwrap()
    }

    /// Loads it as stage `stage` of a sandbox without cache.
    pub(crate) async fn load(
        self,
        sandbox: &Sandbox,
        ground: Ground,
    ) -> Result<Plugin, Error> {
        let Ground { stage, grants, limits, resources } = ground;
        Plugin::load(
            sandbox,
            &self.package(),
            stage,
            &json!({}),
            grants,
            limits,
            resources,
        )
        .await
    }

    fn component(&self) -> Vec<u8> {
        let (world, exports) = match self.manifest["role"].as_str() {
            Some("filter") => ("body-filter-plugin", self.filter_exports()),
            Some("transform") => ("transform-plugin", self.transform_exports()),
            _ => ("sink-plugin", self.sink_exports()),
        };
        let mut module = wat::parse_str(self.core(&exports)).unwrap();
        let mut wit = wit_parser::Resolve::default();
        let contract = concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit");
        let (mut package, _) = wit.push_dir(contract).unwrap();
        let mut world = world;
        if let Some(more) = self.wit {
            package = wit.push_str("guest.wit", more).unwrap();
            world = "guest";
        }
        let world = wit.select_world(&[package], Some(world)).unwrap();
        embed_component_metadata(&mut module, &wit, world, StringEncoding::UTF8, false)
            .unwrap();
        let mut encoder = ComponentEncoder::default();
        encoder.validate(true).module(&module).unwrap().encode().unwrap()
    }

    fn core(&self, exports: &str) -> String {
        let Self {
            imports, items, memory, on_describe, on_configure, on_realloc, ..
        } = self;
        let told = self.told.as_ref().unwrap_or(&self.manifest).to_string();
        let escaped = told.replace('\\', "\\5c").replace('"', "\\22");
        let len = told.len();
        format!(
            r#"(module
  (import "bulkhead:plugin/batches@0.1.0" "[resource-drop]batch" (func $drop (param i32)))
  (import "bulkhead:plugin/batches@0.1.0" "[method]batch.len"
    (func $len (param i32) (result i32)))
  {imports}
  (memory (export "memory") {memory})
  (data (i32.const 16384) "{escaped}")
  (global $top (mut i32) (i32.const 32768))
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
        let on_batch = self.on_batch;
        format!(
            r#"(func (export "{export}") (param $of i32) (result i32)
    (local $len i32) (local $left i32)
    (global.set $top (i32.const 32768))
    (memory.fill (i32.const 1024) (i32.const 0) (i32.const 256))
    (local.set $len (call $len (local.get $of)))
    {on_batch}
    (call $drop (local.get $of))
    (i32.const 1024))"#
        )
    }

    fn filter_exports(&self) -> String {
        self.on_batch("bulkhead:plugin/filter@0.1.0#evaluate")
    }

    fn transform_exports(&self) -> String {
        self.on_batch("bulkhead:plugin/transform@0.1.0#apply")
    }

    fn sink_exports(&self) -> String {
        let deliver = self.on_batch("bulkhead:plugin/sink@0.1.0#deliver");
        let simple = |name: &str, params: &str| {
            format!(
                r#"(func (export "bulkhead:plugin/sink@0.1.0#{name}") {params} (result i32)
    (memory.fill (i32.const 1024) (i32.const 0) (i32.const 256))
    (i32.const 1024))"#
            )
        };
        [
            deliver,
            simple("open", "(param i32 i32 i32 i32 i64 i32 i32)"),
            simple("flush", ""),
            simple("close", "(param i32)"),
            simple("conclude", "(param i32 i32 i32 i32 i32 i32 i32 i32)"),
        ]
        .join("\n")
    }
}

/// Where a guest is loaded.
pub(crate) struct Ground {
    pub(crate) stage: &'static str,
    pub(crate) grants: Grants,
    pub(crate) limits: Limits,
    pub(crate) resources: Resources,
}

impl Ground {
    /// Nothing granted, little allowed, nothing there.
    pub(crate) fn bare(stage: &'static str) -> Self {
        Self {
            stage,
            grants: Grants::default(),
            limits: tight(),
            resources: Resources {
                cohorts: BTreeMap::new(),
                keys: BTreeMap::new(),
                stores: bulkhead_egress::Stores::default(),
                destinations: bulkhead_egress::http::Destinations::default(),
                state: None,
                now: Arc::new(|| Instant::from_unix_ms(0)),
                random: Arc::new(|bytes| bytes.fill(7)),
                deterministic: None,
            },
        }
    }

    /// The same with these grants.
    pub(crate) fn granting(self, grants: Grants) -> Self {
        Self { grants, ..self }
    }
}

/// Limits that are reached in milliseconds. The wall is far off, so that a busy machine does
/// not decide a test.
pub(crate) fn tight() -> Limits {
    Limits {
        memory: ByteSize::mib(1),
        table_elements: 100,
        call: Duration::from_secs(20),
        cpu: Duration::from_millis(20),
        return_bytes: ByteSize::from_bytes(64 << 10),
        handles: 8,
        ..Limits::default()
    }
}

/// Made-up patients, `len` of them.
pub(crate) fn batch(len: usize) -> Batch {
    batch_of(0, len)
}

/// The same of file `file`.
pub(crate) fn batch_of(file: u32, len: usize) -> Batch {
    let line = |at| format!(r#"{{"resourceType":"Patient","id":"p{at}"}}"#);
    let lines: Vec<String> = (0..len).map(line).collect();
    let mut framer = Framer::new(FramerLimits::default());
    framer.push(lines.join("\n").as_bytes());
    let block = framer.finish().0.unwrap();
    let mut intake = Intake::new(file, FileKind::Output(None), Bases::default());
    intake.take(&block, &mut Tally::default()).unwrap().batch.unwrap()
}
