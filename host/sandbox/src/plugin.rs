//! A plugin as one stage uses it: compiled, checked against its grants, linked, tried once.

use std::{io, sync::Arc, time::Duration};

use bulkhead_model::{ByteSize, Instant};
use bulkhead_pipeline::{Crash, Limit};
use wasmtime::{
    Store,
    component::{Component, InstancePre, Linker},
};

use crate::{
    Error, Grants, Isolation, Limits, Manifest, Metrics, Package, Resources, Sandbox,
    Uses, VirtualWasi, Walls,
    bindings::lifecycle::LifecycleExports,
    context::Context,
    deterministic::Chance,
    engine::Ticks,
    grant,
    guest::{Ended, bound, within},
    limits::Shared,
    live::Live,
    manifest::Role,
    process::apart::Outside,
    provide::{self, outbound_http::Spending},
};

/// A plugin as one stage uses it. Cheap to clone; every lane makes its own guests of it.
#[derive(Clone)]
pub struct Plugin(Arc<Inner>);

struct Inner {
    stage: Arc<str>,
    sha256: String,
    manifest: Arc<Manifest>,
    settings: String,
    grants: Arc<Grants>,
    limits: Limits,
    /// What a guest has until it took its settings.
    at_start: Arc<Resources>,
    resources: Arc<Resources>,
    metrics: Metrics,
    spending: Spending,
    shared: Arc<Shared>,
    uses: Uses,
    ticks: Ticks,
    housing: Housing,
}

/// Where a plugin's guests live.
pub(crate) enum Housing {
    /// Each in a process of its own.
    Apart { outside: Outside, walls: Walls },
    /// In this process.
    Here(InstancePre<Context>),
}

impl Plugin {
    /// Loads `package` as stage `stage`. A guest is asked for its manifest, without any
    /// capability, and one is configured, so that what can fail fails here. Neither reaches
    /// anything: what is in `resources` is for guests that took their settings.
    ///
    /// # Errors
    ///
    /// [`Error`]: what is wrong with the package, its grants or the stage's settings.
    pub async fn load(
        sandbox: &Sandbox,
        package: &Package,
        stage: &str,
        settings: &serde_json::Value,
        grants: Grants,
        limits: Limits,
        resources: Resources,
    ) -> Result<Self, Error> {
        let manifest = package.manifest()?;
        let denied = grant::check(package, manifest, &grants);
        if !denied.is_empty() {
            return Err(Error::Denied { denied });
        }
        let (told, housing) = match sandbox.isolation {
            Isolation::InProcess => {
                let component = sandbox.component(package, &limits).await?;
                let told = sandbox.ask(&component, &limits).await?;
                let mut imports = Linker::new(&sandbox.engine);
                let refuse = |source| Error::Link { source };
                provide::link(&mut imports, &component, &grants).map_err(refuse)?;
                let linked = imports.instantiate_pre(&component).map_err(refuse)?;
                (told, Housing::Here(linked))
            }
            isolation @ (Isolation::Process | Isolation::ProcessUnconfined) => {
                if needs_wasi(package) {
                    let source = wasmtime::Error::msg(NO_WASI);
                    return Err(Error::Link { source });
                }
                let role = Some(manifest.role);
                let outside = sandbox.outside(package, isolation, role, &limits).await?;
                let (told, walls) = outside.describe(&limits).await?;
                (told, Housing::Apart { outside, walls })
            }
        };
        if Some(told.as_str()) != package.manifest_json() {
            return Err(Error::ManifestLies);
        }
        let plugin = Self(Arc::new(Inner {
            stage: stage.into(),
            sha256: package.sha256().to_owned(),
            manifest: Arc::new(manifest.clone()),
            settings: settings.to_string(),
            uses: Uses::of(&grants),
            grants: Arc::new(grants),
            limits,
            at_start: Arc::new(resources.at_start()),
            resources: Arc::new(resources),
            metrics: Metrics::default(),
            spending: Spending::new(&limits),
            shared: Arc::new(Shared::new(&limits)),
            ticks: sandbox.ticks.clone(),
            housing,
        }));
        // No export is at hand yet.
        Live::configured(&plugin, Instant::from_unix_ms(0), &mut 0).await?;
        Ok(plugin)
    }

    /// The stage's name.
    pub fn stage(&self) -> &str {
        &self.0.stage
    }

    /// What the plugin says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.0.manifest
    }

    /// What it was granted.
    pub fn grants(&self) -> &Grants {
        &self.0.grants
    }

    /// What it may use.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// What its guests counted.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// The time, for limits. What guests see of it is another matter.
    pub(crate) fn now(&self) -> Instant {
        (self.0.resources.now)()
    }

    /// Counts a death. A fresh guest may do better, unless there can be none or no guest would
    /// have more: then this is what ran out.
    pub(crate) fn died(&self, crash: Crash) -> Option<Limit> {
        self.0.uses.died(crash);
        if !self.0.shared.may_restart(self.now(), &self.0.limits) {
            tracing::warn!(stage = self.stage(), %crash, "a guest died once too often");
            return Some(Limit::Restarts);
        }
        match crash {
            Crash::Limit(limit) => limit.is_for_good().then_some(limit),
            Crash::Contract | Crash::Trap => None,
        }
    }

    /// What all its guests share.
    pub(crate) fn shared(&self) -> &Shared {
        &self.0.shared
    }

    /// What its guests called.
    pub fn uses(&self) -> &Uses {
        &self.0.uses
    }

    /// SHA-256 of the package, in lower-case hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.0.sha256
    }

    pub(crate) fn settings(&self) -> &str {
        &self.0.settings
    }

    /// The walls around its guests, when they have processes of their own.
    pub fn walls(&self) -> Option<Walls> {
        match &self.0.housing {
            Housing::Apart { walls, .. } => Some(*walls),
            Housing::Here(_) => None,
        }
    }

    pub(crate) fn housing(&self) -> &Housing {
        &self.0.housing
    }

    /// What is in reach of a guest that took its settings.
    pub(crate) fn resources(&self) -> Arc<Resources> {
        Arc::clone(&self.0.resources)
    }

    /// What stands behind a fresh guest, which reaches nothing yet.
    pub(crate) fn context(&self, frozen_at: Instant) -> Context {
        let Inner { stage, manifest, grants, limits, at_start, metrics, shared, .. } =
            &*self.0;
        let spending = self.0.spending.clone();
        let seed = at_start.deterministic.as_ref();
        let chance = Chance::new(seed, &self.0.sha256, stage);
        Context::new(
            Arc::clone(stage),
            limits,
            Arc::clone(manifest),
            Arc::clone(grants),
            Arc::clone(at_start),
            metrics.clone(),
            spending,
            Arc::clone(shared),
            chance,
            frozen_at,
        )
        .counted_by(&self.0.uses)
        .timed_by(&self.0.ticks)
    }
}

impl Sandbox {
    /// Asks a component for its manifest, with no capability at all: whatever it imports
    /// traps when called, but for WASI, which is empty. For building and inspecting plugins.
    /// Where there are children, it runs in one, behind what walls there are; a component that
    /// imports WASI runs here.
    ///
    /// # Errors
    ///
    /// [`Error`] when it is no plugin or does not answer.
    pub async fn describe(&self, package: &Package) -> Result<String, Error> {
        // No operator is there to raise a limit; what is measured is time.
        let limits = Limits {
            memory: ByteSize::mib(512),
            memories: 100,
            table_elements: 1_000_000,
            tables: 1_000,
            instances: 1_000,
            ..Limits::default()
        };
        if self.children.is_none() || needs_wasi(package) {
            return self.ask(&self.component(package, &limits).await?, &limits).await;
        }
        // Who looks at a plugin does not trust it yet.
        let walled = Isolation::ProcessUnconfined;
        let outside = self.outside(package, walled, None, &limits).await?;
        outside.describe(&limits).await.map(|(told, _)| told)
    }

    /// Children for guests of `package`.
    async fn outside(
        &self,
        package: &Package,
        isolation: Isolation,
        role: Option<Role>,
        limits: &Limits,
    ) -> Result<Outside, Error> {
        let nobody =
            || Error::Child { source: io::Error::other("this sandbox has none") };
        let children = self.children.clone().ok_or_else(nobody)?;
        let code = Arc::new(self.code(package, limits).await?);
        Ok(Outside { children, isolation, role, code })
    }

    /// The manifest as the component tells it, within `limits` and [`TELLING`].
    async fn ask(&self, component: &Component, limits: &Limits) -> Result<String, Error> {
        let refuse = |source| Error::Link { source };
        let mut linker = Linker::new(&self.engine);
        provide::link_nothing(&mut linker, component).map_err(refuse)?;
        let limits = Limits { cpu: limits.cpu.min(TELLING), ..*limits };
        let mut store = Store::new(&self.engine, Context::of_nobody(&limits));
        bound(&mut store, &limits, |context| &mut context.meter);
        // No import waits here; the wall clock is for a machine that is busy elsewhere.
        let started = linker.instantiate_async(&mut store, component);
        let instance =
            within(limits.call, started).await.map_err(|ended| died(&ended, &store))?;
        let lifecycle = LifecycleExports::new(&mut store, &instance).map_err(refuse)?;
        let calls = lifecycle.bulkhead_plugin_lifecycle();
        let told = within(limits.call, calls.call_describe(&mut store)).await;
        let told = told.map_err(|ended| died(&ended, &store))?;
        // Whoever changes its words between two calls could change them after the check.
        let again = within(limits.call, calls.call_describe(&mut store)).await;
        let again = again.map_err(|ended| died(&ended, &store))?;
        if told == again { Ok(told) } else { Err(Error::ManifestChanges) }
    }
}

fn needs_wasi(package: &Package) -> bool {
    package.imports().iter().any(|import| VirtualWasi::provides(import))
}

const NO_WASI: &str = "a plugin that imports WASI cannot have a process of its own, because its \
    WASI is served in the host's: set `isolation = \"in-process\"`";

fn died(ended: &Ended, store: &Store<Context>) -> Error {
    Error::Died { crash: ended.of(&store.data().meter) }
}

/// Processor time for starting and telling a manifest, which takes microseconds.
pub(crate) const TELLING: Duration = Duration::from_millis(200);
