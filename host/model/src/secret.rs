//! Secrets as a type: keys, tokens, client secrets.

use std::fmt;

use zeroize::Zeroizing;

/// Bytes that authenticate us. Never printed, wiped from memory when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes charge of `bytes`.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// Gives the bytes. Every call is a place where a secret is used on purpose.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Gives the secret as text, or `None` when it is not UTF-8.
    pub fn expose_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Items: 31.
    #[test]
    fn prints_nothing_of_what_it_holds() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(..)");
    }

    /// That they are wiped nobody can see afterwards; that their type does it, the compiler can.
    #[test]
    fn its_bytes_are_of_a_type_that_is_wiped_when_it_is_dropped() {
        fn is_wiped<T: zeroize::ZeroizeOnDrop>(_: &T) {}
        is_wiped(&Secret::new("hunter2").0);
    }
}
