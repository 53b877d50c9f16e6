//! Stopping: by a signal, or because something failed for good elsewhere.

use tokio::sync::watch;

/// Why lanes should stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Something else failed for good.
    GivenUp,
    /// Nothing says so.
    NotAtAll,
    /// A person or the system asked for it.
    Signal,
}

/// Shared by everything that must stop together. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Sender<Why>);

impl Stop {
    /// Nothing has said so yet.
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(Why::NotAtAll))
    }

    /// Stops at Ctrl-C and, on Unix, at SIGTERM. A second Ctrl-C kills the process, which is
    /// safe at any moment.
    pub(crate) fn at_signals() -> anyhow::Result<Self> {
        let stop = Self::new();
        let sender = stop.0.clone();
        #[cfg(unix)]
        let mut terminate =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::spawn(async move {
            #[cfg(unix)]
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            #[cfg(not(unix))]
            let _ = tokio::signal::ctrl_c().await;
            sender.send_replace(Why::Signal);
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(5);
            }
        });
        Ok(stop)
    }

    /// Tells everyone that something failed for good.
    pub(crate) fn give_up(&self) {
        self.0.send_if_modified(|why| {
            let is_news = *why == Why::NotAtAll;
            if is_news {
                *why = Why::GivenUp;
            }
            is_news
        });
    }

    /// Forgets that something failed for good: what begins now has not failed.
    pub(crate) fn take_heart(&self) {
        self.0.send_if_modified(|why| {
            let is_news = *why == Why::GivenUp;
            if is_news {
                *why = Why::NotAtAll;
            }
            is_news
        });
    }

    /// Whether and why to stop.
    pub(crate) fn why(&self) -> Why {
        *self.0.borrow()
    }

    /// Whether it is time to stop.
    pub(crate) fn is_requested(&self) -> bool {
        self.why() != Why::NotAtAll
    }

    /// Returns when it is time to stop.
    pub(crate) async fn requested(&self) {
        let mut told = self.0.subscribe();
        // The sender lives as long as `self`.
        let _ = told.wait_for(|why| *why != Why::NotAtAll).await;
    }
}
