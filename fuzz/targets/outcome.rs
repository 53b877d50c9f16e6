//! See [`protocol::outcome`].
#![no_main]

#[allow(dead_code, reason = "each target runs one of the bodies")]
#[path = "../bodies/protocol.rs"]
mod protocol;

libfuzzer_sys::fuzz_target!(|data: &[u8]| protocol::outcome(data));
