//! The host as a native test sees it: the table of cases, and [`crate::testing::Stage`].

use crate::{
    Positions,
    artifacts::{ArtifactError, Committed, Compression, Digest, Framing},
    cohort::{CohortError, Memberships},
    outbound_http::{Framing as HttpFraming, HttpError, Request, Response},
    state::StateError,
    telemetry::{Level, Value},
    testing::{Records, Sent, world},
};

pub(crate) type Handle<'a> = &'a Records;

pub(crate) fn len(batch: Handle<'_>) -> usize {
    batch.len()
}

pub(crate) fn byte_len(batch: Handle<'_>) -> u64 {
    batch.rows().iter().map(|row| row.body.len() as u64).sum()
}

pub(crate) fn id(batch: Handle<'_>) -> u64 {
    batch.id
}

pub(crate) fn attempt(batch: Handle<'_>) -> u32 {
    batch.attempt
}

pub(crate) fn seqs(batch: Handle<'_>) -> Vec<u64> {
    batch.rows().iter().map(|row| row.seq).collect()
}

pub(crate) fn kinds(batch: Handle<'_>) -> Vec<u16> {
    batch.rows().iter().map(|row| row.kind).collect()
}

pub(crate) fn kind_names(batch: Handle<'_>) -> Vec<String> {
    batch.kinds.clone()
}

pub(crate) fn changes(batch: Handle<'_>) -> Vec<u8> {
    batch.rows().iter().map(|row| row.change as u8).collect()
}

pub(crate) fn byte_lens(batch: Handle<'_>) -> Vec<u32> {
    batch
        .rows()
        .iter()
        .map(|row| u32::try_from(row.body.len()).unwrap_or(u32::MAX))
        .collect()
}

pub(crate) fn last_updated(batch: Handle<'_>) -> Vec<i64> {
    batch.rows().iter().map(|row| row.last_updated).collect()
}

pub(crate) fn memberships(
    batch: Handle<'_>,
    cohort: &str,
) -> Result<Memberships, CohortError> {
    let is_known = batch.cohort.as_deref().is_none_or(|name| name == cohort);
    if is_known { Ok(batch.memberships()) } else { Err(CohortError::UnknownCohort) }
}

#[expect(clippy::unnecessary_wraps, reason = "the same shape as in a component")]
pub(crate) fn text(batch: Handle<'_>, field: &str) -> Result<crate::TextColumn, String> {
    Ok(batch.text(field))
}

pub(crate) fn bodies(batch: Handle<'_>) -> (Vec<u8>, Vec<u32>) {
    let mut data = Vec::new();
    let mut ends = Vec::new();
    for row in batch.rows() {
        data.extend_from_slice(&row.body);
        ends.push(u32::try_from(data.len()).unwrap_or(u32::MAX));
    }
    (data, ends)
}

pub(crate) fn hmac(key: &str, values: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
    world::hmac(key, values)
}

pub(crate) fn monotonic_ms() -> u64 {
    world::clock_ms()
}

pub(crate) fn wall_ms() -> u64 {
    world::clock_ms()
}

pub(crate) fn random(len: u32) -> Vec<u8> {
    world::random(len)
}

#[expect(clippy::unnecessary_wraps, reason = "the same shape as in a component")]
pub(crate) fn state_get(key: &str) -> Result<Option<Vec<u8>>, StateError> {
    Ok(world::state_get(key))
}

#[expect(clippy::unnecessary_wraps, reason = "the same shape as in a component")]
pub(crate) fn state_set(key: &str, value: &[u8]) -> Result<(), StateError> {
    world::state_set(key, value);
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "the same shape as in a component")]
pub(crate) fn state_delete(key: &str) -> Result<(), StateError> {
    world::state_delete(key);
    Ok(())
}

pub(crate) fn event(_: Level, code: &str, _: &[(&str, Value)]) {
    world::event(code);
}

pub(crate) fn count(metric: &str, delta: u64) {
    world::count(metric, delta);
}

pub(crate) fn gauge(_: &str, _: f64) {}

pub(crate) fn send(
    destination: &str,
    request: &Request,
    body: &[u8],
) -> Result<Response, HttpError> {
    let (destination, request) = (destination.to_owned(), request.clone());
    world::send(Sent { destination, request, body: body.to_vec() })
}

#[expect(clippy::needless_pass_by_value, reason = "the same shape as in a component")]
pub(crate) fn send_records(
    destination: &str,
    request: &Request,
    of: Handle<'_>,
    which: Positions,
    framing: HttpFraming,
) -> Result<Response, HttpError> {
    let body = of.framed(&which, framing).ok_or(HttpError::BodyTooLarge)?;
    send(destination, request, &body)
}

pub(crate) struct Writer {
    store: String,
    name: String,
    compression: Compression,
    digest: Digest,
    bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn create(
        store: &str,
        name: &str,
        compression: Compression,
        digest: Digest,
    ) -> Result<Self, ArtifactError> {
        world::check_store(store)?;
        let (store, name) = (store.to_owned(), name.to_owned());
        Ok(Self { store, name, compression, digest, bytes: Vec::new() })
    }

    #[expect(clippy::unnecessary_wraps, reason = "the same shape as in a component")]
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), ArtifactError> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    #[expect(clippy::unnecessary_wraps, reason = "the same shape as in a component")]
    #[expect(clippy::needless_pass_by_value, reason = "the same shape as in a component")]
    pub(crate) fn write_records(
        &mut self,
        of: Handle<'_>,
        which: Positions,
        framing: Framing,
    ) -> Result<u64, ArtifactError> {
        let before = self.bytes.len();
        let chosen =
            of.rows().iter().enumerate().filter(|(index, _)| which.contains(*index));
        for (_, row) in chosen {
            match framing {
                Framing::DeleteBundles => {
                    self.bytes.extend_from_slice(&row.delete_bundle());
                }
                Framing::Lines => self.bytes.extend_from_slice(&row.body),
            }
            self.bytes.push(b'\n');
        }
        Ok((self.bytes.len() - before) as u64)
    }

    #[expect(clippy::unnecessary_wraps, reason = "the same shape as in a component")]
    pub(crate) fn commit(self) -> Result<Committed, ArtifactError> {
        let committed = Committed {
            name: self.name.clone(),
            bytes: self.bytes.len() as u64,
            digest: match self.digest {
                Digest::None => None,
                Digest::Sha256 => Some(world::sha256(&self.bytes)),
            },
        };
        world::publish(&self.store, &self.name, self.compression, self.bytes);
        Ok(committed)
    }
}
