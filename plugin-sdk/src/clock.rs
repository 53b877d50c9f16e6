//! Two quantised clocks. Imports `clock`.

use crate::host;

/// Milliseconds since some moment in the past; never falls.
pub fn monotonic_ms() -> u64 {
    host::monotonic_ms()
}

/// Unix milliseconds.
pub fn wall_ms() -> u64 {
    host::wall_ms()
}
