//! `telemetry`: declared codes and counters, within a rate for all lanes of a stage. Free text
//! only where the operator grants `telemetry = "text"`.
//!
//! What can be told apart is bounded: codes, metrics and names of fields are those of the
//! manifest, 256 of a kind at most. What is over the rate is counted, and said once.

use std::fmt::Write as _;

use wasmtime::Result;

use crate::{
    Manifest, Telemetry,
    bindings::wit::telemetry::{self, Level, Value},
    context::Context,
    convert::is_plain,
    limits::Shown,
};

/// Fields of one event that are looked at. Guest-controlled beyond.
const FIELDS: usize = 16;

/// Bytes of one event that are shown.
const LONGEST: usize = 4096;

impl telemetry::Host for Context {
    fn event(
        &mut self,
        level: Level,
        code: String,
        fields: Vec<(String, Value)>,
    ) -> Result<()> {
        self.uses.count("telemetry", "", 0);
        if !self.manifest.events.contains(&code) || !self.shows() {
            self.metrics.count("events-not-shown", 1);
            return Ok(());
        }
        let Line { text: fields, left_out } =
            Line::of(&fields, &self.manifest, self.grants.telemetry);
        if left_out > 0 {
            self.metrics.count("fields-not-shown", left_out);
        }
        let stage = &*self.stage;
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
        } else if self.shows() {
            tracing::debug!(stage = %self.stage, metric, value, "plugin gauge");
        } else {
            self.metrics.count("events-not-shown", 1);
        }
        Ok(())
    }
}

impl Context {
    /// Whether one more event is shown; says so when it is the first that is not.
    fn shows(&self) -> bool {
        match self.shared.shows((self.resources.now)()) {
            Shown::Yes => true,
            Shown::No => false,
            Shown::NoAndTell => {
                tracing::warn!(
                    stage = %self.stage,
                    "plugin emits more events than `limits.events-per-second`: the rest is \
                     counted as `events-not-shown`"
                );
                false
            }
        }
    }
}

/// The fields of one event as one piece of text.
struct Line {
    text: String,
    left_out: u64,
}

impl Line {
    /// Numbers and flags under names that the manifest declares, as metrics or events; a name
    /// made up at run time could be a patient's. Text where it is granted.
    fn of(fields: &[(String, Value)], manifest: &Manifest, granted: Telemetry) -> Self {
        let mut line = Self { text: String::new(), left_out: 0 };
        for (at, (name, value)) in fields.iter().enumerate() {
            let is_declared =
                manifest.metrics.contains(name) || manifest.events.contains(name);
            let shown = match value {
                _ if at >= FIELDS || !is_declared => None,
                Value::Flag(flag) => Some(flag.to_string()),
                Value::Float(float) => Some(float.to_string()),
                Value::Int(int) => Some(int.to_string()),
                Value::Text(text) => match granted {
                    Telemetry::Text => Some(quoted(text)),
                    Telemetry::Off | Telemetry::On => None,
                },
            };
            let room = LONGEST.saturating_sub(line.text.len() + name.len() + 2);
            match shown.filter(|shown| shown.len() <= room) {
                Some(shown) => {
                    let space = if line.text.is_empty() { "" } else { " " };
                    // Writing to text cannot fail.
                    let _ = write!(line.text, "{space}{name}={shown}");
                }
                None => line.left_out += 1,
            }
        }
        line
    }
}

/// Text in quotes, on one line, whatever it holds; cut so that it fits an event.
fn quoted(text: &str) -> String {
    let mut shown = String::from('"');
    for char in text.chars() {
        // The longest escape has ten characters; the cut and the quote need four bytes.
        if shown.len() + 10 + 4 > LONGEST / 4 {
            shown.push('…');
            break;
        }
        match char {
            '"' | '\\' => shown.extend(['\\', char]),
            plain if is_plain(plain) => shown.push(plain),
            other => shown.extend(other.escape_unicode()),
        }
    }
    shown.push('"');
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let json =
            r#"{"bulkhead":1,"name":"x","version":"1","role":"sink","metrics":["rows"]}"#;
        serde_json::from_str(json).unwrap()
    }

    /// Attacks: 42, 43.
    #[test]
    fn shows_numbers_under_declared_names_and_text_where_it_is_granted() {
        use Telemetry::{On, Text};
        let text = |text: &str| Value::Text(text.to_owned());
        let cases = [
            ("a declared number", "rows", Value::Int(3), On, "rows=3"),
            ("a declared flag", "rows", Value::Flag(true), On, "rows=true"),
            ("text", "rows", text("Jane Roe"), On, ""),
            ("a name made up", "jane-roe", Value::Int(3), Text, ""),
            ("text that is granted", "rows", text("a b"), Text, r#"rows="a b""#),
            (
                "a line of another stage",
                "rows",
                text("\n2026 WARN stage=b"),
                Text,
                r#"rows="\u{a}2026 WARN stage=b""#,
            ),
            ("a terminal's", "rows", text("\u{1b}[2J"), Text, r#"rows="\u{1b}[2J""#),
            ("turned around", "rows", text("\u{202e}x"), Text, r#"rows="\u{202e}x""#),
            (
                "a line end of its own",
                "rows",
                text("\u{2028}"),
                Text,
                r#"rows="\u{2028}""#,
            ),
            ("quotes", "rows", text(r#"" b="\"#), Text, r#"rows="\" b=\"\\""#),
        ];
        for (name, field, value, granted, expected) in cases {
            let line = Line::of(&[(field.to_owned(), value)], &manifest(), granted);
            assert_eq!(line.text, expected, "case: {name}");
            assert_eq!(line.left_out, u64::from(expected.is_empty()), "case: {name}");
        }
    }

    /// Attacks: 43.
    #[test]
    fn an_event_has_an_end() {
        let field = |len: usize| ("rows".to_owned(), Value::Text("\n".repeat(len)));
        let fields = vec![field(1 << 20); 100];
        let line = Line::of(&fields, &manifest(), Telemetry::Text);
        assert!((1000..=LONGEST).contains(&line.text.len()), "{}", line.text.len());
        assert!(line.text.ends_with("…\""));
        assert!(line.left_out >= 84, "{}", line.left_out);
        let fields = vec![("rows".to_owned(), Value::Int(1)); FIELDS + 2];
        let line = Line::of(&fields, &manifest(), Telemetry::On);
        assert_eq!(line.text.matches("rows=1").count(), FIELDS);
        assert_eq!(line.left_out, 2, "fields beyond");
    }
}
