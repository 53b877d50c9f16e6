//! `keyed-hash`: HMAC-SHA-256 under a key that never enters the sandbox.

use aws_lc_rs::hmac;
use bulkhead_pipeline::Limit;
use wasmtime::Result;

use crate::{bindings::wit::keyed_hash, context::Context};

/// Bytes hashed before neighbours get their turn: about a millisecond.
const STRETCH: usize = 1 << 20;

/// What a value and its hash take of memory, about: two lists, and 32 bytes in a piece of
/// their own.
const HELD: usize = 2 * size_of::<Vec<u8>>() + 48;

/// What a value costs besides its bytes: HMAC hashes four blocks of 64 bytes for an empty one.
const VALUE: usize = 256;

impl keyed_hash::Host for Context {
    async fn hmac(
        &mut self,
        key: String,
        values: Vec<Vec<u8>>,
    ) -> Result<Result<Vec<Vec<u8>>, keyed_hash::HashError>> {
        let granted = self.grants.keys.contains(&key);
        let name = key;
        let Some(key) = self.resources.keys.get(&name).filter(|_| granted) else {
            self.uses.refuse("keyed-hash");
            return Ok(Err(keyed_hash::HashError::UnknownKey));
        };
        // Guest-controlled: an empty value is little to pass, and its hash is not.
        if values.len().saturating_mul(HELD) > self.limits.return_bytes.as_usize() {
            self.meter.refuse(Limit::ReturnBytes);
            wasmtime::bail!("hashes of more values than one call may pass");
        }
        self.uses.count("keyed-hash", &name, values.iter().map(Vec::len).sum());
        let mut work = self.work();
        let mut hashes = Vec::with_capacity(values.len());
        let mut stretch = 0;
        // Guest-controlled: their number is bounded by the bytes that one call may pass, and
        // the time by the wall clock, which needs us to give way.
        for value in &values {
            hashes.push(hmac::sign(key, value).as_ref().to_vec());
            stretch += VALUE + value.len();
            if stretch >= STRETCH {
                stretch = 0;
                work.rest().await;
            }
        }
        self.worked(&work);
        Ok(Ok(hashes))
    }
}
