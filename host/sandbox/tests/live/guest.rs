//! Guests of tests and where they are loaded, and batches for them. How a guest is put
//! together, and where things lie in its memory, says `bulkhead_guest_builder::Parts`.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bulkhead_guest_builder::Parts;
use bulkhead_model::{ByteSize, Instant};
use bulkhead_ndjson::{Bases, Framer, FramerLimits};
use bulkhead_pipeline::{Batch, FileKind, Intake, Tally};
use bulkhead_sandbox::{
    Children, Error, Grants, Limits, Package, Plugin, Resources, Role, Sandbox,
};
use serde_json::{Value, json};

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
        let role = self.manifest["role"].as_str().unwrap();
        Parts {
            manifest: self.manifest.clone(),
            told: self.told.clone(),
            imports: self.imports,
            items: self.items,
            memory: self.memory,
            on_describe: self.on_describe,
            on_configure: self.on_configure,
            on_batch: self.on_batch,
            on_realloc: self.on_realloc,
            wit: self.wit,
            ..Parts::new(role)
        }
        .component()
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

/// Children as the program has them.
pub(crate) fn children() -> Children {
    Children::of_program(env!("CARGO_BIN_EXE_sandbox-child"), &[]).unwrap()
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
    framer.push(lines.join("\n").into());
    let block = framer.finish().0.unwrap();
    let mut intake = Intake::new(file, FileKind::Output(None), Bases::default());
    intake.take(&block, &mut Tally::default()).unwrap().batch.unwrap()
}
