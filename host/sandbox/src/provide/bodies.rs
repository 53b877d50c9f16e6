//! `bodies`: whole resources, in two guest allocations whatever the number of rows.

use bulkhead_pipeline::Batch;
use wasmtime::{Result, component::Resource};

use crate::{bindings::wit::bodies, context::Context};

impl bodies::Host for Context {
    fn read(
        &mut self,
        of: Resource<Batch>,
        start: u32,
        count: u32,
    ) -> Result<bodies::Rows> {
        let work = self.work();
        let records = self.table.get(&of)?.records();
        // Guest-controlled: clamp.
        let start = records.len().min(start as usize);
        let end = records.len().min(start.saturating_add(count as usize));
        let chosen = records.get(start..end).unwrap_or_default();
        let mut data =
            Vec::with_capacity(chosen.iter().map(|record| record.body.len()).sum());
        let mut ends = Vec::with_capacity(chosen.len());
        for record in chosen {
            data.extend_from_slice(&record.body);
            ends.push(u32::try_from(data.len())?);
        }
        self.uses.count("bodies", "", data.len());
        self.worked(&work);
        Ok(bodies::Rows { data, ends })
    }
}
