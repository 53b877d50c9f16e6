//! Members of a resource that a walk stops at.

use super::{REFERENCE, Text};

/// Names of members, as a filter: what is wanted is always found, and little else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted(u64);

impl Wanted {
    /// These names.
    pub(crate) fn new<'n>(names: impl IntoIterator<Item = &'n [u8]>) -> Self {
        Self(names.into_iter().fold(0, |bits, name| bits | Self::bit(name)))
    }

    /// Whether a key is to be stopped at. What one with an escape says, whoever stops there sees.
    #[inline]
    pub(super) fn at(self, depth: u32, name: &Text<'_>) -> bool {
        if depth > 1 {
            name.says(REFERENCE)
        } else {
            name.is_escaped || self.0 & Self::bit(name.raw) != 0
        }
    }

    /// Names of one length that begin alike share one.
    #[inline]
    fn bit(name: &[u8]) -> u64 {
        let first = name.first().map_or(0, |first| usize::from(*first));
        1 << (name.len().wrapping_mul(5).wrapping_add(first) & 63)
    }
}
