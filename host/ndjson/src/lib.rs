//! From bytes to lines, and from a line to what is known of it without a tree.
//!
//! [`Framer`] cuts a byte stream into [`Block`]s of whole lines, at places that depend on the
//! content alone. [`Peek`] reads a line's [`Envelope`]: type, id, lastUpdated and the patients
//! it points at; [`content_hash`] stands for what it says. None does I/O, keeps a clock or
//! changes a byte.
//!
//! Source: NDJSON 1.0; Bulk Data IG, "Output Files".

mod content;
mod envelope;
mod framer;
mod path;
mod peek;
mod reference;
mod scan;

pub use content::content_hash;
pub use envelope::{Envelope, Membership, PatientList, Patients};
pub use framer::{Block, Framer, FramerLimits, Line, Passed};
pub use peek::{Malformed, Peek};
pub use reference::Bases;
