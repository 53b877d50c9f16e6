//! Who else hears of a line that is walked over.

use super::Extent;

/// Hears of what a scanner passes, whoever asks for it: one walk over a line serves two ends.
///
/// What is heard of may turn out to be no JSON further on.
pub(crate) trait Observer: Default {
    /// An object or array ends.
    fn close(&mut self);
    /// An item of the array that is open begins.
    fn item(&mut self);
    /// A key of the object that is open, with which `from` begins.
    fn key(&mut self, from: &[u8], extent: Extent);
    /// An object or array begins.
    fn open(&mut self, bracket: u8);
    /// A number or literal: the first `len` bytes of `from`.
    fn scalar(&mut self, from: &[u8], len: usize);
    /// A text, with which `from` begins.
    fn text(&mut self, from: &[u8], extent: Extent);
}

/// Nobody listens.
impl Observer for () {
    #[inline]
    fn close(&mut self) {}
    #[inline]
    fn item(&mut self) {}
    #[inline]
    fn key(&mut self, _from: &[u8], _extent: Extent) {}
    #[inline]
    fn open(&mut self, _bracket: u8) {}
    #[inline]
    fn scalar(&mut self, _from: &[u8], _len: usize) {}
    #[inline]
    fn text(&mut self, _from: &[u8], _extent: Extent) {}
}
