//! What is kept of the refused records of one file: sealed before the checkpoint that tells of
//! them, so that no entry ever names a body that is not there.
//!
//! What a try seals and no checkpoint tells of is removed before the next one. A body that cannot
//! be sealed holds nothing up: its entry says so, and the report.

use std::{collections::BTreeMap, sync::Arc};

use bulkhead_egress::Room;
use bulkhead_ledger::{Kept as Fate, QuarantineEntry};
use bulkhead_pipeline::{Kept, Label, Lane, Quarantined};
use bytes::Bytes;

use super::FileWork;

impl FileWork {
    /// Removes what an earlier try sealed and no checkpoint tells of.
    pub(super) async fn sweep(&self) -> anyhow::Result<()> {
        let Some(vault) = self.export.vault.clone() else { return Ok(()) };
        let (id, index) = (self.id.clone(), self.index);
        let needed = self.ledger(move |ledger| ledger.segments(&id, Some(index))).await?;
        let (id, own) = (self.id.clone(), format!("{index:05}-"));
        let is_needed =
            move |name: &str| !name.starts_with(&own) || needed.contains(name);
        tokio::task::spawn_blocking(move || vault.retain(id.as_str(), is_needed))
            .await??;
        Ok(())
    }

    /// Seals what waits for the sink's word once it is much, so that memory stays bounded.
    pub(super) async fn seal_ahead(&self, lane: &mut Lane) -> anyhow::Result<()> {
        for group in lane.much_refused().into_iter().flatten() {
            self.store(group).await?;
        }
        Ok(())
    }

    /// The entries of what was refused on the way to a checkpoint, with their bodies sealed.
    pub(super) async fn entries(
        &self,
        mut refused: Vec<Quarantined>,
    ) -> anyhow::Result<Vec<QuarantineEntry>> {
        self.store(&mut refused).await?;
        let parts = parts(&refused);
        let numbered = refused.into_iter().zip(parts);
        Ok(numbered.map(|(refused, part)| self.entry(refused, part)).collect())
    }

    /// Seals every body at hand into one file.
    async fn store(&self, refused: &mut [Quarantined]) -> anyhow::Result<()> {
        let parts = parts(refused);
        let labelled = refused.iter().zip(parts).enumerate();
        let mut waiting: Vec<(usize, (Label, Bytes))> = labelled
            .filter_map(|(at, (refused, part))| {
                let (label, body) = Label::of(refused, part)?;
                Some((at, (label, body.clone())))
            })
            .collect();
        // In the order in which a replay asks for them.
        waiting.sort_by(|(_, (a, _)), (_, (b, _))| {
            (a.line, &a.stage, a.part).cmp(&(b.line, &b.stage, b.part))
        });
        let line =
            |of: Option<&(usize, (Label, Bytes))>| of.map(|(_, (label, _))| label.line);
        let (Some(first), Some(last)) = (line(waiting.first()), line(waiting.last()))
        else {
            return Ok(());
        };
        let Some(vault) = self.export.vault.clone() else { return Ok(()) };
        let name: Arc<str> =
            format!("{:05}-{first:012}-{last:012}.ndjson.age", self.index).into();
        let (places, bodies): (Vec<usize>, Vec<(Label, Bytes)>) =
            waiting.into_iter().unzip();
        let (export, file) = (self.id.clone(), Arc::clone(&name));
        let seal = move || vault.seal(export.as_str(), &file, &bodies);
        let (room, fate) = match tokio::task::spawn_blocking(seal).await? {
            Ok(Room { sealed }) => (sealed, Fate::Full),
            Err(error) => {
                let error = anyhow::Error::new(error);
                tracing::warn!(
                    error = %format!("{error:#}"),
                    "bodies in quarantine could not be sealed: their positions are kept alone"
                );
                (0, Fate::Failed)
            }
        };
        for (number, at) in places.into_iter().enumerate() {
            let Some(refused) = refused.get_mut(at) else { continue };
            let is_changed = match &refused.kept {
                Kept::Body(remains) => remains.source.is_some(),
                Kept::Lost(_) | Kept::Nothing | Kept::Stored { .. } => false,
            };
            refused.kept = if number < room {
                Kept::Stored { name: Arc::clone(&name), is_changed }
            } else {
                Kept::Lost(fate.as_str())
            };
        }
        Ok(())
    }

    fn entry(&self, refused: Quarantined, part: u32) -> QuarantineEntry {
        let seals = self.export.vault.as_ref().is_some_and(|vault| vault.seals());
        let (kept, segment, is_changed) = match refused.kept {
            // Whatever could be sealed is stored by now.
            Kept::Body(_) => (Fate::Failed, None, false),
            Kept::Lost(word) => (word.parse().unwrap_or(Fate::Failed), None, false),
            Kept::Nothing if self.origin.sealed().is_some() => (Fate::Again, None, false),
            Kept::Nothing if seals => (Fate::Rule, None, false),
            Kept::Nothing => (Fate::Off, None, false),
            Kept::Stored { name, is_changed } => {
                (Fate::Sealed, Some(name.to_string()), is_changed)
            }
        };
        let loaded = &self.export.loaded;
        let made_by = is_changed.then(|| loaded.made_before(&refused.stage)).flatten();
        QuarantineEntry {
            file: self.index,
            line: refused.line,
            resource_type: refused.kind.parse().ok(),
            stage: refused.stage,
            class: refused.class.as_str().to_owned(),
            code: refused.code,
            part,
            kept,
            segment,
            made_by: made_by.map(str::to_owned),
        }
    }
}

/// Of each, which of the records of its line it is that its stage refused. All records of a line
/// are here or none is, in one order.
fn parts(refused: &[Quarantined]) -> Vec<u32> {
    let mut next: BTreeMap<(u64, &str), u32> = BTreeMap::new();
    let mut parts = Vec::with_capacity(refused.len());
    for entry in refused {
        let next = next.entry((entry.line, &entry.stage)).or_default();
        parts.push(*next);
        *next += 1;
    }
    parts
}
