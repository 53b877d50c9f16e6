//! Randomness. Imports `random`.

use crate::host;

/// `len` random bytes, at most 4096.
pub fn get(len: u32) -> Vec<u8> {
    host::random(len)
}
