//! See [`protocol::retry_after`].
#![no_main]

#[allow(dead_code, reason = "each target runs one of the bodies")]
#[path = "../bodies/protocol.rs"]
mod protocol;

libfuzzer_sys::fuzz_target!(|data: &[u8]| protocol::retry_after(data));
