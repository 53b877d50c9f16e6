//! The head of a guest's file: what it does, what it is granted, what becomes of it.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{bomb::Bomb, parts::Strings};

/// The head of a guest's file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Head {
    /// Cases of `docs/attacks.md`.
    pub attacks: Vec<u8>,
    /// What it does, for people.
    pub does: String,
    /// What it is to the chain.
    #[serde(default = "filter")]
    pub role: String,
    /// Capabilities that it asks for and is granted.
    #[serde(default)]
    pub asks: Vec<String>,
    /// The manifest that `describe` tells, when that is another: members that differ.
    #[serde(default)]
    pub tells: BTreeMap<String, String>,
    /// How it writes its strings.
    #[serde(default)]
    pub strings: Strings,
    /// Limits that differ from those of all guests, with their unit: `call-ms`.
    #[serde(default)]
    pub limits: BTreeMap<String, u64>,
    /// What it is made of instead of code: what no compiler gets through.
    #[serde(default)]
    pub bomb: Option<Bomb>,
    /// What is wrong with its file. The honest one has the piece `honest` for `on-batch`.
    #[serde(default)]
    pub file: Option<Forgery>,
    /// What its metrics come to.
    #[serde(default)]
    pub counts: BTreeMap<String, u64>,
    /// Artifacts that it leaves in its store, and no other.
    #[serde(default)]
    pub leaves: Vec<String>,
    /// What becomes of it.
    #[serde(flatten)]
    pub ending: Ending,
    /// What becomes of it in a process of its own, where that is something else.
    #[serde(default)]
    pub apart: Option<Ending>,
}

impl Head {
    /// A guest of this role, which asks for nothing and of which nothing is expected.
    pub(crate) fn new(role: &str) -> Self {
        Self {
            attacks: Vec::new(),
            does: String::new(),
            role: role.to_owned(),
            asks: Vec::new(),
            tells: BTreeMap::new(),
            strings: Strings::default(),
            limits: BTreeMap::new(),
            bomb: None,
            file: None,
            counts: BTreeMap::new(),
            leaves: Vec::new(),
            ending: Ending::GoesOn(String::new()),
            apart: None,
        }
    }
}

/// What becomes of a guest.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// It dies on every record. The quarantine code; for a sink, words of the error.
    Dies(String),
    /// It gives up; words of the error.
    GivesUp(String),
    /// It goes on as if nothing had been: the attack has no effect. Why that is.
    GoesOn(String),
    /// It is not loaded; words of the error.
    Refused(String),
}

/// What is wrong with the file that is loaded, or becomes of it. Where the file or its code is
/// exchanged, the guest's own code is what an attacker puts in place of an honest one's.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Forgery {
    /// Its last byte is missing.
    CutShort,
    /// There is a byte more.
    TrailingByte,
    /// It is code that this very host compiled.
    CompiledCode,
    /// The honest file is replaced when it has been read, before it is compiled.
    ReplacedAfterReading,
    /// The honest file is replaced after the first records.
    ReplacedWhileItRuns,
    /// Its signature does not count.
    Signature(Unsigned),
    /// The honest file's compiled code was tampered with.
    Cache(Tampered),
}

/// Why a signature does not count.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Unsigned {
    /// Nobody whom the operator trusts made it.
    ByAStranger,
    /// It is that of the honest file.
    OfTheHonestFile,
    /// It held until yesterday.
    Expired,
    /// A section was added afterwards.
    SectionAppended,
    /// The manifest was taken off afterwards.
    SectionStripped,
}

/// What was done where compiled code is kept.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Tampered {
    /// A bit was flipped.
    Flipped,
    /// The guest's own code was put there.
    Swapped,
    /// A link to the guest's own code was put there.
    Linked,
    /// Everybody may write to the folder.
    Shared,
}

fn filter() -> String {
    "filter".to_owned()
}
