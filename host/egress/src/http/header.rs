//! Headers: which of them an operator can grant to a guest, which values a guest can give
//! them, and which of an answer it gets to see.
//!
//! Source: RFC 9110 sections 5.5 (values) and 7.6.1 (hop by hop); RFC 9112 section 6
//! (framing); RFC 6265.

use bulkhead_net::{
    Origin, Place,
    header::{HeaderMap, HeaderName, HeaderValue},
};

use super::path::Base;

/// Why a header cannot be granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    /// The host sets it, or it decides what a request is.
    #[error("the host's alone: it frames, routes or authenticates a request")]
    Hosts,
    /// No name of a header.
    #[error("not the name of a header")]
    Name,
}

/// The header of that name, when a guest may ever set it.
///
/// # Errors
///
/// [`HeaderFault`] when no guest may.
pub fn grantable(name: &str) -> Result<HeaderName, HeaderFault> {
    let header: HeaderName = name.parse().map_err(|_| HeaderFault::Name)?;
    let name = header.as_str();
    let is_hosts =
        HOSTS.contains(&name) || HOSTS_ALL.iter().any(|all| name.starts_with(all));
    if is_hosts { Err(HeaderFault::Hosts) } else { Ok(header) }
}

/// Set by the host alone: what frames a message, says where it goes or who sends it, and
/// what servers take for another method or path than those that were checked.
const HOSTS: [&str; 27] = [
    "alt-used",
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "cookie2",
    "date",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "idempotency-key",
    "keep-alive",
    "max-forwards",
    "origin",
    "referer",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "x-client-ip",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
];

/// Beginnings of further ones.
const HOSTS_ALL: [&str; 5] =
    ["proxy-", "sec-", "x-forwarded", "x-http-method", "x-method-override"];

/// Bytes of one value. Servers refuse heads of more than 8 KiB in all.
const LONGEST_VALUE: usize = 4 << 10;

/// The value of a header, as a guest gave it. `None` for anything but visible ASCII, blanks
/// and tabs.
pub(crate) fn value(text: &str) -> Option<HeaderValue> {
    let is_fine = |byte: u8| byte == b'\t' || (b' '..0x7f).contains(&byte);
    (text.len() <= LONGEST_VALUE && text.bytes().all(is_fine))
        .then(|| HeaderValue::from_str(text).ok())
        .flatten()
}

/// What of an answer's headers a guest gets: how to read the body, when to ask again, which
/// version of what was made, and by which id to speak of it. A `location` is given as the
/// guest would ask for it, and only when it may. Nothing else, so that neither cookies nor
/// challenges nor what a server says of its own insides comes in.
pub(crate) fn shown(
    headers: &HeaderMap,
    place: &Place,
    base: &Base,
) -> Vec<(String, String)> {
    let shown = SHOWN.into_iter().filter_map(|name| {
        let text = headers.get(name)?.to_str().ok()?;
        let text = match name {
            "location" => location(text, place, base)?,
            _ => text.to_owned(),
        };
        Some((name.to_owned(), text))
    });
    shown.collect()
}

const SHOWN: [&str; 7] = [
    "content-type",
    "etag",
    "last-modified",
    "location",
    "retry-after",
    "x-correlation-id",
    "x-request-id",
];

fn location(text: &str, place: &Place, base: &Base) -> Option<String> {
    let to = place.url().join(text).ok()?;
    let is_here = Origin::of(&to).as_ref() == Some(place.origin());
    base.asked(to.path()).filter(|_| is_here).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use bulkhead_net::ClearText;

    use super::*;

    /// Attacks: 31.
    #[test]
    fn what_frames_routes_or_authenticates_cannot_be_granted() {
        let hosts = [
            "Host",
            "authorization",
            "Proxy-Authorization",
            "proxy-connection",
            "Cookie",
            "Content-Length",
            "transfer-encoding",
            "Connection",
            "Keep-Alive",
            "TE",
            "Trailer",
            "Upgrade",
            "Expect",
            "X-HTTP-Method-Override",
            "x-method-override",
            "x-original-url",
            "X-Forwarded-Host",
            "Forwarded",
            "Idempotency-Key",
            "Sec-Fetch-Site",
        ];
        for name in hosts {
            assert_eq!(grantable(name), Err(HeaderFault::Hosts), "case: {name}");
        }
        for name in ["", ":authority", "a b", "a:b", "a\r\nb", "ä"] {
            assert_eq!(grantable(name), Err(HeaderFault::Name), "case: {name:?}");
        }
        for name in ["content-type", "Prefer", "If-Match", "x-tenant", "accept"] {
            let found = grantable(name).map(|name| name.to_string());
            assert_eq!(found, Ok(name.to_lowercase()), "case: {name}");
        }
    }

    /// Attacks: 31.
    #[test]
    fn values_hold_one_line_of_visible_text() {
        let long = "x".repeat(LONGEST_VALUE + 1);
        let cases = [
            ("plain", "application/fhir+json; charset=utf-8", true),
            ("empty", "", true),
            ("a tab", "a\tb", true),
            ("a line end", "a\r\nHost: evil", false),
            ("a lone line feed", "a\nb", false),
            ("a lone carriage return", "a\rb", false),
            ("NUL", "a\0b", false),
            ("DEL", "a\u{7f}b", false),
            ("another script", "\u{0430}", false),
            ("too long", long.as_str(), false),
        ];
        for (name, text, expected) in cases {
            assert_eq!(value(text).is_some(), expected, "case: {name}");
        }
    }

    #[test]
    fn neither_cookies_nor_challenges_nor_other_places_are_shown() {
        let url = "https://h.example/v1/".parse().unwrap();
        let place = Place::new(url, Vec::new(), ClearText::OnThisMachine).unwrap();
        let base = Base::new(place.url(), "/in").unwrap();
        let see = |headers: &[(&'static str, &str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(*name, value.parse().unwrap());
            }
            shown(&map, &place, &base)
        };
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let secret = [
            ("set-cookie", "a=b"),
            ("www-authenticate", "Bearer realm=\"x\""),
            ("proxy-authenticate", "Basic"),
            ("server", "nginx"),
            ("authorization", "Bearer t"),
            ("x-powered-by", "x"),
        ];
        assert_eq!(see(&secret), []);
        let fine = [("retry-after", "3"), ("content-type", "a/b"), ("x-request-id", "7")];
        let expected = [
            pair("content-type", "a/b"),
            pair("retry-after", "3"),
            pair("x-request-id", "7"),
        ];
        assert_eq!(see(&fine), expected);
        let cases = [
            ("whole", "https://h.example/v1/in/Patient/1?x", Some("/Patient/1")),
            ("a path", "/v1/in/Patient/1", Some("/Patient/1")),
            ("another host", "https://evil.example/v1/in/x", None),
            ("another scheme", "http://h.example/v1/in/x", None),
            ("another path", "/admin", None),
        ];
        for (name, text, expected) in cases {
            let expected: Vec<_> =
                expected.into_iter().map(|path| pair("location", path)).collect();
            assert_eq!(see(&[("location", text)]), expected, "case: {name}");
        }
    }
}
