//! Small durable values of this stage alone. Imports `state`.

use crate::host;

/// Why a value could not be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateError {
    /// The stage's values together are too large.
    Quota,
    /// The key or the value is too large.
    TooLarge,
    /// The host's store failed; asking again may help.
    Unavailable,
}

/// The value kept under `key`.
///
/// # Errors
///
/// [`StateError`] when the host's store failed.
pub fn get(key: &str) -> Result<Option<Vec<u8>>, StateError> {
    host::state_get(key)
}

/// Keeps `value` under `key`.
///
/// # Errors
///
/// [`StateError`] when it is too large or the host's store failed.
pub fn set(key: &str, value: &[u8]) -> Result<(), StateError> {
    host::state_set(key, value)
}

/// Forgets `key`.
///
/// # Errors
///
/// [`StateError`] when the host's store failed.
pub fn delete(key: &str) -> Result<(), StateError> {
    host::state_delete(key)
}
