//! Runs a plugin's logic natively on a table of cases, without Wasm.
//!
//! ```
//! use bulkhead_plugin::testing::{Case, Records};
//!
//! let records = Records::new([
//!     Case::resource(r#"{"resourceType":"Patient","id":"1"}"#),
//!     Case::resource(r#"{"resourceType":"Observation","id":"2"}"#),
//! ]);
//! assert_eq!(records.batch().kind_names(), ["Patient", "Observation"]);
//! ```
//!
//! [`Stage`] holds what the operator would grant: keys, stores, destinations, settings.

mod records;
mod stage;
pub(crate) mod world;

pub use records::{Case, Records};
pub use stage::{Sent, Stage, Stored};
