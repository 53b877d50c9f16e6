//! `random`: at most 4096 bytes a call; in a deterministic chain a function of its seed.

use wasmtime::{Result, bail};

use crate::{bindings::wit::random, context::Context};

pub(super) const MOST: u32 = 4096;

impl random::Host for Context {
    fn get(&mut self, len: u32) -> Result<Vec<u8>> {
        if len > MOST {
            bail!("more than {MOST} random bytes were asked for");
        }
        self.uses.count("random", "", len as usize);
        let mut bytes = vec![0; len as usize];
        self.draw(&mut bytes);
        Ok(bytes)
    }
}
