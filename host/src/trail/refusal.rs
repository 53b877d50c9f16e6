//! Why plugins were refused, in codes and names.

use std::fmt;

use bulkhead_sandbox::Error as SandboxError;
use serde_json::{Value, json};

/// Names of a plugin's own, as far as they are kept.
const LONGEST: usize = 128;

/// Why plugins were refused, for the audit log. Stands as a cause behind the failure that says
/// the same in words.
#[derive(Debug)]
pub(crate) struct Refusal(pub(super) Value);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the plugins were refused")
    }
}

impl std::error::Error for Refusal {}

/// Why a chain's plugins were not accepted: a code and, for capabilities, each one by name.
/// `None` when it was for something else.
pub(crate) fn refusal(error: &anyhow::Error) -> Option<Refusal> {
    told(error).map(Refusal)
}

fn told(error: &anyhow::Error) -> Option<Value> {
    let found = error.chain().find_map(|cause| cause.downcast_ref::<SandboxError>())?;
    let why = match found {
        SandboxError::Cache { .. } => "cache",
        SandboxError::Compile { .. } => "compile",
        SandboxError::Died { .. } => "died",
        SandboxError::Digest { actual, pinned } => {
            return Some(json!({ "why": "digest", "found": actual, "pinned": pinned }));
        }
        SandboxError::Denied { denied } => {
            let denied: Vec<Value> = denied
                .iter()
                .map(|one| clipped(serde_json::to_value(one).unwrap_or_default()))
                .collect();
            return Some(json!({ "why": "denied", "denied": denied }));
        }
        SandboxError::Engine { .. } => "engine",
        SandboxError::Link { .. } => "link",
        SandboxError::Manifest { .. } => "manifest",
        SandboxError::ManifestLies => "manifest-lies",
        SandboxError::NotAPlugin(_) => "no-plugin",
        SandboxError::Read { .. } => "read",
        SandboxError::Settings { .. } => "settings",
        SandboxError::Signature { .. } => "signature",
        _ => "other",
    };
    Some(json!({ "why": why }))
}

/// Cuts names to a length: they are the plugin's.
fn clipped(value: Value) -> Value {
    match value {
        Value::String(text) => text.chars().take(LONGEST).collect::<String>().into(),
        Value::Object(map) => {
            map.into_iter().map(|(key, value)| (key, clipped(value))).collect()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;
    use bulkhead_sandbox::Denied;

    use super::*;

    #[test]
    fn names_what_was_denied_and_keeps_no_words_of_the_plugin() {
        let denied = vec![
            Denied::NotGranted { interface: "bodies".into(), why: "Jane Roe".into() },
            Denied::Foreign("x".repeat(300)),
        ];
        let error = anyhow::Error::new(SandboxError::Denied { denied });
        let Refusal(told) = refusal(&error.context("stage `a`")).unwrap();
        assert_eq!(
            told,
            json!({ "why": "denied", "denied": [
                { "not-granted": { "interface": "bodies" } },
                { "foreign": "x".repeat(128) },
            ]})
        );
        let digest = SandboxError::Digest { actual: "a".into(), pinned: "b".into() };
        let Refusal(told) = refusal(&anyhow::Error::new(digest)).unwrap();
        assert_eq!(told, json!({ "why": "digest", "found": "a", "pinned": "b" }));
        let other = Err::<(), _>(std::fmt::Error).context("x").unwrap_err();
        assert!(refusal(&other).is_none());
    }
}
