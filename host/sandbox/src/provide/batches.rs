//! `batches`: what a guest may know of records without their bodies, a column a call.

use bulkhead_pipeline::{Batch, Change};
use wasmtime::{Result, component::Resource};

use crate::{bindings::wit::batches, context::Context};

impl batches::Host for Context {
    fn kind_names(&mut self) -> Result<Vec<String>> {
        Ok(self.kinds.names().map(str::to_owned).collect())
    }
}

impl batches::HostBatch for Context {
    fn len(&mut self, batch: Resource<Batch>) -> Result<u32> {
        Ok(u32::try_from(self.table.get(&batch)?.len())?)
    }

    fn byte_len(&mut self, batch: Resource<Batch>) -> Result<u64> {
        Ok(self.table.get(&batch)?.byte_len())
    }

    fn id(&mut self, batch: Resource<Batch>) -> Result<u64> {
        Ok(self.table.get(&batch)?.id())
    }

    fn attempt(&mut self, batch: Resource<Batch>) -> Result<u32> {
        Ok(self.table.get(&batch)?.attempt())
    }

    fn seqs(&mut self, batch: Resource<Batch>) -> Result<Vec<u64>> {
        let records = self.table.get(&batch)?.records();
        Ok(records.iter().map(|record| record.seq).collect())
    }

    fn kinds(&mut self, batch: Resource<Batch>) -> Result<Vec<u16>> {
        let records = self.table.get(&batch)?.records();
        Ok(records.iter().map(|record| record.kind).collect())
    }

    fn changes(&mut self, batch: Resource<Batch>) -> Result<Vec<u8>> {
        let records = self.table.get(&batch)?.records();
        let column = records.iter().map(|record| match record.change {
            Change::Delete => 1,
            Change::Retract => 2,
            Change::Upsert => 0,
        });
        Ok(column.collect())
    }

    fn byte_lens(&mut self, batch: Resource<Batch>) -> Result<Vec<u32>> {
        let records = self.table.get(&batch)?.records();
        let column = records.iter().map(|record| u32::try_from(record.body.len()));
        Ok(column.collect::<Result<_, _>>()?)
    }

    fn last_updated(&mut self, batch: Resource<Batch>) -> Result<Vec<i64>> {
        let records = self.table.get(&batch)?.records();
        let column = records.iter().map(|record| {
            record.envelope.last_updated.map_or(0, bulkhead_model::Instant::unix_ms)
        });
        Ok(column.collect())
    }

    fn drop(&mut self, batch: Resource<Batch>) -> Result<()> {
        // A guest is only ever lent a batch; the host takes it back after the call.
        self.table.delete(batch)?;
        Ok(())
    }
}
