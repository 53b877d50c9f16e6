//! `wasi:io`: wasmtime's own streams and polls, over the handles of this guest. How many things
//! one call may wait for is bounded, because looking at them does not give way.

use wasmtime::{
    Result, bail,
    component::{HasData, Linker, Resource, ResourceTable},
};
use wasmtime_wasi_io::{
    bindings::wasi::io::{error, poll, streams},
    poll::DynPollable,
};

use crate::context::Context;

/// Handles that one call may wait for. A guest has 64 by default.
const MOST: usize = 4096;

pub(super) fn link(linker: &mut Linker<Context>) -> Result<()> {
    error::add_to_linker::<_, Handles>(linker, |context| &mut context.table)?;
    streams::add_to_linker::<_, Handles>(linker, |context| &mut context.table)?;
    poll::add_to_linker::<_, Polls>(linker, |context| Poll(&mut context.table))
}

struct Handles;

impl HasData for Handles {
    type Data<'a> = &'a mut ResourceTable;
}

struct Polls;

impl HasData for Polls {
    type Data<'a> = Poll<'a>;
}

struct Poll<'a>(&'a mut ResourceTable);

impl poll::Host for Poll<'_> {
    async fn poll(&mut self, handles: Vec<Resource<DynPollable>>) -> Result<Vec<u32>> {
        if handles.len() > MOST {
            bail!("more than {MOST} handles were waited for at once");
        }
        poll::Host::poll(self.0, handles).await
    }
}

impl poll::HostPollable for Poll<'_> {
    async fn ready(&mut self, handle: Resource<DynPollable>) -> Result<bool> {
        poll::HostPollable::ready(self.0, handle).await
    }

    async fn block(&mut self, handle: Resource<DynPollable>) -> Result<()> {
        poll::HostPollable::block(self.0, handle).await
    }

    fn drop(&mut self, handle: Resource<DynPollable>) -> Result<()> {
        poll::HostPollable::drop(self.0, handle)
    }
}
