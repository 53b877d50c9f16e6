//! Lines that no honest server writes, made chunk by chunk: a line of a gigabyte costs the
//! server nothing.

use bytes::Bytes;
use serde_json::json;

use crate::scenario::Insert;

/// A line without its end, in chunks.
pub(super) type Chunks = Box<dyn Iterator<Item = Bytes> + Send>;

/// Makes a line.
pub(super) fn line(what: &Insert) -> Chunks {
    match what {
        Insert::Deep(depth) => {
            let depth = u64::from(*depth);
            let head = r#"{"resourceType":"Basic","id":"ordered-deep","x":"#;
            Box::new(
                one(head)
                    .chain(repeated(b'[', depth))
                    .chain(repeated(b']', depth))
                    .chain(one("}")),
            )
        }
        Insert::DuplicateKeys => Box::new(one(
            r#"{"resourceType":"Patient","id":"ordered-twice","active":true,"active":false}"#,
        )),
        Insert::Line(length) => {
            let head = r#"{"resourceType":"Basic","id":"ordered-line","implicitRules":""#;
            let rest = length.saturating_sub((head.len() + 2) as u64);
            Box::new(one(head).chain(repeated(b'a', rest)).chain(one("\"}")))
        }
        Insert::OfType(name) => {
            let id = format!("ordered-{}", name.to_ascii_lowercase());
            whole(&json!({"resourceType": name, "id": id}))
        }
        Insert::Outcome(severity) => whole(&json!({
            "resourceType": "OperationOutcome",
            "issue": [{"severity": severity, "code": "exception", "diagnostics": "ordered"}],
        })),
        Insert::Text(text) => Box::new(std::iter::once(Bytes::from(text.clone()))),
        Insert::Wide(width) => {
            let members = (0..*width).map(|n| Bytes::from(format!(",\"m{n}\":{n}")));
            let head = r#"{"resourceType":"Basic","id":"ordered-wide""#;
            Box::new(one(head).chain(members).chain(one("}")))
        }
        Insert::WithoutId => Box::new(one(r#"{"resourceType":"Patient","active":true}"#)),
        Insert::WithoutType => Box::new(one(r#"{"id":"ordered-untyped","active":true}"#)),
    }
}

fn whole(value: &serde_json::Value) -> Chunks {
    Box::new(std::iter::once(Bytes::from(value.to_string())))
}

fn one(text: &'static str) -> std::iter::Once<Bytes> {
    std::iter::once(Bytes::from_static(text.as_bytes()))
}

/// `byte` so many times, 64 KiB at a time.
fn repeated(byte: u8, times: u64) -> impl Iterator<Item = Bytes> + Send {
    let chunk = Bytes::from(vec![byte; CHUNK]);
    let mut left = times;
    std::iter::from_fn(move || {
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK);
        left -= length as u64;
        (length > 0).then(|| chunk.slice(..length))
    })
}

const CHUNK: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_as_long_as_ordered() {
        let made: usize = line(&Insert::Line(200_000)).map(|chunk| chunk.len()).sum();
        assert_eq!(made, 200_000);
        let deep: Vec<u8> = line(&Insert::Deep(3)).flatten().collect();
        assert_eq!(deep, br#"{"resourceType":"Basic","id":"ordered-deep","x":[[[]]]}"#);
        let wide: Vec<u8> = line(&Insert::Wide(2)).flatten().collect();
        assert!(serde_json::from_slice::<serde_json::Value>(&wide).is_ok());
    }
}
