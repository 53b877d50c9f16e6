//! Which types a resource refers to, as far as plain text shows it.
//!
//! A resource refers to another by `"reference":"Type/id"`. What is written in another way, or
//! refers to another server, is passed over: this is evidence, and no index.
//!
//! Source: FHIR R4, "References".

use memchr::memmem;

/// The types that a line refers to by a relative reference, once for each.
pub(crate) fn types(line: &[u8]) -> impl Iterator<Item = &str> {
    memmem::find_iter(line, KEY)
        .filter_map(|at| target(line.get(at + KEY.len()..).unwrap_or_default()))
}

/// The type in `: "Type/id"`.
fn target(after: &[u8]) -> Option<&str> {
    let text = after.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    let text = text.strip_prefix(b"\"")?;
    let end = text.iter().take(LONGEST).position(|byte| *byte == b'/')?;
    let name = std::str::from_utf8(text.get(..end)?).ok()?;
    let is_name = name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_name.then_some(name)
}

const KEY: &[u8] = b"\"reference\"";

/// No type's name is longer.
const LONGEST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// Items: S12.
    #[test]
    fn relative_references_name_a_type_and_nothing_else_does() {
        let cases: &[(&str, &str, &[&str])] = &[
            ("one", r#"{"subject":{"reference":"Patient/1"}}"#, &["Patient"]),
            (
                "two, with spaces",
                r#"{"a":{"reference" : "Location/x"},"b":[{"reference":"Task/2"}]}"#,
                &["Location", "Task"],
            ),
            ("another server", r#"{"reference":"https://h/fhir/Patient/1"}"#, &[]),
            ("a fragment", r##"{"reference":"#med"}"##, &[]),
            ("a uuid", r#"{"reference":"urn:uuid:7"}"#, &[]),
            ("no text", r#"{"reference":{"reference":7}}"#, &[]),
            ("cut", r#"{"reference":"Pat"#, &[]),
            ("none", r#"{"id":"1"}"#, &[]),
        ];
        for (name, line, expected) in cases {
            let found: Vec<&str> = types(line.as_bytes()).collect();
            assert_eq!(found, *expected, "case: {name}");
        }
    }
}
