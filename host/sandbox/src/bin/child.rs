//! A child of the sandbox and nothing else, for the tests of this crate.

use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("compile") => bulkhead_sandbox::child::compile(),
        Some("run") => bulkhead_sandbox::child::run(),
        _ => ExitCode::FAILURE,
    }
}
