//! The clock and the randomness, as the program hands them in.

use std::{fmt, sync::Arc};

use bulkhead_model::Instant;

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;
/// Fills a buffer with unpredictable bytes.
pub type Random = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// What this crate needs of the world besides the network. Cheap to clone.
#[derive(Clone)]
pub struct Surroundings {
    /// Tells the time.
    pub clock: Clock,
    /// Fills a buffer with unpredictable bytes (assertion ids, jitter).
    pub random: Random,
}

impl Surroundings {
    /// The time.
    pub(crate) fn now(&self) -> Instant {
        (self.clock)()
    }

    /// 16 unpredictable bytes.
    pub(crate) fn nonce(&self) -> [u8; 16] {
        let mut nonce = [0; 16];
        (self.random)(&mut nonce);
        nonce
    }

    /// A number between 0 and 1, for jitter.
    pub(crate) fn fraction(&self) -> f64 {
        let mut bytes = [0; 4];
        (self.random)(&mut bytes);
        f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
    }
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Surroundings(..)")
    }
}
