//! The sandbox: with its cache of compiled code, and with this program for its children.

use std::path::Path;

use anyhow::Context as _;
use bulkhead_sandbox::{Cache, Children, Sandbox};

/// The sandbox of a configuration, with its cache of compiled code.
///
/// # Errors
///
/// When the cache cannot be used, the state folder is not ours alone, or this machine cannot
/// run Wasm.
pub(crate) fn sandbox(state: &Path) -> anyhow::Result<Sandbox> {
    super::state::own(state)?;
    let cache = Cache::open(&state.join("compiled"), &state.join("compiled.key"))?;
    Ok(Sandbox::new(Some(cache))?.with_children(children()?))
}

/// A sandbox that keeps no compiled code.
///
/// # Errors
///
/// When this machine cannot run Wasm.
pub(crate) fn forgetful_sandbox() -> anyhow::Result<Sandbox> {
    Ok(Sandbox::new(None)?.with_children(children()?))
}

/// Children of this program, as `bulkhead guest` (see `command::Guest`).
fn children() -> anyhow::Result<Children> {
    let refuse = "finding this program's own file, to start children with";
    Children::of_this_program(&["guest"]).context(refuse)
}
