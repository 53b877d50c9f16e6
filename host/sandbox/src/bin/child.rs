//! A child of the sandbox and nothing else, for the tests of this crate.

use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("compile") => bulkhead_sandbox::child::compile(),
        _ => ExitCode::FAILURE,
    }
}
