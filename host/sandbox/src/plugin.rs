//! A plugin as one stage uses it: compiled, checked against its grants, linked, tried once.

use std::sync::Arc;

use bulkhead_pipeline::Crash;
use wasmtime::{
    Engine,
    component::{Component, InstancePre, Linker},
};

use crate::{
    Error, Grants, Limits, Manifest, Metrics, Package, Resources, Sandbox,
    cache::compile,
    context::Context,
    grant,
    guest::{Guest, describe},
    provide,
};

/// A plugin as one stage uses it. Cheap to clone; every lane makes its own guests of it.
#[derive(Clone)]
pub struct Plugin(Arc<Inner>);

struct Inner {
    stage: Arc<str>,
    manifest: Arc<Manifest>,
    settings: String,
    grants: Arc<Grants>,
    limits: Limits,
    resources: Arc<Resources>,
    metrics: Metrics,
    linked: InstancePre<Context>,
}

impl Plugin {
    /// Loads `package` as stage `stage`. A guest is made, described and configured once, so
    /// that what can fail fails here.
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
        let mut imports = Linker::new(&sandbox.engine);
        let refuse = |source| Error::Link { source };
        provide::link(&mut imports, &grants).map_err(refuse)?;
        let linked = imports.instantiate_pre(&component).map_err(refuse)?;
        let plugin = Self(Arc::new(Inner {
            stage: stage.into(),
            manifest: Arc::new(manifest.clone()),
            settings: settings.to_string(),
            grants: Arc::new(grants),
            limits,
            resources: Arc::new(resources),
            metrics: Metrics::default(),
            linked,
        }));
        let told = Guest::start(&plugin).await?.describe().await?;
        if Some(told.as_str()) != package.manifest_json() {
            return Err(Error::ManifestLies);
        }
        Guest::configured(&plugin).await?;
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

    pub(crate) fn settings(&self) -> &str {
        &self.0.settings
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.0.linked.engine()
    }

    pub(crate) fn linked(&self) -> &InstancePre<Context> {
        &self.0.linked
    }

    pub(crate) fn context(&self) -> Context {
        let Inner { stage, manifest, grants, limits, resources, metrics, .. } = &*self.0;
        Context::new(
            Arc::clone(stage),
            limits,
            Arc::clone(manifest),
            Arc::clone(grants),
            Arc::clone(resources),
            metrics.clone(),
        )
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
    /// traps when called. For building and inspecting plugins.
    ///
    /// # Errors
    ///
    /// [`Error`] when it is no plugin or does not answer.
    pub async fn describe(&self, package: &Package) -> Result<String, Error> {
        let component = compile(&self.engine, package)?;
        let refuse = |source| Error::Link { source };
        let mut linker: Linker<Mute> = Linker::new(&self.engine);
        linker.define_unknown_imports_as_traps(&component).map_err(refuse)?;
        let limits = Limits::default();
        let mut store = wasmtime::Store::new(&self.engine, Mute::new(&limits));
        store.limiter(|mute| &mut mute.meter);
        store.set_hostcall_fuel(limits.return_bytes.as_usize());
        // A description takes microseconds: 40 ticks are 200 ms.
        store.set_epoch_deadline(40);
        store.epoch_deadline_trap();
        let died = |_| Error::Died { how: describe(Crash::Trap) };
        let instance = linker.instantiate_async(&mut store, &component).await.map_err(died)?;
        let lifecycle =
            crate::bindings::lifecycle::LifecycleExports::new(&mut store, &instance)
                .map_err(refuse)?;
        let calls = lifecycle.bulkhead_plugin_lifecycle();
        calls.call_describe(&mut store).await.map_err(died)
    }
}

/// What stands behind a guest that may do nothing.
struct Mute {
    meter: crate::limits::Meter,
}

impl Mute {
    fn new(limits: &Limits) -> Self {
        Self { meter: crate::limits::Meter::new(limits) }
    }
}
