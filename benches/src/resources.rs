//! Made-up resources by number, and two tables that remember them: the program's own, and the
//! alternative that was not taken.
//!
//! Ids are as random as a server's UUIDs, and resources come type after type, as files do.

use std::path::Path;

use anyhow::Context as _;
use bulkhead_ledger::delivered::{Delivered, Entry, Patients, ResourceKey, State};
use bulkhead_model::{Instant, PatientKey};
use rusqlite::Connection;

/// Types, as many as a server's export has about.
const TYPES: [&str; 20] = [
    "AllergyIntolerance",
    "CarePlan",
    "CareTeam",
    "Claim",
    "Condition",
    "Coverage",
    "Device",
    "DiagnosticReport",
    "DocumentReference",
    "Encounter",
    "ExplanationOfBenefit",
    "Goal",
    "Immunization",
    "MedicationRequest",
    "Observation",
    "Organization",
    "Patient",
    "Practitioner",
    "Procedure",
    "Provenance",
];

/// So many resources, no two with the same key.
#[derive(Clone, Copy, Debug)]
pub struct Resources {
    /// How many.
    pub count: u64,
    /// Others have other ids.
    pub seed: u64,
}

impl Resources {
    /// The key of one.
    ///
    /// # Errors
    ///
    /// Never: it is a type and an id.
    pub fn key(&self, at: u64) -> anyhow::Result<ResourceKey> {
        let (kind, id) = self.named(at);
        Ok(ResourceKey::new(kind, &id)?)
    }

    /// Its type and id.
    pub fn named(&self, at: u64) -> (&'static str, String) {
        let each = self.count.div_ceil(TYPES.len() as u64).max(1);
        let kind = usize::try_from(at / each).ok().and_then(|at| TYPES.get(at));
        let (high, low) =
            (mix(at ^ self.seed << 40), mix(at ^ self.seed << 40 ^ 1 << 63));
        let id = format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xFFFF,
            high & 0xFFFF,
            low >> 48,
            low & 0xFFFF_FFFF_FFFF,
        );
        (kind.copied().unwrap_or("Observation"), id)
    }

    /// Keys and entries of those at `range`, as an export numbered `export` delivers them.
    ///
    /// # Errors
    ///
    /// As [`Resources::key`].
    pub fn entries(
        &self,
        range: std::ops::Range<u64>,
        export: u64,
    ) -> anyhow::Result<Vec<(ResourceKey, Entry)>> {
        range.map(|at| Ok((self.key(at)?, entry(at, export)))).collect()
    }
}

fn entry(line: u64, export: u64) -> Entry {
    let patient = PatientKey::of(&(line % 1_000_000).to_string());
    let patients =
        Patients { primary: vec![patient], linked: vec![patient], ..Patients::default() };
    Entry {
        state: State::Live,
        epoch: 7,
        export,
        file: 3,
        line,
        seen: export,
        last_updated: Some(Instant::from_unix_ms(1_700_000_000_000)),
        raw: mix(line ^ export),
        content: mix(line ^ export << 32),
        patients,
    }
}

/// `SplitMix64`: as good as random, and the same every time.
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ z >> 31
}

/// What remembers resources.
pub trait Table {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Writes a batch, durably.
    ///
    /// # Errors
    ///
    /// When the disk fails.
    fn commit(&mut self, entries: &[(ResourceKey, Entry)]) -> anyhow::Result<()>;

    /// How many of `keys` it knows; reads what it knows of each.
    ///
    /// # Errors
    ///
    /// When the disk fails.
    fn recall(&mut self, keys: &[ResourceKey]) -> anyhow::Result<usize>;
}

impl Table for Delivered {
    fn name(&self) -> &'static str {
        "delivered (fjall)"
    }

    fn commit(&mut self, entries: &[(ResourceKey, Entry)]) -> anyhow::Result<()> {
        Ok(Self::commit(self, entries)?)
    }

    fn recall(&mut self, keys: &[ResourceKey]) -> anyhow::Result<usize> {
        Ok(self.get_many(keys)?.iter().flatten().count())
    }
}

/// The name of the alternative.
pub const SQLITE: &str = "SQLite";

/// The alternative: one table of `SQLite`, with the same memory for pages and a log that grows
/// as large. It is given batches in the order of their keys, which spares it pages, and values
/// of the same size as text of bytes, so that it decodes nothing.
pub struct Sqlite(Connection);

impl Sqlite {
    /// Opens the database in folder `dir`.
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    pub fn open(dir: &Path) -> anyhow::Result<Self> {
        fs_err::create_dir_all(dir)?;
        let connection = Connection::open(dir.join("resources.db"))?;
        for (pragma, value) in [
            ("journal_mode", "WAL"),
            ("synchronous", "FULL"),
            ("cache_size", "-65536"),
            ("wal_autocheckpoint", "16384"),
        ] {
            connection.pragma_update(None, pragma, value).context(pragma)?;
        }
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS resource (key TEXT PRIMARY KEY, value BLOB NOT NULL)
             STRICT, WITHOUT ROWID",
        )?;
        Ok(Self(connection))
    }
}

impl Table for Sqlite {
    fn name(&self) -> &'static str {
        SQLITE
    }

    fn commit(&mut self, entries: &[(ResourceKey, Entry)]) -> anyhow::Result<()> {
        let mut rows: Vec<(String, [u8; 78])> = entries
            .iter()
            .map(|(key, entry)| {
                let mut value = [0; 78];
                for (at, number) in [entry.epoch, entry.export, entry.line, entry.raw]
                    .into_iter()
                    .enumerate()
                {
                    if let Some(slot) = value.get_mut(at * 8..at * 8 + 8) {
                        slot.copy_from_slice(&number.to_le_bytes());
                    }
                }
                (text(key), value)
            })
            .collect();
        rows.sort_unstable();
        let tx = self.0.transaction()?;
        {
            let mut insert = tx.prepare_cached(
                "INSERT INTO resource (key, value) VALUES (?1, ?2)
                 ON CONFLICT DO UPDATE SET value = excluded.value",
            )?;
            for (key, value) in &rows {
                insert.execute(rusqlite::params![key, value.as_slice()])?;
            }
        }
        Ok(tx.commit()?)
    }

    fn recall(&mut self, keys: &[ResourceKey]) -> anyhow::Result<usize> {
        let mut select =
            self.0.prepare_cached("SELECT value FROM resource WHERE key = ?1")?;
        let mut found = 0;
        for key in keys {
            let mut rows = select.query([text(key)])?;
            if let Some(row) = rows.next()? {
                found += usize::from(!row.get_ref(0)?.as_blob()?.is_empty());
            }
        }
        Ok(found)
    }
}

fn text(key: &ResourceKey) -> String {
    format!("{}/{}", key.resource_type(), key.id())
}

/// Bytes of all files in a folder and below.
///
/// # Errors
///
/// When it cannot be read.
pub fn bytes_below(dir: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in fs_err::read_dir(dir)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() {
            bytes_below(&entry.path())?
        } else {
            allocated(&metadata)
        };
    }
    Ok(bytes)
}

/// What a file takes on disk: files that are made larger than they are full count as full.
#[cfg(unix)]
fn allocated(metadata: &std::fs::Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt as _;

    metadata.blocks() * 512
}

#[cfg(not(unix))]
fn allocated(metadata: &std::fs::Metadata) -> u64 {
    metadata.len()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn both_tables_remember_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let mut tables: Vec<Box<dyn Table>> = vec![
            Box::new(Delivered::open(&directory.path().join("d")).unwrap()),
            Box::new(Sqlite::open(&directory.path().join("s")).unwrap()),
        ];
        let resources = Resources { count: 200, seed: 1 };
        let keys: Vec<ResourceKey> =
            (0..200).map(|at| resources.key(at).unwrap()).collect();
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), 200, "no key twice");
        for table in &mut tables {
            table.commit(&resources.entries(0..150, 1).unwrap()).unwrap();
            table.commit(&resources.entries(100..120, 2).unwrap()).unwrap();
            assert_eq!(table.recall(&keys).unwrap(), 150, "{}", table.name());
        }
        assert!(bytes_below(directory.path()).unwrap() > 150 * 70);
    }
}
