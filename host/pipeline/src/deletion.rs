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

/// An entry that is refused, and the type that it names all the same, if it names one: it is of
/// no other.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) of: Option<ResourceType>,
    pub(crate) reject: Reject,
}

/// The keys that one line of a `deleted` file names, or why one of its entries is refused.
pub(crate) fn keys(line: &[u8]) -> Result<Vec<Result<Key, Refused>>, Reject> {
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
        let Some(request) = entry.request else {
            return Err(Refused { of: None, reject: malformed("not-a-delete") });
        };
        let refused = |code| Refused { of: named(&request.url), reject: malformed(code) };
        if request.method != "DELETE" {
            return Err(refused("not-a-delete"));
        }
        key_of(&request.url).ok_or_else(|| refused("bad-delete-url"))
    };
    Ok(bundle.entry.into_iter().map(key).collect())
}

/// `Type/id`, also with a leading slash or below a base, and with the version that was the
/// last one behind it.
fn key_of(url: &str) -> Option<Key> {
    if url.contains(['?', '#']) {
        return None;
    }
    let mut from_end = current(url).rsplit('/');
    let id = from_end.next()?;
    let kind = from_end.next()?;
    let is_id = !id.is_empty()
        && id.len() <= 256
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    Some(Key { resource_type: kind.parse().ok()?, id: is_id.then(|| id.to_owned())? })
}

/// The same without `/_history/…`.
fn current(url: &str) -> &str {
    url.split_once("/_history").map_or(url, |(current, _)| current)
}

/// The type that stands where a key's type stands: last, or before an id.
fn named(url: &str) -> Option<ResourceType> {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    current(path).rsplit('/').take(2).find_map(|segment| segment.parse().ok())
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
                    Err(refused) => {
                        let of = refused.of.map_or(String::new(), |of| format!("{of}: "));
                        format!("{of}{}", refused.reject.code)
                    }
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
            ("versioned", bundle(&delete("Patient/1/_history/2")), vec!["Patient/1"]),
            (
                "absolute and versioned",
                bundle(&delete("https://h/fhir/Patient/1/_history/2")),
                vec!["Patient/1"],
            ),
            ("all versions", bundle(&delete("Patient/1/_history")), vec!["Patient/1"]),
            (
                "several",
                bundle(&[delete("Patient/1"), delete("Group/g-2")].join(",")),
                vec!["Patient/1", "Group/g-2"],
            ),
            (
                "another method",
                bundle(r#"{"request":{"method":"PUT","url":"Patient/1"}}"#),
                vec!["Patient: not-a-delete"],
            ),
            ("no request", bundle("{}"), vec!["not-a-delete"]),
            (
                "conditional",
                bundle(&delete("Patient?x=1")),
                vec!["Patient: bad-delete-url"],
            ),
            ("no id", bundle(&delete("Patient")), vec!["Patient: bad-delete-url"]),
            (
                "an odd id",
                bundle(&delete("Patient/a b")),
                vec!["Patient: bad-delete-url"],
            ),
            ("no type", bundle(&delete("patient/1")), vec!["bad-delete-url"]),
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
