//! Spoils the body of a good answer as a [`BodyFault`] orders.
//!
//! A body passes as [`Piece`]s through stages: lines, packing, places, framing. Marks travel
//! with the bytes, so that a cut within a line is where it should be after compression too.

mod editor;
mod monster;
mod pack;

use std::{io, num::NonZeroU32, time::Duration};

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, Version, header},
    response::Response,
};
use bulkhead_model::Instant;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream, stream::BoxStream};

use crate::{
    outcome::Refusal,
    scenario::{At, BodyFault, CutHow, End, Framing, Pace, Packing},
    wire::Tap,
};

/// A part of a body on its way.
enum Piece {
    Bytes(Bytes),
    Cut,
    Pace,
}

type Pieces = BoxStream<'static, io::Result<Piece>>;

/// What a fault needs to know of the answer that it spoils.
pub(crate) struct Spoiled {
    pub(crate) fault: BodyFault,
    pub(crate) tap: Tap,
    /// For everything that is left to chance.
    pub(crate) seed: u64,
    pub(crate) transaction_time: Instant,
    /// Whether the client and the server agreed on gzip.
    pub(crate) is_encoded: bool,
}

/// Spoils an answer whose body is plain.
pub(crate) async fn spoil(response: Response, order: Spoiled) -> Response {
    let Spoiled { fault, tap, seed, transaction_time, is_encoded } = order;
    let (mut parts, body) = response.into_parts();
    let packing = match (&fault.packing, is_encoded) {
        (Some(packing), _) => packing.clone(),
        (None, true) => Packing::Gzip,
        (None, false) => Packing::Identity,
    };
    let bytes = body.into_data_stream().map_err(io::Error::other).boxed();
    let mut pieces: Pieces = if editor::is_needed(&fault, &packing) {
        editor::edit(bytes, &fault, transaction_time)
    } else {
        bytes.map_ok(Piece::Bytes).boxed()
    };
    let how = fault.cut.map_or(CutHow::Close, |cut| cut.how);
    let mut member_ends = None;
    match &packing {
        Packing::Identity | Packing::Label(_) => {}
        Packing::Gzip | Packing::Unlabelled => pieces = pack::gzip(pieces, None, how),
        Packing::Double => {
            pieces = pack::gzip(pack::gzip(pieces, None, how), None, how);
        }
        Packing::Members(rows) => pieces = pack::gzip(pieces, Some(*rows), how),
    }
    let label = match &packing {
        Packing::Identity | Packing::Unlabelled => None,
        Packing::Double | Packing::Gzip | Packing::Members(_) => Some("gzip"),
        Packing::Label(label) => Some(label.as_str()),
    };
    parts.headers.remove(header::CONTENT_ENCODING);
    if let Some(Ok(label)) = label.map(HeaderValue::from_str) {
        parts.headers.insert(header::CONTENT_ENCODING, label);
    }
    let wants_whole = fault.framing == Some(Framing::Length)
        || places(&fault).any(|at| !is_streamable(at));
    if wants_whole {
        let Ok(whole) = collect(pieces).await else {
            let text = "the body is too large to be built first";
            return Refusal::new(StatusCode::INSUFFICIENT_STORAGE, "too-long", text)
                .response();
        };
        let total = length(&whole);
        if let Packing::Members(_) = packing {
            member_ends = pack::first_member(&whole);
        }
        let resolve = |at| resolve(at, total, member_ends, seed);
        let marks = marks(&fault, resolve);
        let list: Vec<Piece> = mark(stream::iter(whole).map(Ok).boxed(), marks)
            .try_collect()
            .await
            .unwrap_or_default();
        let list = if how == CutHow::Clean { until_cut(list) } else { list };
        let total = length(&list);
        parts.headers.remove(header::CONTENT_LENGTH);
        if fault.framing == Some(Framing::Length) {
            parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(total));
        }
        pieces = stream::iter(list).map(Ok).boxed();
    } else {
        let is_shorter = fault.cut.is_some() && how == CutHow::Clean;
        if !fault.keeps_bytes() || is_encoded || is_shorter || fault.framing.is_some() {
            parts.headers.remove(header::CONTENT_LENGTH);
        }
        pieces = mark(pieces, marks(&fault, byte_of));
    }
    match fault.framing {
        Some(Framing::UntilClose) => {
            parts.version = Version::HTTP_10;
            parts.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Some(Framing::Chunked | Framing::Length) | None => {}
    }
    tap.writes(fault.writes);
    let sent =
        Sent { pieces, how, tap, pace: fault.pace, rate: None, rest: Bytes::new() };
    let body = stream::try_unfold(sent, Sent::next);
    Response::from_parts(parts, Body::from_stream(body))
}

fn places(fault: &BodyFault) -> impl Iterator<Item = At> {
    let cut = fault.cut.map(|cut| cut.at);
    cut.into_iter().chain(fault.pace.map(|pace| pace.at))
}

/// Whether a place can be found without knowing the whole.
fn is_streamable(at: At) -> bool {
    match at {
        At::Byte(_) | At::LineEnd(_) | At::MidLine(_) => true,
        At::Fraction(_)
        | At::GzipAfterMember
        | At::GzipData
        | At::GzipTrailer
        | At::Random => false,
    }
}

fn byte_of(at: At) -> Option<u64> {
    match at {
        At::Byte(byte) => Some(byte),
        At::Fraction(_)
        | At::GzipAfterMember
        | At::GzipData
        | At::GzipTrailer
        | At::LineEnd(_)
        | At::MidLine(_)
        | At::Random => None,
    }
}

/// The byte of a place in a body of `total` bytes; lines have been marked by the editor.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a fraction of a length of at most 64 MiB"
)]
fn resolve(at: At, total: u64, member: Option<u64>, seed: u64) -> Option<u64> {
    match at {
        At::Byte(byte) => Some(byte),
        At::Fraction(part) => Some((total as f64 * part) as u64),
        At::GzipAfterMember => member.or(Some(total)),
        At::GzipData => Some(total / 2),
        At::GzipTrailer => Some(total.saturating_sub(4)),
        At::LineEnd(_) | At::MidLine(_) => None,
        // The finaliser of SplitMix64: neighbouring seeds cut far apart.
        At::Random => {
            let once = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            (once ^ (once >> 27)).checked_rem(total)
        }
    }
}

/// The marks of a fault by byte.
fn marks(fault: &BodyFault, resolve: impl Fn(At) -> Option<u64>) -> Vec<(u64, Piece)> {
    let cut = fault.cut.and_then(|cut| Some((resolve(cut.at)?, Piece::Cut)));
    let pace = fault.pace.and_then(|pace| Some((resolve(pace.at)?, Piece::Pace)));
    let mut marks: Vec<(u64, Piece)> = pace.into_iter().chain(cut).collect();
    marks.sort_by_key(|(at, _)| *at);
    marks
}

/// Puts marks where they belong.
fn mark(pieces: Pieces, marks: Vec<(u64, Piece)>) -> Pieces {
    let mut marks = marks.into_iter().peekable();
    let mut passed = 0_u64;
    let mut split = move |piece| {
        let mut bytes = match piece {
            Piece::Bytes(bytes) => bytes,
            Piece::Cut | Piece::Pace => return vec![Ok(piece)],
        };
        let mut parts = Vec::new();
        while let Some((at, mark)) =
            marks.next_if(|(at, _)| *at <= passed + bytes.len() as u64)
        {
            let before = usize::try_from(at.saturating_sub(passed)).unwrap_or(usize::MAX);
            let before = bytes.split_to(before.min(bytes.len()));
            passed += before.len() as u64;
            parts.push(Ok(Piece::Bytes(before)));
            parts.push(Ok(mark));
        }
        passed += bytes.len() as u64;
        parts.push(Ok(Piece::Bytes(bytes)));
        parts
    };
    pieces
        .map(move |piece| match piece {
            Ok(piece) => split(piece),
            Err(error) => vec![Err(error)],
        })
        .flat_map(stream::iter)
        .boxed()
}

/// Builds a body before it is sent.
async fn collect(mut pieces: Pieces) -> io::Result<Vec<Piece>> {
    let mut whole = Vec::new();
    let mut total = 0_u64;
    while let Some(piece) = pieces.try_next().await? {
        if let Piece::Bytes(bytes) = &piece {
            total += bytes.len() as u64;
        }
        if total > MOST_BUILT {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        whole.push(piece);
    }
    Ok(whole)
}

fn length(pieces: &[Piece]) -> u64 {
    let lengths = pieces.iter().map(|piece| match piece {
        Piece::Bytes(bytes) => bytes.len() as u64,
        Piece::Cut | Piece::Pace => 0,
    });
    lengths.sum()
}

fn until_cut(pieces: Vec<Piece>) -> Vec<Piece> {
    pieces.into_iter().take_while(|piece| !matches!(piece, Piece::Cut)).collect()
}

/// The last stage: bytes go out, marks are obeyed.
struct Sent {
    pieces: Pieces,
    how: CutHow,
    tap: Tap,
    pace: Option<Pace>,
    rate: Option<NonZeroU32>,
    rest: Bytes,
}

impl Sent {
    async fn next(mut self) -> io::Result<Option<(Bytes, Self)>> {
        loop {
            if !self.rest.is_empty() {
                let part = self.part().await;
                return Ok(Some((part, self)));
            }
            match self.pieces.try_next().await? {
                None => return Ok(None),
                Some(Piece::Bytes(bytes)) => self.rest = bytes,
                Some(Piece::Pace) => {
                    self.rate = self.pace.and_then(|pace| pace.bytes_per_second);
                    if let Some(stall) = self.pace.and_then(|pace| pace.stall) {
                        tokio::time::sleep(stall).await;
                    }
                }
                Some(Piece::Cut) => {
                    let end = match self.how {
                        CutHow::Clean => return Ok(None),
                        CutHow::Close => End::Close,
                        CutHow::Reset => End::Reset,
                    };
                    self.tap.end_when_flushed(end);
                    // The connection, and with it this body, ends at its next flush.
                    return std::future::pending().await;
                }
            }
        }
    }

    /// As much as may go out at once.
    async fn part(&mut self) -> Bytes {
        let Some(rate) = self.rate else { return std::mem::take(&mut self.rest) };
        // Ten times a second, or a byte at a time.
        let most = usize::try_from(rate.get() / 10).unwrap_or(1).max(1);
        let part = self.rest.split_to(most.min(self.rest.len()));
        let seconds = part.len() as f64 / f64::from(rate.get());
        tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
        part
    }
}

/// The most of a body that is built before it is sent.
const MOST_BUILT: u64 = 64 << 20;
