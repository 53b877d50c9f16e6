//! A destination: parts of files that are durable, and what they come to once an export is
//! concluded.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use bulkhead_model::Instant;
use bulkhead_pipeline::{
    Batch, Change, Checkpoint, CloseReason, Positions, Receipt, Sink, SinkError,
};
use futures::{FutureExt as _, future::BoxFuture, future::ready};

/// One delivered record.
#[derive(Clone, Debug)]
struct Row {
    line: u64,
    key: String,
    change: Change,
    body: String,
    updated: Option<Instant>,
    /// The how manieth thing that became durable.
    tick: u64,
}

#[derive(Debug, Default)]
struct Inner {
    files: BTreeMap<(String, u32), Vec<Row>>,
    /// Exports in order, with how far each of their files counts.
    concluded: Vec<(String, BTreeMap<u32, u64>)>,
    ticks: u64,
}

/// The destination. Clones share it; it outlives every crash.
#[derive(Clone, Debug, Default)]
pub(super) struct Store(Arc<Mutex<Inner>>);

impl Store {
    /// Makes an export count, up to these lines of its files. Twice is once.
    pub(super) fn conclude(&self, export: &str, files: BTreeMap<u32, u64>) {
        let mut inner = self.0.lock().unwrap();
        if inner.concluded.iter().all(|(known, _)| known != export) {
            inner.concluded.push((export.to_owned(), files));
        }
    }

    /// What it holds: export after export, and in each what became durable first, first; an
    /// older version does not take the place of a newer one of the same export.
    pub(super) fn holds(&self) -> BTreeMap<String, String> {
        let inner = self.0.lock().unwrap();
        let mut holds = BTreeMap::new();
        for (export, files) in &inner.concluded {
            let mut rows: Vec<&Row> = files
                .iter()
                .filter_map(|(file, through)| {
                    let rows = inner.files.get(&(export.clone(), *file))?;
                    Some(rows.iter().filter(move |row| row.line <= *through))
                })
                .flatten()
                .collect();
            rows.sort_by_key(|row| row.tick);
            let mut newest: BTreeMap<&str, Option<Instant>> = BTreeMap::new();
            for row in rows {
                if row.change != Change::Upsert {
                    holds.remove(&row.key);
                    continue;
                }
                let known = newest.entry(&row.key).or_default();
                if *known <= row.updated {
                    *known = row.updated;
                    holds.insert(row.key.clone(), row.body.clone());
                }
            }
        }
        holds
    }
}

/// Delivers one file to the store, in parts of a few records.
pub(super) struct Parts {
    store: Store,
    file: (String, u32),
    part: usize,
    buffer: Vec<Row>,
    seen_through: u64,
}

impl Parts {
    pub(super) fn new(store: &Store, file: (String, u32), part: usize) -> Self {
        Self { store: store.clone(), file, part, buffer: Vec::new(), seen_through: 0 }
    }

    fn commit(&mut self) -> Checkpoint {
        let mut inner = self.store.0.lock().unwrap();
        for mut row in self.buffer.drain(..) {
            inner.ticks += 1;
            row.tick = inner.ticks;
            inner.files.entry(self.file.clone()).or_default().push(row);
        }
        let durable_through = self.seen_through;
        Checkpoint { durable_through, token: durable_through.to_be_bytes().to_vec() }
    }
}

impl Sink for Parts {
    fn name(&self) -> &'static str {
        "store"
    }

    fn open(
        &mut self,
        resume: Option<Checkpoint>,
    ) -> BoxFuture<'_, Result<(), SinkError>> {
        // What comes again replaces what came before.
        let through = resume.map_or(0, |resume| resume.durable_through);
        let mut inner = self.store.0.lock().unwrap();
        if let Some(rows) = inner.files.get_mut(&self.file) {
            rows.retain(|row| row.line <= through);
        }
        self.seen_through = through;
        ready(Ok(())).boxed()
    }

    fn deliver<'a>(
        &'a mut self,
        batch: &'a Batch,
    ) -> BoxFuture<'a, Result<Receipt, SinkError>> {
        let mut durable = None;
        let records = batch.records();
        for (at, record) in records.iter().enumerate() {
            let key = format!("{}/{}", record.resource_type(), record.id().unwrap());
            self.seen_through = record.seq;
            self.buffer.push(Row {
                line: record.seq,
                key,
                change: record.change,
                body: String::from_utf8(record.body.to_vec()).unwrap(),
                updated: record.envelope.last_updated,
                tick: 0,
            });
            let ends_line = records.get(at + 1).is_none_or(|next| next.seq != record.seq);
            if ends_line && self.buffer.len() >= self.part {
                durable = Some(self.commit());
            }
        }
        let accepted = Positions::All;
        ready(Ok(Receipt { accepted, rejects: Vec::new(), durable })).boxed()
    }

    fn flush(&mut self) -> BoxFuture<'_, Result<Checkpoint, SinkError>> {
        ready(Ok(self.commit())).boxed()
    }

    fn close(
        &mut self,
        _: CloseReason,
    ) -> BoxFuture<'_, Result<Option<Checkpoint>, SinkError>> {
        ready(Ok(None)).boxed()
    }
}
