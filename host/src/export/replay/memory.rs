//! Whether a record out of quarantine is still news: a pure function, and who asks it.
//!
//! The record came with an export of the past. What a later one delivered of the same resource is
//! newer, whatever its moment says: a replay never puts an older version over a newer one, and
//! brings nothing back that has been deleted or retracted since. What a replay delivered counts
//! as of the export in which it was refused.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use bulkhead_ledger::{
    ExportId, Ledger,
    delivered::{Entry, ResourceKey, State, fingerprint},
};
use bulkhead_model::Instant;
use bulkhead_pipeline::{Batch, Digests, Memory, MemoryError, Recall};
use futures::{FutureExt, future::BoxFuture};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::file::SealedFile;
use crate::export::memory::{Holdings, OLDER, UNCHANGED, file_of};

/// Where a version came from: the place of its export, its file and its line.
pub(super) type Line = (i64, u32, u64);

/// A version of a resource.
#[derive(Clone, Copy, Debug)]
pub(super) struct Version {
    pub(super) from: Option<Line>,
    pub(super) raw: u64,
    pub(super) last_updated: Option<Instant>,
}

/// What the destination has of a resource.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) version: Version,
    /// It is there, and made by the same definition of the chain.
    pub(super) is_same: bool,
    /// What was delivered came to nothing.
    pub(super) is_void: bool,
}

/// Decides.
pub(super) fn decide(record: &Version, known: Option<&Known>) -> Verdict {
    let Some(Known { version, is_same, is_void }) = known else { return Verdict::News };
    // Another record of its line, or itself in a run that was killed.
    if *is_void || version.from == record.from {
        return Verdict::News;
    }
    if *is_same && version.raw == record.raw {
        return Verdict::Unchanged;
    }
    let is_later = matches!(
        (record.last_updated, version.last_updated),
        (Some(mine), Some(theirs)) if mine > theirs
    );
    let is_news = match (record.from, version.from) {
        (Some((mine, ..)), Some((theirs, ..))) if mine != theirs => mine > theirs,
        // Of one export, or of one that the ledger has forgotten: only the moment can tell.
        (Some(_) | None, Some(_) | None) => is_later,
    };
    if is_news { Verdict::News } else { Verdict::Older }
}

/// What becomes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    News,
    Older,
    Unchanged,
}

/// What a replay knows of the exports before it, and has taken in itself.
#[derive(Debug)]
pub(super) struct Past {
    ledger: Ledger,
    /// By an export's fingerprint: its place, or its id when it was a replay.
    exports: HashMap<u64, Came>,
    /// By a hash of the key. As many as a replay has records at most.
    taken: Mutex<HashMap<u128, Version>>,
}

#[derive(Debug)]
enum Came {
    FromQuarantine(ExportId),
    FromServer(i64),
}

impl Past {
    pub(super) fn of(ledger: &Ledger) -> Result<Self, bulkhead_ledger::Error> {
        let all = ledger.export_order()?.into_iter();
        let exports = all.map(|(place, id, stream)| {
            let print = fingerprint(id.as_str());
            let is_replay = super::is_replay(&stream);
            let came = if is_replay {
                Came::FromQuarantine(id)
            } else {
                Came::FromServer(place)
            };
            (print, came)
        });
        let (ledger, taken) = (ledger.clone(), Mutex::default());
        Ok(Self { ledger, exports: exports.collect(), taken })
    }

    fn origin(&self, entry: &Entry) -> Result<Option<Line>, bulkhead_ledger::Error> {
        match self.exports.get(&entry.export) {
            None => Ok(None),
            Some(Came::FromServer(place)) => {
                Ok(Some((*place, file_of(entry), entry.line)))
            }
            Some(Came::FromQuarantine(id)) => {
                self.ledger.replayed_from(id, file_of(entry), entry.line)
            }
        }
    }
}

/// The memory of one file of a replay.
pub(super) struct SealedMemory {
    pub(super) holdings: Arc<Holdings>,
    pub(super) file: Arc<SealedFile>,
}

impl Memory for SealedMemory {
    fn recall<'a>(
        &'a mut self,
        batch: &'a Batch,
        _: &'a Digests,
    ) -> BoxFuture<'a, Result<Vec<Recall>, MemoryError>> {
        let (holdings, file, batch) =
            (Arc::clone(&self.holdings), Arc::clone(&self.file), batch.clone());
        let asked = tokio::task::spawn_blocking(move || recall(&holdings, &file, &batch));
        async move {
            match asked.await {
                Ok(Ok(recalls)) => Ok(recalls),
                Ok(Err(error)) => Err(MemoryError::Read(Box::new(error))),
                Err(error) => Err(MemoryError::Read(Box::new(error))),
            }
        }
        .boxed()
    }
}

fn recall(
    holdings: &Holdings,
    file: &SealedFile,
    batch: &Batch,
) -> Result<Vec<Recall>, bulkhead_ledger::Error> {
    let keys: Vec<Option<ResourceKey>> = batch
        .records()
        .iter()
        .map(|record| ResourceKey::new(record.resource_type(), record.id()?).ok())
        .collect();
    let asked: Vec<ResourceKey> = keys.iter().flatten().cloned().collect();
    let mut entries = holdings.delivered().get_many(&asked)?.into_iter();
    let past = &file.past;
    let mut taken = past.taken.lock().unwrap_or_else(PoisonError::into_inner);
    let mut recalls = Vec::with_capacity(keys.len());
    for (record, key) in batch.records().iter().zip(keys) {
        let Some(key) = key else {
            recalls.push(Recall::Pass { delivered_before: false });
            continue;
        };
        let entry = entries.next().flatten();
        let row = file.row(record.seq);
        let version = Version {
            from: row.map(|row| (row.place.export, row.place.file, row.place.line)),
            raw: file.raw(record.seq).unwrap_or_else(|| xxh3_64(record.source())),
            last_updated: record.envelope.last_updated,
        };
        let known = match &entry {
            None => None,
            Some(entry) => Some(Known {
                version: Version {
                    from: past.origin(entry)?,
                    raw: entry.raw,
                    last_updated: entry.last_updated,
                },
                is_same: entry.state == State::Live && holdings.is_of_now(entry),
                is_void: holdings.is_void(entry),
            }),
        };
        let short = xxh3_128(format!("{}/{}", key.resource_type(), key.id()).as_bytes());
        let beside = taken.get(&short).map(|version| Known {
            version: *version,
            is_same: true,
            is_void: false,
        });
        let verdict = match decide(&version, known.as_ref()) {
            Verdict::News => decide(&version, beside.as_ref()),
            verdict @ (Verdict::Older | Verdict::Unchanged) => verdict,
        };
        let delivered_before = beside.is_some()
            || entry.as_ref().is_some_and(|entry| holdings.may_hold(entry));
        recalls.push(match verdict {
            Verdict::News => {
                taken.insert(short, version);
                Recall::Pass { delivered_before }
            }
            Verdict::Older => Recall::Skip(OLDER),
            Verdict::Unchanged => Recall::Skip(UNCHANGED),
        });
    }
    Ok(recalls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_version_never_goes_over_a_newer_one() {
        let at = |ms: i64| Some(Instant::from_unix_ms(ms));
        let version =
            |from: Option<Line>, raw, last_updated| Version { from, raw, last_updated };
        let mine = version(Some((2, 0, 5)), 7, at(20));
        let here = |version| Some(Known { version, is_same: true, is_void: false });
        // name, what is known, the verdict
        let cases = [
            ("nothing is known", None, Verdict::News),
            (
                "an earlier export's",
                here(version(Some((1, 0, 5)), 1, at(90))),
                Verdict::News,
            ),
            (
                "a later export's, whatever its moment says",
                here(version(Some((3, 0, 5)), 1, at(10))),
                Verdict::Older,
            ),
            (
                "a later one's, without a moment",
                here(version(Some((3, 0, 5)), 1, None)),
                Verdict::Older,
            ),
            (
                "deleted or retracted by a later one",
                Some(Known {
                    version: version(Some((3, 0, 5)), 7, at(20)),
                    is_same: false,
                    is_void: false,
                }),
                Verdict::Older,
            ),
            (
                "the same bytes of another line",
                here(version(Some((3, 0, 5)), 7, at(20))),
                Verdict::Unchanged,
            ),
            (
                "another record of its line",
                here(version(Some((2, 0, 5)), 7, at(20))),
                Verdict::News,
            ),
            (
                "an older one of the same export",
                here(version(Some((2, 0, 9)), 1, at(10))),
                Verdict::News,
            ),
            (
                "a newer one of the same export",
                here(version(Some((2, 0, 1)), 1, at(30))),
                Verdict::Older,
            ),
            (
                "one of the same moment",
                here(version(Some((2, 0, 9)), 1, at(20))),
                Verdict::Older,
            ),
            (
                "a forgotten export's, older",
                here(version(None, 1, at(10))),
                Verdict::News,
            ),
            (
                "a forgotten export's, newer",
                here(version(None, 1, at(30))),
                Verdict::Older,
            ),
            (
                "what came to nothing",
                Some(Known {
                    version: version(Some((3, 0, 5)), 1, at(90)),
                    is_same: true,
                    is_void: true,
                }),
                Verdict::News,
            ),
        ];
        for (name, known, expected) in cases {
            assert_eq!(decide(&mine, known.as_ref()), expected, "case: {name}");
        }
    }
}
