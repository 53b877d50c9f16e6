//! Reads members that servers get wrong: what has another shape than it should is as good as
//! absent, and one thing is as good as a list of one.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;

/// What it is, or nothing.
pub(crate) fn or_nothing<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    let value = Value::deserialize(from)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

/// Those of a list that have the right shape; `null` is an empty list.
pub(crate) fn list<'de, D, T>(from: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let values = match Value::deserialize(from)? {
        Value::Array(values) => values,
        Value::Null => Vec::new(),
        one @ (Value::Bool(_)
        | Value::Number(_)
        | Value::Object(_)
        | Value::String(_)) => {
            vec![one]
        }
    };
    Ok(values
        .into_iter()
        .filter_map(|value| serde_json::from_value(value).ok())
        .collect())
}
