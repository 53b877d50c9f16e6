//! Whether somebody waits for an artifact to appear.
//!
//! A call of a guest may be given up while a thread is still at work for it; what that thread
//! has not done by then it must not do.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

/// As the thread sees it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waited(Arc<Mutex<State>>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    GivenUp,
    #[default]
    Waiting,
}

/// As the one who waits holds it. Dropping it gives up, after what is just being done.
#[must_use = "when it is dropped, the work is given up"]
pub(crate) struct Waiting(Waited);

impl Waited {
    /// For the one who waits.
    pub(crate) fn waiting(&self) -> Waiting {
        Waiting(self.clone())
    }

    /// Does what cannot be taken back, if somebody waits for it, who cannot give up before it
    /// is done. It must be quick.
    pub(crate) fn unless_given_up<T>(
        &self,
        act: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match *state {
            State::GivenUp => Err(io::Error::other("nobody waits for it any more")),
            State::Waiting => act(),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = State::GivenUp;
    }
}
