//! How a body is spoilt: its lines, its packing, its framing, where it ends, how it trickles.
//!
//! Done in this order: lines, shapes, packing, cut and pace, framing. Rows count from 1.

use std::{num::NonZeroU32, time::Duration};

use serde::Deserialize;

use super::units::{self, Shift};

/// What is done to a body.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct BodyFault {
    /// Edits of its lines.
    pub lines: Vec<LineEdit>,
    /// Other shapes of NDJSON.
    pub shapes: Vec<Shape>,
    /// How it is compressed and labelled. Default: as the client and the server agree.
    pub packing: Option<Packing>,
    /// How its end is known. Default: by length when it is known, else chunked.
    pub framing: Option<Framing>,
    /// Where it ends.
    pub cut: Option<Cut>,
    /// How it trickles.
    pub pace: Option<Pace>,
    /// The most bytes in one TCP write.
    pub writes: Option<NonZeroU32>,
}

/// An edit of lines.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum LineEdit {
    /// A row of another file of the same job comes before row `at`.
    Copy {
        /// The other file, from 0.
        file: u32,
        /// Its row.
        row: u64,
        /// Before which row here.
        at: u64,
    },
    /// The row is left out.
    Drop(u64),
    /// All rows after this one are left out.
    DropAfter(u64),
    /// The row comes twice.
    Duplicate(u64),
    /// A made line comes before row `at`, or at the end.
    Insert {
        /// Before which row.
        at: u64,
        /// What.
        what: Insert,
    },
    /// An older version of the row comes after it.
    Older(u64),
    /// The row is another text.
    Replace {
        /// The row.
        row: u64,
        /// Its text.
        text: String,
    },
    /// A string member with special bytes is put into the row.
    Stain {
        /// The row.
        row: u64,
        /// With what.
        with: Stain,
    },
    /// `meta.lastUpdated` of the row is this far from the manifest's `transactionTime`.
    Updated {
        /// The row.
        row: u64,
        /// How far.
        shift: Shift,
    },
    /// The row has no `meta`.
    WithoutMeta(u64),
}

/// A line that is made.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Insert {
    /// Arrays nested this deep.
    Deep(u32),
    /// A resource with a member twice.
    DuplicateKeys,
    /// One string member of this many bytes (`"64MiB"`), never held in memory.
    Line(#[serde(deserialize_with = "units::bytes")] u64),
    /// A resource of this type.
    OfType(String),
    /// An `OperationOutcome` with an issue of this severity.
    Outcome(String),
    /// Anything.
    Text(String),
    /// An object of this many members.
    Wide(u32),
    /// A resource without `id`.
    WithoutId,
    /// A resource without `resourceType`.
    WithoutType,
}

/// What a row is stained with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stain {
    /// `\r` as JSON escapes it.
    EscapedReturn,
    /// `\u0000`, as JSON escapes it.
    EscapedNul,
    /// Bytes that are no UTF-8.
    InvalidUtf8,
    /// U+2028, which JSON allows as it is.
    LineSeparator,
    /// Letters of two, three and four bytes.
    Multibyte,
    /// A bare NUL, which JSON forbids.
    Nul,
}

/// Another shape of NDJSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// An empty line after each.
    BlankBetween,
    /// Empty lines first.
    BlankFirst,
    /// Empty lines last.
    BlankLast,
    /// A byte order mark.
    Bom,
    /// Lines end with CR LF.
    Crlf,
    /// The last line has no end.
    NoFinalNewline,
    /// JSON over several lines.
    Pretty,
    /// A line of spaces after each.
    Spaces,
}

/// How a body is compressed and what its label says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Packing {
    /// gzip within gzip, labelled once.
    Double,
    /// gzip, labelled, asked for or not.
    Gzip,
    /// Not at all, asked for or not.
    Identity,
    /// Not at all, but labelled as this.
    Label(String),
    /// gzip, a member for so many lines.
    Members(NonZeroU32),
    /// gzip without a label.
    Unlabelled,
}

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Framing {
    /// By its last chunk.
    Chunked,
    /// By its length; the body is built first, at most 64 MiB of it.
    Length,
    /// By the end of the connection, as HTTP/1.0 does.
    UntilClose,
}

/// A place within a body. Bytes count as sent, lines as written.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum At {
    /// After so many bytes.
    Byte(u64),
    /// At this part of it, from 0.0 to 1.0.
    Fraction(f64),
    /// After the first gzip member.
    GzipAfterMember,
    /// In the midst of the gzip data.
    GzipData,
    /// Within the gzip trailer.
    GzipTrailer,
    /// After the end of this line.
    LineEnd(u64),
    /// Within this line.
    MidLine(u64),
    /// Anywhere, by the scenario's seed.
    Random,
}

/// How a body ends too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CutHow {
    /// As if it were whole.
    Clean,
    /// The connection closes.
    Close,
    /// The connection is reset.
    Reset,
}

/// The early end of a body.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Cut {
    /// Where.
    pub at: At,
    /// How.
    pub how: CutHow,
}

/// How a body trickles.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Pace {
    /// From where on. Default: the first byte.
    #[serde(default = "start")]
    pub at: At,
    /// How fast from there on.
    pub bytes_per_second: Option<NonZeroU32>,
    /// How long nothing comes there.
    #[serde(default, deserialize_with = "units::some_duration")]
    pub stall: Option<Duration>,
}

const fn start() -> At {
    At::Byte(0)
}

impl BodyFault {
    /// A body that ends too early.
    pub fn cut(at: At, how: CutHow) -> Self {
        Self { cut: Some(Cut { at, how }), ..Self::default() }
    }

    /// A body with a line edited.
    pub fn line(edit: LineEdit) -> Self {
        Self { lines: vec![edit], ..Self::default() }
    }

    /// A body with a made line before row `at`.
    pub fn insert(at: u64, what: Insert) -> Self {
        Self::line(LineEdit::Insert { at, what })
    }

    /// A body of another shape.
    pub fn shape(shape: Shape) -> Self {
        Self { shapes: vec![shape], ..Self::default() }
    }

    /// A body packed so.
    pub fn packed(packing: Packing) -> Self {
        Self { packing: Some(packing), ..Self::default() }
    }

    /// A body framed so.
    pub fn framed(framing: Framing) -> Self {
        Self { framing: Some(framing), ..Self::default() }
    }

    /// A body that stops for a while.
    pub fn stall(at: At, stall: Duration) -> Self {
        let pace = Pace { at, bytes_per_second: None, stall: Some(stall) };
        Self { pace: Some(pace), ..Self::default() }
    }

    /// A body that comes this slowly.
    pub fn slow(bytes_per_second: NonZeroU32) -> Self {
        let pace = Pace {
            at: At::Byte(0),
            bytes_per_second: Some(bytes_per_second),
            stall: None,
        };
        Self { pace: Some(pace), ..Self::default() }
    }

    /// A body in TCP writes of at most so many bytes.
    pub fn writes(most: NonZeroU32) -> Self {
        Self { writes: Some(most), ..Self::default() }
    }

    pub(super) fn problem(&self) -> Option<&'static str> {
        let places = [self.cut.map(|cut| cut.at), self.pace.map(|pace| pace.at)];
        let is_off = places
            .iter()
            .flatten()
            .any(|at| matches!(at, At::Fraction(part) if !(0.0..=1.0).contains(part)));
        if is_off {
            return Some("a fraction is from 0.0 to 1.0");
        }
        let is_idle =
            |pace: Pace| pace.bytes_per_second.is_none() && pace.stall.is_none();
        self.pace
            .is_some_and(is_idle)
            .then_some("a pace has `bytes-per-second` or `stall`")
    }

    /// Whether the bytes themselves stay as they are.
    pub(crate) fn keeps_bytes(&self) -> bool {
        self.lines.is_empty() && self.shapes.is_empty() && self.packing.is_none()
    }
}
