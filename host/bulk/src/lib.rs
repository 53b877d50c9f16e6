//! How data comes in: FHIR Bulk Data export and SMART Backend Services.
//!
//! This crate owns what is said to a FHIR server: discovery, tokens, kick-off, polling,
//! manifests, downloads, cancellation. It knows no line of NDJSON, no plugin and no disk, and
//! decides nothing about what to ask for next. Decisions are pure and live in one module
//! each; [`Client`] is the thin shell around them.
//!
//! Source: Bulk Data IG 1.0 to 4.0-ballot; SMART App Launch 2.2.
#![warn(clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::type_complexity,
        reason = "a test fails by panicking; its tables are read beside them"
    )
)]

mod assertion;
mod capability;
mod client;
mod download;
mod error;
mod export_log;
#[doc(hidden)]
pub mod fuzzing;
mod gunzip;
mod key;
mod kickoff;
mod lenient;
mod manifest;
mod operation_outcome;
mod poll;
mod profile;
mod retry_after;
mod safe_headers;
mod scope;
mod settings;
mod smart;
mod surroundings;
mod token;

pub use capability::{Capability, ExportLevel, ExportOperation, Unreadable};
pub use client::{Cancelled, Client, Job, Progress, Server};
pub use download::Download;
pub use error::{Blame, Doing, Error};
pub use export_log::{LogEntry, LogEvent, LogFailure};
pub use gunzip::GunzipError;
pub use key::{Algorithm, KeyError, SigningKey};
pub use kickoff::{Accepted, Kickoff, Way};
pub use manifest::{
    FileAccess, FileId, FileList, Manifest, ManifestError, OutputFile, Remedy, Warning,
};
pub use operation_outcome::{Complaint, Issue, Outcome};
pub use poll::{Poll, StatusReply, StatusSource, Step};
pub use profile::{Defaults, Profile};
pub use safe_headers::SafeHeaders;
pub use scope::{Coverage, GrantedScope};
pub use settings::{
    Auth, BackendServices, Bearer, BoxError, ClientSecret, FilterCommas, Handling,
    KickoffMethod, Limits, PollLimits, Rewrite, SecretPlace, Settings, SinceStyle,
    Version,
};
pub use smart::{Smart, TokenEndpoint};
pub use surroundings::{Clock, Random, Surroundings};
