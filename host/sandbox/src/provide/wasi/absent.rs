//! Files and sockets, which toolchains import whether or not a guest uses them: answers that say
//! "there is none", and nothing behind them.
//!
//! No handle of a folder, file or socket is ever made, so every method on one is out of reach of
//! a guest; should one be called all the same, the guest traps. wasmtime's implementations, which
//! have had most of its advisories, are not linked.

use wasmtime::{
    Result, StoreContextMut, bail,
    component::{
        Component, Linker, ResourceDynamic, ResourceType, Val, types::ComponentItem,
    },
};

use crate::{VirtualWasi, context::Context};

/// What a function answers.
#[derive(Clone, Copy)]
enum Answer {
    /// `access-denied`.
    Denied,
    /// The one network, which every lookup and connection refuses.
    Network,
    /// No code: the error came from no file and no socket.
    NoCode,
    /// An empty list.
    Nothing,
    /// Nothing can call it.
    Trap,
}

/// The interfaces, and the resources that each brings in.
const ABSENT: [(&str, &[&str]); 9] = [
    ("filesystem/preopens", &[]),
    ("filesystem/types", &["descriptor", "directory-entry-stream"]),
    ("sockets/instance-network", &[]),
    ("sockets/ip-name-lookup", &["resolve-address-stream"]),
    ("sockets/network", &[NETWORK]),
    ("sockets/tcp", &["tcp-socket"]),
    ("sockets/tcp-create-socket", &[]),
    (
        "sockets/udp",
        &["udp-socket", "incoming-datagram-stream", "outgoing-datagram-stream"],
    ),
    ("sockets/udp-create-socket", &[]),
];

const NETWORK: &str = "network";

fn answer(function: &str) -> Answer {
    match function {
        "create-tcp-socket" | "create-udp-socket" | "resolve-addresses" => Answer::Denied,
        "instance-network" => Answer::Network,
        "filesystem-error-code" | "network-error-code" => Answer::NoCode,
        "get-directories" => Answer::Nothing,
        _ => Answer::Trap,
    }
}

/// Links what `component` imports of these interfaces, in whatever version of 0.2.
pub(super) fn link(linker: &mut Linker<Context>, component: &Component) -> Result<()> {
    let (engine, ty) = (component.engine(), component.component_type());
    for (name, import) in
        ty.imports(engine).filter(|(name, _)| VirtualWasi::provides(name))
    {
        let ComponentItem::ComponentInstance(instance) = import.ty else { continue };
        let interface = name.strip_prefix("wasi:").and_then(|name| name.split_once('@'));
        let Some((_, resources)) = interface
            .and_then(|(name, _)| ABSENT.iter().find(|(absent, _)| *absent == name))
        else {
            continue;
        };
        let mut into = linker.instance(name)?;
        for resource in *resources {
            let ty = ResourceType::host_dynamic(kind(resource));
            into.resource(resource, ty, |_, _| Ok(()))?;
        }
        for (function, export) in instance.exports(engine) {
            if let ComponentItem::ComponentFunc(_) = export.ty {
                let answer = answer(function);
                into.func_new(function, move |mut store, _, params, results| {
                    give_back(&mut store, params)?;
                    give(answer, store, results)
                })?;
            }
        }
    }
    Ok(())
}

/// Gives back what was borrowed for the call: the network, of all handles.
fn give_back(store: &mut StoreContextMut<'_, Context>, params: &[Val]) -> Result<()> {
    for param in params {
        if let Val::Resource(handle) = param {
            ResourceDynamic::try_from_resource_any(*handle, &mut *store)?;
        }
    }
    Ok(())
}

fn give(
    answer: Answer,
    store: StoreContextMut<'_, Context>,
    results: &mut [Val],
) -> Result<()> {
    let Some(result) = results.first_mut() else { bail!("no result was expected") };
    *result = match answer {
        Answer::Denied => {
            let denied = Val::Enum("access-denied".to_owned());
            Val::Result(Err(Some(Box::new(denied))))
        }
        Answer::Network => {
            let network = ResourceDynamic::new_own(0, kind(NETWORK));
            Val::Resource(network.try_into_resource_any(store)?)
        }
        Answer::NoCode => Val::Option(None),
        Answer::Nothing => Val::List(Vec::new()),
        Answer::Trap => bail!("a file or socket was used that cannot be there"),
    };
    Ok(())
}

/// Tells resources apart.
fn kind(resource: &str) -> u32 {
    let all = ABSENT.iter().flat_map(|(_, resources)| *resources);
    let at = all.zip(0..).find(|(known, _)| **known == resource);
    at.map_or(u32::MAX, |(_, at)| at)
}
