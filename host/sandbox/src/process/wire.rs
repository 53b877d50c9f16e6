//! How values stand in a frame: little-endian numbers, lengths before contents, no padding.
//!
//! Whoever reads may face a liar: [`Wire::take`] gives `None` for anything that is not exactly
//! such a value, and takes no more memory than [`Source`] has room for: an empty list costs four
//! bytes to send and six times as much to hold.

use std::time::Duration;

/// A value that can stand in a frame.
pub(crate) trait Wire: Sized {
    /// Appends it.
    fn put(&self, to: &mut Vec<u8>);

    /// Takes it from the front.
    fn take(from: &mut Source<'_>) -> Option<Self>;

    /// Appends many. Bytes do it in one piece.
    fn put_all(items: &[Self], to: &mut Vec<u8>) {
        for item in items {
            item.put(to);
        }
    }

    /// Takes `len` of them, one by one: the length is not believed before they are there.
    fn take_all(len: usize, from: &mut Source<'_>) -> Option<Vec<Self>> {
        let mut taken = Vec::new();
        for _ in 0..len {
            from.charge(size_of::<Self>())?;
            taken.push(Self::take(from)?);
        }
        Some(taken)
    }
}

/// A frame that is being read, and the memory that its values may still take.
pub(crate) struct Source<'f> {
    rest: &'f [u8],
    room: usize,
    is_full: bool,
}

/// Why a frame could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It holds no such value.
    Nonsense,
    /// What it holds takes more memory than it may.
    Room,
}

impl<'f> Source<'f> {
    /// Takes room for something that is going to be held.
    fn charge(&mut self, bytes: usize) -> Option<()> {
        let left = self.room.checked_sub(bytes);
        self.is_full = left.is_none();
        self.room = left?;
        Some(())
    }

    /// Takes bytes, and the room for them.
    fn bytes(&mut self, len: usize) -> Option<&'f [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.charge(len)?;
        self.rest = rest;
        Some(taken)
    }
}

/// The value that a whole frame of somebody we trust holds, and nothing after it.
pub(crate) fn read<T: Wire>(frame: &[u8]) -> Option<T> {
    read_within(frame, usize::MAX).ok()
}

/// The same of anybody's, as long as what it holds takes no more than `room` bytes.
///
/// # Errors
///
/// [`Unread`].
pub(crate) fn read_within<T: Wire>(frame: &[u8], room: usize) -> Result<T, Unread> {
    let mut source = Source { rest: frame, room, is_full: false };
    let value = T::take(&mut source);
    match value.filter(|_| source.rest.is_empty()) {
        Some(value) => Ok(value),
        None if source.is_full => Err(Unread::Room),
        None => Err(Unread::Nonsense),
    }
}

impl Wire for () {
    fn put(&self, _: &mut Vec<u8>) {}

    fn take(_: &mut Source<'_>) -> Option<Self> {
        Some(())
    }
}

impl Wire for u8 {
    fn put(&self, to: &mut Vec<u8>) {
        to.push(*self);
    }

    fn take(from: &mut Source<'_>) -> Option<Self> {
        let (first, rest) = from.rest.split_first()?;
        from.rest = rest;
        Some(*first)
    }

    fn put_all(items: &[Self], to: &mut Vec<u8>) {
        to.extend_from_slice(items);
    }

    fn take_all(len: usize, from: &mut Source<'_>) -> Option<Vec<Self>> {
        from.bytes(len).map(<[u8]>::to_vec)
    }
}

/// Numbers of several bytes.
macro_rules! number {
    ($($number:ty),*) => {$(
        impl Wire for $number {
            fn put(&self, to: &mut Vec<u8>) {
                to.extend_from_slice(&self.to_le_bytes());
            }

            fn take(from: &mut Source<'_>) -> Option<Self> {
                let (taken, rest) = from.rest.split_first_chunk()?;
                from.rest = rest;
                Some(Self::from_le_bytes(*taken))
            }

            fn put_all(items: &[Self], to: &mut Vec<u8>) {
                to.reserve(size_of_val(items));
                for item in items {
                    to.extend_from_slice(&item.to_le_bytes());
                }
            }

            fn take_all(len: usize, from: &mut Source<'_>) -> Option<Vec<Self>> {
                let taken = from.bytes(len.checked_mul(size_of::<Self>())?)?;
                let (chunks, _) = taken.as_chunks();
                Some(chunks.iter().map(|chunk| Self::from_le_bytes(*chunk)).collect())
            }
        }
    )*};
}

number!(u16, u32, u64, i64, f64);

impl Wire for bool {
    fn put(&self, to: &mut Vec<u8>) {
        to.push((*self).into());
    }

    fn take(from: &mut Source<'_>) -> Option<Self> {
        match u8::take(from)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

/// A length: frames are shorter than 4 GiB, so what is in them is too.
fn put_len(len: usize, to: &mut Vec<u8>) {
    // A longer one is cut here and refused by the frame, which is longer still.
    u32::try_from(len).unwrap_or(u32::MAX).put(to);
}

fn take_len(from: &mut Source<'_>) -> Option<usize> {
    usize::try_from(u32::take(from)?).ok()
}

impl<T: Wire> Wire for Vec<T> {
    fn put(&self, to: &mut Vec<u8>) {
        put_len(self.len(), to);
        T::put_all(self, to);
    }

    fn take(from: &mut Source<'_>) -> Option<Self> {
        let len = take_len(from)?;
        T::take_all(len, from)
    }
}

impl Wire for String {
    fn put(&self, to: &mut Vec<u8>) {
        put_len(self.len(), to);
        to.extend_from_slice(self.as_bytes());
    }

    fn take(from: &mut Source<'_>) -> Option<Self> {
        Self::from_utf8(Vec::take(from)?).ok()
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, to: &mut Vec<u8>) {
        self.is_some().put(to);
        if let Some(value) = self {
            value.put(to);
        }
    }

    fn take(from: &mut Source<'_>) -> Option<Self> {
        if bool::take(from)? { T::take(from).map(Some) } else { Some(None) }
    }
}

impl<T: Wire, E: Wire> Wire for Result<T, E> {
    fn put(&self, to: &mut Vec<u8>) {
        self.is_ok().put(to);
        match self {
            Ok(value) => value.put(to),
            Err(error) => error.put(to),
        }
    }

    fn take(from: &mut Source<'_>) -> Option<Self> {
        Some(if bool::take(from)? { Ok(T::take(from)?) } else { Err(E::take(from)?) })
    }
}

impl<A: Wire, B: Wire> Wire for (A, B) {
    fn put(&self, to: &mut Vec<u8>) {
        self.0.put(to);
        self.1.put(to);
    }

    fn take(from: &mut Source<'_>) -> Option<Self> {
        Some((A::take(from)?, B::take(from)?))
    }
}

impl Wire for Duration {
    fn put(&self, to: &mut Vec<u8>) {
        u64::try_from(self.as_millis()).unwrap_or(u64::MAX).put(to);
    }

    fn take(from: &mut Source<'_>) -> Option<Self> {
        u64::take(from).map(Self::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;

    #[test]
    fn what_is_put_is_taken_and_every_part_of_it_alone_is_refused() {
        fn case<T: Wire + PartialEq + Debug>(name: &str, value: &T) {
            let mut frame = Vec::new();
            value.put(&mut frame);
            assert_eq!(read::<T>(&frame).as_ref(), Some(value), "case: {name}");
            for cut in 0..frame.len() {
                assert_eq!(read::<T>(&frame[..cut]), None, "case: {name}, cut at {cut}");
            }
            frame.push(0);
            assert_eq!(read::<T>(&frame), None, "case: {name}, with one byte more");
        }
        case("a byte", &7_u8);
        case("numbers", &(u16::MAX, (1_u32, (u64::MAX, (-3_i64, 1.5_f64)))));
        case("bytes", &vec![1_u8, 2, 3]);
        case("columns", &(vec![1_u64, u64::MAX], vec![-1_i64]));
        case("text", &"ä and the rest".to_owned());
        case("lists of lists", &vec![vec![1_u8], vec![], vec![2, 3]]);
        case("something", &Some("x".to_owned()));
        case("an error", &Err::<(), u8>(3));
        case("a time", &Duration::from_millis(20));
    }

    /// Attacks: 14.
    #[test]
    fn what_is_small_to_send_and_large_to_hold_has_a_bound() {
        // A thousand empty lists: four kilobytes to send.
        let mut frame = Vec::new();
        vec![Vec::<u8>::new(); 1_000].put(&mut frame);
        let room = 1_000 * size_of::<Vec<u8>>();
        assert!(room > 5 * frame.len(), "that is the point");
        assert!(read_within::<Vec<Vec<u8>>>(&frame, room).is_ok());
        assert_eq!(read_within::<Vec<Vec<u8>>>(&frame, room - 1), Err(Unread::Room));
        // What is in them counts too.
        let mut frame = Vec::new();
        vec![vec![7_u64]; 10].put(&mut frame);
        let room = 10 * (size_of::<Vec<u64>>() + 8);
        assert!(read_within::<Vec<Vec<u64>>>(&frame, room).is_ok());
        assert_eq!(read_within::<Vec<Vec<u64>>>(&frame, room - 1), Err(Unread::Room));
    }

    #[test]
    fn lies_are_refused_before_they_cost_anything() {
        let huge = u32::MAX.to_le_bytes();
        assert_eq!(read::<Vec<u8>>(&huge), None, "bytes that are not there");
        assert_eq!(read::<Vec<u64>>(&huge), None, "numbers that are not there");
        assert_eq!(read::<Vec<Vec<u8>>>(&huge), None, "lists that are not there");
        assert_eq!(read::<bool>(&[2]), None, "neither true nor false");
        assert_eq!(read::<Option<u8>>(&[2, 0]), None, "neither some nor none");
        assert_eq!(read::<String>(&[1, 0, 0, 0, 0xff]), None, "no text");
    }
}
