//! Resources that the host itself calls back: a local NDJSON file of bare keys.
//!
//! ```text
//! {"resourceType":"Observation","id":"1"}              it left the cohort: a retraction
//! {"resourceType":"Observation","id":"2","gone":true}  the server has it no more: a deletion
//! ```
//!
//! The one owner of this form: the host writes lines with [`Recalled::line`], and a lane reads
//! them as [`FileKind::Recalled`](crate::FileKind::Recalled).

use bulkhead_model::ResourceType;
use serde::{Deserialize, Serialize};

use crate::{Change, Reject, RejectClass, deletion::Key};

/// A resource that is called back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Recalled {
    /// Its type.
    pub resource_type: ResourceType,
    /// Its id.
    pub id: String,
    /// The server has it no more, and never said so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
}

impl Recalled {
    /// The line that says so, without its end; `None` when the id is none.
    pub fn line(&self) -> Option<String> {
        // Both are plain text: this cannot fail.
        is_id(&self.id).then(|| serde_json::to_string(self).ok()).flatten()
    }
}

/// The key that one line names, and what becomes of it.
pub(crate) fn key(line: &[u8]) -> Result<(Key, Change), Reject> {
    let malformed = |code: &str| Reject::new(RejectClass::Malformed, code);
    let Recalled { resource_type, id, gone } =
        serde_json::from_slice(line).map_err(|_| malformed("not-a-key"))?;
    if !is_id(&id) {
        return Err(malformed("bad-id"));
    }
    let change = if gone { Change::Delete } else { Change::Retract };
    Ok((Key { resource_type, id }, change))
}

/// Whether `text` is an id that a line may have: what the reader of lines lets in.
fn is_id(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !br#"/\""#.contains(&byte);
    (1..=256).contains(&text.len()) && text.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_and_refuses_everything_else() {
        let of = |id: &str, gone| Recalled {
            resource_type: "Patient".parse().unwrap(),
            id: id.to_owned(),
            gone,
        };
        let written = [
            ("left", of("1", false), r#"{"resourceType":"Patient","id":"1"}"#),
            (
                "gone",
                of("a-B.9:x", true),
                r#"{"resourceType":"Patient","id":"a-B.9:x","gone":true}"#,
            ),
        ];
        for (name, recalled, line) in written {
            assert_eq!(recalled.line().as_deref(), Some(line), "case: {name}");
            let (key, change) = key(line.as_bytes()).unwrap();
            assert_eq!(
                (key.resource_type, key.id),
                (recalled.resource_type, recalled.id)
            );
            assert_eq!(change == Change::Delete, recalled.gone, "case: {name}");
        }
        assert_eq!(of("a/b", false).line(), None);
        assert_eq!(of("", false).line(), None);
        let refused = [
            ("no JSON", "nope", "not-a-key"),
            ("no id", r#"{"resourceType":"Patient"}"#, "not-a-key"),
            (
                "more than a key",
                r#"{"resourceType":"Patient","id":"1","name":[]}"#,
                "not-a-key",
            ),
            ("no type", r#"{"resourceType":"patient","id":"1"}"#, "not-a-key"),
            ("no id at all", r#"{"resourceType":"Patient","id":"a b"}"#, "bad-id"),
        ];
        for (name, line, code) in refused {
            let reject = key(line.as_bytes()).unwrap_err();
            assert_eq!(reject, Reject::new(RejectClass::Malformed, code), "case: {name}");
        }
    }
}
