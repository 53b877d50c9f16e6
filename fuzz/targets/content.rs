//! See [`lines::content`].
#![no_main]

#[allow(dead_code, reason = "each target runs one of the bodies")]
#[path = "../bodies/lines.rs"]
mod lines;

libfuzzer_sys::fuzz_target!(|data: &[u8]| lines::content(data));
