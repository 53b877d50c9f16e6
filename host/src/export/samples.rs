//! A few delivered resources, read again by id after an export of changes: what no such export
//! shows, without waiting for the next one of everything.
//!
//! Evidence, and no proof: a handful of many. It holds no watermark and fails no run; what it
//! finds is a reason to run `bulkhead resync`. A server whose reads and exports differ in form
//! cannot be asked so, and then nothing is said.
//!
//! Source: the project's checklist, §3.5; FHIR R4, "read".

use std::collections::BTreeSet;

use bulkhead_bulk::Error as BulkError;
use bulkhead_ledger::{
    Baseline,
    delivered::{Delivered, Entry, ResourceKey, State},
};
use bulkhead_model::{Instant, ResourceType};
use bulkhead_ndjson::content_hash;
use serde::Deserialize;
use xxhash_rust::xxh3::xxh3_64;

use super::{Export, memory::NO_DIGEST, stopped};

/// Entries looked at for one that is live.
const LOOKED_AT: usize = 100;

/// What came of reading samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Samples {
    /// Read, and as they were delivered.
    same: u64,
    /// Changed since then, as the next export of changes will show.
    changed: u64,
    /// Changed before this export's snapshot, which it should have shown.
    missed: u64,
    /// Another content under the same time.
    edited: u64,
    /// Of an earlier time than what was delivered.
    pub(super) older: u64,
    /// Not there any more.
    gone: u64,
}

impl Samples {
    /// Notes one read.
    fn note(&mut self, entry: &Entry, found: &Found, effective: Instant) {
        let count = match (found.last_updated, entry.last_updated) {
            (Some(now), Some(then)) if now < then => &mut self.older,
            (Some(now), Some(then)) if now > then && now < effective => &mut self.missed,
            (Some(now), Some(then)) if now > then => &mut self.changed,
            _ if found.content == entry.content => &mut self.same,
            _ => &mut self.edited,
        };
        *count += 1;
    }

    /// What an operator should know, if anything.
    pub(super) fn remark(&self) -> Option<String> {
        let Self { same, changed, missed, edited, older, gone } = *self;
        let read = same + changed + missed + edited + older;
        // None could be read, or none is in the form in which it was exported.
        if read == 0 || (same == 0 && edited > 0) {
            return None;
        }
        let found = [
            (missed, "changed before this export looked, which it did not show"),
            (edited, "changed without a new lastUpdated"),
            (older, "of an older version than was delivered"),
            (gone, "gone, or deleted just now"),
        ];
        let found: Vec<String> = found
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        (!found.is_empty()).then(|| {
            format!(
                "of {} delivered resources that were read again by id, {}: `bulkhead resync` \
                 finds and mends all such",
                read + gone,
                found.join(", ")
            )
        })
    }
}

/// What a read brought.
struct Found {
    last_updated: Option<Instant>,
    content: u64,
}

#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    meta: Meta,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    last_updated: Option<String>,
}

impl Found {
    /// `None` for what is no resource.
    fn of(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?.trim();
        let head: Head = serde_json::from_str(text).ok()?;
        let last_updated = head.meta.last_updated.and_then(|text| text.parse().ok());
        Some(Self { last_updated, content: content_hash(text)? })
    }
}

impl Export {
    /// Reads a few delivered resources again, after an export of changes.
    pub(super) async fn samples(
        &self,
        types: &[ResourceType],
        id: &str,
        effective: Instant,
    ) -> anyhow::Result<Samples> {
        let mut samples = Samples::default();
        let Some(delivered) = self.delivered.clone() else { return Ok(samples) };
        let wanted = usize::try_from(self.config.sync.samples).unwrap_or(usize::MAX);
        let mut types = types.to_vec();
        if types.is_empty() {
            let known = self.ledger.baselines(&self.subject())?;
            let has_some = |of: &Baseline| of.full_count > Some(0);
            types =
                known.into_iter().filter(|of| has_some(&of.1)).map(|of| of.0).collect();
        }
        if wanted == 0 || types.is_empty() {
            return Ok(samples);
        }
        let seed = id.to_owned();
        let chosen = move || choose(&delivered, &types, &seed, wanted);
        for (key, entry) in tokio::task::spawn_blocking(chosen).await?? {
            let path = format!("{}/{}", key.resource_type(), key.id());
            let read = tokio::select! {
                read = self.client.read_bytes(&path) => read,
                () = self.stop.requested() => return Err(stopped()),
            };
            match read {
                Ok(body) => {
                    if let Some(found) = Found::of(&body) {
                        samples.note(&entry, &found, effective);
                    }
                }
                Err(BulkError::Refused { status: 404 | 410, .. }) => samples.gone += 1,
                // A server that is busy, or lets nobody read, is left alone.
                Err(_) => break,
            }
        }
        Ok(samples)
    }
}

/// Some live entries, from places that `seed` says.
fn choose(
    delivered: &Delivered,
    types: &[ResourceType],
    seed: &str,
    wanted: usize,
) -> Result<Vec<(ResourceKey, Entry)>, bulkhead_ledger::Error> {
    let mut taken = BTreeSet::new();
    let mut chosen = Vec::new();
    for number in 0..wanted {
        let Some(name) = types.get(number % types.len()) else { break };
        let draw = xxh3_64(format!("{seed}/{number}").as_bytes());
        // Ids are of letters and digits mostly: two of them are a place among all.
        let place: String = [draw, draw >> 32]
            .into_iter()
            .filter_map(|draw| char::from_digit(u32::try_from(draw % 36).ok()?, 36))
            .collect();
        for from in [place.as_str(), ""] {
            let mut found = None;
            for next in delivered.from(name, from).take(LOOKED_AT) {
                let (key, entry) = next?;
                let is_known = entry.state == State::Live && entry.content != NO_DIGEST;
                if is_known && !taken.contains(&key) {
                    found = Some((key, entry));
                    break;
                }
            }
            if let Some((key, entry)) = found {
                taken.insert(key.clone());
                chosen.push((key, entry));
                break;
            }
        }
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Items: S5, S7.
    #[test]
    fn samples_speak_only_where_reads_and_exports_are_alike() {
        let of = |same, edited, older, gone| Samples {
            same,
            edited,
            older,
            gone,
            ..Samples::default()
        };
        // name, samples, what is said
        let cases = [
            ("none", of(0, 0, 0, 0), None),
            ("all as they were", of(10, 0, 0, 0), None),
            ("nothing can be read", of(0, 0, 0, 10), None),
            ("reads are of another form", of(0, 10, 0, 0), None),
            (
                "an edit",
                of(9, 1, 0, 0),
                Some(
                    "of 10 delivered resources that were read again by id, 1 changed without",
                ),
            ),
            (
                "one gone",
                of(9, 0, 0, 1),
                Some("of 10 delivered resources that were read again by id, 1 gone"),
            ),
            (
                "one older",
                of(8, 0, 2, 0),
                Some("2 of an older version than was delivered"),
            ),
        ];
        for (name, samples, said) in cases {
            let remark = samples.remark();
            let is_said = match (&remark, said) {
                (Some(remark), Some(said)) => remark.contains(said),
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            };
            assert!(is_said, "case: {name}: {remark:?}");
        }
    }
}
