//! See [`guests::loader`] and [`guests::patched`].
#![no_main]

#[allow(dead_code, reason = "each target runs one of the bodies")]
#[path = "../bodies/guests.rs"]
mod guests;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    guests::loader(data);
    guests::patched(data);
});
