//! Structured events and declared metrics. Imports `telemetry`.

use crate::host;

/// How much an event matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For developers.
    Debug,
    /// Something failed.
    Error,
    /// Worth knowing.
    Info,
    /// Worth a look by day.
    Warn,
}

/// The value of an event's field.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// True or false.
    Flag(bool),
    /// A float.
    Float(f64),
    /// An integer.
    Int(i64),
    /// Text; dropped and counted unless the operator grants it.
    Text(String),
}

/// Says that `code` happened. Codes and field names must be declared in the manifest.
pub fn event(level: Level, code: &str, fields: &[(&str, Value)]) {
    host::event(level, code, fields);
}

/// Adds `delta` to a declared counter.
pub fn count(metric: &str, delta: u64) {
    host::count(metric, delta);
}

/// Sets a declared gauge.
pub fn gauge(metric: &str, value: f64) {
    host::gauge(metric, value);
}
