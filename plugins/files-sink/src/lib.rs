//! A sink that writes NDJSON files, with a Bulk Data manifest, to a folder or object store.
//!
//! It is blind: this component imports `batches` and `artifacts` and nothing else, so it
//! decides names and where a file ends, and the host moves the bytes. Every name follows
//! from the export, the file, the kind and a running number, and a part ends where the
//! content says so, never by the clock: a redelivery after a crash writes the same parts
//! again under the same names, and whoever reads finds each record once.
//!
//! This file owns the life of an instance. What a failure leaves behind: a call that failed
//! after it began to write gives up every open part and closes the file, since the parts no
//! longer hold what was accepted; the host opens again from the last checkpoint.
//!
//! Source: Bulk Data IG, "Output Files" and "Response - Complete Status" (the manifest).

mod layout;
mod load;
mod manifest;
mod open_file;
mod plan;
mod progress;
mod series;
mod settings;

use bulkhead_plugin::{
    Assignment, Batch, Checkpoint, CloseReason, FinishedExport, Manifest, PluginError,
    Positions, Problems, Receipt, Role, Sink,
};

use load::Load;
use open_file::OpenFile;
use plan::Plan;
pub use settings::{Compression, Format, Settings, Size};

/// Writes one file of an export as NDJSON parts, and at the end the export's manifest.
pub struct FilesSink {
    plan: Plan,
    /// Absent before `open`, after `close`, and after a failure that lost open parts.
    open: Option<OpenFile>,
}

impl Sink for FilesSink {
    type Settings = Settings;

    fn manifest() -> Manifest {
        Manifest::new::<Settings>("files-sink", env!("CARGO_PKG_VERSION"), Role::Sink)
            .describe("Writes NDJSON files and a Bulk Data manifest to a store.")
            .ask(
                "artifacts",
                "to create the files; the records' bytes go from the host to the store and do \
                 not pass through this plugin",
            )
    }

    fn new(settings: Settings) -> Result<Self, Problems> {
        Ok(Self { plan: Plan::try_from(settings)?, open: None })
    }

    fn open(&mut self, work: Assignment) -> Result<(), PluginError> {
        // Whatever was open belongs to an earlier attempt: its parts vanish without a trace.
        self.open = None;
        self.open = Some(OpenFile::begin(&self.plan, work)?);
        Ok(())
    }

    fn deliver(&mut self, batch: &Batch<'_>) -> Result<Receipt, PluginError> {
        let load = Load::of(*batch)?;
        let open = self.open.as_mut().ok_or_else(not_open)?;
        // Nothing is taken until every part is there to take it: a failure up to here leaves
        // the file as it was.
        open.prepare(&self.plan, &load)?;
        let mut open = self.open.take().ok_or_else(not_open)?;
        open.take_in(*batch, load)?;
        let durable = if open.is_full(&self.plan) {
            let checkpoint;
            (open, checkpoint) = open.commit()?;
            Some(checkpoint)
        } else {
            None
        };
        self.open = Some(open);
        Ok(Receipt { accepted: Positions::All, rejects: Vec::new(), durable })
    }

    fn flush(&mut self) -> Result<Checkpoint, PluginError> {
        let open = self.open.take().ok_or_else(not_open)?;
        let (open, checkpoint) = open.commit()?;
        self.open = Some(open);
        Ok(checkpoint)
    }

    fn close(&mut self, why: CloseReason) -> Result<Option<Checkpoint>, PluginError> {
        let open = self.open.take();
        match why {
            CloseReason::EndOfFile => {
                let (_, checkpoint) = open.ok_or_else(not_open)?.commit()?;
                Ok(Some(checkpoint))
            }
            CloseReason::FatalElsewhere | CloseReason::Shutdown => Ok(None),
        }
    }

    fn conclude(&mut self, export: FinishedExport) -> Result<(), PluginError> {
        manifest::publish(&self.plan, &export)
    }
}

fn not_open() -> PluginError {
    PluginError::fatal(
        "not-open",
        "no file is open, or an earlier failure closed it: open it again from its last checkpoint",
    )
}

bulkhead_plugin::export!(sink FilesSink);

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
