//! The one place that reads the clock and the randomness of this machine. Everything below
//! gets them as arguments.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use bulkhead_model::Instant;

/// Now. Never falls within a process, whatever is done to the machine's clock.
pub(crate) fn now() -> Instant {
    static LATEST: AtomicI64 = AtomicI64::new(i64::MIN);
    #[expect(clippy::disallowed_methods, reason = "this is the place")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    Instant::from_unix_ms(LATEST.fetch_max(ms, Ordering::Relaxed).max(ms))
}

/// Fills `bytes` from the system's randomness. The cryptographic library would measure the jitter
/// of the clock first, which takes 30 ms before the first request.
///
/// # Panics
///
/// When the system has none: nothing that needs it may go on then.
#[expect(clippy::expect_used, reason = "without randomness no token request is safe")]
pub(crate) fn random(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the system gives randomness");
}

/// The clock as the floors below take it.
pub(crate) fn shared() -> Arc<dyn Fn() -> Instant + Send + Sync> {
    Arc::new(now)
}
