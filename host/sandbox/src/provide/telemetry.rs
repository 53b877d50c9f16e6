//! `telemetry`: declared codes and counters; no free text, ever, in this version.

use wasmtime::Result;

use crate::{
    Manifest,
    bindings::wit::telemetry::{self, Level, Value},
    context::Context,
};

/// Fields of one event that are looked at. Guest-controlled beyond.
const FIELDS: usize = 16;

impl telemetry::Host for Context {
    fn event(
        &mut self,
        level: Level,
        code: String,
        fields: Vec<(String, Value)>,
    ) -> Result<()> {
        self.uses.count("telemetry", "", 0);
        let is_declared = self.manifest.events.contains(&code);
        if !is_declared || self.events_left == 0 {
            self.metrics.count("events-not-shown", 1);
            return Ok(());
        }
        self.events_left -= 1;
        let fields = fields.iter().take(FIELDS);
        let shown: Vec<String> =
            fields.filter_map(|field| show(field, &self.manifest)).collect();
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
        self.uses.count("telemetry", "", 0);
        if self.manifest.metrics.contains(&metric) {
            self.metrics.count(&metric, delta);
        } else {
            self.metrics.count("metrics-not-declared", 1);
        }
        Ok(())
    }

    fn gauge(&mut self, metric: String, value: f64) -> Result<()> {
        self.uses.count("telemetry", "", 0);
        if !self.manifest.metrics.contains(&metric) {
            self.metrics.count("metrics-not-declared", 1);
        } else if self.events_left == 0 {
            self.metrics.count("events-not-shown", 1);
        } else {
            self.events_left -= 1;
            tracing::debug!(stage = %self.stage, metric, value, "plugin gauge");
        }
        Ok(())
    }
}

/// Numbers and flags under names that the manifest declares, as metrics or events; a name
/// made up at run time could be a patient's. Text is dropped.
fn show((name, value): &(String, Value), manifest: &Manifest) -> Option<String> {
    let is_declared = manifest.metrics.contains(name) || manifest.events.contains(name);
    let value = match value {
        Value::Flag(flag) => flag.to_string(),
        Value::Float(float) => float.to_string(),
        Value::Int(int) => int.to_string(),
        Value::Text(_) => return None,
    };
    is_declared.then(|| format!("{name}={value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_numbers_under_declared_names_alone() {
        let json =
            r#"{"bulkhead":1,"name":"x","version":"1","role":"sink","metrics":["rows"]}"#;
        let manifest: Manifest = serde_json::from_str(json).unwrap();
        let cases = [
            ("a declared number", "rows", Value::Int(3), Some("rows=3")),
            ("a declared flag", "rows", Value::Flag(true), Some("rows=true")),
            ("text", "rows", Value::Text("Jane Roe".into()), None),
            ("a name made up", "jane-roe", Value::Int(3), None),
        ];
        for (name, field, value, expected) in cases {
            let shown = show(&(field.to_owned(), value), &manifest);
            assert_eq!(shown.as_deref(), expected, "case: {name}");
        }
    }
}
