//! How data may leave: named stores, each one directory that nothing can climb out of, and
//! named destinations ([`http`]), each one place with its own rules.
//!
//! An artifact is appended to out of sight and appears whole, durable, under its name, or
//! not at all. Plugins reach a store by the name that the operator granted; they see neither
//! its address nor its contents.

mod encoder;
mod error;
pub mod http;
mod name;
mod store;
mod writer;

pub use encoder::{Compression, Digest};
pub use error::Error;
pub use name::ArtifactName;
pub use store::{Store, Stores};
pub use writer::{Committed, Framing, Writer};
