//! `keyed-hash`: HMAC-SHA-256 under a key that never enters the sandbox.

use aws_lc_rs::hmac;
use wasmtime::Result;

use crate::{bindings::wit::keyed_hash, context::Context};

impl keyed_hash::Host for Context {
    fn hmac(
        &mut self,
        key: String,
        values: Vec<Vec<u8>>,
    ) -> Result<Result<Vec<Vec<u8>>, keyed_hash::HashError>> {
        let granted = self.grants.keys.contains(&key);
        let Some(key) = self.resources.keys.get(&key).filter(|_| granted) else {
            return Ok(Err(keyed_hash::HashError::UnknownKey));
        };
        let of = |value: &Vec<u8>| hmac::sign(key, value).as_ref().to_vec();
        Ok(Ok(values.iter().map(of).collect()))
    }
}
