//! The one way onto the network.
//!
//! This crate owns the rules that hold for every request of the program: TLS except on
//! loopback, no automatic redirects, addresses checked after resolution, credentials that go
//! to named origins only, bodies that stall or end early are errors. It knows no FHIR and
//! retries nothing: callers decide, with [`Error::is_transient`].
//!
//! Two clients share these rules: [`Client`] speaks to a server and to wherever that sends us,
//! [`Destination`] to one place that the operator named, for data that leaves.
//!
//! Source: RFC 9110, RFC 9112; Bulk Data IG, "Privacy and Security Considerations".
#![warn(clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test fails by panicking"
    )
)]

mod address;
mod body;
mod cidr;
mod client;
mod config;
mod destination;
mod dial;
mod error;
mod gate;
mod origin;
mod pace;
mod place;
mod reach;
mod redirect;
mod request;
mod resolver;
mod response;

pub use address::AddressClass;
pub use body::{Body, Framing, Rest};
pub use cidr::{Cidr, CidrError};
pub use client::Client;
pub use config::Config;
pub use destination::{
    Answer, Authorization, Call, Destination, DestinationConfig, MOST_HEADER_BYTES,
    MOST_HEADERS,
};
pub use error::{BoxError, Error, RedirectFault};
pub use origin::{Origin, OriginError};
pub use place::{ClearText, Place, PlaceFault};
pub use redirect::Hop;
pub use request::{Credential, Request};
pub use reqwest::{Method, StatusCode, header};
pub use resolver::Lookup;
pub use response::Response;
