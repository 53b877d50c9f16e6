//! What the server can do, asked before each kick-off, with patience for one that is busy.
//!
//! Source: Bulk Data IG, "Server Capability Documentation"; RFC 9110 section 10.2.3.

use std::time::Duration;

use bulkhead_bulk::{Error as BulkError, Server};

use super::{Export, kickoff::patience, stopped, unreached};
use crate::{output::Event, watermark::span};

/// Requests that bring no answer, of one question: the address may be wrong, and then nobody
/// wants to wait for long.
const LOST: u32 = 3;

impl Export {
    /// Asks the server what it can do, again after a while as long as it is busy.
    pub(super) async fn discover(&self) -> anyhow::Result<Server> {
        let mut left = self.config.limits.kickoff_wait;
        let longest = self.config.limits.longest_poll;
        let mut lost = 0;
        for tried in 0.. {
            let asked = tokio::select! {
                asked = self.client.discover() => asked,
                () = self.stop.requested() => return Err(stopped()),
            };
            let error = match asked {
                Ok(server) => return Ok(server),
                Err(error) => error,
            };
            let is_lost = matches!(error, BulkError::Network { .. });
            lost += u32::from(is_lost);
            let may_pass = error.is_transient() && lost < LOST;
            let asked = error.retry_after().or(is_lost.then_some(Duration::ZERO));
            let wait = patience(asked, tried, longest, left);
            let Some(wait) = wait.filter(|_| may_pass) else {
                return Err(unreached(error));
            };
            left = left.saturating_sub(wait);
            // With what is behind it: what to mend may be known before the waiting ends.
            let error = anyhow::Error::new(error);
            self.output.event(Event::Remark(format!(
                "the server does not say what it can do ({error:#}): it is asked again in {}",
                span(wait)
            )));
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.stop.requested() => return Err(stopped()),
            }
        }
        Err(stopped())
    }
}
