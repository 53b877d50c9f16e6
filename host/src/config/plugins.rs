//! `[plugins.NAME]`: which component, pinned to which digest, with which grants and limits.

use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
    time::Duration,
};

use bulkhead_model::ByteSize;
use bulkhead_sandbox::{Grants, Limits, Telemetry};

use super::{
    Pinning,
    reader::Reader,
    trust::{self, Signatures, SignedBy, Trust},
};

/// One plugin and what it may.
#[derive(Clone, Debug)]
pub(crate) struct PluginConfig {
    /// Where it stands in the configuration.
    pub(crate) line: usize,
    /// The component.
    pub(crate) path: PathBuf,
    /// The pinned SHA-256, lower-case hexadecimal.
    pub(crate) sha256: Option<String>,
    /// Who must have signed it; `None` when nobody needs to.
    pub(crate) signed_by: Option<SignedBy>,
    /// What it may reach.
    pub(crate) grants: Grants,
    /// What it may use.
    pub(crate) limits: Limits,
}

pub(crate) fn read(
    root: &Reader<'_>,
    folder: &Path,
    pinning: Pinning,
    trusted: (&Trust, Signatures),
) -> BTreeMap<String, PluginConfig> {
    let mut plugins = BTreeMap::new();
    for (name, plugin) in root.named("plugins") {
        let path =
            plugin.required_text("path", "a component, for example plugins/x.wasm");
        let path = path.map(|path| folder.join(path));
        let sha256 = sha256(&plugin, &name, pinning);
        let at = path.as_deref().unwrap_or(folder);
        let signed_by = trust::signed_by(&plugin, &name, at, folder, trusted);
        let grants = grants(&plugin.section("grants"));
        let limits = limits(&plugin.section("limits"));
        plugin.finish();
        if let Some(path) = path {
            let line = plugin.line();
            let found = PluginConfig { line, path, sha256, signed_by, grants, limits };
            plugins.insert(name, found);
        }
    }
    plugins
}

fn sha256(plugin: &Reader<'_>, name: &str, pinning: Pinning) -> Option<String> {
    let Some(text) = plugin.text("sha256") else {
        if pinning == Pinning::Required {
            plugin.problem(format!(
                "`plugins.{name}.sha256` is missing: `bulkhead plugin inspect FILE` prints it; \
                 without a pin, anyone who can write the file decides what runs (`--dev` waives this)"
            ));
        }
        return None;
    };
    let is_digest = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_digest {
        plugin.problem_at(
            "sha256",
            format!("`plugins.{name}.sha256` must be 64 hexadecimal digits"),
        );
    }
    Some(text.to_ascii_lowercase())
}

fn grants(grants: &Reader<'_>) -> Grants {
    let texts = |key: &str| grants.texts(key).unwrap_or_default();
    let flag = |key: &str| grants.flag(key).unwrap_or(false);
    let found = Grants {
        bodies: flag("bodies"),
        clock: flag("clock"),
        cohorts: texts("cohorts"),
        destinations: texts("destinations"),
        fields: texts("fields"),
        keys: texts("keys"),
        random: flag("random"),
        state: flag("state"),
        stores: texts("stores"),
        telemetry: telemetry(grants),
        wasi: flag("wasi"),
    };
    grants.finish();
    found
}

/// `telemetry = true`, `false` or `"text"`.
fn telemetry(grants: &Reader<'_>) -> Telemetry {
    if grants.is_text("telemetry") {
        return match grants.word("telemetry", &["text"]) {
            Some(_) => Telemetry::Text,
            None => Telemetry::Off,
        };
    }
    if grants.flag("telemetry").unwrap_or(false) { Telemetry::On } else { Telemetry::Off }
}

fn limits(limits: &Reader<'_>) -> Limits {
    let default = Limits::default();
    let bytes =
        |key: &str, default: ByteSize| limits.parsed::<ByteSize>(key).unwrap_or(default);
    let time = |key: &str, default: Duration| limits.duration(key).unwrap_or(default);
    let count = |key: &str, range: Range<u64>, default: usize| {
        let number = limits.number(key, range);
        number.and_then(|number| usize::try_from(number).ok()).unwrap_or(default)
    };
    let small = |key: &str, range: Range<u64>, default: u32| {
        let number = limits.number(key, range);
        number.and_then(|number| u32::try_from(number).ok()).unwrap_or(default)
    };
    let found = Limits {
        memory: bytes("memory", default.memory),
        memories: count("memories", 1..101, default.memories),
        table_elements: count("table-elements", 1..1_000_001, default.table_elements),
        tables: count("tables", 1..1_001, default.tables),
        instances: count("instances", 1..1_001, default.instances),
        handles: count("handles", 4..100_001, default.handles),
        call: time("call", default.call),
        cpu: time("cpu", default.cpu),
        batch: time("batch", default.batch),
        batch_cpu: time("batch-cpu", default.batch_cpu),
        return_bytes: bytes("return-bytes", default.return_bytes),
        http_requests: limits
            .number("http-requests", 0..1_000_000_001)
            .unwrap_or(default.http_requests),
        http_bytes: bytes("http-bytes", default.http_bytes),
        http_time: time("http-time", default.http_time),
        expansion: small("expansion", 1..1_000_001, default.expansion),
        events_per_second: small(
            "events-per-second",
            0..1_000_001,
            default.events_per_second,
        ),
        event_burst: small("event-burst", 0..1_000_001, default.event_burst),
        artifact_bytes: bytes("artifact-bytes", default.artifact_bytes),
        artifacts: limits.number("artifacts", 0..u64::MAX).unwrap_or(default.artifacts),
        run_artifact_bytes: bytes("run-artifact-bytes", default.run_artifact_bytes),
        run_artifacts: limits
            .number("run-artifacts", 0..u64::MAX)
            .unwrap_or(default.run_artifacts),
        state_bytes: bytes("state-bytes", default.state_bytes),
        state_value_bytes: bytes("state-value-bytes", default.state_value_bytes),
        restarts: small("restarts", 0..100_001, default.restarts),
        restart_window: time("restart-window", default.restart_window),
    };
    limits.finish();
    found
}
