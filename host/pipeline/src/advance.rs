//! How far a file has come: what the ledger keeps.

use crate::{Handled, Kept, RejectClass, Tally};

/// A record in quarantine: where it stood and why, and what is kept of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// The source line, from 1.
    pub line: u64,
    /// Its kind, "" when the line did not tell.
    pub kind: String,
    /// The stage that refused it; `read` for a line that is no resource.
    pub stage: String,
    /// Why, roughly.
    pub class: RejectClass,
    /// Why, exactly.
    pub code: String,
    /// What is kept of it.
    pub kept: Kept,
}

/// A point of a file behind which nothing can be lost any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advance {
    /// Every record up to this line is delivered, dropped or in quarantine.
    pub through: u64,
    /// The sink's token, for resuming.
    pub token: Vec<u8>,
    /// Hash of the lines up to there, to notice a file that changed under us.
    pub prefix_hash: [u8; 16],
    /// What became of the records up to there.
    pub tally: Tally,
    /// Records put in quarantine since the last advance.
    pub quarantined: Vec<Quarantined>,
    /// What the sink took since the last advance, by line, each resource of a line once; a
    /// later line of a resource overrides an earlier one. Empty in a lane without a memory.
    pub handled: Vec<Handled>,
}
