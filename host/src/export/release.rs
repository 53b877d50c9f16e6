//! Jobs that are left on the server: told to go as soon as nobody needs them any more.
//!
//! A server may refuse the next export while it keeps the last one, so the DELETE of every
//! ended export is tried until it is answered, in later runs too. A job that is older than our
//! kick-off may be one that the server shares with others: it is left alone.
//!
//! Source: Bulk Data IG, "Bulk Data Delete Request".

use std::time::Duration;

use bulkhead_bulk::{Cancelled, Client};
use bulkhead_ledger::{ExportRecord, Ledger};
use url::Url;

use super::Export;
use crate::{clock, output::Event};

/// A snapshot older than the kick-off by more than this is not of our kick-off.
const SHARED: Duration = Duration::from_mins(1);

/// How far a server's clock may be behind ours that does not tell the time.
const SKEW: Duration = Duration::from_mins(5);

/// Jobs of earlier runs that one run tries to release.
const MOST: u32 = 16;

/// What became of a job on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Release {
    /// The server took the DELETE.
    Deleted,
    /// The server did not know the job any more.
    Gone,
    /// The server could not be told; a later run tries again.
    Left(String),
    /// The server does not let us delete it.
    Refused(String),
    /// It may belong to others too, and was left to the server.
    Shared,
}

impl Release {
    /// What an operator should know, if anything.
    pub(crate) fn remark(&self) -> Option<String> {
        match self {
            Self::Deleted | Self::Gone => None,
            Self::Left(why) => Some(format!(
                "the job is left on the server: {why}; the next run tries to delete it again"
            )),
            Self::Refused(why) => {
                Some(format!("the job is left on the server, which does not let it go: {why}"))
            }
            Self::Shared => Some(
                "the job is left to the server: its snapshot is older than our kick-off, so \
                 others may use it"
                    .to_owned(),
            ),
        }
    }
}

/// Whether the job may be one that the server gave to others before.
fn is_shared(record: &ExportRecord) -> bool {
    let ours = record.server_date.unwrap_or(record.kickoff_instant.minus(SKEW));
    record.transaction_time.is_some_and(|time| time < ours.minus(SHARED))
}

/// Tells the server that the job of an ended export may go.
///
/// # Errors
///
/// When the ledger fails; what the server says is no error.
pub(crate) async fn release(
    client: &Client,
    ledger: &Ledger,
    record: &ExportRecord,
) -> anyhow::Result<Release> {
    let status_url = record.status_url.as_deref().and_then(|url| Url::parse(url).ok());
    // Only an export by `$export` has a job.
    let status_url = status_url.filter(|url| matches!(url.scheme(), "http" | "https"));
    let release = match status_url {
        None => Release::Gone,
        Some(_) if is_shared(record) => Release::Shared,
        Some(url) => match client.cancel(&url).await {
            Ok(Cancelled::Accepted) => Release::Deleted,
            Ok(Cancelled::AlreadyGone) => Release::Gone,
            Err(error) if error.is_transient() => Release::Left(error.to_string()),
            Err(error) => Release::Refused(error.to_string()),
        },
    };
    if !matches!(release, Release::Left(_)) {
        ledger.released(&record.id, clock::now())?;
    }
    Ok(release)
}

impl Export {
    /// Releases the job of an export that has just ended.
    pub(super) async fn release(&self, record: &ExportRecord) -> anyhow::Result<()> {
        let release = release(&self.client, &self.ledger, record).await?;
        if let Some(remark) = release.remark() {
            self.output.event(Event::Remark(format!("export {}: {remark}", record.id)));
        }
        Ok(())
    }

    /// Releases what earlier runs left, before anything new is asked for.
    pub(super) async fn release_left(&self) -> anyhow::Result<()> {
        for record in self.ledger.unreleased(&self.chain.name, MOST)? {
            if self.stop.is_requested() {
                return Ok(());
            }
            let release = release(&self.client, &self.ledger, &record).await?;
            let told = release.remark();
            let told =
                told.unwrap_or_else(|| "its job is gone from the server".to_owned());
            self.output.event(Event::Remark(format!("export {}: {told}", record.id)));
            // Whoever cannot be reached now will not be reached for the next one.
            if matches!(release, Release::Left(_)) {
                return Ok(());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bulkhead_ledger::Phase;
    use bulkhead_model::Instant;

    use super::*;

    /// Items: 58, 123. Faults: F8.
    #[test]
    fn a_job_older_than_our_kickoff_may_be_shared() {
        let at = |text: &str| text.parse::<Instant>().unwrap();
        let (ours, server) = (at("2026-01-01T12:00:00Z"), at("2026-01-01T10:00:00Z"));
        // name, server's clock, transaction time, shared
        let cases = [
            ("no manifest yet", Some(server), None, false),
            ("of the kick-off", Some(server), Some("2026-01-01T10:00:00Z"), false),
            ("cut to the minute", Some(server), Some("2026-01-01T09:59:00Z"), false),
            ("older", Some(server), Some("2026-01-01T09:58:59Z"), true),
            ("by our clock", None, Some("2026-01-01T11:53:59Z"), true),
            ("by our clock, ours", None, Some("2026-01-01T11:54:30Z"), false),
        ];
        for (name, server_date, time, expected) in cases {
            let record = ExportRecord {
                id: "e1".parse().unwrap(),
                stream: String::new(),
                chain: String::new(),
                request: String::new(),
                fingerprint: String::new(),
                kickoff_instant: ours,
                server_date,
                since: None,
                phase: Phase::Completed,
                status_url: None,
                manifest: None,
                transaction_time: time.map(at),
                failure: None,
                report: None,
                started_at: ours,
                finished_at: Some(ours),
                evidence: None,
                released_at: None,
            };
            assert_eq!(is_shared(&record), expected, "case: {name}");
        }
    }
}
