//! Which entries a replay takes, and on which lines.
//!
//! A file holds records that enter the chain at one place: as they came, or at the stage that
//! refused them. Older exports first, so that a newer version comes after an older one.

use std::collections::{BTreeMap, BTreeSet};

use bulkhead_egress::{Error as EgressError, Identities, Vault};
use bulkhead_ledger::{ExportRecord, Found, NewExport, Planned, Search, Which};

use super::{file::unaskable, is_replay};
use crate::{
    clock,
    export::Export,
    failure::{Exit, Failure},
    output::Event,
};

/// Entries of one replay: what is known of each takes some hundred bytes of memory.
const MOST: usize = 100_000;

/// Entries of one file: so many records at most wait for the sink's word.
const FILE: usize = 10_000;

/// Entries looked up at once.
const PAGE: u32 = 1_000;

/// What a replay takes, by where it enters the chain, and what it leaves.
#[derive(Default)]
struct Plan {
    taken: BTreeMap<Entrance, Vec<Found>>,
    count: usize,
    is_cut: bool,
    /// Made by other stages or settings than those before its stage now.
    made_otherwise: u64,
    /// Changed, behind a stage that says whose data may pass and cannot be asked again; and its
    /// name.
    unaskable: u64,
    unaskable_at: BTreeSet<String>,
    /// Refused in an export that is not the last, and nobody remembers what came since.
    forgotten: u64,
}

/// Where a record enters the chain.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Entrance {
    /// At this stage, which refused it.
    At(usize),
    /// At its beginning.
    Beginning,
}

impl Export {
    /// Journals a replay of what `search` means, with every line. `None` when there is nothing.
    pub(super) fn plan_replay(
        &self,
        stream: &str,
        vault: &Vault,
        identities: &Identities,
        search: &Search<'_>,
    ) -> anyhow::Result<Option<ExportRecord>> {
        let plan = self.chosen(search)?;
        self.tell(&plan);
        if plan.count == 0 {
            return Ok(None);
        }
        open_all(&plan, vault, identities)?;
        let mut planned = Vec::with_capacity(plan.count);
        let groups = plan.taken.values().flat_map(|rows| rows.chunks(FILE));
        for (rows, file) in groups.zip(0_u32..) {
            for (found, line) in rows.iter().zip(1_u64..) {
                planned.push(Planned { place: found.place.clone(), file, line });
            }
        }
        let now = clock::now();
        let id = self.new_id(now)?;
        self.ledger.begin(&NewExport {
            id: &id,
            stream,
            chain: &self.chain.name,
            request: &serde_json::to_string(&self.config.source.kickoff())?,
            fingerprint: &self.loaded.fingerprint,
            kickoff_instant: now,
            server_date: None,
            since: None,
        })?;
        self.ledger.plan_replay(&id, &planned)?;
        self.ledger.accepted(&id, "")?;
        let remark = format!(
            "replay {id}: {} of chain `{}`",
            crate::report::count(plan.count as u64, "record"),
            self.chain.name
        );
        self.output.event(Event::Remark(remark));
        Ok(Some(self.record(&id)?))
    }

    fn chosen(&self, search: &Search<'_>) -> anyhow::Result<Plan> {
        let search =
            Search { chain: Some(&self.chain.name), which: Which::Sealed, ..*search };
        let newest = match &self.delivered {
            Some(_) => None,
            None => Some(self.newest()?),
        };
        let mut plan = Plan::default();
        let mut after = None;
        loop {
            let page = self.ledger.search_quarantine(&search, after.as_ref(), PAGE)?;
            let Some(last) = page.last() else { return Ok(plan) };
            after = Some(last.place.clone());
            for found in page {
                if newest.is_some_and(|newest| newest != Some(found.place.export)) {
                    plan.forgotten += 1;
                    continue;
                }
                let Some(enters) = self.enters(&found) else {
                    plan.made_otherwise += 1;
                    continue;
                };
                if let Some(stage) = self.unaskable_before(enters) {
                    plan.unaskable += 1;
                    plan.unaskable_at.insert(stage.to_owned());
                    continue;
                }
                if plan.count == MOST {
                    plan.is_cut = true;
                    return Ok(plan);
                }
                plan.count += 1;
                plan.taken.entry(enters).or_default().push(found);
            }
        }
    }

    /// Where a record enters the chain; `None` when what made its body is not what stands before
    /// the stage that refused it now.
    fn enters(&self, found: &Found) -> Option<Entrance> {
        let Some(made_by) = &found.entry.made_by else {
            return Some(Entrance::Beginning);
        };
        let stage = &found.entry.stage;
        let is_same = self.loaded.made_before(stage) == Some(made_by.as_str());
        self.loaded.position(stage).filter(|_| is_same).map(Entrance::At)
    }

    /// A stage before this entrance that cannot be asked again.
    fn unaskable_before(&self, enters: Entrance) -> Option<&str> {
        let Entrance::At(first) = enters else { return None };
        let before = self.loaded.stages.get(..first).unwrap_or(&self.loaded.stages);
        unaskable(before).map(bulkhead_sandbox::Plugin::stage)
    }

    /// The place of the chain's last export.
    fn newest(&self) -> anyhow::Result<Option<i64>> {
        let own = format!("{}@", self.chain.name);
        let all = self.ledger.export_order()?;
        let own = all
            .iter()
            .filter(|(_, _, stream)| stream.starts_with(&own) && !is_replay(stream));
        Ok(own.map(|(place, ..)| *place).next_back())
    }

    fn tell(&self, plan: &Plan) {
        let note = |count: u64, why: &str| {
            if count > 0 {
                let records = crate::report::count(count, "record");
                let remark = format!("left in quarantine: {records}: {why}");
                self.output.event(Event::Remark(remark));
            }
        };
        note(
            plan.made_otherwise,
            "a stage before the one that refused them, its settings or its key is another now, and \
             what it made of them fits no more; ask for the data again with `bulkhead run --full`, \
             and purge them",
        );
        let stages: Vec<String> =
            plan.unaskable_at.iter().map(|stage| format!("`{stage}`")).collect();
        note(
            plan.unaskable,
            &format!(
                "{} says whose data may pass, and cannot be asked again without the line as it \
                 came; ask for the data again with `bulkhead run --full`, and purge them",
                stages.join(", ")
            ),
        );
        note(
            plan.forgotten,
            "with `sync.remember = \"nothing\"` nobody knows whether a newer version was delivered \
             since; ask for the data again with `bulkhead run --full`, and purge them",
        );
        if plan.is_cut {
            let remark =
                format!("more than {MOST} records: replay again for the next ones");
            self.output.event(Event::Remark(remark));
        }
    }
}

/// Whether the identities open every file that is needed: before anything is begun.
fn open_all(plan: &Plan, vault: &Vault, identities: &Identities) -> anyhow::Result<()> {
    let rows = plan.taken.values().flatten();
    let files: BTreeSet<(&str, &str)> = rows
        .filter_map(|found| {
            Some((found.export.as_str(), found.entry.segment.as_deref()?))
        })
        .collect();
    for (export, segment) in files {
        match vault.unseal(export, segment, identities) {
            Ok(_) => {}
            Err(error @ EgressError::NotForUs { .. }) => {
                let what =
                    "these identities do not open what is to be replayed".to_owned();
                let failure =
                    Failure { exit: Exit::Refused, blame: "operator", what, hint: None };
                return Err(anyhow::Error::new(error).context(failure));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
