//! Bytes on their way to the disk while more are gathered.
//!
//! A file that is synced at its end alone waits there for all of its bytes, and several files that
//! end together leave the processor idle. So every few megabytes what has come is synced by
//! another thread; the last sync finds little left.
//!
//! The system tells of a failed write once for each open file, and a duplicate counts as the
//! same: a failure that shows here is kept for the last sync, which would not see it.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use cap_std::fs::File;
use tokio::runtime::Handle;

/// So many bytes are gathered before they are sent, in bytes.
const STEP: usize = 8 << 20;

/// What of one file was sent ahead.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// Bytes that came since the last sync began.
    waiting: usize,
    syncing: Arc<Syncing>,
}

#[derive(Debug, Default)]
struct Syncing {
    is_under_way: AtomicBool,
    /// The first failure. Held while a sync is made.
    failed: Mutex<Option<io::Error>>,
}

impl Ahead {
    /// Notes that `written` bytes went into `file`, and has them synced when they are many and no
    /// sync is under way. Without a runtime nothing is sent ahead.
    pub(super) fn wrote(&mut self, file: &File, written: usize) {
        self.waiting = self.waiting.saturating_add(written);
        if self.waiting < STEP || self.syncing.is_under_way.load(Ordering::Acquire) {
            return;
        }
        // Each is a help, not a need: the last sync sees to all.
        let (Ok(runtime), Ok(file)) = (Handle::try_current(), file.try_clone()) else {
            return;
        };
        self.waiting = 0;
        let syncing = Arc::clone(&self.syncing);
        syncing.is_under_way.store(true, Ordering::Release);
        runtime.spawn_blocking(move || syncing.sync(|| file.sync_data()));
    }

    /// Waits for a sync that is being made; gives the failure if any failed.
    pub(super) fn finish(&self) -> io::Result<()> {
        let mut failed =
            self.syncing.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.take().map_or(Ok(()), Err)
    }
}

impl Syncing {
    fn sync(&self, sync: impl FnOnce() -> io::Result<()>) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = sync() {
            failed.get_or_insert(error);
        }
        drop(failed);
        self.is_under_way.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_at_the_end_whatever_came_after_it() {
        let ahead = Ahead::default();
        ahead.syncing.sync(|| Err(io::Error::other("first")));
        ahead.syncing.sync(|| Err(io::Error::other("second")));
        ahead.syncing.sync(|| Ok(()));
        assert_eq!(ahead.finish().unwrap_err().to_string(), "first");
    }

    #[test]
    fn a_sync_that_is_being_made_is_waited_for() {
        let ahead = Ahead::default();
        let (sender, begun) = std::sync::mpsc::channel();
        let (let_go, wait) = std::sync::mpsc::channel::<()>();
        let syncing = Arc::clone(&ahead.syncing);
        let thread = std::thread::spawn(move || {
            syncing.sync(|| {
                let _ = sender.send(());
                let _ = wait.recv();
                Err(io::Error::other("late"))
            });
        });
        begun.recv().unwrap();
        let finish = std::thread::spawn(move || ahead.finish());
        drop(let_go);
        thread.join().unwrap();
        assert_eq!(finish.join().unwrap().unwrap_err().to_string(), "late");
    }
}
