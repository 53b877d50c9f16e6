//! Guests that reach for the network: what they may name, and what becomes of answers that
//! were made to hurt. Real servers on 127.0.0.1; names are looked up where the test says.
//!
//! [`ask`] makes the guests, [`site`] the destinations that lead to servers.

mod answers;
mod ask;
mod places;
mod requests;
mod site;
