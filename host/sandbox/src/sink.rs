//! A sink at work: one guest a file, and one more to conclude the export.

use bulkhead_model::Instant;
use bulkhead_pipeline::{
    Batch, Checkpoint, CloseReason, Crash, Limit, Receipt, Sink, SinkError,
};
use futures::{FutureExt, future::BoxFuture};

use crate::{
    Error, Plugin,
    bindings::{sink::exports::bulkhead::plugin::sink as wit, wit::types::PluginError},
    calls::{Answer, Call},
    convert::{self, Breach, Complaint},
    deterministic::Moment,
    limits::{Budget, FileKey},
    live::Live,
    stage::NO_PROCESS,
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
    /// Under which what is written is counted, in this try of the file and the next.
    key: FileKey,
    guest: Option<Live>,
    /// What it said when it last complained: tainted, never shown.
    said: Option<String>,
    budget: Budget,
    frozen_at: Instant,
}

impl PluginSink {
    /// For one file of an export.
    pub fn new(plugin: Plugin, export_id: String, file: u32) -> Self {
        let (budget, frozen_at) = (Budget::default(), Instant::from_unix_ms(0));
        let key = (export_id.as_str().into(), Some(file));
        Self { plugin, export_id, file, key, guest: None, said: None, budget, frozen_at }
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
        sink.key.1 = None;
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
        let guest = sink.begin().await?;
        sink.call(guest, Call::Conclude(done), Moment::File(0, "conclude"), done_with)
            .await
    }

    async fn begin(&mut self) -> Result<Live, SinkError> {
        // Of no batch: deaths are what bounds the guests of a file.
        let begun = Live::configured(&self.plugin, self.frozen_at, &mut 0).await;
        let guest = begun.map_err(|error| self.not_begun(&error))?;
        Ok(guest.on_file(self.key.clone()))
    }

    /// See `PluginStage`.
    fn not_begun(&self, error: &Error) -> SinkError {
        if let Error::Child { source } = error {
            tracing::warn!(sink = self.plugin.stage(), %source, "a guest got no process");
            let (sink, code) = (self.plugin.stage().to_owned(), NO_PROCESS.to_owned());
            return SinkError::Retryable { sink, code, after: None };
        }
        self.crashed(error.crash())
    }

    fn live(&mut self) -> Result<Live, SinkError> {
        self.guest.take().ok_or_else(|| self.dead())
    }

    /// Calls the guest; `expected` picks the answer to this call.
    async fn call<T>(
        &mut self,
        mut guest: Live,
        call: Call,
        moment: Moment,
        expected: fn(Answer) -> Option<Result<T, PluginError>>,
    ) -> Result<T, SinkError> {
        let answer = guest.call(call, &self.plugin, moment).await;
        self.settle(guest, answer, expected)
    }

    /// What a sink says whose guest has died: that was counted then.
    fn dead(&self) -> SinkError {
        SinkError::Crashed { sink: self.plugin.stage().to_owned(), crash: Crash::Trap }
    }

    /// Keeps the guest when it answered, whatever the answer; else throws it away.
    fn settle<T>(
        &mut self,
        guest: Live,
        answer: Result<Answer, Crash>,
        expected: fn(Answer) -> Option<Result<T, PluginError>>,
    ) -> Result<T, SinkError> {
        let answer = answer.map_err(|crash| self.crashed(crash))?;
        // Another answer than the one to this call is a child's lie.
        let answer = expected(answer).ok_or_else(|| self.crashed(Crash::Contract))?;
        let refused = guest.refused();
        self.guest = Some(guest);
        answer.map_err(|error| self.complain(convert::complaint(error), refused))
    }

    fn checked<T>(&mut self, converted: Result<T, Breach>) -> Result<T, SinkError> {
        converted.map_err(|Breach| {
            self.guest = None;
            self.crashed(Crash::Contract)
        })
    }

    fn crashed(&self, crash: Crash) -> SinkError {
        match self.plugin.died(crash) {
            Some(limit) => self.spent(limit),
            None => SinkError::Crashed { sink: self.plugin.stage().to_owned(), crash },
        }
    }

    fn spent(&self, limit: Limit) -> SinkError {
        SinkError::Spent { sink: self.plugin.stage().to_owned(), limit }
    }

    fn complain(&mut self, complaint: Complaint, refused: Option<Limit>) -> SinkError {
        let sink = self.plugin.stage().to_owned();
        match (complaint, refused) {
            // It gave up because of what it was refused, as far as one can tell.
            (Complaint::Fatal(_), Some(limit)) => self.spent(limit),
            (Complaint::Fatal(code), None) => SinkError::Fatal { sink, code },
            (Complaint::Retryable(code, after, said), _) => {
                self.said = Some(said);
                SinkError::Retryable { sink, code, after }
            }
        }
    }

    async fn open(&mut self, resume: Option<Checkpoint>) -> Result<(), SinkError> {
        let guest = self.begin().await?;
        let work = wit::Assignment {
            export_id: self.export_id.clone(),
            file: self.file,
            resume: resume.map(|at| wit::Checkpoint {
                durable_through: at.durable_through,
                token: at.token,
            }),
        };
        self.call(guest, Call::Open(work), Moment::File(self.file, "open"), done_with)
            .await
    }

    async fn deliver(&mut self, batch: &Batch) -> Result<Receipt, SinkError> {
        let mut guest = self.live()?;
        let allowance =
            self.budget.allow(batch.id(), self.plugin.now(), self.plugin.limits());
        let allowance = allowance.map_err(|limit| self.spent(limit))?;
        let answer = guest.lend(batch, Call::Deliver, allowance).await;
        self.budget.charge(guest.ticks_used());
        let receipt = self.settle(guest, answer, |answer| {
            if let Answer::Receipt(receipt) = answer { Some(receipt) } else { None }
        })?;
        let plugin = self.plugin.clone();
        self.checked(convert::receipt(receipt, batch.len(), plugin.manifest()))
    }

    async fn flush(&mut self) -> Result<Checkpoint, SinkError> {
        let guest = self.live()?;
        let moment = Moment::File(self.file, "flush");
        let flushed = self.call(guest, Call::Flush, moment, |answer| {
            if let Answer::Checkpoint(checkpoint) = answer {
                Some(checkpoint)
            } else {
                None
            }
        });
        let checkpoint = flushed.await?;
        self.checked(convert::checkpoint(checkpoint))
    }

    async fn close(&mut self, why: CloseReason) -> Result<Option<Checkpoint>, SinkError> {
        let guest = self.live()?;
        let why = match why {
            CloseReason::EndOfFile => wit::CloseReason::EndOfFile,
            CloseReason::FatalElsewhere => wit::CloseReason::FatalElsewhere,
            CloseReason::Shutdown => wit::CloseReason::Shutdown,
        };
        let is_end = matches!(why, wit::CloseReason::EndOfFile);
        let moment = Moment::File(self.file, "close");
        let closed = self.call(guest, Call::Close(why), moment, |answer| {
            if let Answer::Closed(checkpoint) = answer { Some(checkpoint) } else { None }
        });
        let checkpoint = closed.await?;
        let checkpoint = self.checked(checkpoint.map(convert::checkpoint).transpose())?;
        if is_end {
            self.plugin.shared().closed(&self.key);
        }
        Ok(checkpoint)
    }
}

/// The answer to `open` and `conclude`.
fn done_with(answer: Answer) -> Option<Result<(), PluginError>> {
    if let Answer::Done(done) = answer { Some(done) } else { None }
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

    fn said(&mut self) -> Option<String> {
        self.said.take()
    }
}
