//! A sink at work: one guest a file, and one more to conclude the export.

use bulkhead_pipeline::{
    Batch, Checkpoint, CloseReason, Crash, Receipt, Sink, SinkError,
};
use futures::{FutureExt, future::BoxFuture};

use crate::{
    Plugin,
    bindings::sink::exports::bulkhead::plugin::sink as wit,
    convert::{self, Breach, Complaint},
    guest::{Ended, Exports, Guest, within},
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
    /// What it said when it last complained: tainted, never shown.
    said: Option<String>,
}

impl PluginSink {
    /// For one file of an export.
    pub const fn new(plugin: Plugin, export_id: String, file: u32) -> Self {
        Self { plugin, export_id, file, guest: None, said: None }
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
        let mut guest = sink.begin().await?;
        let (calls, wall) = (sink.calls(&guest)?, guest.wall());
        guest.refresh();
        let answer = within(wall, calls.call_conclude(&mut guest.store, &done)).await;
        sink.settle(guest, answer)
    }

    async fn begin(&mut self) -> Result<Guest, SinkError> {
        let begun = Guest::configured(&self.plugin).await;
        begun.map_err(|error| self.crashed(error.crash()))
    }

    fn live(&mut self) -> Result<Guest, SinkError> {
        let mut guest = self.guest.take().ok_or_else(|| self.crashed(Crash::Trap))?;
        guest.refresh();
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

    /// Keeps the guest when it answered, whatever the answer; else throws it away.
    fn settle<T>(
        &mut self,
        guest: Guest,
        answer: Result<Result<T, crate::bindings::wit::types::PluginError>, Ended>,
    ) -> Result<T, SinkError> {
        match answer {
            Err(ended) => Err(self.crashed(ended.of_guest(&guest.store))),
            Ok(answer) => {
                self.guest = Some(guest);
                answer.map_err(|error| self.complain(convert::complaint(error)))
            }
        }
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

    fn complain(&mut self, complaint: Complaint) -> SinkError {
        let sink = self.plugin.stage().to_owned();
        match complaint {
            Complaint::Fatal(code) => SinkError::Fatal { sink, code },
            Complaint::Retryable(code, after, said) => {
                self.said = Some(said);
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
        guest.refresh();
        let answer = within(wall, calls.call_open(&mut guest.store, &work)).await;
        self.settle(guest, answer)
    }

    async fn deliver(&mut self, batch: &Batch) -> Result<Receipt, SinkError> {
        let mut guest = self.live()?;
        let (calls, wall) = (self.calls(&guest)?, guest.wall());
        let lent = guest.lend(batch).map_err(|crash| self.crashed(crash))?;
        let borrowed = wasmtime::component::Resource::new_borrow(lent.rep());
        let answer = within(wall, calls.call_deliver(&mut guest.store, borrowed)).await;
        if answer.is_ok() {
            guest.take_back(lent);
        }
        let receipt = self.settle(guest, answer)?;
        let plugin = self.plugin.clone();
        self.checked(convert::receipt(receipt, batch.len(), plugin.manifest()))
    }

    async fn flush(&mut self) -> Result<Checkpoint, SinkError> {
        let mut guest = self.live()?;
        let (calls, wall) = (self.calls(&guest)?, guest.wall());
        let answer = within(wall, calls.call_flush(&mut guest.store)).await;
        let checkpoint = self.settle(guest, answer)?;
        self.checked(convert::checkpoint(checkpoint))
    }

    async fn close(&mut self, why: CloseReason) -> Result<Option<Checkpoint>, SinkError> {
        let mut guest = self.live()?;
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
