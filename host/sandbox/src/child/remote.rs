//! A guest's host in a child: asks the parent, and knows nothing by itself.

use bulkhead_pipeline::Batch;
use wasmtime::{
    Error, Result, bail,
    component::{HasSelf, Linker, Resource},
};

use crate::{
    Limits,
    bindings::wit::{
        artifacts::{self, ArtifactError, Committed},
        batches, bodies, clock, cohorts, keyed_hash,
        outbound_http::{self, Head, HttpError, Response},
        projection, random, state, telemetry, types,
    },
    limits::Meter,
    process::{
        frame::{ChildEnd, framed},
        message::{Ask, Column, Hand, Word},
        wire::{self, Wire},
    },
    provide::artifacts::OpenArtifact,
};

/// What stands behind a guest in a child.
pub(crate) struct Remote {
    pub(crate) parent: ChildEnd,
    pub(crate) meter: Meter,
}

impl Remote {
    pub(crate) fn new(parent: ChildEnd, limits: &Limits) -> Self {
        Self { parent, meter: Meter::new(limits) }
    }

    /// Asks the parent, and waits.
    fn ask<T: Wire>(&mut self, ask: Ask) -> Result<T> {
        self.parent.send(&framed(&Word::Ask(ask))?)?;
        wire::read(&self.parent.receive()?)
            .ok_or_else(|| Error::msg("the parent's answer cannot be read"))
    }

    fn column<T: Wire>(&mut self, column: Column, of: &Resource<Batch>) -> Result<T> {
        self.ask(Ask::Column { column, of: of.rep() })
    }
}

/// Links the interfaces that come with every batch, and these. See `provide::link`.
pub(crate) fn link(linker: &mut Linker<Remote>, interfaces: &[String]) -> Result<()> {
    types::add_to_linker::<_, HasSelf<Remote>>(linker, |remote| remote)?;
    batches::add_to_linker::<_, HasSelf<Remote>>(linker, |remote| remote)?;
    for interface in interfaces {
        match interface.as_str() {
            "artifacts" => artifacts::add_to_linker::<_, HasSelf<Remote>>(linker, |r| r)?,
            "bodies" => bodies::add_to_linker::<_, HasSelf<Remote>>(linker, |r| r)?,
            "clock" => clock::add_to_linker::<_, HasSelf<Remote>>(linker, |r| r)?,
            "cohorts" => cohorts::add_to_linker::<_, HasSelf<Remote>>(linker, |r| r)?,
            "keyed-hash" => {
                keyed_hash::add_to_linker::<_, HasSelf<Remote>>(linker, |r| r)?;
            }
            "outbound-http" => {
                outbound_http::add_to_linker::<_, HasSelf<Remote>>(linker, |r| r)?;
            }
            "projection" => {
                projection::add_to_linker::<_, HasSelf<Remote>>(linker, |r| r)?;
            }
            "random" => random::add_to_linker::<_, HasSelf<Remote>>(linker, |r| r)?,
            "state" => state::add_to_linker::<_, HasSelf<Remote>>(linker, |r| r)?,
            "telemetry" => telemetry::add_to_linker::<_, HasSelf<Remote>>(linker, |r| r)?,
            other => bail!("`{other}` cannot be reached from a process of its own"),
        }
    }
    Ok(())
}

impl types::Host for Remote {}

impl batches::Host for Remote {
    fn kind_names(&mut self) -> Result<Vec<String>> {
        self.ask(Ask::KindNames)
    }
}

impl batches::HostBatch for Remote {
    fn len(&mut self, batch: Resource<Batch>) -> Result<u32> {
        self.column(Column::Len, &batch)
    }

    fn byte_len(&mut self, batch: Resource<Batch>) -> Result<u64> {
        self.column(Column::ByteLen, &batch)
    }

    fn id(&mut self, batch: Resource<Batch>) -> Result<u64> {
        self.column(Column::Id, &batch)
    }

    fn attempt(&mut self, batch: Resource<Batch>) -> Result<u32> {
        self.column(Column::Attempt, &batch)
    }

    fn seqs(&mut self, batch: Resource<Batch>) -> Result<Vec<u64>> {
        self.column(Column::Seqs, &batch)
    }

    fn kinds(&mut self, batch: Resource<Batch>) -> Result<Vec<u16>> {
        self.column(Column::Kinds, &batch)
    }

    fn changes(&mut self, batch: Resource<Batch>) -> Result<Vec<u8>> {
        self.column(Column::Changes, &batch)
    }

    fn byte_lens(&mut self, batch: Resource<Batch>) -> Result<Vec<u32>> {
        self.column(Column::ByteLens, &batch)
    }

    fn last_updated(&mut self, batch: Resource<Batch>) -> Result<Vec<i64>> {
        self.column(Column::LastUpdated, &batch)
    }

    fn drop(&mut self, _: Resource<Batch>) -> Result<()> {
        bail!("a batch is lent, and never the guest's to drop")
    }
}

impl bodies::Host for Remote {
    fn read(
        &mut self,
        of: Resource<Batch>,
        start: u32,
        count: u32,
    ) -> Result<bodies::Rows> {
        self.ask(Ask::Bodies { of: of.rep(), start, count })
    }
}

impl clock::Host for Remote {
    fn monotonic_ms(&mut self) -> Result<u64> {
        self.ask(Ask::Clock(Hand::Monotonic))
    }

    fn wall_ms(&mut self) -> Result<u64> {
        self.ask(Ask::Clock(Hand::Wall))
    }
}

impl cohorts::Host for Remote {
    fn test(
        &mut self,
        of: Resource<Batch>,
        cohort: String,
    ) -> Result<std::result::Result<cohorts::Memberships, cohorts::CohortError>> {
        self.ask(Ask::Cohort { of: of.rep(), cohort })
    }
}

impl keyed_hash::Host for Remote {
    async fn hmac(
        &mut self,
        key: String,
        values: Vec<Vec<u8>>,
    ) -> Result<std::result::Result<Vec<Vec<u8>>, keyed_hash::HashError>> {
        self.ask(Ask::Hash { key, values })
    }
}

impl projection::Host for Remote {
    async fn text(
        &mut self,
        of: Resource<Batch>,
        field: String,
    ) -> Result<std::result::Result<projection::TextColumn, projection::ProjectionError>>
    {
        self.ask(Ask::Field { of: of.rep(), field })
    }
}

impl random::Host for Remote {
    fn get(&mut self, len: u32) -> Result<Vec<u8>> {
        self.ask(Ask::Random(len))
    }
}

impl state::Host for Remote {
    async fn get(
        &mut self,
        key: String,
    ) -> Result<std::result::Result<Option<Vec<u8>>, state::StateError>> {
        self.ask(Ask::StateGet(key))
    }

    async fn set(
        &mut self,
        key: String,
        value: Vec<u8>,
    ) -> Result<std::result::Result<(), state::StateError>> {
        self.ask(Ask::StateSet { key, value })
    }

    async fn delete(
        &mut self,
        key: String,
    ) -> Result<std::result::Result<(), state::StateError>> {
        self.ask(Ask::StateDelete(key))
    }
}

impl telemetry::Host for Remote {
    fn event(
        &mut self,
        level: telemetry::Level,
        code: String,
        fields: Vec<(String, telemetry::Value)>,
    ) -> Result<()> {
        self.ask(Ask::Event { level, code, fields })
    }

    fn count(&mut self, metric: String, delta: u64) -> Result<()> {
        self.ask(Ask::Count { metric, delta })
    }

    fn gauge(&mut self, metric: String, value: f64) -> Result<()> {
        self.ask(Ask::Gauge { metric, value })
    }
}

impl artifacts::Host for Remote {
    async fn create(
        &mut self,
        store: String,
        name: String,
        compression: artifacts::Compression,
        digest: artifacts::Digest,
    ) -> Result<std::result::Result<Resource<OpenArtifact>, ArtifactError>> {
        let ask = Ask::Create { store, name, compression, digest };
        let writer: std::result::Result<u32, ArtifactError> = self.ask(ask)?;
        Ok(writer.map(Resource::new_own))
    }
}

impl artifacts::HostWriter for Remote {
    async fn write(
        &mut self,
        writer: Resource<OpenArtifact>,
        bytes: Vec<u8>,
    ) -> Result<std::result::Result<(), ArtifactError>> {
        self.ask(Ask::Write { writer: writer.rep(), bytes })
    }

    async fn write_records(
        &mut self,
        writer: Resource<OpenArtifact>,
        of: Resource<Batch>,
        which: types::Positions,
        framing: artifacts::Framing,
    ) -> Result<std::result::Result<u64, ArtifactError>> {
        let (writer, of) = (writer.rep(), of.rep());
        self.ask(Ask::WriteRecords { writer, of, which, framing })
    }

    async fn commit(
        &mut self,
        writer: Resource<OpenArtifact>,
    ) -> Result<std::result::Result<Committed, ArtifactError>> {
        self.ask(Ask::Commit(writer.rep()))
    }

    async fn drop(&mut self, writer: Resource<OpenArtifact>) -> Result<()> {
        self.ask(Ask::DropWriter(writer.rep()))
    }
}

impl outbound_http::Host for Remote {
    async fn send(
        &mut self,
        destination: String,
        head: Head,
        body: Vec<u8>,
    ) -> Result<std::result::Result<Response, HttpError>> {
        self.ask(Ask::Send { destination, head, body })
    }

    async fn send_records(
        &mut self,
        destination: String,
        head: Head,
        of: Resource<Batch>,
        which: types::Positions,
        framing: outbound_http::Framing,
    ) -> Result<std::result::Result<Response, HttpError>> {
        self.ask(Ask::SendRecords { destination, head, of: of.rep(), which, framing })
    }
}
