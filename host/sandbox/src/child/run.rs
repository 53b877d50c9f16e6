//! Running a guest where it can reach nothing but its parent's answers.

use std::{
    pin::pin,
    process::ExitCode,
    task::{self, Poll, Waker},
};

use wasmtime::{
    Engine, Result, Store,
    component::{InstancePre, Linker},
};

use super::{
    jail::{self, Bounds, Missing, Work},
    remote::{Remote, link},
};
use crate::{
    Isolation, Limits, Walls,
    cache::{Code, revive},
    calls::Exports,
    engine::{self, Ticks},
    guest::{Ended, bound},
    limits::Allowance,
    manifest::Role,
    process::{
        frame::{ChildEnd, framed},
        message::{Begun, Imports, Refusal, Request, Setup, Took, Word},
        wire,
    },
};

/// Runs the guest that the parent sends, for as long as the parent asks and the guest lives.
pub fn run() -> ExitCode {
    serve().map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
}

/// Ends when the parent is gone, or after the last word about a guest that died.
fn serve() -> Option<()> {
    jail::die_with_parent();
    let mut parent = ChildEnd::inherited().ok()?;
    let setup: Setup = wire::read(&parent.receive().ok()?)?;
    let (role, limits) = (setup.role, setup.limits);
    let (linked, begun): (_, Begun) = match enclose(setup, parent.number()) {
        Ok((linked, walls)) => (Some(linked), Ok(walls)),
        Err(refusal) => (None, Err(refusal)),
    };
    parent.send(&framed(&begun).ok()?).ok()?;
    let mut guest = Guest::new(&linked?, role, limits, parent);
    loop {
        let request = wire::read(&guest.store.data_mut().parent.receive().ok()?)?;
        let word = ready(guest.answer(request)).unwrap_or_else(|error| {
            let crash = Ended::Error(error).of(&guest.store.data().meter);
            Word::Died { crash, took: guest.took() }
        });
        let is_over = matches!(word, Word::Died { .. });
        guest.store.data_mut().parent.send(&framed(&word).ok()?).ok()?;
        if is_over {
            return Some(());
        }
    }
}

/// Loads the code and puts the walls up. Nothing of the guest has run when this returns.
fn enclose(
    setup: Setup,
    socket: i32,
) -> std::result::Result<(InstancePre<Remote>, Walls), Refusal> {
    let Setup { isolation, limits, imports, code, .. } = setup;
    let refuse = |error: wasmtime::Error| Refusal::Link(format!("{error:#}"));
    let unlimited = |error: std::io::Error| Refusal::Walls(format!("limits ({error})"));
    let engine = Engine::new(&engine::config()).map_err(refuse)?;
    jail::bound(&bounds(&limits, code.len()), Work::Run).map_err(unlimited)?;
    let files = jail::close_files();
    // The one thread beside this: within the walls, and the last.
    engine::tick(&engine, &Ticks::default()).map_err(unlimited)?;
    let component = revive(&engine, &Code::compiled(code)).map_err(refuse)?;
    let mut leads_to = Linker::new(&engine);
    match imports {
        Imports::Granted(interfaces) => {
            link(&mut leads_to, &interfaces).map_err(refuse)?;
        }
        Imports::Traps => {
            leads_to.define_unknown_imports_as_traps(&component).map_err(refuse)?;
        }
    }
    let linked = leads_to.instantiate_pre(&component).map_err(refuse)?;
    let calls = jail::close_calls(Work::Run, socket);
    let walls = Walls { landlock: files.as_ref().ok().copied(), seccomp: calls.is_ok() };
    let missing: Vec<String> = [files.err(), calls.err()]
        .into_iter()
        .flatten()
        .map(|Missing(what)| what)
        .collect();
    suffices(isolation, &missing).map(|()| (linked, walls))
}

/// Whether a guest may run without the walls that are `missing`.
fn suffices(
    isolation: Isolation,
    missing: &[String],
) -> std::result::Result<(), Refusal> {
    match isolation {
        Isolation::ProcessUnconfined => Ok(()),
        Isolation::InProcess | Isolation::Process if missing.is_empty() => Ok(()),
        Isolation::InProcess | Isolation::Process => {
            Err(Refusal::Walls(missing.join(" and ")))
        }
    }
}

/// Memory for the guest and for the host's code around it: what one call returns is held as
/// values, as a frame, and once more while it grows.
fn bounds(limits: &Limits, code: usize) -> Bounds {
    let around = limits.return_bytes.bytes().saturating_mul(4);
    let memory = limits.memory.bytes().saturating_add(around);
    let memory = memory.saturating_add(code as u64).saturating_add(ENGINE);
    Bounds { memory, cpu_seconds: 0 }
}

/// Stacks, tables, and what the allocator takes ahead.
const ENGINE: u64 = 128 << 20;

/// The guest at work.
struct Guest {
    linked: InstancePre<Remote>,
    role: Option<Role>,
    limits: Limits,
    store: Store<Remote>,
    exports: Option<Exports>,
}

impl Guest {
    fn new(
        linked: &InstancePre<Remote>,
        role: Option<Role>,
        limits: Limits,
        parent: ChildEnd,
    ) -> Self {
        let mut store = Store::new(linked.engine(), Remote::new(parent, &limits));
        bound(&mut store, &limits, |remote| &mut remote.meter);
        Self { linked: linked.clone(), role, limits, store, exports: None }
    }

    /// What the request at hand took.
    fn took(&self) -> Took {
        let meter = &self.store.data().meter;
        Took { ticks: meter.ticks_used(), refused: meter.refused() }
    }

    async fn answer(&mut self, request: Request) -> Result<Word> {
        let allowance = match &request {
            Request::Call { allowance, .. } => *allowance,
            Request::Describe | Request::Start => Allowance::of_a_call(&self.limits),
        };
        self.store.data_mut().meter.renew(&allowance);
        self.store.set_epoch_deadline(1);
        match (request, &self.exports) {
            (Request::Start, _) => {
                let instance = self.linked.instantiate_async(&mut self.store).await?;
                match Exports::of(self.role, &mut self.store, &instance) {
                    Ok(exports) => {
                        self.exports = Some(exports);
                        Ok(Word::Started { took: self.took() })
                    }
                    Err(error) => Ok(Word::Unlinked(format!("{error:#}"))),
                }
            }
            (Request::Call { call, .. }, Some(exports)) => {
                let answer = exports.call(&mut self.store, call).await?;
                Ok(Word::Answer { answer, took: self.took() })
            }
            (Request::Describe, Some(exports)) => {
                exports.describe(&mut self.store).await.map(Word::Told)
            }
            (Request::Call { .. } | Request::Describe, None) => {
                wasmtime::bail!("a guest was called before it was started")
            }
        }
    }
}

/// Runs a future to its end, here and now: a guest gives way at every tick, to nobody, and
/// waits for its parent without giving way.
fn ready<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = task::Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Attacks: 11.
    #[test]
    fn no_wall_may_be_missing_unless_the_operator_says_so() {
        let lacking = |names: &[&str]| -> Vec<String> {
            names.iter().map(|name| (*name).to_owned()).collect()
        };
        let cases = [
            ("all there", Isolation::Process, lacking(&[]), None),
            ("one", Isolation::Process, lacking(&["landlock"]), Some("landlock")),
            ("both", Isolation::Process, lacking(&["a", "b"]), Some("a and b")),
            ("waived", Isolation::ProcessUnconfined, lacking(&["a", "b"]), None),
        ];
        for (name, isolation, missing, expected) in cases {
            let refused = match suffices(isolation, &missing) {
                Ok(()) => None,
                Err(Refusal::Walls(missing) | Refusal::Link(missing)) => Some(missing),
            };
            assert_eq!(refused.as_deref(), expected, "case: {name}");
        }
    }
}
