//! What an auditor would object to: from facts to findings, each with what to do. No I/O.

mod chains;
mod plugins;

use clap::ValueEnum;
use serde::Serialize;

use super::survey::{DestinationFacts, Survey};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Severity {
    /// Worth knowing: somebody decided it.
    Info,
    /// Tidier otherwise.
    Low,
    /// More power or less protection than needed.
    Medium,
    /// A protection does not hold.
    High,
}

impl Severity {
    /// All, the worst first.
    pub(super) const ALL: [Self; 4] = [Self::High, Self::Medium, Self::Low, Self::Info];

    /// In a word.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
        }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Finding {
    pub(super) severity: Severity,
    /// Stays the same from version to version.
    pub(super) code: &'static str,
    /// What it is about.
    pub(super) about: String,
    pub(super) what: String,
    pub(super) remedy: String,
}

/// Everything to object to, the worst first.
pub(super) fn findings(survey: &Survey) -> Vec<Finding> {
    let mut found = Found::default();
    configuration(survey, &mut found);
    log(survey, &mut found);
    secrets(survey, &mut found);
    places(survey, &mut found);
    for destination in &survey.destinations {
        destination_of(destination, &mut found);
    }
    for plugin in &survey.plugins {
        plugins::plugin(plugin, &mut found);
    }
    for chain in &survey.chains {
        chains::chain(chain, survey, &mut found);
    }
    let mut all = found.0;
    // Stable: of one severity they stay in the order of the page.
    all.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    all
}

/// Findings as they come up.
#[derive(Debug, Default)]
struct Found(Vec<Finding>);

impl Found {
    fn add(
        &mut self,
        severity: Severity,
        code: &'static str,
        about: impl Into<String>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let (about, what, remedy) = (about.into(), what.into(), remedy.into());
        self.0.push(Finding { severity, code, about, what, remedy });
    }
}

fn configuration(survey: &Survey, found: &mut Found) {
    let of = &survey.configuration;
    for name in &of.idle_plugins {
        found.add(
            Severity::Low,
            "idle-plugin",
            format!("plugins.{name}"),
            "no chain uses this plugin, and its grants stand ready",
            format!("remove `[plugins.{name}]`"),
        );
    }
    for origin in &survey.server.in_clear {
        let is_own = ["http://localhost", "http://127.", "http://[::1]"]
            .iter()
            .any(|own| origin.starts_with(own));
        found.add(
            if is_own { Severity::Info } else { Severity::High },
            "source-in-clear",
            "source.insecure-origins",
            format!("{origin} may be spoken to without TLS: data and token can be read on the way"),
            "use https, and remove the origin from `source.insecure-origins`",
        );
    }
    if of.recipients.is_empty() {
        found.add(
            Severity::Info,
            "quarantine-without-bodies",
            "quarantine.recipients",
            "of refused records only position and code are kept: they cannot be looked at or \
             replayed",
            "name the public keys of those who may look in `quarantine.recipients`, or leave it so",
        );
    }
    if !of.remembers {
        found.add(
            Severity::Info,
            "nothing-remembered",
            "sync.remember",
            "it is not remembered what was delivered: nothing is called back when a patient \
             leaves a cohort or a resource is deleted unsaid",
            "set `sync.remember = \"resources\"`",
        );
    } else if !of.retracts {
        found.add(
            Severity::Info,
            "left-stays",
            "sync.left",
            "what was delivered of patients who left a cohort stays where it is",
            "set `sync.left = \"retract\"`",
        );
    }
}

fn log(survey: &Survey, found: &mut Found) {
    let log = &survey.log;
    for wrong in &log.wrong {
        found.add(
            Severity::High,
            "log-broken",
            "audit log",
            wrong,
            "`bulkhead audit verify` says where; compare with heads that were kept elsewhere and \
             with backups, then find out who wrote to the state folder",
        );
    }
    if let Some(why) = &log.unknown {
        let what = format!("nothing is known of past runs: {why}");
        let remedy = "look again after a run: what is unused shows only then";
        found.add(Severity::Info, "no-runs", "audit log", what, remedy);
    }
    let age = log.verified.map(|verified| survey.made_at.since(verified));
    if log.lines > 0 && log.wrong.is_empty() && age.is_none_or(|age| age > VERIFY_WITHIN)
    {
        found.add(
            Severity::Low,
            "log-not-verified",
            "audit log",
            "the log was not verified in the last 30 days",
            "run `bulkhead audit verify --head HASH` with a head that was kept elsewhere",
        );
    }
}

fn secrets(survey: &Survey, found: &mut Found) {
    for secret in &survey.secrets {
        if secret.is_open {
            found.add(
                Severity::High,
                "secret-open",
                &secret.setting,
                format!("anybody on this machine may read this secret: {}", secret.place),
                "`chmod 600` the file, then replace the secret: it may have been read",
            );
        }
        match secret.bytes {
            Some(bytes) if bytes < SHORTEST => found.add(
                if bytes < REFUSED { Severity::High } else { Severity::Low },
                "key-short",
                &secret.setting,
                format!(
                    "the key has {bytes} bytes: whoever holds a pseudonym can try keys of less \
                     than {SHORTEST}"
                ),
                "make one with `head -c 32 /dev/urandom | base64`; it makes other pseudonyms",
            ),
            None if secret.is_key => found.add(
                Severity::Info,
                "key-unread",
                &secret.setting,
                format!("the key could not be read here: {}", secret.place),
                "run the audit as the user who runs exports, with the same environment",
            ),
            Some(_) | None => {}
        }
    }
}

fn places(survey: &Survey, found: &mut Found) {
    for place in &survey.places {
        if place.is_written_by_others {
            let severity = match place.what {
                // A pin holds whatever is written there.
                "plugin" | "store" => Severity::Medium,
                _ => Severity::High,
            };
            found.add(
                severity,
                "written-by-others",
                place.what,
                format!(
                    "others than its owner may write {}: they decide what runs or what is said \
                     of it",
                    place.path
                ),
                format!("`chmod go-w {}`", place.path),
            );
        }
        if place.is_read_by_all && matches!(place.what, "state folder" | "store") {
            found.add(
                Severity::Medium,
                "read-by-all",
                place.what,
                format!("anybody on this machine may look into {}", place.path),
                format!("`chmod o-rwx {}`", place.path),
            );
        }
    }
}

fn destination_of(of: &DestinationFacts, found: &mut Found) {
    let about = format!("destinations.{}", of.name);
    if of.is_in_clear {
        found.add(
            Severity::High,
            "destination-in-clear",
            &about,
            format!("{} is spoken to without TLS: data and credentials can be read on the way", of.address),
            format!("write `https` in `{about}.url`, and remove `insecure`"),
        );
    }
    for range in &of.wide_ranges {
        found.add(
            Severity::Medium,
            "wide-range",
            &about,
            format!("{range} may be dialled: far more machines than one site's"),
            format!("name the network that is meant in `{about}.allow-cidr`"),
        );
    }
    if of.is_whole {
        found.add(
            Severity::Low,
            "wide-prefix",
            &about,
            format!("every path below {} may be asked for", of.address),
            format!("set `{about}.path-prefix` to what its plugins need"),
        );
    }
    if !of.is_granted {
        found.add(
            Severity::Low,
            "idle-destination",
            &about,
            "no plugin is granted this destination, and its credentials stand ready",
            format!("remove `[{about}]`"),
        );
    }
}

/// Pseudonyms are as strong as the hash from here on.
const SHORTEST: usize = 32;
/// Shorter ones are refused by a run.
const REFUSED: usize = 16;

/// How long a verification counts as recent: one that is run with every month's reports.
const VERIFY_WITHIN: std::time::Duration = std::time::Duration::from_hours(31 * 24);

#[cfg(test)]
mod tests;
