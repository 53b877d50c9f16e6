//! What the operator's loop calls back, as `recalled.rs` finds it.

use std::sync::Arc;

use bulkhead_ledger::{ExportRecord, FileArray, FileState, NewFile};

use super::{
    chance::Chance,
    deliver::Delivery,
    operator::{MOST_DELETIONS, Operator, Task, new_files},
};
use crate::export::{
    members::Members,
    memory::{Holdings, Span},
    recalled::{Spool, find_left, unseen},
};

impl Operator {
    /// As `Export::call_back`.
    pub(super) async fn call_back(
        &self,
        record: &ExportRecord,
        made: &[(FileArray, &'static str)],
        holdings: &Arc<Holdings>,
        members: &Members,
        task: &mut Task<'_>,
    ) -> anyhow::Result<()> {
        let index = u32::try_from(made.len())?;
        let files = self.ledger.files(&record.id)?;
        let known = files.into_iter().find(|file| file.array == FileArray::Recalled);
        if known.as_ref().is_some_and(|file| file.state == FileState::Closed) {
            return Ok(());
        }
        let path = self.folder.join(format!("{}.ndjson", record.id));
        if known.is_none() || !path.is_file() {
            let mut spool = Spool::create(&self.folder)?;
            let delivery = Delivery {
                ledger: &self.ledger,
                store: &self.store,
                holdings,
                id: &record.id,
                cohort: self.members(),
                handled: self.habits.handled,
            };
            if !holdings.is_first() && members.may_have_left() {
                find_left(holdings, &mut delivery.filters(), &|_| false, &mut spool)
                    .await?;
            }
            if holdings.span() == Span::Whole && holdings.is_comparable() {
                self.find_gone(record, index, holdings, &mut spool, task).await?;
            }
            let lines = spool.publish(&path)?;
            task.fuse.burn()?;
            if lines == 0 && known.is_none() {
                return Ok(std::fs::remove_file(&path)?);
            }
            if known.is_none() {
                let mut files = new_files(made.iter().copied());
                let (array, resource_type, count) = (FileArray::Recalled, None, None);
                files.push(NewFile { index, array, resource_type, count });
                let time = record.transaction_time;
                self.ledger.manifested(&record.id, "{}", time, &files)?;
                task.fuse.burn()?;
            }
        }
        let lines = std::fs::read_to_string(&path)?.lines().map(str::to_owned).collect();
        let delivery = Delivery {
            ledger: &self.ledger,
            store: &self.store,
            holdings,
            id: &record.id,
            cohort: self.members(),
            handled: self.habits.handled,
        };
        let file = (index, FileArray::Recalled, None, lines, None);
        delivery.all(vec![file], &mut Chance::new(1), &mut task.fuse).await?;
        Ok(std::fs::remove_file(&path)?)
    }

    /// As `Export::find_gone`.
    async fn find_gone(
        &self,
        record: &ExportRecord,
        file: u32,
        holdings: &Arc<Holdings>,
        spool: &mut Spool,
        task: &Task<'_>,
    ) -> anyhow::Result<()> {
        for (name, verdict) in self.verdicts(record)? {
            if !verdict.moves_the_watermark() {
                continue;
            }
            let gone = unseen(holdings, &name.parse()?).await?;
            if gone.missing.is_empty() || gone.is_much(MOST_DELETIONS) {
                continue;
            }
            let is_there = |key: &&bulkhead_ledger::delivered::ResourceKey| {
                task.server.has(&format!("{}/{}", key.resource_type(), key.id()))
            };
            let there = gone.asked().filter(is_there).cloned().collect();
            if !gone.is_told_by(&there) {
                continue;
            }
            let count = (gone.missing.len() - there.len()) as u64;
            holdings.note(file, &name, |drift| drift.deleted_silently += count);
            for key in gone.missing.iter().filter(|key| !there.contains(key)) {
                spool.add(key, true)?;
            }
        }
        Ok(())
    }
}
