//! What the journal keeps of an export, read back.

use std::time::Duration;

use anyhow::Context as _;
use bulkhead_bulk::{Kickoff, Manifest};
use bulkhead_ledger::ExportRecord;
use bulkhead_model::Instant;
use url::Url;

use crate::watermark::Clocks;

pub(super) fn clocks(record: &ExportRecord) -> Clocks {
    Clocks {
        kickoff_instant: record.kickoff_instant,
        server_date: record.server_date,
        transaction_time: record.transaction_time,
    }
}

/// The export's own moment, the same whenever the export is taken up again.
pub(super) fn export_time(record: &ExportRecord) -> Instant {
    record.transaction_time.unwrap_or_else(|| clocks(record).effective(Duration::ZERO))
}

pub(super) fn kickoff_of(record: &ExportRecord) -> anyhow::Result<Kickoff> {
    serde_json::from_str(&record.request).context("reading the journalled kick-off")
}

pub(super) fn manifest_of(record: &ExportRecord) -> anyhow::Result<Manifest> {
    let json = record.manifest.as_deref().context("the journal has no manifest")?;
    serde_json::from_str(json).context("reading the journalled manifest")
}

pub(super) fn status_url(record: &ExportRecord) -> anyhow::Result<Url> {
    let url = record.status_url.as_deref().context("the journal has no status URL")?;
    Url::parse(url).context("reading the journalled status URL")
}
