//! `wasi:random`: the randomness of the grant `random`; without it a function of the plugin's
//! digest and the call at hand.

use wasmtime::{Result, bail};
use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};

use crate::{context::Context, provide::random::MOST};

impl Context {
    fn wasi_bytes(&mut self, len: u64) -> Result<Vec<u8>> {
        if len > MOST.into() {
            bail!("more than {MOST} random bytes were asked for");
        }
        let mut bytes = vec![0; usize::try_from(len)?];
        if self.grants.random {
            self.draw(&mut bytes);
        } else {
            self.chance.fill(&mut bytes);
        }
        Ok(bytes)
    }

    fn wasi_number(&mut self) -> Result<u64> {
        let bytes = self.wasi_bytes(8)?;
        Ok(bytes.into_iter().fold(0, |number, byte| number << 8 | u64::from(byte)))
    }
}

impl random::Host for Context {
    fn get_random_bytes(&mut self, len: u64) -> Result<Vec<u8>> {
        self.wasi_bytes(len)
    }

    fn get_random_u64(&mut self) -> Result<u64> {
        self.wasi_number()
    }
}

impl insecure::Host for Context {
    fn get_insecure_random_bytes(&mut self, len: u64) -> Result<Vec<u8>> {
        self.wasi_bytes(len)
    }

    fn get_insecure_random_u64(&mut self) -> Result<u64> {
        self.wasi_number()
    }
}

impl insecure_seed::Host for Context {
    fn insecure_seed(&mut self) -> Result<(u64, u64)> {
        Ok((self.wasi_number()?, self.wasi_number()?))
    }
}
