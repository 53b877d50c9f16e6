//! A plugin as one stage uses it: compiled, checked against its grants, linked, tried once.

use std::{sync::Arc, time::Duration};

use bulkhead_model::{ByteSize, Instant};
use wasmtime::{
    Engine, Store,
    component::{Component, InstancePre, Linker},
};

use crate::{
    Error, Grants, Limits, Manifest, Metrics, Package, Resources, Sandbox, Uses,
    bindings::lifecycle::LifecycleExports,
    cache::compile,
    context::Context,
    deterministic::Chance,
    grant,
    guest::{Ended, Guest, bound, within},
    limits::Shared,
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
    resources: Arc<Resources>,
    metrics: Metrics,
    spending: Spending,
    shared: Arc<Shared>,
    uses: Uses,
    linked: InstancePre<Context>,
}

impl Plugin {
    /// Loads `package` as stage `stage`. A guest is asked for its manifest, without any
    /// capability, and one is configured, so that what can fail fails here.
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
        let component = sandbox.component(package)?;
        if Some(sandbox.ask(&component, &limits).await?.as_str())
            != package.manifest_json()
        {
            return Err(Error::ManifestLies);
        }
        let mut imports = Linker::new(&sandbox.engine);
        let refuse = |source| Error::Link { source };
        provide::link(&mut imports, &component, &grants).map_err(refuse)?;
        let linked = imports.instantiate_pre(&component).map_err(refuse)?;
        let plugin = Self(Arc::new(Inner {
            stage: stage.into(),
            sha256: package.sha256().to_owned(),
            manifest: Arc::new(manifest.clone()),
            settings: settings.to_string(),
            uses: Uses::of(&grants),
            grants: Arc::new(grants),
            limits,
            resources: Arc::new(resources),
            metrics: Metrics::default(),
            spending: Spending::new(&limits),
            shared: Arc::new(Shared::new(&limits)),
            linked,
        }));
        // No export is at hand yet.
        Guest::configured(&plugin, Instant::from_unix_ms(0)).await?;
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

    /// Counts a death; says whether the stage may have another guest.
    pub(crate) fn may_restart(&self) -> bool {
        self.0.shared.may_restart(self.now(), &self.0.limits)
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

    pub(crate) fn engine(&self) -> &Engine {
        self.0.linked.engine()
    }

    pub(crate) fn linked(&self) -> &InstancePre<Context> {
        &self.0.linked
    }

    pub(crate) fn context(&self, frozen_at: Instant) -> Context {
        let Inner { stage, manifest, grants, limits, resources, metrics, shared, .. } =
            &*self.0;
        let spending = self.0.spending.clone();
        let seed = resources.deterministic.as_ref();
        let chance = Chance::new(seed, &self.0.sha256, stage);
        Context::new(
            Arc::clone(stage),
            limits,
            Arc::clone(manifest),
            Arc::clone(grants),
            Arc::clone(resources),
            metrics.clone(),
            spending,
            Arc::clone(shared),
            chance,
            frozen_at,
        )
        .counted_by(&self.0.uses)
    }
}

impl Sandbox {
    fn component(&self, package: &Package) -> Result<Component, Error> {
        match &self.cache {
            Some(cache) => cache.component(&self.engine, package),
            None => compile(&self.engine, package),
        }
    }

    /// Asks a component for its manifest, with no capability at all: whatever it imports
    /// traps when called, but for WASI, which is empty. For building and inspecting plugins.
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
        self.ask(&compile(&self.engine, package)?, &limits).await
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

fn died(ended: &Ended, store: &Store<Context>) -> Error {
    Error::Died { crash: ended.of(&store.data().meter) }
}

/// Processor time for starting and telling a manifest, which takes microseconds.
const TELLING: Duration = Duration::from_millis(200);
