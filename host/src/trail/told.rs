//! Lines of the audit log in plain words, for people.

use bulkhead_ledger::audit::{ADOPTED, BROKEN, REPAIRED};
use serde_json::Value;

use crate::command::plain;

/// What an event says, the first line a sentence. The log may have been edited: what is read
/// from it is shown as plain text.
pub(crate) fn tell(event: &str, payload: &Value) -> Vec<String> {
    let lines = match event {
        "run-started" => started(payload),
        "run-ended" => ended(payload),
        "configuration-changed" => changed(payload),
        "plugin-changed" => vec![format!(
            "plugin `{}` is another than at the last run: {} became {}",
            text(payload, "plugin"),
            short(payload, "before"),
            short(payload, "now")
        )],
        "load-refused" => refused(payload),
        "override" => vec![overridden(payload)],
        REPAIRED => vec![format!(
            "a last line of {} bytes without an end, as a crash leaves it, was taken away (SHA-256 {})",
            number(payload, "bytes"),
            short(payload, "sha256")
        )],
        BROKEN => vec![
            "THE LOG DOES NOT END AS THE LEDGER KNOWS: lines were edited or taken away before this one"
                .to_owned(),
            format!("known: {}", compact(&payload["known"])),
            format!("found: {}", compact(&payload["found"])),
        ],
        ADOPTED => vec![
            "a new ledger found this log: the ledger was moved away or made anew".to_owned(),
        ],
        other => vec![format!("{other}: {}", compact(payload))],
    };
    lines.iter().map(|line| plain(line)).collect()
}

fn started(payload: &Value) -> Vec<String> {
    let mut lines = vec![
        format!(
            "{} started a run of chain `{}` against {} ({} level)",
            text(payload, "by"),
            text(payload, "chain"),
            text(payload, "server"),
            text(payload, "level")
        ),
        format!(
            "bulkhead {}, configuration {}",
            text(payload, "version"),
            short(payload, "configuration")
        ),
    ];
    for stage in array(payload, "stages") {
        let pinned = if stage["pinned"] == true { "" } else { ", NOT PINNED" };
        let grants = granted(&stage["grants"]);
        // Lines of earlier versions do not say.
        let isolation = stage["isolation"].as_str();
        let isolation = isolation.map_or(String::new(), |word| format!(", {word}"));
        lines.push(format!(
            "{} `{}`: plugin `{}` {}{pinned}{isolation}, granted {}",
            text(stage, "role"),
            text(stage, "stage"),
            text(stage, "plugin"),
            short(stage, "sha256"),
            if grants.is_empty() { "nothing" } else { &grants }
        ));
    }
    for (name, of) in object(payload, "cohorts") {
        lines.push(format!("cohort `{name}`: {} patients", number(of, "patients")));
    }
    if let Some(seed) = payload["deterministic"]["seed"].as_str() {
        lines.push(format!("deterministic, from the seed `{seed}`"));
    }
    for key in array(&payload["quarantine"], "recipients").filter_map(Value::as_str) {
        lines.push(format!("bodies of refused records are sealed to {key}"));
    }
    lines
}

/// What is granted, without what is not.
fn granted(grants: &Value) -> String {
    let Some(grants) = grants.as_object() else { return String::new() };
    let named = grants.iter().filter_map(|(name, value)| match value {
        Value::Array(names) if names.is_empty() => None,
        Value::Array(names) => {
            let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
            Some(format!("{name} ({})", names.join(", ")))
        }
        Value::Bool(true) => Some(name.clone()),
        Value::String(word) => Some(format!("{name} ({word})")),
        _ => None,
    });
    named.collect::<Vec<_>>().join(", ")
}

fn ended(payload: &Value) -> Vec<String> {
    let blame = payload["blame"].as_str();
    let blame = blame.map_or(String::new(), |blame| format!(" (whose fault: {blame})"));
    let mut lines = vec![format!(
        "the run of chain `{}` that line {} began ended: {}{blame}",
        text(payload, "chain"),
        number(payload, "started"),
        text(payload, "outcome")
    )];
    for of in array(payload, "counts") {
        lines.push(format!(
            "export {}: {} read, {} delivered, {} dropped, {} in quarantine",
            text(of, "export"),
            number(of, "read"),
            number(of, "delivered"),
            number(of, "dropped"),
            number(of, "quarantined")
        ));
    }
    for (stage, of) in object(payload, "deaths") {
        lines.push(format!("guests of `{stage}` died: {}", compact(of)));
    }
    for (stage, of) in object(payload, "refused-calls") {
        lines.push(format!(
            "`{stage}` asked for what it was not granted: {}",
            compact(of)
        ));
    }
    lines
}

fn changed(payload: &Value) -> Vec<String> {
    let mut lines = vec![format!(
        "the configuration is not what it was at the last run; it is {} now, run by {}",
        short(payload, "configuration"),
        text(payload, "by")
    )];
    for key in ["changed", "added", "removed"] {
        let names: Vec<&str> = array(payload, key).filter_map(Value::as_str).collect();
        if !names.is_empty() {
            lines.push(format!("{key}: {}", names.join(", ")));
        }
    }
    lines
}

fn refused(payload: &Value) -> Vec<String> {
    let mut lines = vec![format!(
        "the plugins of chain `{}` were refused: {}",
        text(payload, "chain"),
        text(payload, "why")
    )];
    if payload["pinned"].is_string() {
        lines.push(format!(
            "found {}, pinned {}",
            short(payload, "found"),
            short(payload, "pinned")
        ));
    }
    lines.extend(array(payload, "denied").map(compact));
    lines
}

fn overridden(payload: &Value) -> String {
    let Some(all) = payload.as_object() else { return compact(payload) };
    let more: Vec<String> = all
        .iter()
        .filter(|(key, _)| !matches!(key.as_str(), "by" | "what"))
        .map(|(key, value)| format!("{key} {}", compact(value)))
        .collect();
    format!(
        "{} used `{}` {}",
        text(payload, "by"),
        text(payload, "what"),
        more.join(", ")
    )
}

fn text<'a>(of: &'a Value, key: &str) -> &'a str {
    of[key].as_str().unwrap_or("?")
}

/// As much of a digest as tells it from others at a glance.
fn short<'a>(of: &'a Value, key: &str) -> &'a str {
    let whole = text(of, key);
    whole.get(..16).unwrap_or(whole)
}

fn number(of: &Value, key: &str) -> u64 {
    of[key].as_u64().unwrap_or(0)
}

fn array<'a>(of: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    of[key].as_array().into_iter().flatten()
}

fn object<'a>(of: &'a Value, key: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    of[key].as_object().into_iter().flatten()
}

fn compact(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::trail::Event;

    #[test]
    fn every_event_has_words_of_its_own_and_nothing_in_it_moves_the_cursor() {
        let events = [
            Event::ConfigurationChanged,
            Event::LoadRefused,
            Event::Override,
            Event::PluginChanged,
            Event::RunEnded,
            Event::RunStarted,
        ];
        let payload =
            json!({ "by": "a\u{1b}[31m", "chain": "b\nc", "what": "\u{202e}x" });
        let own = [REPAIRED, BROKEN, ADOPTED].into_iter();
        for event in events.map(Event::as_str).into_iter().chain(own) {
            let lines = tell(event, &payload);
            assert!(!lines[0].starts_with(event), "case: {event}: no words");
            for line in lines {
                assert_eq!(plain(&line), line, "case: {event}");
            }
        }
        assert_eq!(tell("later", &json!({ "a": 1 })), ["later: {\"a\":1}"]);
    }
}
