//! What is written into the audit log, and when.
//!
//! `ledger::audit` keeps the lines and binds them; here is what they say: names, numbers and
//! digests. Never a body, a patient, a secret, or the free words of a plugin or a server.
//!
//! What cannot be written down is not done: a run that cannot write its first line does not
//! start. A run without a last line was killed.

mod limits;
mod operator;
mod refusal;
mod run;
mod told;

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use bulkhead_ledger::{Ledger, audit::AuditHead};
use serde_json::{Value, json};

pub(crate) use self::{
    operator::operator,
    refusal::{Refusal, refusal},
    run::{Started, secret},
    told::tell,
};
use crate::{clock, config::Config};

/// Settings that are named in one line; the rest is counted.
const MOST_NAMES: usize = 200;

/// Something that is written into the audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// Settings are not what they were at the last run.
    ConfigurationChanged,
    /// A chain's plugins were not accepted.
    LoadRefused,
    /// Somebody overrode what the program would have done.
    Override,
    /// A plugin is not the one of the last run.
    PluginChanged,
    /// A run of a chain ended.
    RunEnded,
    /// A run of a chain began.
    RunStarted,
}

impl Event {
    /// As it is written.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::ConfigurationChanged => "configuration-changed",
            Self::LoadRefused => "load-refused",
            Self::Override => "override",
            Self::PluginChanged => "plugin-changed",
            Self::RunEnded => "run-ended",
            Self::RunStarted => "run-started",
        }
    }
}

/// The audit log of a ledger, as the program writes it.
#[derive(Clone, Debug)]
pub(crate) struct Trail {
    ledger: Ledger,
}

impl Trail {
    /// Of this ledger.
    pub(crate) fn new(ledger: &Ledger) -> Self {
        Self { ledger: ledger.clone() }
    }

    /// Writes one line, on the disk when this returns.
    ///
    /// # Errors
    ///
    /// When it cannot be written: then what it tells of must not be done.
    pub(crate) fn write(
        &self,
        event: Event,
        payload: &Value,
    ) -> anyhow::Result<AuditHead> {
        Ok(self.ledger.audit(event.as_str(), payload, clock::now())?)
    }

    /// Notes that the operator overrides something, with its particulars.
    ///
    /// # Errors
    ///
    /// As [`Trail::write`].
    pub(crate) fn overridden(
        &self,
        what: &str,
        particulars: &Value,
    ) -> anyhow::Result<AuditHead> {
        let mut payload = json!({ "what": what, "by": operator() });
        if let (Some(all), Some(more)) =
            (payload.as_object_mut(), particulars.as_object())
        {
            all.extend(more.clone());
        }
        self.write(Event::Override, &payload)
    }

    /// Notes which settings have changed since they were seen last.
    ///
    /// # Errors
    ///
    /// As [`Trail::write`].
    pub(crate) fn configuration(&self, config: &Config) -> anyhow::Result<()> {
        const SUBJECT: &str = "setting";
        let now = &config.written.settings;
        let before = self.ledger.seen(SUBJECT)?;
        if before == *now {
            return Ok(());
        }
        if !before.is_empty() {
            let names = |found: Vec<&String>| {
                let more = found.len().saturating_sub(MOST_NAMES);
                let shown: Vec<&String> = found.into_iter().take(MOST_NAMES).collect();
                (shown.into_iter().cloned().collect::<Vec<_>>(), more)
            };
            let lacking = |of: &BTreeMap<String, String>,
                           all: &BTreeMap<String, String>| {
                names(all.keys().filter(|path| !of.contains_key(*path)).collect())
            };
            let (added, more_added) = lacking(&before, now);
            let (removed, more_removed) = lacking(now, &before);
            let (changed, more_changed) = names(
                now.iter()
                    .filter(|(path, of)| before.get(*path).is_some_and(|old| old != *of))
                    .map(|(path, _)| path)
                    .collect(),
            );
            let payload = json!({
                "by": operator(),
                "configuration": config.written.sha256,
                "changed": changed,
                "added": added,
                "removed": removed,
                "more": more_added + more_removed + more_changed,
            });
            self.write(Event::ConfigurationChanged, &payload)?;
        }
        Ok(self.ledger.see(SUBJECT, now)?)
    }

    /// Notes which plugins are not those that ran last under their names.
    fn plugins(&self, now: &BTreeMap<String, String>) -> anyhow::Result<()> {
        const SUBJECT: &str = "plugin";
        let mut seen = self.ledger.seen(SUBJECT)?;
        let before = seen.clone();
        for (name, sha256) in now {
            if let Some(old) = seen.insert(name.clone(), sha256.clone())
                && old != *sha256
            {
                let payload = json!({ "plugin": name, "before": old, "now": sha256 });
                self.write(Event::PluginChanged, &payload)?;
            }
        }
        if seen != before {
            self.ledger.see(SUBJECT, &seen)?;
        }
        Ok(())
    }
}

/// SHA-256 in lower-case hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let digest = digest(&SHA256, bytes);
    let digits = digest.as_ref().iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}
