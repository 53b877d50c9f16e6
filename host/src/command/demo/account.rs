//! Three accounts that must agree: the server's script, the report, and the files on disk.

use std::{collections::BTreeMap, fmt::Write, io::Read, path::Path};

use anyhow::Context as _;
use serde_json::Value;

use super::scene::Scene;
use crate::report::Report;

/// One type in the three accounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Row {
    scripted: u64,
    scripted_deletions: u64,
    read: u64,
    read_deletions: u64,
}

/// The three accounts, side by side.
pub(super) struct Account {
    rows: BTreeMap<String, Row>,
    delivered: u64,
    on_disk: u64,
    is_incremental: bool,
}

impl Account {
    /// Collects the accounts after a run.
    pub(super) fn of(scene: &Scene, reports: &[Report]) -> anyhow::Result<Self> {
        let mut rows: BTreeMap<String, Row> = BTreeMap::new();
        let script = scene.script();
        match scene.before() {
            None => {
                for (name, ids) in script.ids(scene.round()) {
                    rows.entry(name.to_string()).or_default().scripted = ids.len() as u64;
                }
            }
            Some(before) => {
                for (name, change) in script.changes_between(before, scene.round()) {
                    let row = rows.entry(name.to_string()).or_default();
                    row.scripted = change.upserts.len() as u64;
                    row.scripted_deletions = change.deletes.len() as u64;
                }
            }
        }
        let mut delivered = 0;
        let mut on_disk = 0;
        for report in reports {
            for (name, counts) in report.tally.iter() {
                let row = rows.entry(name.to_owned()).or_default();
                row.read += counts.read - counts.read_deletions;
                row.read_deletions += counts.read_deletions;
                delivered += counts.delivered;
            }
            for path in report.stores.values() {
                on_disk += count_lines(&Path::new(path).join(&report.export))?;
            }
        }
        rows.retain(|_, row| *row != Row::default());
        let is_incremental = scene.before().is_some();
        Ok(Self { rows, delivered, on_disk, is_incremental })
    }

    /// Whether the three agree.
    pub(super) fn agrees(&self) -> bool {
        let rows_agree = self.rows.values().all(|row| {
            row.scripted == row.read && row.scripted_deletions == row.read_deletions
        });
        rows_agree && self.delivered == self.on_disk
    }

    pub(super) fn render(&self) -> String {
        let mut text = String::new();
        let what = if self.is_incremental { "changed" } else { "holds" };
        // Writing to a String does not fail.
        let _ =
            writeln!(text, "What the server's script says it {what}, and what was read:");
        let _ = writeln!(
            text,
            "  {:22} {:>9} {:>9}   {:>9} {:>9}",
            "", what, "read", "deleted", "read"
        );
        for (name, row) in &self.rows {
            let mark = if row.scripted == row.read
                && row.scripted_deletions == row.read_deletions
            {
                ""
            } else {
                "   <- DIFFERS"
            };
            let _ = writeln!(
                text,
                "  {name:22} {:>9} {:>9}   {:>9} {:>9}{mark}",
                row.scripted, row.read, row.scripted_deletions, row.read_deletions
            );
        }
        let _ = writeln!(
            text,
            "Delivered by the report: {}; entries in the files on disk, counted anew: {}.",
            self.delivered, self.on_disk
        );
        let verdict =
            if self.agrees() { "All accounts agree." } else { "THE ACCOUNTS DIFFER." };
        let _ = writeln!(text, "{verdict}");
        text
    }
}

/// Counts what the files of an export hold: lines, and entries of deletions.
fn count_lines(dir: &Path) -> anyhow::Result<u64> {
    let manifest = fs_err::read(dir.join("manifest.json"))
        .context("reading the output's manifest")?;
    let manifest: Value = serde_json::from_slice(&manifest)?;
    let mut count = 0;
    for array in ["output", "deleted"] {
        for file in manifest.get(array).and_then(Value::as_array).into_iter().flatten() {
            let name = file
                .get("url")
                .and_then(Value::as_str)
                .context("a file without a name")?;
            let mut text = String::new();
            let file = fs_err::File::open(dir.join(name))?;
            flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text)?;
            count += text.lines().count() as u64;
        }
    }
    Ok(count)
}
