//! `error` and `outcome` files: what the server has to say of its own export.
//!
//! Source: Bulk Data IG, "Response - Complete Status", `error`.

use std::collections::BTreeMap;

use anyhow::Context as _;
use bulkhead_bulk::{Client, Manifest, OutputFile};
use bulkhead_ndjson::{Block, Framer, FramerLimits, Line};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};

/// Codes that are told apart; what is beyond is counted as one. Server-controlled.
const CODES: usize = 32;

/// What a server's outcomes amount to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(crate) struct OutcomeCounts {
    /// Issues by severity and code: `error forbidden`.
    pub(crate) issues: BTreeMap<String, u64>,
    /// Issues of severity `error` or `fatal`.
    pub(crate) errors: u64,
    /// Lines read.
    pub(crate) lines: u64,
    /// Files that could not be read, and lines that are no outcome.
    pub(crate) unread: u64,
}

#[derive(Deserialize)]
struct Outcome {
    #[serde(default)]
    issue: Vec<Issue>,
}

#[derive(Deserialize)]
struct Issue {
    #[serde(default)]
    severity: String,
    #[serde(default)]
    code: String,
}

impl OutcomeCounts {
    /// Whether nothing was said.
    pub(crate) fn is_empty(&self) -> bool {
        self.lines == 0 && self.unread == 0
    }

    /// Adds all of `other`.
    pub(crate) fn add(&mut self, other: &Self) {
        for (issue, count) in &other.issues {
            *self.issues.entry(issue.clone()).or_default() += count;
        }
        self.errors += other.errors;
        self.lines += other.lines;
        self.unread += other.unread;
    }

    fn take(&mut self, block: &Block) {
        for line in &block.lines {
            self.lines += 1;
            let bytes = match line {
                Line::TooLong { .. } => None,
                Line::Whole { span, .. } => block.bytes.get(span.clone()),
            };
            match bytes.and_then(|bytes| serde_json::from_slice::<Outcome>(bytes).ok()) {
                Some(outcome) => outcome.issue.iter().for_each(|issue| self.note(issue)),
                None => self.unread += 1,
            }
        }
    }

    fn note(&mut self, issue: &Issue) {
        self.errors += u64::from(matches!(issue.severity.as_str(), "error" | "fatal"));
        let word = |text: &str| -> String {
            text.chars()
                .filter(|c| c.is_ascii_lowercase() || *c == '-')
                .take(32)
                .collect()
        };
        let name = format!("{} {}", word(&issue.severity), word(&issue.code));
        let is_known = self.issues.contains_key(&name) || self.issues.len() < CODES;
        let name = if is_known { name } else { "others".to_owned() };
        *self.issues.entry(name).or_default() += 1;
    }
}

/// Reads one outcome file.
///
/// # Errors
///
/// When it cannot be downloaded.
pub(super) async fn read(
    client: &Client,
    manifest: &Manifest,
    file: &OutputFile,
) -> anyhow::Result<OutcomeCounts> {
    let mut download = client.download(manifest, file).await?;
    let mut framer = Framer::new(FramerLimits::default());
    let mut counts = OutcomeCounts::default();
    while let Some(chunk) =
        download.try_next().await.context("reading an outcome file")?
    {
        framer.push(&chunk);
        while let Some(block) = framer.next_block() {
            counts.take(&block);
        }
    }
    let (last, _) = framer.finish();
    if let Some(block) = last {
        counts.take(&block);
    }
    Ok(counts)
}
