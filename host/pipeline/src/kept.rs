//! What is kept of a refused record besides where it stood, until it is sealed.
//!
//! Only a record that passed every filter may be kept, as it entered the stage that refused it:
//! what an earlier stage took out of it is not there any more. [`Label`] is the one owner of
//! the form in which it is sealed and comes back: one line of JSON before the body's line, or
//! before the body on one line, parted by a tab, which JSON text never holds unescaped in what
//! is written here.
//!
//! Lane-held memory: bodies are copied, so that a small one does not hold a block of a
//! megabyte; a lane tells when they are much ([`Lane::much_refused`](crate::Lane)).

use std::{fmt, ops::Range, sync::Arc};

use bulkhead_model::{Instant, PatientKey};
use bulkhead_ndjson::{Envelope, PatientList, Patients, content_hash};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::{Change, Quarantined, Record, RejectClass};

/// The longest words of a plugin that are kept with a record, in bytes.
const LONGEST_WORDS: usize = 4 << 10;

/// From which stage on refused records are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keeping {
    /// What this stage and later ones refuse, counted from 0, and what the sink refuses. Every
    /// filter must stand before it.
    From(usize),
    /// Nothing.
    #[default]
    Nothing,
}

impl Keeping {
    /// Whether what stage `at` refuses is kept.
    pub(crate) const fn keeps(self, at: usize) -> bool {
        match self {
            Self::From(first) => first <= at,
            Self::Nothing => false,
        }
    }

    /// Whether what the sink refuses is kept: it stands after every stage.
    pub(crate) const fn keeps_of_sink(self) -> bool {
        match self {
            Self::From(_) => true,
            Self::Nothing => false,
        }
    }
}

/// What is kept of a refused record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Its body, to be sealed.
    Body(Box<Remains>),
    /// Nothing, although it was to be kept: why, in a word.
    Lost(&'static str),
    /// Nothing but its position.
    Nothing,
    /// Its body, which is stored.
    Stored {
        /// Under this name.
        name: Arc<str>,
        /// Whether some stage had changed it.
        is_changed: bool,
    },
}

impl Kept {
    /// Bytes that wait to be sealed.
    pub(crate) fn waiting(&self) -> usize {
        match self {
            Self::Body(remains) => remains.body.len(),
            Self::Lost(_) | Self::Nothing | Self::Stored { .. } => 0,
        }
    }
}

/// A refused record as it entered the stage that refused it. Its content is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Remains {
    /// A row of a stream, not a resource.
    pub is_row: bool,
    /// What was known of the line as it came, when a stage has changed it since.
    pub source: Option<Source>,
    /// What the plugin said of it. Tainted: it may hold patient data.
    pub message: Option<String>,
    /// The body.
    pub body: Bytes,
}

impl fmt::Debug for Remains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remains").field("bytes", &self.body.len()).finish_non_exhaustive()
    }
}

impl Remains {
    /// Of a record that passed every filter; nothing of a bare key, which its sender tells
    /// again.
    pub(crate) fn of(record: &Record, message: Option<String>) -> Kept {
        if record.change != Change::Upsert {
            return Kept::Nothing;
        }
        let is_original = record.original.is_none();
        Kept::Body(Box::new(Self {
            is_row: record.is_row,
            source: (!is_original).then(|| Source::of(record)),
            message: message.map(|words| cut(&words).to_owned()),
            body: Bytes::copy_from_slice(&record.body),
        }))
    }
}

/// At most [`LONGEST_WORDS`], on a boundary of characters.
fn cut(words: &str) -> &str {
    let mut end = words.len().min(LONGEST_WORDS);
    while !words.is_char_boundary(end) {
        end -= 1;
    }
    words.get(..end).unwrap_or_default()
}

/// What was known of a line as it came: whose it is and what it is remembered by.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Source {
    resource_type: String,
    id: Option<String>,
    last_updated: Option<Instant>,
    primary: Vec<Hex>,
    linked: Vec<Hex>,
    mentioned: Vec<Hex>,
    primary_unresolved: bool,
    unresolved: bool,
    /// XXH3 of the line.
    pub raw: u64,
    /// [`content_hash`] of the line.
    pub content: u64,
}

/// A patient's key as it is written.
type Hex = String;

impl Source {
    fn of(record: &Record) -> Self {
        let source = record.source();
        let raw = xxh3_64(source);
        let content = std::str::from_utf8(source).ok().and_then(content_hash);
        let patients = &record.envelope.patients;
        let hex = |keys: &[PatientKey]| keys.iter().map(|key| hex(*key)).collect();
        Self {
            resource_type: record.resource_type().to_owned(),
            id: record.id().map(str::to_owned),
            last_updated: record.envelope.last_updated,
            primary: hex(&patients.primary),
            linked: hex(&patients.linked),
            mentioned: hex(&patients.mentioned),
            primary_unresolved: patients.primary_unresolved,
            unresolved: patients.unresolved,
            raw,
            content: content.unwrap_or(raw),
        }
    }

    /// The bare key in place of the line, and what is known of it. `None` when it is damaged.
    pub(crate) fn restore(&self) -> Option<(Bytes, Envelope)> {
        let keys =
            |hex: &[Hex]| hex.iter().map(|hex| key(hex)).collect::<Option<PatientList>>();
        let mut text = String::from(r#"{"resourceType":""#);
        let resource_type = push(&mut text, &self.resource_type)?;
        let id = match &self.id {
            None => None,
            Some(id) => {
                text.push_str(r#"","id":""#);
                Some(push(&mut text, id)?)
            }
        };
        text.push_str("\"}");
        let envelope = Envelope {
            resource_type,
            id,
            last_updated: self.last_updated,
            patients: Patients {
                primary: keys(&self.primary)?,
                linked: keys(&self.linked)?,
                mentioned: keys(&self.mentioned)?,
                primary_unresolved: self.primary_unresolved,
                unresolved: self.unresolved,
            },
        };
        Some((Bytes::from(text), envelope))
    }
}

fn push(text: &mut String, word: &str) -> Option<Range<u32>> {
    let start = u32::try_from(text.len()).ok()?;
    text.push_str(word);
    Some(start..u32::try_from(text.len()).ok()?)
}

fn hex(key: PatientKey) -> Hex {
    format!("{:032x}", u128::from_be_bytes(key.to_bytes()))
}

fn key(hex: &str) -> Option<PatientKey> {
    let number = u128::from_str_radix(hex, 16).ok()?;
    Some(PatientKey::from_bytes(number.to_be_bytes()))
}

/// All but the body of a record in quarantine, as it is sealed before it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Label {
    /// The source line, from 1.
    pub line: u64,
    /// Which of the records of that line that the stage refused, from 0.
    pub part: u32,
    /// A resource type, or the name of a stream.
    pub kind: String,
    /// The stage that refused it.
    pub stage: String,
    /// Why, roughly.
    pub class: RejectClass,
    /// Why, exactly.
    pub code: String,
    /// A row of a stream.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub row: bool,
    /// What was known of the line as it came, when the body is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// What the plugin said. Tainted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl Label {
    /// Of a record whose body is kept, with the body.
    pub fn of(refused: &Quarantined, part: u32) -> Option<(Self, &Bytes)> {
        let Kept::Body(remains) = &refused.kept else { return None };
        let label = Self {
            line: refused.line,
            part,
            kind: refused.kind.clone(),
            stage: refused.stage.clone(),
            class: refused.class,
            code: refused.code.clone(),
            row: remains.is_row,
            source: remains.source.clone(),
            message: remains.message.clone(),
        };
        Some((label, &remains.body))
    }

    /// As one line of JSON, without its end.
    pub fn to_line(&self) -> String {
        // Names, numbers and text: this cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// From such a line.
    pub fn parse(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }

    /// The line by which the record goes through a chain again, with its end: see
    /// [`FileKind::Replayed`](crate::FileKind::Replayed).
    pub fn replayed(&self, body: &[u8]) -> Vec<u8> {
        let mut line = self.to_line().into_bytes();
        line.push(b'\t');
        line.extend_from_slice(body);
        line.push(b'\n');
        line
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Label")
            .field("line", &self.line)
            .field("part", &self.part)
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
