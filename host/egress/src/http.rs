//! How data may leave by HTTP: named destinations, each with its rules, its credential and
//! its limits.
//!
//! ```text
//! guest: name, method, path, headers ─► Rules ─► Quota ─► credential ─► bulkhead_net ─► answer
//! ```
//!
//! A guest can name neither scheme, host, port nor credential, and everything that it names
//! is checked before a name is looked up. The credential is added after the check; it and
//! everything like it is left out of what the guest gets back.
//!
//! Source: RFC 9110, RFC 3986; `outbound-http` in the WIT.

mod credential;
mod destination;
mod error;
mod header;
mod path;
mod payload;
mod quota;
mod rules;
mod token;

pub use credential::{Auth, ClientCredentials, Now};
pub use destination::{
    Answer, Destination, DestinationConfig, DestinationLimits, Destinations,
};
pub use error::HttpError;
pub use header::{HeaderFault, grantable};
pub use path::{Base, PathFault};
pub use payload::{Framing, Payload};
pub use quota::{Quota, Spent};
pub use rules::{Head, Method, Rules};
pub use token::TokenFault;
