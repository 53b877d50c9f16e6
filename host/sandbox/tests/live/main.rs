//! Live guests against the sandbox's public API: what hostile ones run into, and that nobody
//! else notices.
//!
//! Guests are written as core modules in the text format and made components by the same
//! tool that plugin authors use; see [`guest`].

mod capabilities;
mod crashes;
mod guest;
mod isolation;
mod loading;
mod sinks;
