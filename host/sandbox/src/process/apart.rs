//! A guest in a process of its own, seen from the parent.
//!
//! The child is the guest's: what it says is guest-controlled, to the last byte. It is asked
//! one thing at a time, within the wall time of a call, and killed when it is late, when it
//! says what it cannot say, and when its guest has died.

use std::{io, sync::Arc, time::Duration};

use bulkhead_model::Instant;
use bulkhead_pipeline::{Batch, Crash, Limit};

use super::{
    Children,
    children::{Child, Task},
    frame::framed,
    message::{Begun, Imports, Refusal, Request, Setup, Took, Word},
    serve::serve,
    wire::{self, Unread},
};
use crate::{
    Error, Isolation, Limits, Plugin, Walls,
    cache::Code,
    calls::{Answer, Call, Terms},
    context::Context,
    convert,
    deterministic::Moment,
    engine::TICK,
    guest::Ended,
    limits::{Allowance, FileKey},
    manifest::Role,
    plugin::TELLING,
};

/// How a plugin's guests are started in children.
#[derive(Clone)]
pub(crate) struct Outside {
    pub(crate) children: Children,
    pub(crate) isolation: Isolation,
    /// None when it is only asked for its manifest.
    pub(crate) role: Option<Role>,
    pub(crate) code: Arc<Code>,
}

impl Outside {
    /// A child with its walls up, before its guest has run one instruction.
    async fn begin(
        &self,
        limits: &Limits,
        imports: Imports,
    ) -> Result<(Line, Walls), Error> {
        let refuse = |source| Error::Child { source };
        let child = self.children.start(Task::Run).await.map_err(refuse)?;
        let mut line = Line { child, limits: *limits, calls: 0, took: Took::default() };
        let setup = Setup {
            isolation: self.isolation,
            limits: *limits,
            // With nothing behind its imports, the types of its exports lead nowhere either.
            role: match imports {
                Imports::Granted(_) => self.role,
                Imports::Traps => None,
            },
            imports,
            code: self.code.bytes().to_vec(),
        };
        let begun = tokio::time::timeout(limits.call, line.set_up(&setup));
        match begun.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(Ok(walls)) => Ok((line, walls)),
            Ok(Err(Refusal::Walls(missing))) => Err(Error::Walls { missing }),
            Ok(Err(Refusal::Link(why))) => Err(unlinked(&why)),
            Err(source) => Err(Error::Child { source }),
        }
    }

    /// The guest's manifest as it tells it, with no import that leads anywhere; and the walls
    /// that a child has here.
    pub(crate) async fn describe(
        &self,
        limits: &Limits,
    ) -> Result<(String, Walls), Error> {
        let died = |crash| Error::Died { crash };
        let limits = Limits { cpu: limits.cpu.min(TELLING), ..*limits };
        let (mut line, walls) = self.begin(&limits, Imports::Traps).await?;
        let time = Allowance::of_a_call(&limits);
        started(line.request(&Request::Start, &time, None).await)?;
        let told = line.request(&Request::Describe, &time, None).await.map_err(died)?;
        // As of a guest of this process: whoever changes its words between two calls could
        // change them after the check.
        let again = line.request(&Request::Describe, &time, None).await.map_err(died)?;
        let (Word::Told(told), Word::Told(again)) = (told, again) else {
            return Err(died(Crash::Contract));
        };
        if told == again { Ok((told, walls)) } else { Err(Error::ManifestChanges) }
    }
}

/// One guest in its child.
pub(crate) struct Apart {
    line: Line,
    context: Context,
}

impl Apart {
    /// A fresh guest, not configured. Adds to `spent` the ticks that it took.
    pub(crate) async fn start(
        plugin: &Plugin,
        outside: &Outside,
        frozen_at: Instant,
        spent: &mut u64,
    ) -> Result<Self, Error> {
        let granted = plugin.grants().interfaces().map(str::to_owned).collect();
        let imports = Imports::Granted(granted);
        let (line, _) = outside.begin(plugin.limits(), imports).await?;
        let mut guest = Self { line, context: plugin.context(frozen_at) };
        let time = Allowance::of_a_call(plugin.limits());
        guest.context.meter.renew(&time);
        let begun = guest.line.request(&Request::Start, &time, Some(&mut guest.context));
        let begun = begun.await;
        *spent = spent.saturating_add(guest.ticks_used());
        started(begun)?;
        Ok(guest)
    }

    /// What it does is of this file.
    pub(crate) fn work_on(&mut self, file: FileKey) {
        self.context.file = file;
    }

    /// Puts what the operator granted in reach.
    pub(crate) fn equip(&mut self, plugin: &Plugin) {
        self.context.resources = plugin.resources();
    }

    /// Calls the guest, which must be thrown away after an error.
    pub(crate) async fn call(
        &mut self,
        call: Call,
        terms: &Terms,
    ) -> Result<Answer, Crash> {
        let Terms { allowance, moment } = *terms;
        self.context.meter.renew(&allowance);
        self.context.chance.begin(moment);
        let request = Request::Call { call, allowance };
        let word = self.line.request(&request, &allowance, Some(&mut self.context));
        match word.await {
            Ok(Word::Answer { answer, .. }) => Ok(answer),
            Ok(
                Word::Ask(_)
                | Word::Died { .. }
                | Word::Started { .. }
                | Word::Told(_)
                | Word::Unlinked(_),
            ) => Err(Crash::Contract),
            // What the host refused it, the child does not know.
            Err(Crash::Trap) => {
                Err(self.context.meter.refused().map_or(Crash::Trap, Crash::Limit))
            }
            Err(crash) => Err(crash),
        }
    }

    /// Calls the guest over a batch that it has for this call.
    pub(crate) async fn lend(
        &mut self,
        batch: &Batch,
        call: fn(u32) -> Call,
        allowance: Allowance,
    ) -> Result<Answer, Crash> {
        let lent = self.context.lend(batch)?;
        let terms = Terms { allowance, moment: Moment::Batch(batch.id()) };
        let answer = self.call(call(lent.rep()), &terms).await?;
        self.context.take_back(lent);
        Ok(answer)
    }

    /// What was refused first in the latest call, by the host or in the child.
    pub(crate) fn refused(&self) -> Option<Limit> {
        self.context.meter.refused().or(self.line.took.refused)
    }

    /// Ticks that the latest call took: by the child's count, and by ours of the host's work.
    pub(crate) fn ticks_used(&self) -> u64 {
        self.line.took.ticks.saturating_add(self.context.meter.ticks_used())
    }
}

/// Whether a guest is there.
fn started(said: Result<Word, Crash>) -> Result<(), Error> {
    match said {
        Ok(Word::Started { .. }) => Ok(()),
        Ok(Word::Unlinked(why)) => Err(unlinked(&why)),
        Ok(Word::Answer { .. } | Word::Ask(_) | Word::Died { .. } | Word::Told(_)) => {
            Err(Error::Died { crash: Crash::Contract })
        }
        Err(crash) => Err(Error::Died { crash }),
    }
}

/// The engine's words, as a child passes them on.
fn unlinked(why: &str) -> Error {
    let why: String = why.chars().filter(|char| convert::is_plain(*char)).collect();
    Error::Link { source: wasmtime::Error::msg(why) }
}

/// The line to a child.
struct Line {
    child: Child,
    limits: Limits,
    calls: u64,
    /// What the latest request took.
    took: Took,
}

/// What a frame may hold besides the bytes that a guest may pass.
const AROUND: usize = 64 << 10;

impl Line {
    async fn set_up(&mut self, setup: &Setup) -> io::Result<Begun> {
        let pipe = self.child.pipe()?;
        pipe.send(&framed(setup)?).await?;
        let begun = pipe.receive(AROUND).await?;
        wire::read_within(&begun, AROUND).map_err(|_| io::ErrorKind::InvalidData.into())
    }

    /// Asks the child for one thing, in the time of a call. With no `context`, nothing that
    /// the guest asks for is given.
    async fn request(
        &mut self,
        request: &Request,
        time: &Allowance,
        context: Option<&mut Context>,
    ) -> Result<Word, Crash> {
        self.calls += 1;
        // A child that does not say took all that it can have taken.
        let passed = time.wall.as_millis().div_ceil(TICK.as_millis());
        let ticks = u64::try_from(passed).unwrap_or(u64::MAX).min(time.ticks);
        self.took = Took { ticks, refused: None };
        self.child.allow(self.processor_time());
        match tokio::time::timeout(time.wall, self.converse(request, context)).await {
            Ok(Ok(word)) => Ok(word),
            Ok(Err(crash)) => Err(crash),
            Err(_) => Err(Crash::Limit(time.wall_of)),
        }
    }

    /// What the child may have used by the end of this call. Its engine counts each call to
    /// the tick; this is for a child whose engine was taken over.
    fn processor_time(&self) -> Duration {
        let calls = u32::try_from(self.calls).unwrap_or(u32::MAX);
        self.limits.cpu.saturating_mul(calls).saturating_add(STARTING)
    }

    async fn converse(
        &mut self,
        request: &Request,
        mut context: Option<&mut Context>,
    ) -> Result<Word, Crash> {
        let most = self.limits.return_bytes.as_usize().saturating_add(AROUND);
        let sent = match framed(request) {
            Ok(frame) => self.send(&frame).await,
            Err(error) => Err(error),
        };
        if let Err(error) = sent {
            return Err(self.silent(&error));
        }
        loop {
            let heard = match self.child.pipe() {
                Ok(pipe) => pipe.receive(most).await,
                Err(error) => Err(error),
            };
            let heard = heard.map_err(|error| self.silent(&error))?;
            let word = wire::read_within(&heard, most).map_err(|unread| match unread {
                Unread::Nonsense => Crash::Contract,
                Unread::Room => Crash::Limit(Limit::ReturnBytes),
            });
            let ask = match word? {
                Word::Ask(ask) => ask,
                Word::Died { crash, took } => {
                    self.took = took;
                    return Err(crash);
                }
                Word::Answer { answer, took } => {
                    self.took = took;
                    return Ok(Word::Answer { answer, took });
                }
                Word::Started { took } => {
                    self.took = took;
                    return Ok(Word::Started { took });
                }
                word @ (Word::Told(_) | Word::Unlinked(_)) => return Ok(word),
            };
            drop(heard);
            // A guest that calls what is not there traps; this one did not even that.
            let context = context.as_deref_mut().ok_or(Crash::Trap)?;
            let answered = serve(context, ask).await;
            let answered =
                answered.map_err(|error| Ended::Error(error).of_guest(context))?;
            // The child does not know what its guest made the host do.
            if let Some(limit) = context.meter.time_out() {
                return Err(Crash::Limit(limit));
            }
            self.send(&answered).await.map_err(|error| self.silent(&error))?;
        }
    }

    async fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        self.child.pipe()?.send(frame).await
    }

    /// How a child died that does not speak any more.
    fn silent(&mut self, error: &io::Error) -> Crash {
        let signal = self.child.signal();
        tracing::debug!(%error, ?signal, "a guest's process was lost");
        if error.kind() == io::ErrorKind::FileTooLarge {
            Crash::Limit(Limit::ReturnBytes)
        } else if signal == Some(XCPU) {
            Crash::Limit(Limit::Cpu)
        } else {
            Crash::Trap
        }
    }
}

/// Processor time for starting: loading code and linking it.
const STARTING: Duration = Duration::from_secs(2);

/// The signal that ends who used up their processor time, on Linux.
const XCPU: i32 = 24;
