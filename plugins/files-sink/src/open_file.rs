//! One file of the export while it is delivered: its open parts and where they end.

use std::collections::{BTreeMap, btree_map::Entry};

use bulkhead_plugin::{
    Assignment, Batch, Checkpoint, PluginError,
    artifacts::{Digest, Writer},
};

use crate::{
    layout::check_export_id,
    load::{Load, Share},
    plan::Plan,
    progress::Progress,
    series::Series,
};

/// A file and its open parts.
pub(crate) struct OpenFile {
    export: String,
    file: u32,
    /// The fingerprint of the plan that the parts are named by.
    fingerprint: String,
    durable: Progress,
    /// In the order in which they are committed.
    parts: BTreeMap<Series, OpenPart>,
    last_seq: u64,
}

struct OpenPart {
    writer: Writer,
    rows: u64,
    bytes: u64,
}

impl OpenFile {
    /// Begins or resumes a file.
    ///
    /// # Errors
    ///
    /// [`PluginError::Fatal`] when the export's id cannot stand in a name or the checkpoint
    /// cannot be read.
    pub(crate) fn begin(plan: &Plan, work: Assignment) -> Result<Self, PluginError> {
        let Assignment { export_id: export, file, resume } = work;
        check_export_id(&export)?;
        let Checkpoint { durable_through, token } = resume.unwrap_or_default();
        let fingerprint = plan.fingerprint();
        let durable = Progress::of_token(&token, &fingerprint)?;
        let (parts, last_seq) = (BTreeMap::new(), durable_through);
        Ok(Self { export, file, fingerprint, durable, parts, last_seq })
    }

    /// Opens the parts that `load` needs. May be repeated: a part without records leaves no
    /// trace.
    ///
    /// # Errors
    ///
    /// [`PluginError`] when the batch was taken before or a part could not be opened. Nothing
    /// that was taken is lost then.
    pub(crate) fn prepare(
        &mut self,
        plan: &Plan,
        load: &Load,
    ) -> Result<(), PluginError> {
        if load.first_seq <= self.last_seq {
            // To take it would double records, to skip it could lose some: neither is ours to
            // choose.
            return Err(PluginError::fatal(
                "out-of-order",
                "the batch begins at a source line that was delivered before",
            ));
        }
        for Share { series, .. } in &load.shares {
            if !self.parts.contains_key(series) {
                let number = self.durable.next_part(series);
                let name = plan.part(&self.export, self.file, series, number);
                let compression = plan.compression.of_artifact();
                let writer =
                    Writer::create(&plan.store, &name, compression, Digest::None)?;
                self.parts.insert(series.clone(), OpenPart { writer, rows: 0, bytes: 0 });
            }
        }
        Ok(())
    }

    /// Takes a prepared batch.
    ///
    /// # Errors
    ///
    /// [`PluginError`] when a part did not take its share. The parts are then worth nothing.
    pub(crate) fn take_in(
        &mut self,
        batch: Batch<'_>,
        load: Load,
    ) -> Result<(), PluginError> {
        for Share { series, rows, which } in load.shares {
            let framing = series.shelf.framing();
            let Entry::Occupied(mut part) = self.parts.entry(series) else {
                return Err(PluginError::fatal("contract", "a part was not prepared"));
            };
            let part = part.get_mut();
            let bytes = part.writer.write_records(&batch, which, framing)?;
            part.rows = part.rows.saturating_add(rows);
            part.bytes = part.bytes.saturating_add(bytes);
        }
        self.last_seq = load.last_seq;
        Ok(())
    }

    /// Whether the open parts hold enough to end here. Depends on content alone.
    pub(crate) fn is_full(&self, plan: &Plan) -> bool {
        let sum = |of: fn(&OpenPart) -> u64| {
            self.parts.values().map(of).fold(0, u64::saturating_add)
        };
        sum(|part| part.bytes) >= plan.part_size
            || plan.part_rows.is_some_and(|limit| sum(|part| part.rows) >= limit)
    }

    /// Ends every open part, in order.
    ///
    /// A crash between two commits is harmless: the checkpoint is not out, so the next
    /// attempt starts from the one before, with the same numbers, and replaces what is there.
    ///
    /// # Errors
    ///
    /// [`PluginError`] when a part could not be made durable, or the checkpoint would be too
    /// large; in the latter case no part has been committed.
    pub(crate) fn commit(self) -> Result<(Self, Checkpoint), PluginError> {
        let Self { export, file, fingerprint, mut durable, parts, last_seq } = self;
        let filled = || parts.iter().filter(|(_, part)| part.rows > 0);
        for (series, part) in filled() {
            durable.add(series.clone(), part.rows, part.bytes);
        }
        let token = durable.to_token(&fingerprint)?;
        for part in parts.into_values().filter(|part| part.rows > 0) {
            part.writer.commit()?;
        }
        let checkpoint = Checkpoint { durable_through: last_seq, token };
        let parts = BTreeMap::new();
        Ok((Self { export, file, fingerprint, durable, parts, last_seq }, checkpoint))
    }
}
