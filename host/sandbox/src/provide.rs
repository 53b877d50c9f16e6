//! Capabilities: one interface of `wit/` a file, all of one shape: look the grant up, do the
//! one thing, answer in the contract's words. None of them can be reached unless it is
//! linked, and [`link`] links what is granted and nothing else.

pub(crate) mod artifacts;
mod batches;
mod bodies;
mod clock;
mod cohorts;
mod keyed_hash;
pub(crate) mod outbound_http;
mod projection;
mod random;
mod state;
mod telemetry;

use wasmtime::component::{HasSelf, Linker};

use crate::{Grants, bindings::wit, context::Context};

/// Links the interfaces that come with every batch, and those that are granted.
pub(crate) fn link(
    linker: &mut Linker<Context>,
    grants: &Grants,
) -> wasmtime::Result<()> {
    wit::types::add_to_linker::<_, HasSelf<Context>>(linker, |context| context)?;
    wit::batches::add_to_linker::<_, HasSelf<Context>>(linker, |context| context)?;
    for interface in grants.interfaces() {
        match interface {
            "artifacts" => {
                wit::artifacts::add_to_linker::<_, HasSelf<Context>>(linker, |c| c)?;
            }
            "bodies" => {
                wit::bodies::add_to_linker::<_, HasSelf<Context>>(linker, |c| c)?;
            }
            "clock" => {
                wit::clock::add_to_linker::<_, HasSelf<Context>>(linker, |c| c)?;
            }
            "cohorts" => {
                wit::cohorts::add_to_linker::<_, HasSelf<Context>>(linker, |c| c)?;
            }
            "keyed-hash" => {
                wit::keyed_hash::add_to_linker::<_, HasSelf<Context>>(linker, |c| c)?;
            }
            "outbound-http" => {
                wit::outbound_http::add_to_linker::<_, HasSelf<Context>>(linker, |c| c)?;
            }
            "projection" => {
                wit::projection::add_to_linker::<_, HasSelf<Context>>(linker, |c| c)?;
            }
            "random" => {
                wit::random::add_to_linker::<_, HasSelf<Context>>(linker, |c| c)?;
            }
            "state" => {
                wit::state::add_to_linker::<_, HasSelf<Context>>(linker, |c| c)?;
            }
            "telemetry" => {
                wit::telemetry::add_to_linker::<_, HasSelf<Context>>(linker, |c| c)?;
            }
            _ => {}
        }
    }
    Ok(())
}

impl wit::types::Host for Context {}
