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
pub(crate) mod wasi;

use wasmtime::component::{
    Component, HasSelf, Linker, ResourceType, types::ComponentItem,
};

use crate::{Grants, VirtualWasi, bindings::wit, context::Context};

/// Links the interfaces that come with every batch, and those that are granted, for one
/// component.
pub(crate) fn link(
    linker: &mut Linker<Context>,
    component: &Component,
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
            "wasi" => wasi::link(linker, component)?,
            _ => {}
        }
    }
    Ok(())
}

/// Links virtual WASI, and something that traps for everything else that `component` imports.
pub(crate) fn link_nothing(
    linker: &mut Linker<Context>,
    component: &Component,
) -> wasmtime::Result<()> {
    fn trap(name: &str) -> wasmtime::Result<()> {
        wasmtime::bail!("`{name}` was called by a guest that has nothing")
    }
    wasi::link(linker, component)?;
    let (engine, ty) = (component.engine(), component.component_type());
    for (import, item) in
        ty.imports(engine).filter(|(name, _)| !VirtualWasi::provides(name))
    {
        if let ComponentItem::ComponentInstance(instance) = item.ty {
            let mut into = linker.instance(import)?;
            for (export, item) in instance.exports(engine) {
                if let ComponentItem::ComponentFunc(_) = item.ty {
                    let name = format!("{import} {export}");
                    into.func_new(export, move |_, _, _, _| trap(&name))?;
                } else if let ComponentItem::Resource(_) = item.ty {
                    into.resource(export, ResourceType::host::<()>(), |_, _| Ok(()))?;
                }
            }
        } else if let ComponentItem::ComponentFunc(_) = item.ty {
            let name = import.to_owned();
            linker.root().func_new(import, move |_, _, _, _| trap(&name))?;
        }
        // What else there is fails to link, by name.
    }
    Ok(())
}

impl wit::types::Host for Context {}
