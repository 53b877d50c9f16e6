//! `random`: at most 4096 bytes a call.

use wasmtime::{Result, bail};

use crate::{bindings::wit::random, context::Context};

const MOST: u32 = 4096;

impl random::Host for Context {
    fn get(&mut self, len: u32) -> Result<Vec<u8>> {
        if len > MOST {
            bail!("more than {MOST} random bytes were asked for");
        }
        self.uses.count("random", "", len as usize);
        let mut bytes = vec![0; len as usize];
        (self.resources.random)(&mut bytes);
        Ok(bytes)
    }
}
