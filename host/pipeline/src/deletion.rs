//! Deletions as Bulk Data tells them: transaction Bundles of DELETE entries.
//!
//! Read for their keys; never executed as a transaction, and any other method is refused.
//!
//! Source: Bulk Data IG, "Response - Complete Status", `deleted`.

use bulkhead_model::ResourceType;
use serde::{Deserialize, Serialize};

use crate::{Reject, RejectClass};

/// The key of a resource, all that is known of a deleted one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Key {
    pub(crate) resource_type: ResourceType,
    pub(crate) id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle<'a> {
    resource_type: &'a str,
    #[serde(default)]
    entry: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    request: Option<Request>,
}

#[derive(Deserialize)]
struct Request {
    method: String,
    url: String,
}

/// The keys that one line of a `deleted` file names, or why one of its entries is refused.
pub(crate) fn keys(line: &[u8]) -> Result<Vec<Result<Key, Reject>>, Reject> {
    let malformed = |code: &str| Reject::new(RejectClass::Malformed, code);
    let bundle: Bundle<'_> =
        serde_json::from_slice(line).map_err(|_| malformed("not-a-bundle"))?;
    if bundle.resource_type != "Bundle" {
        return Err(malformed("not-a-bundle"));
    }
    if bundle.entry.is_empty() {
        return Err(malformed("empty-bundle"));
    }
    let key = |entry: Entry| {
        let request = entry.request.ok_or_else(|| malformed("not-a-delete"))?;
        if request.method != "DELETE" {
            return Err(malformed("not-a-delete"));
        }
        key_of(&request.url).ok_or_else(|| malformed("bad-delete-url"))
    };
    Ok(bundle.entry.into_iter().map(key).collect())
}

/// `Type/id`, also with a leading slash or below a base.
fn key_of(url: &str) -> Option<Key> {
    if url.contains(['?', '#']) {
        return None;
    }
    let mut from_end = url.rsplit('/');
    let id = from_end.next()?;
    let kind = from_end.next()?;
    let is_id = !id.is_empty()
        && id.len() <= 256
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    Some(Key { resource_type: kind.parse().ok()?, id: is_id.then(|| id.to_owned())? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(line: &str) -> Vec<String> {
        match keys(line.as_bytes()) {
            Ok(keys) => keys
                .into_iter()
                .map(|key| match key {
                    Ok(key) => format!("{}/{}", key.resource_type, key.id),
                    Err(reject) => reject.code,
                })
                .collect(),
            Err(reject) => vec![reject.code],
        }
    }

    fn bundle(entries: &str) -> String {
        format!(r#"{{"resourceType":"Bundle","type":"transaction","entry":[{entries}]}}"#)
    }

    /// Items: 110.
    /// Faults: F29.
    #[test]
    fn reads_keys_and_refuses_everything_else() {
        let delete =
            |url: &str| format!(r#"{{"request":{{"method":"DELETE","url":"{url}"}}}}"#);
        let cases = [
            ("relative", bundle(&delete("Patient/1")), vec!["Patient/1"]),
            ("slash", bundle(&delete("/Patient/1")), vec!["Patient/1"]),
            ("absolute", bundle(&delete("https://h/fhir/Patient/1")), vec!["Patient/1"]),
            (
                "several",
                bundle(&[delete("Patient/1"), delete("Group/g-2")].join(",")),
                vec!["Patient/1", "Group/g-2"],
            ),
            (
                "another method",
                bundle(r#"{"request":{"method":"PUT","url":"Patient/1"}}"#),
                vec!["not-a-delete"],
            ),
            ("no request", bundle("{}"), vec!["not-a-delete"]),
            ("conditional", bundle(&delete("Patient?x=1")), vec!["bad-delete-url"]),
            ("no id", bundle(&delete("Patient")), vec!["bad-delete-url"]),
            ("no entry", bundle(""), vec!["empty-bundle"]),
            (
                "another resource",
                r#"{"resourceType":"Patient"}"#.into(),
                vec!["not-a-bundle"],
            ),
            ("no JSON", "nope".into(), vec!["not-a-bundle"]),
        ];
        for (name, line, expected) in cases {
            assert_eq!(show(&line), expected, "case: {name}");
        }
    }
}
