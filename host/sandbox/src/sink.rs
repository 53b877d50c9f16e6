//! A sink at work: one guest a file, and one more to conclude the export.

use bulkhead_pipeline::{
    Batch, Checkpoint, CloseReason, Crash, Receipt, Sink, SinkError,
};
use futures::{FutureExt, future::BoxFuture};

use crate::{
    Error, Plugin,
    bindings::{sink::exports::bulkhead::plugin::sink as wit, wit::types::PluginError},
    calls::{Answer, Call},
    convert::{self, Breach, Complaint},
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
    guest: Option<Live>,
}

impl PluginSink {
    /// For one file of an export.
    pub const fn new(plugin: Plugin, export_id: String, file: u32) -> Self {
        Self { plugin, export_id, file, guest: None }
    }

    /// Says to the sink that every file is closed: publish what belongs to the whole.
    ///
    /// # Errors
    ///
    /// [`SinkError`] when that failed; it may be said again.
    pub async fn conclude(plugin: &Plugin, done: Conclusion) -> Result<(), SinkError> {
        let mut sink = Self::new(plugin.clone(), done.export_id.clone(), 0);
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
        sink.call(guest, Call::Conclude(done), done_with).await
    }

    async fn begin(&mut self) -> Result<Live, SinkError> {
        let begun = Live::configured(&self.plugin).await;
        begun.map_err(|error| self.not_begun(&error))
    }

    /// See `PluginStage`.
    fn not_begun(&self, error: &Error) -> SinkError {
        if let Error::Child { source } = error {
            tracing::warn!(sink = self.plugin.stage(), %source, "a guest got no process");
            let code = NO_PROCESS.to_owned();
            return self.complain(Complaint::Retryable(code, None));
        }
        self.crashed(error.crash())
    }

    fn live(&mut self) -> Result<Live, SinkError> {
        self.guest.take().ok_or_else(|| self.crashed(Crash::Trap))
    }

    /// Calls the guest; `expected` picks the answer to this call.
    async fn call<T>(
        &mut self,
        mut guest: Live,
        call: Call,
        expected: fn(Answer) -> Option<Result<T, PluginError>>,
    ) -> Result<T, SinkError> {
        let answer = guest.call(call).await;
        self.settle(guest, answer, expected)
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
        self.guest = Some(guest);
        answer.map_err(|error| self.complain(convert::complaint(error)))
    }

    fn checked<T>(&mut self, converted: Result<T, Breach>) -> Result<T, SinkError> {
        converted.map_err(|Breach| {
            self.guest = None;
            self.crashed(Crash::Contract)
        })
    }

    fn crashed(&self, crash: Crash) -> SinkError {
        SinkError::Crashed { sink: self.plugin.stage().to_owned(), crash }
    }

    fn complain(&self, complaint: Complaint) -> SinkError {
        let sink = self.plugin.stage().to_owned();
        match complaint {
            Complaint::Fatal(code) => SinkError::Fatal { sink, code },
            Complaint::Retryable(code, after) => {
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
        self.call(guest, Call::Open(work), done_with).await
    }

    async fn deliver(&mut self, batch: &Batch) -> Result<Receipt, SinkError> {
        let mut guest = self.live()?;
        let answer = guest.lend(batch, Call::Deliver).await;
        let receipt = self.settle(guest, answer, |answer| {
            if let Answer::Receipt(receipt) = answer { Some(receipt) } else { None }
        })?;
        let plugin = self.plugin.clone();
        self.checked(convert::receipt(receipt, batch.len(), plugin.manifest()))
    }

    async fn flush(&mut self) -> Result<Checkpoint, SinkError> {
        let guest = self.live()?;
        let flushed = self.call(guest, Call::Flush, |answer| {
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
        let closed = self.call(guest, Call::Close(why), |answer| {
            if let Answer::Closed(checkpoint) = answer { Some(checkpoint) } else { None }
        });
        let checkpoint = closed.await?;
        self.checked(checkpoint.map(convert::checkpoint).transpose())
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
