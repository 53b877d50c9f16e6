//! `[quarantine]`: for whom bodies of refused records are sealed.

use bulkhead_egress::Recipient;
use bulkhead_model::ByteSize;

use super::reader::Reader;

/// For whom bodies of refused records are sealed, and how much may be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QuarantineConfig {
    /// Public keys; with none, no body is kept.
    pub(crate) recipients: Vec<Recipient>,
    /// The most that sealed files may take, all together.
    pub(crate) max_bytes: ByteSize,
}

impl QuarantineConfig {
    /// Whether bodies are kept.
    pub(crate) fn seals(&self) -> bool {
        !self.recipients.is_empty()
    }
}

pub(crate) fn read(quarantine: &Reader<'_>) -> QuarantineConfig {
    let mut recipients = Vec::new();
    // What stands there is not shown: it may be a private key.
    for (text, number) in
        quarantine.texts("recipients").unwrap_or_default().iter().zip(1..)
    {
        match text.parse::<Recipient>() {
            Ok(recipient) => recipients.push(recipient),
            Err(error) => quarantine.problem_at(
                "recipients",
                format!("number {number} of `quarantine.recipients` is {error}"),
            ),
        }
    }
    if recipients.len() > MOST {
        quarantine.problem_at(
            "recipients",
            format!("`quarantine.recipients` names more than {MOST}"),
        );
    }
    // Some hundred thousand resources: enough to find what is wrong with them.
    let max_bytes = quarantine.parsed("max-bytes").unwrap_or(ByteSize::mib(1024));
    quarantine.finish();
    QuarantineConfig { recipients, max_bytes }
}

/// Recipients of one file: each takes a stanza of every file.
const MOST: usize = 16;
