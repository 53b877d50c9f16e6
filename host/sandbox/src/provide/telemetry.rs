//! `telemetry`: declared codes and counters; no free text, ever, in this version.

use wasmtime::Result;

use crate::{
    bindings::wit::telemetry::{self, Level, Value},
    context::Context,
};

/// Fields of one event that are looked at.
const FIELDS: usize = 16;

impl telemetry::Host for Context {
    fn event(
        &mut self,
        level: Level,
        code: String,
        fields: Vec<(String, Value)>,
    ) -> Result<()> {
        let is_declared = self.manifest.events.contains(&code);
        if !is_declared || self.events_left == 0 {
            self.metrics.count("events-not-shown", 1);
            return Ok(());
        }
        self.events_left -= 1;
        let shown: Vec<String> = fields.iter().take(FIELDS).filter_map(show).collect();
        let (stage, fields) = (&*self.stage, shown.join(" "));
        match level {
            Level::Debug => tracing::trace!(stage, code, fields, "plugin event"),
            Level::Info => tracing::debug!(stage, code, fields, "plugin event"),
            Level::Warn => tracing::info!(stage, code, fields, "plugin event"),
            Level::Error => tracing::warn!(stage, code, fields, "plugin event"),
        }
        Ok(())
    }

    fn count(&mut self, metric: String, delta: u64) -> Result<()> {
        if self.manifest.metrics.contains(&metric) {
            self.metrics.count(&metric, delta);
        } else {
            self.metrics.count("metrics-not-declared", 1);
        }
        Ok(())
    }

    fn gauge(&mut self, metric: String, value: f64) -> Result<()> {
        if self.manifest.metrics.contains(&metric) {
            tracing::debug!(stage = %self.stage, metric, value, "plugin gauge");
        } else {
            self.metrics.count("metrics-not-declared", 1);
        }
        Ok(())
    }
}

/// Numbers and flags under names that cannot smuggle text; text is dropped.
fn show((name, value): &(String, Value)) -> Option<String> {
    let is_name = name.len() <= 32
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    let value = match value {
        Value::Flag(flag) => flag.to_string(),
        Value::Float(float) => float.to_string(),
        Value::Int(int) => int.to_string(),
        Value::Text(_) => return None,
    };
    is_name.then(|| format!("{name}={value}"))
}
