//! Live guests against the sandbox's public API: what hostile ones run into, and that nobody
//! else notices.
//!
//! Guests are written as core modules in the text format and made components by the same
//! tool that plugin authors use; see [`guest`]. Most tests run twice: with guests of this
//! process, and with guests in processes of their own.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "helpers of tests say what they expect by failing, as tests do"
)]
#![expect(
    clippy::duplicate_mod,
    reason = "what holds of guests holds wherever they live"
)]

mod artifacts;
mod compiling;
mod deterministic;
mod features;
mod guest;
mod http;
mod keys;
mod limits;
mod loading;
mod returns;
mod supply;
mod uses;
mod wasi;

/// Guests of this process.
#[path = "."]
mod here {
    use bulkhead_sandbox::Sandbox;

    pub(crate) fn sandbox() -> Sandbox {
        Sandbox::new(None).unwrap()
    }

    #[path = "capabilities.rs"]
    mod capabilities;
    #[path = "crashes.rs"]
    mod crashes;
    #[path = "isolation.rs"]
    mod isolation;
    #[path = "sinks.rs"]
    mod sinks;
}

/// The very same with guests in processes of their own.
#[cfg(target_os = "linux")]
#[path = "."]
mod apart {
    use bulkhead_sandbox::{Isolation, Sandbox};

    pub(crate) fn sandbox() -> Sandbox {
        let sandbox = Sandbox::new(None).unwrap().with_children(crate::guest::children());
        sandbox.isolating(Isolation::Process)
    }

    #[path = "capabilities.rs"]
    mod capabilities;
    #[path = "crashes.rs"]
    mod crashes;
    #[path = "isolation.rs"]
    mod isolation;
    #[path = "sinks.rs"]
    mod sinks;
}

/// One sandbox a kind of guest.
fn sandboxes() -> Vec<bulkhead_sandbox::Sandbox> {
    let mut sandboxes = vec![here::sandbox()];
    #[cfg(target_os = "linux")]
    sandboxes.push(apart::sandbox());
    sandboxes
}
