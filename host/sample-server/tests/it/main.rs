//! The sample server as its clients meet it: over a socket, by HTTP.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::missing_errors_doc,
    reason = "a test that cannot go on shall say where"
)]

mod auth;
mod bodies;
mod changes;
mod client;
mod contents;
mod doors;
mod export;
mod folder;
mod made_up;
mod manifests;
mod manners;
mod modes;
mod rehearsing;
