//! What became of the bodies of refused records, and what a replay came to.

use std::{collections::BTreeMap, fmt::Write};

use bulkhead_ledger::{ExportId, Kept, Ledger};
use serde::{Deserialize, Serialize};

use super::Report;

/// Records out of quarantine that were sent through the chain again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Replayed {
    /// How many.
    pub(crate) records: u64,
    /// Of those, delivered or dropped: they are in quarantine no more.
    #[serde(rename = "replayed")]
    pub(crate) settled: u64,
    /// Of those, refused again: they stay.
    pub(crate) again: u64,
}

impl Replayed {
    pub(super) fn write_head(
        &self,
        out: &mut String,
        report: &Report,
    ) -> std::fmt::Result {
        writeln!(
            out,
            "Replay {} of chain `{}`: {} from quarantine",
            report.export,
            report.chain,
            count(self.records, "record")
        )
    }
}

/// What became of the bodies of an export, by word.
///
/// # Errors
///
/// When the ledger fails.
pub(crate) fn kept(
    ledger: &Ledger,
    id: &ExportId,
) -> Result<BTreeMap<String, u64>, bulkhead_ledger::Error> {
    let kept = ledger.kept(id)?.into_iter();
    Ok(kept.map(|(kept, count)| (kept.to_string(), count)).collect())
}

/// "1 record" or "3 records".
pub(crate) fn count(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// The same of bodies.
fn bodies(number: u64) -> String {
    if number == 1 { "1 body".to_owned() } else { format!("{number} bodies") }
}

impl Report {
    pub(super) fn write_kept(&self, out: &mut String) -> std::fmt::Result {
        for (kept, number) in &self.kept {
            let (number, export) = (bodies(*number), &self.export);
            match kept.parse::<Kept>() {
                Ok(Kept::Sealed) => writeln!(
                    out,
                    "  {number} sealed: `bulkhead quarantine list --export {export}`"
                )?,
                Ok(Kept::Full) => writeln!(
                    out,
                    "! {number} not kept: sealed files take `quarantine.max-bytes` already; \
                     replay or purge some, or raise it"
                )?,
                Ok(Kept::Failed) => writeln!(
                    out,
                    "! {number} could not be sealed, only the positions are kept: the log says why"
                )?,
                Ok(Kept::Rule) => writeln!(
                    out,
                    "  {number} not kept: no filter had let them pass, or they were but keys"
                )?,
                Ok(Kept::Again | Kept::Off | Kept::Replayed) | Err(_) => {}
            }
        }
        if let Some(Replayed { records, settled, again }) = &self.replay {
            writeln!(
                out,
                "{settled} of {} are in quarantine no more{}.",
                count(*records, "record"),
                if *again > 0 {
                    format!(
                        "; {again} were refused again and stay sealed where they were"
                    )
                } else {
                    String::new()
                }
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_in_words() {
        let cases = [(0, "0 records"), (1, "1 record"), (2, "2 records")];
        for (number, expected) in cases {
            assert_eq!(count(number, "record"), expected);
        }
        assert_eq!((bodies(1), bodies(2)), ("1 body".to_owned(), "2 bodies".to_owned()));
    }
}
