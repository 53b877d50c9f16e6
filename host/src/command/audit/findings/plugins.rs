//! What to object to in one plugin: where it comes from, what it may, what it makes of it.

use bulkhead_sandbox::Isolation;

use super::{Found, Severity};
use crate::command::audit::{
    capabilities::Row,
    survey::{Pin, PluginFacts},
};

/// Runs after which a grant that was never used is taken for one that is not needed.
const RUNS: u64 = 5;

pub(super) fn plugin(plugin: &PluginFacts, found: &mut Found) {
    let about = format!("plugins.{}", plugin.name);
    origin(plugin, &about, found);
    for problem in &plugin.problems {
        found.add(
            Severity::Medium,
            "would-not-load",
            &about,
            format!("a run would refuse this plugin: {problem}"),
            "mend the grants, or replace the plugin; `bulkhead check` shows the same",
        );
    }
    for row in &plugin.capabilities {
        unused(plugin, row, &about, found);
    }
    powers(plugin, &about, found);
    isolation(plugin, &about, found);
    if plugin.refused > 0 {
        found.add(
            Severity::Medium,
            "refused-calls",
            &about,
            format!(
                "it asked {} times for stores, cohorts, keys or fields that it was not granted",
                plugin.refused
            ),
            "ask its authors why; its settings may name what it has no grant for",
        );
    }
    if plugin.deaths > 0 {
        found.add(
            Severity::Low,
            "deaths",
            &about,
            format!("its guests died {} times", plugin.deaths),
            "`bulkhead audit log` says in which runs and how; its limits may be too tight",
        );
    }
}

fn origin(plugin: &PluginFacts, about: &str, found: &mut Found) {
    match plugin.pin {
        Pin::Differs if plugin.sha256.is_some() => found.add(
            Severity::High,
            "not-the-pinned",
            about,
            "the file is not the one that `sha256` names; a run refuses it",
            "find out who replaced it; pin the new one only after you have inspected it",
        ),
        Pin::None => found.add(
            Severity::High,
            "unpinned",
            about,
            "nothing says which file this must be: whoever can write it decides what runs",
            format!(
                "write `sha256 = \"{}\"` after `bulkhead plugin inspect {}`",
                plugin.sha256.as_deref().unwrap_or("…"),
                plugin.path
            ),
        ),
        // What cannot be read is told elsewhere.
        Pin::Differs | Pin::Holds => {}
    }
    match (&plugin.unsigned, plugin.signed_by.is_empty()) {
        (Some(why), _) => found.add(
            Severity::High,
            "signature",
            about,
            format!("nobody of `signed-by` has signed this file: {why}"),
            "ask its authors for a signature over these very bytes",
        ),
        (None, true) => found.add(
            Severity::Low,
            "unsigned",
            about,
            "a digest says which file runs; nobody's signature says who made it",
            format!("name a `[trust.NAME]` in `{about}.signed-by`"),
        ),
        (None, false) => {}
    }
}

/// A grant that no run needed.
fn unused(plugin: &PluginFacts, row: &Row, about: &str, found: &mut Found) {
    if !row.is_granted || plugin.runs == 0 || row.used.calls > 0 {
        return;
    }
    let is_strong = matches!(
        row.interface.as_str(),
        "artifacts" | "bodies" | "keyed-hash" | "outbound-http" | "state"
    );
    let name =
        if row.name.is_empty() { String::new() } else { format!(" `{}`", row.name) };
    found.add(
        if is_strong && plugin.runs >= RUNS { Severity::Medium } else { Severity::Low },
        "unused-grant",
        about,
        format!(
            "`{}`{name} is granted and was never used in {}",
            row.interface,
            runs(plugin)
        ),
        "use a plugin that does not ask for it; what is not granted cannot be misused",
    );
}

/// Combinations that carry more than each part says.
fn powers(plugin: &PluginFacts, about: &str, found: &mut Found) {
    let sees_bodies = plugin.has("bodies");
    if sees_bodies && plugin.has("state") {
        found.add(
            Severity::Medium,
            "state-with-bodies",
            about,
            "it sees whole bodies and may keep values of its choice in the ledger, in clear",
            "grant `state` to plugins alone that see no bodies, or keep the state folder as you \
             keep the data",
        );
    }
    if plugin.says_text {
        let sees = sees_bodies || plugin.has("projection");
        found.add(
            if sees { Severity::High } else { Severity::Medium },
            "telemetry-text",
            about,
            "words of its own are written into the logs, and may be a patient's",
            format!(
                "set `{about}.grants.telemetry = true`; `\"text\"` is for rehearsals"
            ),
        );
    }
    if plugin.has("wasi") {
        found.add(
            Severity::Info,
            "virtual-wasi",
            about,
            "it gets WASI 0.2, virtual and empty: more code of the host stands behind it",
            "prefer plugins that need none",
        );
    }
    if sees_bodies && plugin.has("artifacts") {
        found.add(
            Severity::Info,
            "writes-what-it-sees",
            about,
            "it sees whole bodies and writes bytes of its choice to stores: what is there may \
             hold anything of them, changed at will",
            "a sink without `bodies` writes records from the host's memory and cannot change them",
        );
    }
    for field in plugin.names("projection") {
        if is_identifying(&field) {
            found.add(
                Severity::Low,
                "identifying-field",
                about,
                format!("field `{field}` can name a person"),
                "grant it only when the plugin's task needs it; membership is told by `cohorts`",
            );
        }
    }
}

/// What stands between its code and the host's memory.
fn isolation(plugin: &PluginFacts, about: &str, found: &mut Found) {
    let sees = plugin.has("bodies") || plugin.has("projection");
    let is_signed = !plugin.signed_by.is_empty() && plugin.unsigned.is_none();
    match plugin.isolation {
        Isolation::InProcess if sees && !is_signed => found.add(
            Severity::Medium,
            "in-process-with-bodies",
            about,
            "it sees content, nobody's signature says who made it, and it runs in the host's \
             process: only the engine stands between it and keys, tokens and other data",
            format!("set `{about}.isolation = \"process\"`, or name who signs it in `{about}.signed-by`"),
        ),
        Isolation::ProcessUnconfined => found.add(
            Severity::Info,
            "process-unconfined",
            about,
            "its process runs also where the kernel lacks a wall to put around it",
            format!(
                "set `{about}.isolation = \"process\"` where the kernel has landlock and seccomp"
            ),
        ),
        Isolation::InProcess | Isolation::Process => {}
    }
}

/// Elements of FHIR that name a person, or lead to one.
///
/// Source: FHIR R4, Patient and the Patient compartment; HIPAA 45 CFR 164.514(b)(2).
fn is_identifying(field: &str) -> bool {
    let first = field.split('.').next().unwrap_or(field);
    let is_reference = field.ends_with(".reference");
    is_reference
        || matches!(
            first,
            "address"
                | "birthDate"
                | "contact"
                | "id"
                | "identifier"
                | "name"
                | "patient"
                | "photo"
                | "subject"
                | "telecom"
                | "text"
        )
}

fn runs(plugin: &PluginFacts) -> String {
    if plugin.runs == 1 { "1 run".to_owned() } else { format!("{} runs", plugin.runs) }
}
