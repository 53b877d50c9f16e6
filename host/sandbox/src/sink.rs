//! A sink at work: one guest a file, and one more to conclude the export.

use bulkhead_model::Instant;
use bulkhead_pipeline::{
    Batch, Checkpoint, CloseReason, Crash, Limit, Receipt, Sink, SinkError,
};
use futures::{FutureExt, future::BoxFuture};

use crate::{
    Plugin,
    bindings::sink::exports::bulkhead::plugin::sink as wit,
    convert::{self, Breach, Complaint},
    deterministic::Moment,
    guest::{Ended, Exports, Guest, within},
    limits::Budget,
};

/// What an export as a whole came to, for the sink's last word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conclusion {
    /// Stable across restarts.
    pub export_id: String,
    /// The server's snapshot time, a FHIR instant.
    pub transaction_time: String,
    /// The kick-off request as a URL, without secrets.
    pub request: String,
    /// Number and last token of every file, rising.
    pub files: Vec<(u32, Vec<u8>)>,
}

/// The sink of one lane. When its guest dies, what was not durable dies with it, so there is
/// no fresh guest behind the lane's back: the file starts again from its last checkpoint.
pub struct PluginSink {
    plugin: Plugin,
    export_id: String,
    file: u32,
    guest: Option<Guest>,
    budget: Budget,
    frozen_at: Instant,
}

impl PluginSink {
    /// For one file of an export.
    pub fn new(plugin: Plugin, export_id: String, file: u32) -> Self {
        let (budget, frozen_at) = (Budget::default(), Instant::from_unix_ms(0));
        Self { plugin, export_id, file, guest: None, budget, frozen_at }
    }

    /// In an export of that moment: what clocks show in a deterministic chain.
    #[must_use]
    pub fn of_export_at(self, time: Instant) -> Self {
        Self { frozen_at: time, ..self }
    }

    /// Says to the sink that every file is closed: publish what belongs to the whole.
    ///
    /// # Errors
    ///
    /// [`SinkError`] when that failed; it may be said again.
    pub async fn conclude(plugin: &Plugin, done: Conclusion) -> Result<(), SinkError> {
        let mut sink = Self::new(plugin.clone(), done.export_id.clone(), 0);
        if let Ok(time) = done.transaction_time.parse() {
            sink = sink.of_export_at(time);
        }
        let done = wit::FinishedExport {
            export_id: done.export_id,
            transaction_time: done.transaction_time,
            request: done.request,
            files: done
                .files
                .into_iter()
                .map(|(file, token)| wit::FinishedFile { file, token })
                .collect(),
        };
        let mut guest = sink.begin().await?;
        let (calls, wall) = (sink.calls(&guest)?, guest.wall());
        guest.refresh(Moment::File(0, "conclude"));
        let answer = within(wall, calls.call_conclude(&mut guest.store, &done)).await;
        sink.settle(guest, answer)
    }

    async fn begin(&mut self) -> Result<Guest, SinkError> {
        let begun = Guest::configured(&self.plugin, self.frozen_at).await;
        begun.map_err(|error| self.crashed(error.crash()))
    }

    fn live(&mut self, call: &'static str) -> Result<Guest, SinkError> {
        let mut guest = self.guest.take().ok_or_else(|| self.dead())?;
        guest.refresh(Moment::File(self.file, call));
        Ok(guest)
    }

    fn calls(&self, guest: &Guest) -> Result<wit::Guest, SinkError> {
        match &guest.exports {
            Exports::Sink(calls) => Ok(calls.clone()),
            Exports::Filter(_) | Exports::Transform(_) => {
                Err(self.crashed(Crash::Contract))
            }
        }
    }

    /// What a sink says whose guest has died: that was counted then.
    fn dead(&self) -> SinkError {
        SinkError::Crashed { sink: self.plugin.stage().to_owned(), crash: Crash::Trap }
    }

    /// Keeps the guest when it answered, whatever the answer; else throws it away.
    fn settle<T>(
        &mut self,
        guest: Guest,
        answer: Result<Result<T, crate::bindings::wit::types::PluginError>, Ended>,
    ) -> Result<T, SinkError> {
        match answer {
            Err(ended) => Err(self.crashed(ended.of_guest(&guest.store))),
            Ok(answer) => {
                let refused = guest.refused();
                self.guest = Some(guest);
                answer.map_err(|error| self.complain(convert::complaint(error), refused))
            }
        }
    }

    fn checked<T>(&mut self, converted: Result<T, Breach>) -> Result<T, SinkError> {
        converted.map_err(|Breach| {
            self.guest = None;
            self.crashed(Crash::Contract)
        })
    }

    /// What a death means: a fresh guest may do better, unless there can be none or no guest
    /// would have more.
    fn crashed(&self, crash: Crash) -> SinkError {
        self.plugin.uses().died(crash);
        if !self.plugin.may_restart() {
            tracing::warn!(stage = self.plugin.stage(), %crash, "a guest died once too often");
            return self.spent(Limit::Restarts);
        }
        if let Crash::Limit(limit) = crash
            && limit.is_for_good()
        {
            return self.spent(limit);
        }
        SinkError::Crashed { sink: self.plugin.stage().to_owned(), crash }
    }

    fn spent(&self, limit: Limit) -> SinkError {
        SinkError::Spent { sink: self.plugin.stage().to_owned(), limit }
    }

    fn complain(&self, complaint: Complaint, refused: Option<Limit>) -> SinkError {
        let sink = self.plugin.stage().to_owned();
        match (complaint, refused) {
            // It gave up because of what it was refused, as far as one can tell.
            (Complaint::Fatal(_), Some(limit)) => self.spent(limit),
            (Complaint::Fatal(code), None) => SinkError::Fatal { sink, code },
            (Complaint::Retryable(code, after), _) => {
                SinkError::Retryable { sink, code, after }
            }
        }
    }

    async fn open(&mut self, resume: Option<Checkpoint>) -> Result<(), SinkError> {
        let mut guest = self.begin().await?;
        let work = wit::Assignment {
            export_id: self.export_id.clone(),
            file: self.file,
            resume: resume.map(|at| wit::Checkpoint {
                durable_through: at.durable_through,
                token: at.token,
            }),
        };
        let (calls, wall) = (self.calls(&guest)?, guest.wall());
        guest.refresh(Moment::File(self.file, "open"));
        let answer = within(wall, calls.call_open(&mut guest.store, &work)).await;
        self.settle(guest, answer)
    }

    async fn deliver(&mut self, batch: &Batch) -> Result<Receipt, SinkError> {
        let mut guest = self.live("deliver")?;
        let allowance =
            self.budget.allow(batch.id(), self.plugin.now(), self.plugin.limits());
        let allowance = allowance.map_err(|limit| self.spent(limit))?;
        let calls = self.calls(&guest)?;
        let lent = guest.lend(batch, allowance).map_err(|crash| self.crashed(crash))?;
        let wall = guest.wall();
        let borrowed = wasmtime::component::Resource::new_borrow(lent.rep());
        let answer = within(wall, calls.call_deliver(&mut guest.store, borrowed)).await;
        self.budget.charge(guest.ticks_used());
        if answer.is_ok() {
            guest.take_back(lent);
        }
        let receipt = self.settle(guest, answer)?;
        let plugin = self.plugin.clone();
        self.checked(convert::receipt(receipt, batch.len(), plugin.manifest()))
    }

    async fn flush(&mut self) -> Result<Checkpoint, SinkError> {
        let mut guest = self.live("flush")?;
        let (calls, wall) = (self.calls(&guest)?, guest.wall());
        let answer = within(wall, calls.call_flush(&mut guest.store)).await;
        let checkpoint = self.settle(guest, answer)?;
        self.checked(convert::checkpoint(checkpoint))
    }

    async fn close(&mut self, why: CloseReason) -> Result<Option<Checkpoint>, SinkError> {
        let mut guest = self.live("close")?;
        let (calls, wall) = (self.calls(&guest)?, guest.wall());
        let why = match why {
            CloseReason::EndOfFile => wit::CloseReason::EndOfFile,
            CloseReason::FatalElsewhere => wit::CloseReason::FatalElsewhere,
            CloseReason::Shutdown => wit::CloseReason::Shutdown,
        };
        let answer = within(wall, calls.call_close(&mut guest.store, why)).await;
        let checkpoint = self.settle(guest, answer)?;
        self.checked(checkpoint.map(convert::checkpoint).transpose())
    }
}

impl Sink for PluginSink {
    fn name(&self) -> &str {
        self.plugin.stage()
    }

    fn open(
        &mut self,
        resume: Option<Checkpoint>,
    ) -> BoxFuture<'_, Result<(), SinkError>> {
        Self::open(self, resume).boxed()
    }

    fn deliver<'a>(
        &'a mut self,
        batch: &'a Batch,
    ) -> BoxFuture<'a, Result<Receipt, SinkError>> {
        self.plugin.uses().handed_over(batch);
        Self::deliver(self, batch).boxed()
    }

    fn flush(&mut self) -> BoxFuture<'_, Result<Checkpoint, SinkError>> {
        Self::flush(self).boxed()
    }

    fn close(
        &mut self,
        why: CloseReason,
    ) -> BoxFuture<'_, Result<Option<Checkpoint>, SinkError>> {
        Self::close(self, why).boxed()
    }
}
