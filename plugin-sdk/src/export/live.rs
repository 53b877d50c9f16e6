//! The seats at work inside a component: from generated types to the SDK's and back.

use std::cell::RefCell;

use super::{FilterSeat, SinkSeat, TransformSeat};
use crate::{
    Action, Assignment, Batch, Checkpoint, CloseReason, Filter, FinishedExport,
    FinishedFile, PluginError, Sink, Transform,
    bindings::{
        filter_world::exports::bulkhead::plugin::filter as filter_wit,
        imports::bulkhead::plugin::types as wit,
        sink_world::exports::bulkhead::plugin::sink as sink_wit,
        transform_world::exports::bulkhead::plugin::transform as transform_wit,
    },
};

impl<T: Filter> FilterSeat<T> {
    /// Decides over one batch.
    ///
    /// # Errors
    ///
    /// What the plugin says.
    pub fn evaluate(
        &self,
        of: &filter_wit::Batch,
    ) -> Result<filter_wit::Decision, wit::PluginError> {
        let decision = seated(&self.0, |plugin| plugin.evaluate(&Batch(of)))?;
        Ok(filter_wit::Decision {
            keep: decision.keep.into_wit(),
            rejects: decision
                .rejects
                .into_iter()
                .map(crate::Rejection::into_wit)
                .collect(),
        })
    }
}

impl<T: Transform> TransformSeat<T> {
    /// Changes one batch.
    ///
    /// # Errors
    ///
    /// What the plugin says.
    pub fn apply(
        &self,
        of: &transform_wit::Batch,
    ) -> Result<transform_wit::Changes, wit::PluginError> {
        let changes = seated(&self.0, |plugin| plugin.apply(&Batch(of)))?;
        let edit = |edit: crate::Edit| transform_wit::Edit {
            index: edit.index,
            action: match edit.action {
                Action::Drop => transform_wit::Action::Drop,
                Action::Emit(outputs) => transform_wit::Action::Emit(
                    outputs
                        .into_iter()
                        .map(|output| transform_wit::Output {
                            stream: output.stream,
                            body: output.body,
                        })
                        .collect(),
                ),
                Action::Replace(body) => transform_wit::Action::Replace(body),
            },
        };
        Ok(transform_wit::Changes {
            edits: changes.edits.into_iter().map(edit).collect(),
            rejects: changes
                .rejects
                .into_iter()
                .map(crate::Rejection::into_wit)
                .collect(),
        })
    }
}

impl<T: Sink> SinkSeat<T> {
    /// Begins or resumes a file.
    ///
    /// # Errors
    ///
    /// What the plugin says.
    pub fn open(&self, work: sink_wit::Assignment) -> Result<(), wit::PluginError> {
        let work = Assignment {
            export_id: work.export_id,
            file: work.file,
            resume: work.resume.map(|at| Checkpoint {
                durable_through: at.durable_through,
                token: at.token,
            }),
        };
        seated(&self.0, |plugin| plugin.open(work))
    }

    /// Takes a batch in charge.
    ///
    /// # Errors
    ///
    /// What the plugin says.
    pub fn deliver(
        &self,
        of: &sink_wit::Batch,
    ) -> Result<sink_wit::Receipt, wit::PluginError> {
        let receipt = seated(&self.0, |plugin| plugin.deliver(&Batch(of)))?;
        Ok(sink_wit::Receipt {
            accepted: receipt.accepted.into_wit(),
            rejects: receipt
                .rejects
                .into_iter()
                .map(crate::Rejection::into_wit)
                .collect(),
            durable: receipt.durable.map(checkpoint),
        })
    }

    /// Makes durable all that was accepted.
    ///
    /// # Errors
    ///
    /// What the plugin says.
    pub fn flush(&self) -> Result<sink_wit::Checkpoint, wit::PluginError> {
        seated(&self.0, Sink::flush).map(checkpoint)
    }

    /// Ends the file.
    ///
    /// # Errors
    ///
    /// What the plugin says.
    pub fn close(
        &self,
        why: sink_wit::CloseReason,
    ) -> Result<Option<sink_wit::Checkpoint>, wit::PluginError> {
        let why = match why {
            sink_wit::CloseReason::EndOfFile => CloseReason::EndOfFile,
            sink_wit::CloseReason::FatalElsewhere => CloseReason::FatalElsewhere,
            sink_wit::CloseReason::Shutdown => CloseReason::Shutdown,
        };
        Ok(seated(&self.0, |plugin| plugin.close(why))?.map(checkpoint))
    }

    /// Publishes what belongs to the whole export.
    ///
    /// # Errors
    ///
    /// What the plugin says.
    pub fn conclude(
        &self,
        export: sink_wit::FinishedExport,
    ) -> Result<(), wit::PluginError> {
        let export = FinishedExport {
            export_id: export.export_id,
            transaction_time: export.transaction_time,
            request: export.request,
            files: export
                .files
                .into_iter()
                .map(|file| FinishedFile { file: file.file, token: file.token })
                .collect(),
        };
        seated(&self.0, |plugin| plugin.conclude(export))
    }
}

fn checkpoint(at: Checkpoint) -> sink_wit::Checkpoint {
    sink_wit::Checkpoint { durable_through: at.durable_through, token: at.token }
}

fn seated<T, R>(
    seat: &RefCell<Option<T>>,
    call: impl FnOnce(&mut T) -> Result<R, PluginError>,
) -> Result<R, wit::PluginError> {
    match seat.borrow_mut().as_mut() {
        Some(plugin) => call(plugin).map_err(PluginError::into_wit),
        None => Err(PluginError::fatal("not-configured", "").into_wit()),
    }
}
