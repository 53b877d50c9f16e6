//! The form of a log of entries: what is written before it is sorted.
//!
//! ```text
//! log     b"BHKLOG\x01\n"   frame …
//! frame   u32 length of the records   u64 XXH3 of them   record …        all or none count
//! record  u16 length of the key   u32 length of the value   key   value  all little-endian
//! ```
//!
//! Pure: bytes in, bytes out. A frame that is not whole ends a log: what was being written when
//! the process died.

use xxhash_rust::xxh3::xxh3_64;

/// What a log begins with.
pub(super) const MAGIC: &[u8; 8] = b"BHKLOG\x01\n";

/// Bytes of a frame before its records.
pub(super) const HEAD: usize = 12;

/// Bytes of a record before its key.
pub(super) const RECORD: usize = 6;

/// Begins a record; gives where its key will stand.
pub(super) fn begin(bytes: &mut Vec<u8>) -> usize {
    bytes.extend([0; RECORD]);
    bytes.len()
}

/// Ends the record that begins at `start`, and whose key ends at `key_end`.
pub(super) fn end(bytes: &mut [u8], start: usize, key_end: usize) {
    let len = bytes.len();
    // A key has at most 1,089 bytes; of a value that is too long the frame is refused.
    let key = u16::try_from(key_end - start - RECORD).unwrap_or(u16::MAX);
    let value = u32::try_from(len - key_end).unwrap_or(u32::MAX);
    if let Some(head) = bytes.get_mut(start..start + RECORD) {
        let (of_key, of_value) = head.split_at_mut(2);
        of_key.copy_from_slice(&key.to_le_bytes());
        of_value.copy_from_slice(&value.to_le_bytes());
    }
}

/// Writes the head of a frame whose records follow it.
pub(super) fn seal(frame: &mut [u8]) {
    if let Some((head, records)) = frame.split_first_chunk_mut::<HEAD>() {
        let len = u32::try_from(records.len()).unwrap_or(u32::MAX);
        let (of_len, of_sum) = head.split_at_mut(4);
        of_len.copy_from_slice(&len.to_le_bytes());
        of_sum.copy_from_slice(&xxh3_64(records).to_le_bytes());
    }
}

/// How many bytes of a log are whole: up to the first frame that is not. `None` when it is no
/// log of this form.
pub(super) fn whole(log: &[u8]) -> Option<usize> {
    if !log.starts_with(MAGIC) {
        // One that was just being made.
        return MAGIC.starts_with(log).then_some(0);
    }
    let mut end = MAGIC.len();
    while let Some(len) = frame_len(log.get(end..).unwrap_or_default()) {
        end += len;
    }
    Some(end)
}

fn frame_len(rest: &[u8]) -> Option<usize> {
    let (head, rest) = rest.split_first_chunk::<HEAD>()?;
    let (len, sum) = head.split_first_chunk::<4>()?;
    let records = rest.get(..u32::from_le_bytes(*len) as usize)?;
    (xxh3_64(records).to_le_bytes() == sum).then_some(HEAD + records.len())
}

/// The record that begins at `start`: its key and its value.
pub(super) fn record_at(log: &[u8], start: usize) -> Option<(&[u8], &[u8])> {
    let rest = log.get(start..)?;
    let (key, value) = lengths(rest)?;
    let (key, rest) = rest.get(RECORD..)?.split_at_checked(key)?;
    Some((key, rest.get(..value)?))
}

/// The lengths of the key and the value of a record that begins with `head`.
pub(super) fn lengths(head: &[u8]) -> Option<(usize, usize)> {
    let (key, rest) = head.split_first_chunk::<2>()?;
    let (value, _) = rest.split_first_chunk::<4>()?;
    Some((u16::from_le_bytes(*key) as usize, u32::from_le_bytes(*value) as usize))
}

/// Where every record of a log that is whole begins, in the order of writing.
pub(super) struct Records<'l> {
    log: &'l [u8],
    at: usize,
    frame_end: usize,
}

impl<'l> Records<'l> {
    pub(super) const fn new(log: &'l [u8]) -> Self {
        Self { log, at: MAGIC.len(), frame_end: MAGIC.len() }
    }
}

impl Iterator for Records<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        while self.at == self.frame_end {
            let head = self.log.get(self.at..)?.first_chunk::<4>()?;
            self.at += HEAD;
            self.frame_end = self.at + u32::from_le_bytes(*head) as usize;
        }
        let start = self.at;
        let (key, value) = lengths(self.log.get(start..)?)?;
        self.at = start + RECORD + key + value;
        Some(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(records: &[(&str, &str)]) -> Vec<u8> {
        let mut bytes = vec![0; HEAD];
        for (key, value) in records {
            let start = bytes.len();
            begin(&mut bytes);
            bytes.extend_from_slice(key.as_bytes());
            let key_end = bytes.len();
            bytes.extend_from_slice(value.as_bytes());
            end(&mut bytes, start, key_end);
        }
        seal(&mut bytes);
        bytes
    }

    fn read(log: &[u8]) -> Vec<(&[u8], &[u8])> {
        Records::new(log).map(|start| record_at(log, start).unwrap()).collect()
    }

    #[test]
    fn reads_what_it_wrote_and_ends_at_the_first_byte_that_is_not() {
        let first = frame(&[("a", "one"), ("bb", "")]);
        let second = frame(&[("a", "two")]);
        let log = [MAGIC.as_slice(), &first, &frame(&[]), &second].concat();
        assert_eq!(whole(&log), Some(log.len()));
        let all: [(&[u8], &[u8]); 3] = [(b"a", b"one"), (b"bb", b""), (b"a", b"two")];
        assert_eq!(read(&log), all);
        let one = MAGIC.len() + first.len();
        for cut in MAGIC.len()..log.len() {
            let end = whole(&log[..cut]).unwrap();
            let expected = if cut < one { &all[..0] } else { &all[..2] };
            assert_eq!(read(&log[..end]), expected, "cut at {cut}");
        }
        for at in one + HEAD + HEAD..log.len() {
            let mut damaged = log.clone();
            damaged[at] ^= 1;
            assert_eq!(whole(&damaged), Some(one + HEAD), "damaged at {at}");
        }
        assert_eq!(whole(b"BHK"), Some(0));
        assert_eq!(whole(b"something else"), None);
    }
}
