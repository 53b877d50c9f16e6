//! What is to change in the bodies of one batch, before the hashes are known.
//!
//! A splice takes the place of some bytes: text, then perhaps something made of a hash, then
//! text. Splices of one record rise and do not overlap; what lies between is copied as it is.

use std::ops::Range;

use crate::{
    date,
    hashes::{Hashes, Slot},
    tree::Span,
};

/// The part of a splice that waits for a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hashed {
    /// 32 hexadecimal digits: within FHIR's id alphabet and length.
    Hex(Slot),
    /// Nothing waits.
    Nothing,
    /// The hash as an OID below 2.25 (Rec. ITU-T X.667).
    Oid(Slot),
    /// A day, moved by its patient's offset.
    Shifted {
        /// Days from 1970-01-01.
        days: i32,
        /// The patient's slot.
        patient: Slot,
    },
    /// The hash written like a UUID.
    Uuid(Slot),
}

/// The changes of one batch.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    splices: Vec<Splice>,
    /// Text of all splices.
    text: Vec<u8>,
}

/// How far a plan had come: what came later can be taken back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark(usize);

impl Plan {
    /// Empties the plan for the next batch.
    pub(crate) fn clear(&mut self) {
        self.splices.clear();
        self.text.clear();
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark(self.splices.len())
    }

    /// Takes back what came after `mark`.
    pub(crate) fn rewind(&mut self, mark: Mark) {
        self.splices.truncate(mark.0);
    }

    /// The splices since `mark`.
    pub(crate) fn since(&self, mark: Mark) -> Range<usize> {
        mark.0..self.splices.len()
    }

    /// Leaves bytes out.
    pub(crate) fn cut(&mut self, start: u32, end: u32) {
        self.splice(Span { start, end }, &[], Hashed::Nothing, "");
    }

    /// Puts text, then what waits for a hash, then text, in the place of bytes.
    pub(crate) fn splice(
        &mut self,
        over: Span,
        lead: &[&str],
        hashed: Hashed,
        tail: &str,
    ) {
        let lead_start = self.text.len();
        for part in lead {
            self.text.extend_from_slice(part.as_bytes());
        }
        let tail_start = self.text.len();
        self.text.extend_from_slice(tail.as_bytes());
        let lead = lead_start..tail_start;
        self.splices.push(Splice {
            over,
            lead,
            hashed,
            tail: tail_start..self.text.len(),
        });
    }

    /// Writes a record's new body. `None` when a hash is missing.
    pub(crate) fn write(
        &self,
        source: &str,
        splices: Range<usize>,
        hashes: &Hashes,
        shift_days: i32,
    ) -> Option<Vec<u8>> {
        let source = source.as_bytes();
        // Pseudonyms are longer than most ids; what is cut makes up for more.
        let mut out = Vec::with_capacity(source.len() + 128);
        let mut at = 0;
        for splice in self.splices.get(splices)? {
            out.extend_from_slice(source.get(at..splice.over.start as usize)?);
            out.extend_from_slice(self.text.get(splice.lead.clone())?);
            splice.hashed.write(hashes, shift_days, &mut out)?;
            out.extend_from_slice(self.text.get(splice.tail.clone())?);
            at = splice.over.end as usize;
        }
        out.extend_from_slice(source.get(at..)?);
        Some(out)
    }
}

#[derive(Debug)]
struct Splice {
    over: Span,
    lead: Range<usize>,
    hashed: Hashed,
    tail: Range<usize>,
}

impl Hashed {
    fn write(self, hashes: &Hashes, shift_days: i32, out: &mut Vec<u8>) -> Option<()> {
        match self {
            Self::Hex(slot) => hex(hashes.number(slot)?, &[], out),
            Self::Nothing => {}
            Self::Oid(slot) => {
                out.extend_from_slice(b"2.25.");
                out.extend_from_slice(hashes.number(slot)?.to_string().as_bytes());
            }
            Self::Shifted { days, patient } => {
                let day =
                    date::from_days(days + offset(hashes.number(patient)?, shift_days));
                digits(day.year, 4, out);
                out.push(b'-');
                digits(day.month, 2, out);
                out.push(b'-');
                digits(day.day, 2, out);
            }
            Self::Uuid(slot) => hex(hashes.number(slot)?, &[8, 12, 16, 20], out),
        }
        Some(())
    }
}

/// A whole number of days within ± `shift_days`, never 0.
pub(crate) fn offset(hash: u128, shift_days: i32) -> i32 {
    let choices = u128::from(shift_days.unsigned_abs()) * 2;
    // Below twice an i32 that settings bound to a few thousand.
    let choice = i32::try_from(hash.checked_rem(choices).unwrap_or(0)).unwrap_or(0);
    if choice < shift_days { choice - shift_days } else { choice - shift_days + 1 }
}

fn hex(number: u128, dashes: &[u32], out: &mut Vec<u8>) {
    for place in 0..32 {
        if dashes.contains(&place) {
            out.push(b'-');
        }
        let digit = (number >> (124 - 4 * place)) & 15;
        out.push(HEX.get(digit as usize).copied().unwrap_or(b'0'));
    }
}

fn digits(number: i32, width: u32, out: &mut Vec<u8>) {
    for place in (0..width).rev() {
        let digit = number / 10_i32.pow(place) % 10;
        out.push(HEX.get(digit.unsigned_abs() as usize).copied().unwrap_or(b'0'));
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn an_offset_is_bounded_and_never_none(hash: u128, days in 1..3650) {
            let offset = offset(hash, days);
            proptest::prop_assert!(offset != 0 && (-days..=days).contains(&offset));
        }
    }

    #[test]
    fn every_offset_is_as_likely_as_another() {
        let offsets: Vec<i32> = (0..6).map(|hash| offset(hash, 3)).collect();
        assert_eq!(offsets, [-3, -2, -1, 1, 2, 3]);
    }

    #[test]
    fn writes_hashes_as_hex_and_as_a_uuid() {
        let number = 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef;
        let mut out = Vec::new();
        hex(number, &[8, 12, 16, 20], &mut out);
        assert_eq!(out, b"01234567-89ab-cdef-0123-456789abcdef");
        out.clear();
        digits(31, 4, &mut out);
        assert_eq!(out, b"0031");
    }
}
