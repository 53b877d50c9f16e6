//! Paths that cannot climb, hide or name another place.
//!
//! A path is not mended but refused: what two programs might read in two ways (dots, slashes,
//! backslashes, parameters, and their encodings) is not sent at all.
//!
//! Source: RFC 3986 sections 3.3 and 5.2.4; RFC 9112 section 3.2 (forms of a target).

use url::Url;

/// The path below which everything lies that a guest may reach at a destination: without a
/// slash at its end, so that it may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base(String);

/// Why a path is refused. None of these carries any of its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    /// A character that has no business there, as it is or encoded.
    #[error("a character that is not allowed, plain or encoded")]
    Character,
    /// A segment of dots.
    #[error("a segment of dots")]
    Dots,
    /// `//`.
    #[error("an empty segment")]
    EmptySegment,
    /// It is longer than any path that is needed.
    #[error("longer than {LONGEST} bytes")]
    Long,
    /// It does not begin with a slash: an authority, another form of target.
    #[error("no slash at its beginning")]
    Start,
}

/// Bytes of a whole target. Servers refuse more than 8 KiB.
const LONGEST: usize = 8 << 10;

impl Base {
    /// Of a destination's URL and the operator's prefix below it.
    ///
    /// # Errors
    ///
    /// [`PathFault`] when one of them cannot be a base.
    pub fn new(url: &Url, prefix: &str) -> Result<Self, PathFault> {
        if !prefix.starts_with('/') {
            return Err(PathFault::Start);
        }
        let base = format!(
            "{}{}",
            url.path().trim_end_matches('/'),
            prefix.trim_end_matches('/')
        );
        if base.len() > LONGEST {
            return Err(PathFault::Long);
        }
        check_path(&base)?;
        Ok(Self(base))
    }

    /// As it begins every target.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What to ask for when a guest asks for `asked`, a path with its query. Guest-controlled.
    ///
    /// # Errors
    ///
    /// [`PathFault`] when it is not plainly a path below this one.
    pub(crate) fn join(&self, asked: &str) -> Result<String, PathFault> {
        if self.0.len().saturating_add(asked.len()) > LONGEST {
            return Err(PathFault::Long);
        }
        let (path, query) = match asked.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (asked, None),
        };
        check_path(path)?;
        query.map_or(Ok(()), check_query)?;
        let mut target = format!("{}{path}", self.0);
        if target.is_empty() {
            target.push('/');
        }
        if let Some(query) = query {
            target.push('?');
            target.push_str(query);
        }
        Ok(target)
    }

    /// What a guest would ask for to reach the server's `path`; `None` when it may not.
    pub(crate) fn asked<'p>(&self, path: &'p str) -> Option<&'p str> {
        let asked = path.strip_prefix(self.0.as_str())?;
        check_path(asked).ok().map(|()| asked)
    }
}

/// A path is empty or segments, each with a slash before it.
fn check_path(path: &str) -> Result<(), PathFault> {
    let Some(segments) = path.strip_prefix('/') else {
        return if path.is_empty() { Ok(()) } else { Err(PathFault::Start) };
    };
    let mut segments = segments.split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        if segment.is_empty() && !is_last {
            return Err(PathFault::EmptySegment);
        }
        let decoded = decode(segment, |byte| b"-._~!$&()+,=:@".contains(&byte))?;
        // Slashes in whatever spelling, what ends a path, and a second encoding.
        let is_fine =
            |byte: &u8| (b' '..0x7f).contains(byte) && !b"/\\%?#;".contains(byte);
        let has_hidden_dot =
            segment.split('.').count() != decoded.split(|byte| *byte == b'.').count();
        if has_hidden_dot || !decoded.iter().all(is_fine) {
            return Err(PathFault::Character);
        }
        // Some systems drop dots and blanks at the end of a name.
        let is_dots = decoded.iter().all(|byte| b". ".contains(byte));
        if is_dots && !decoded.is_empty() {
            return Err(PathFault::Dots);
        }
    }
    Ok(())
}

fn check_query(query: &str) -> Result<(), PathFault> {
    let decoded = decode(query, |byte| b"-._~!$&()*+,;=:@/?".contains(&byte))?;
    if decoded.iter().any(u8::is_ascii_control) {
        return Err(PathFault::Character);
    }
    Ok(())
}

/// The bytes that `text` stands for. Beside letters, digits and `%XX`, only what `is_plain`.
fn decode(text: &str, is_plain: impl Fn(u8) -> bool) -> Result<Vec<u8>, PathFault> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte.is_ascii_alphanumeric() || is_plain(byte) {
            decoded.push(byte);
            continue;
        }
        let mut digit = || {
            let digit = bytes.next().and_then(|byte| char::from(byte).to_digit(16));
            digit.and_then(|digit| u8::try_from(digit).ok()).ok_or(PathFault::Character)
        };
        if byte != b'%' {
            return Err(PathFault::Character);
        }
        decoded.push(digit()? << 4 | digit()?);
    }
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(url: &str, prefix: &str) -> Result<Base, PathFault> {
        Base::new(&url.parse().unwrap(), prefix)
    }

    #[test]
    fn a_base_is_the_urls_path_and_the_prefix() {
        let cases = [
            ("neither", "https://h/", "/", Ok("")),
            ("a path", "https://h/v1/", "/", Ok("/v1")),
            ("both", "https://h:8443/v1/", "/ingest/", Ok("/v1/ingest")),
            ("no slash", "https://h/v1", "ingest", Err(PathFault::Start)),
            ("an empty segment", "https://h/v1//x", "/", Err(PathFault::EmptySegment)),
            ("a climb", "https://h/v1/", "/../x", Err(PathFault::Dots)),
            ("a query", "https://h/", "/x?y", Err(PathFault::Character)),
        ];
        for (name, url, prefix, expected) in cases {
            let found = base(url, prefix);
            assert_eq!(
                found.as_ref().map(Base::as_str),
                expected.as_ref().copied(),
                "case: {name}"
            );
        }
    }

    #[test]
    fn joins_what_is_plainly_below() {
        let cases = [
            ("the base itself", "", "/v1/ingest"),
            ("with a slash", "/", "/v1/ingest/"),
            ("below", "/Patient/a-b.c~_1", "/v1/ingest/Patient/a-b.c~_1"),
            ("an operation", "/Patient/$match", "/v1/ingest/Patient/$match"),
            ("a query", "?a=b&c=%7C%20x", "/v1/ingest?a=b&c=%7C%20x"),
            ("a query with slashes", "/x?u=http://e/", "/v1/ingest/x?u=http://e/"),
            (
                "letters of another script in a query",
                "/x?q=%C3%A4",
                "/v1/ingest/x?q=%C3%A4",
            ),
            ("a name with dots", "/a..b", "/v1/ingest/a..b"),
            ("a blank, encoded", "/a%20b", "/v1/ingest/a%20b"),
        ];
        for (name, asked, expected) in cases {
            let found = base("https://h/v1/", "/ingest").unwrap().join(asked);
            assert_eq!(found.as_deref(), Ok(expected), "case: {name}");
        }
        let bare = base("https://h/", "/").unwrap();
        assert_eq!(bare.join("").as_deref(), Ok("/"));
        assert_eq!(bare.join("?x").as_deref(), Ok("/?x"));
    }

    /// Attacks: 30.
    #[test]
    fn refuses_what_is_not_plainly_below() {
        use PathFault::{Character, Dots, EmptySegment, Long, Start};
        let cases = [
            ("an authority", "//evil/", EmptySegment),
            ("a URL", "http://evil/", Start),
            ("asterisk form", "*", Start),
            ("an asterisk", "/*", Character),
            ("a user", "@evil", Start),
            ("a port", ":1/", Start),
            ("more of the host", ".evil", Start),
            ("no slash", "x", Start),
            ("a climb", "/../admin", Dots),
            ("a climb at the end", "/x/..", Dots),
            ("here", "/./x", Dots),
            ("three dots", "/.../x", Dots),
            ("dots and a blank", "/..%20/x", Dots),
            ("encoded dots", "/%2e%2e/x", Character),
            ("half encoded dots", "/.%2E/x", Character),
            ("encoded twice", "/%252e%252e/x", Character),
            ("an encoded slash", "/..%2f..", Character),
            ("an encoded slash in capitals", "/x%2Fy", Character),
            ("a slash, overlong", "/%c0%af", Character),
            ("a dot, overlong", "/%c0%ae%c0%ae/", Character),
            ("a dot, full width", "/%ef%bc%8e%ef%bc%8e/", Character),
            ("a parameter", "/..;/x", Character),
            ("an encoded parameter", "/..%3b/x", Character),
            ("backslashes", "\\\\evil", Start),
            ("a backslash", "/..\\x", Character),
            ("an encoded backslash", "/..%5cx", Character),
            ("an empty segment", "/x//y", EmptySegment),
            ("a fragment", "/x#y", Character),
            ("an encoded fragment", "/x%23y", Character),
            ("an encoded query", "/x%3fy", Character),
            ("a line end", "/x\r\nHost: evil", Character),
            ("an encoded line end", "/x%0d%0aHost:%20evil", Character),
            ("an encoded line end in a query", "/x?y=%0d%0a", Character),
            ("NUL", "/x\0", Character),
            ("an encoded NUL", "/x%00", Character),
            ("DEL", "/x%7f", Character),
            ("a blank", "/x HTTP/1.1", Character),
            ("a fragment in a query", "/x?y#z", Character),
            ("half an encoding", "/x%2", Character),
            ("no encoding", "/x%zz", Character),
            ("a sign in an encoding", "/x%+1", Character),
            ("another script", "/p\u{0430}tient", Character),
        ];
        let base = base("https://h/v1/", "/ingest").unwrap();
        for (name, asked, expected) in cases {
            assert_eq!(base.join(asked), Err(expected), "case: {name}");
        }
        let long = format!("/{}", "x".repeat(64 << 10));
        assert_eq!(base.join(&long), Err(Long));
    }

    #[test]
    fn tells_what_a_servers_path_is_to_a_guest() {
        let cases = [
            ("below", "/v1/ingest/Patient/1", Some("/Patient/1")),
            ("the base", "/v1/ingest", Some("")),
            ("beside", "/v1/ingestion/x", None),
            ("elsewhere", "/admin", None),
        ];
        for (name, path, expected) in cases {
            let base = base("https://h/v1/", "/ingest").unwrap();
            assert_eq!(base.asked(path), expected, "case: {name}");
        }
    }
}
