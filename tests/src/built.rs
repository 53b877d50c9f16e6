//! What `cargo xtask test` builds before tests run.

use std::path::{Path, PathBuf};

/// `target/release`, or whichever profile the tests are built with.
fn folder() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    own.parent().and_then(Path::parent).unwrap_or(&own).to_owned()
}

/// The program.
///
/// # Panics
///
/// When it is not built.
pub fn program() -> PathBuf {
    there(folder().join("bulkhead"))
}

/// A first-party plugin as shipped.
///
/// # Panics
///
/// When it is not built.
pub fn plugin(name: &str) -> PathBuf {
    let plugins = std::env::var_os("BULKHEAD_PLUGINS").map(PathBuf::from);
    let plugins = plugins
        .unwrap_or_else(|| folder().parent().unwrap_or(Path::new(".")).join("plugins"));
    there(plugins.join(format!("{name}.wasm")))
}

fn there(path: PathBuf) -> PathBuf {
    assert!(path.is_file(), "{} is missing: run `cargo xtask test`", path.display());
    path
}
