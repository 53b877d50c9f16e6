//! How long the simulated process lives.

/// The process died.
#[derive(Debug, thiserror::Error)]
#[error("the process died")]
pub(super) struct Crash;

/// How long the process lives.
#[derive(Debug, Default)]
pub(super) struct Fuse(pub(super) Option<u64>);

impl Fuse {
    pub(super) fn burn(&mut self) -> Result<(), Crash> {
        match &mut self.0 {
            None => Ok(()),
            Some(0) => Err(Crash),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }
}
