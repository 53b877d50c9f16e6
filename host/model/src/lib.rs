//! Nouns without I/O: what every floor above means by an instant, a patient, a secret, a URL.
//!
//! This crate owns the types that cannot leak ([`Phi`], [`Secret`], [`SafeUrl`]), the FHIR
//! nouns that travel ([`ResourceType`], [`Instant`], [`Level`]) and the R4 Patient
//! compartment ([`compartment`]). It reads no clock, no file and no network.

pub mod compartment;

mod byte_size;
mod instant;
mod level;
mod patient;
mod phi;
mod resource_type;
mod safe_url;
mod secret;

pub use byte_size::{ByteSize, ByteSizeError};
pub use instant::{Instant, InstantError};
pub use level::Level;
pub use patient::{PatientKey, PatientSet};
pub use phi::Phi;
pub use resource_type::{ResourceType, ResourceTypeError};
pub use safe_url::SafeUrl;
pub use secret::Secret;
