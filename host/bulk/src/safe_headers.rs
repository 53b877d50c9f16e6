//! The headers of an answer that may be kept and shown: those by which support finds a request,
//! and those that say when to come again. No cookie, no location, no token passes by a list of
//! what may.

use bulkhead_net::header::HeaderMap;
use serde_json::{Map, Value};

use crate::operation_outcome::clean;

/// What of an answer's headers may be shown. Server-controlled, cleaned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SafeHeaders(Vec<(&'static str, String)>);

impl SafeHeaders {
    /// Of an answer.
    pub fn of(headers: &HeaderMap) -> Self {
        let kept = ALLOWED.into_iter().filter_map(|name| {
            Some((name, headers.get(name)?.to_str().ok().and_then(clean)?))
        });
        Self(kept.collect())
    }

    /// One of them.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut named = self.0.iter().filter(|(known, _)| *known == name);
        named.next().map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        let members = self.0.iter();
        let members =
            members.map(|(name, text)| ((*name).to_owned(), Value::String(text.clone())));
        Value::Object(members.collect::<Map<_, _>>())
    }
}

const ALLOWED: [&str; 9] = [
    "cerner-correlation-id",
    "content-length",
    "content-type",
    "date",
    "opc-request-id",
    "retry-after",
    "x-correlation-id",
    "x-progress",
    "x-request-id",
];
