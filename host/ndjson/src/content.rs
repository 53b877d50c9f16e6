//! What a resource says, as a number: the same for two lines that say the same.
//!
//! What does not count: the order of members, blanks, how a string is escaped, and what servers
//! change without changing the resource: `meta.versionId`, `meta.lastUpdated`, and in a URL all
//! from `?` on, where signatures of attachments stand. What counts: the order of items, and the
//! lexical form of numbers, for in FHIR `1.0` and `1.00` differ.
//!
//! A line says what stands at each of its ends (texts, numbers, literals, and lists and objects
//! that are empty): the sum over them of the hash of the way there, by names and places, and of
//! what stands there. So no tree is needed, and who walks over the line for another reason can
//! have it hashed on the way. Not keyed: who can forge content can as well deliver it.
//!
//! Source: FHIR R4 "JSON Representation" and `decimal`.

use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::scan::{Extent, Observer, Scanner, Text};

/// Hashes what the resource of a line says; `None` when the line is not JSON. That it is UTF-8
/// was checked when it came in, and is not looked at here.
pub fn content_hash(line: impl AsRef<[u8]>) -> Option<u64> {
    let mut content = Content::default();
    let mut scan = Scanner::new(line.as_ref(), &mut content);
    scan.whole().ok()?;
    scan.end().ok()?;
    Some(content.finish())
}

/// Where a value stands, as far as it decides what counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// `meta` of the resource itself.
    Meta,
    /// Anywhere else.
    Other,
    /// The resource itself.
    Root,
    /// A member that holds a URL.
    Url,
}

/// A value that is about to be read.
#[derive(Clone, Copy)]
struct Spot {
    /// Hash of the way there.
    way: u64,
    place: Place,
    /// All bits of what counts, none of what does not.
    mask: u64,
}

/// An object or array that is open.
#[derive(Clone, Copy)]
struct Level {
    spot: Spot,
    bracket: u8,
    /// Items or members so far.
    count: u64,
}

/// Hashes what a line says while somebody walks over it.
pub(crate) struct Content {
    /// Of all ends so far.
    sum: u64,
    /// Of the value that comes next.
    spot: Spot,
    /// What is open innermost.
    here: Level,
    /// What is open around it.
    around: SmallVec<[Level; USUAL_DEPTH]>,
}

/// Resources are seldom deeper; memory is asked for then.
const USUAL_DEPTH: usize = 12;

impl Default for Content {
    fn default() -> Self {
        let spot = Spot { way: WAY, place: Place::Root, mask: u64::MAX };
        // Nothing is open: not an object that ends.
        let here = Level { spot, bracket: 0, count: 1 };
        Self { sum: 0, spot, here, around: SmallVec::new() }
    }
}

impl Content {
    /// What the line says, which was walked over to its end.
    pub(crate) fn finish(&self) -> u64 {
        pair(self.sum, WAY)
    }

    #[inline]
    fn add(&mut self, said: u64) {
        self.sum = self.sum.wrapping_add(pair(self.spot.way, said) & self.spot.mask);
    }
}

impl Observer for Content {
    #[inline]
    fn close(&mut self) {
        if self.here.count == 0 {
            self.sum = self.sum.wrapping_add(empty(&self.here));
        }
        if let Some(around) = self.around.pop() {
            self.here = around;
        }
    }

    #[inline]
    fn item(&mut self) {
        self.here.count += 1;
        let Spot { way, place, mask } = self.here.spot;
        // A list of URLs is one as each of them is.
        let place = if place == Place::Url { place } else { Place::Other };
        self.spot = Spot { way: pair(way ^ ARRAY, self.here.count), place, mask };
    }

    #[inline]
    fn key(&mut self, from: &[u8], Extent { len, is_escaped }: Extent) {
        self.here.count += 1;
        let key = from.get(..len).unwrap_or_default();
        self.spot = if is_escaped {
            let said = Text::new(key, 0, true).said_bytes();
            member(self.here.spot, &said, hash(&said, said.len(), KEY))
        } else {
            member(self.here.spot, key, hash(from, len, KEY))
        };
    }

    #[inline]
    fn open(&mut self, bracket: u8) {
        self.around.push(self.here);
        self.here = Level { spot: self.spot, bracket, count: 0 };
    }

    #[inline]
    fn scalar(&mut self, from: &[u8], len: usize) {
        self.add(hash(from, len, SCALAR));
    }

    #[inline]
    fn text(&mut self, from: &[u8], Extent { len, is_escaped }: Extent) {
        let place = self.spot.place;
        self.add(if is_escaped || place == Place::Url {
            slowly(from.get(..len).unwrap_or_default(), is_escaped, place)
        } else {
            hash(from, len, TEXT)
        });
    }
}

/// The member `key` of what stands at `spot`.
#[inline]
fn member(spot: Spot, key: &[u8], hash: u64) -> Spot {
    let (place, mask) = match (spot.place, key) {
        (Place::Meta, b"lastUpdated" | b"versionId") => (Place::Other, 0),
        (Place::Root, b"meta") => (Place::Meta, spot.mask),
        (_, b"contentUrl" | b"url") => (Place::Url, spot.mask),
        (Place::Meta | Place::Other | Place::Root | Place::Url, _) => {
            (Place::Other, spot.mask)
        }
    };
    Spot { way: pair(spot.way, hash), place, mask }
}

/// What an empty object or list says.
fn empty(level: &Level) -> u64 {
    let Spot { way, place, mask } = level.spot;
    match (place, level.bracket) {
        (_, b'[') => pair(way, EMPTY ^ ARRAY) & mask,
        // A `meta` of which nothing counts is as good as none, and so is a resource.
        (Place::Meta | Place::Root, _) => 0,
        (Place::Other | Place::Url, _) => pair(way, EMPTY) & mask,
    }
}

/// Hashes a text of which some does not count, or that has escapes.
#[cold]
fn slowly(raw: &[u8], is_escaped: bool, place: Place) -> u64 {
    let said = Text::new(raw, 0, is_escaped).said_bytes();
    let mut len = said.len();
    if place == Place::Url
        && let Some(query) = memchr::memchr(b'?', &said)
    {
        len = query;
    }
    hash(&said, len, TEXT)
}

/// Hashes the first `len` bytes of `from`; what lies behind them is not looked at, but spares a
/// copy.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "at most 16 is turned")]
fn hash(from: &[u8], len: usize, kind: u64) -> u64 {
    if len > 16 {
        return hash_long(from.get(..len).unwrap_or_default(), kind);
    }
    let bytes = from.first_chunk::<16>().map_or_else(|| padded(from), |bytes| *bytes);
    // The bits behind the text are shifted out; of none, all are.
    let kept = u128::from_le_bytes(bytes).checked_shl(128 - 8 * len as u32).unwrap_or(0);
    fold(low(kept) ^ kind, high(kept) ^ (FAR + len as u64))
}

fn hash_long(text: &[u8], kind: u64) -> u64 {
    if text.len() > LONG {
        return xxh3_64_with_seed(text, kind);
    }
    let mut state = kind ^ text.len() as u64;
    let mut rest = text;
    while let Some((bytes, after)) = rest.split_first_chunk::<16>() {
        let bytes = u128::from_le_bytes(*bytes);
        state = fold(low(bytes) ^ state, high(bytes) ^ FAR);
        rest = after;
    }
    // The last sixteen once more, in part: there are that many.
    let bytes = u128::from_le_bytes(text.last_chunk().copied().unwrap_or_default());
    fold(low(bytes) ^ state, high(bytes) ^ NEAR)
}

#[cold]
fn padded(from: &[u8]) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(from) {
        *to = *from;
    }
    bytes
}

#[inline]
fn pair(one: u64, other: u64) -> u64 {
    fold(one ^ NEAR, other ^ FAR)
}

/// Both halves of a product, over one another: every bit of either number counts.
#[inline]
fn fold(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    low(product) ^ high(product)
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the lower half")]
const fn low(number: u128) -> u64 {
    number as u64
}

#[inline]
const fn high(number: u128) -> u64 {
    (number >> 64) as u64
}

/// Texts beyond this are hashed by XXH3.
const LONG: usize = 240;

// What sets kinds of values apart that look alike (`"1"` and `1`, `[]` and `{}`), and what
// keeps products from zero. Any different numbers with about as many ones as zeros do.
const ARRAY: u64 = 0x2d35_8dcc_aa6c_78a5;
const EMPTY: u64 = 0x8bb8_4b93_962e_acc9;
const FAR: u64 = 0x4b33_a62e_d433_d4a3;
const KEY: u64 = 0x4d5a_2da5_1de1_aa47;
const NEAR: u64 = 0xa076_1d64_78bd_642f;
const SCALAR: u64 = 0xe703_7ed1_a0b4_28db;
const TEXT: u64 = 0x90ed_1765_281c_388c;
const WAY: u64 = 0x8ebc_6af0_9c88_c6e3;

#[cfg(test)]
mod tests;
