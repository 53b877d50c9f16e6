//! URLs that may be shown: no user information, no query values, no fragment.

use std::fmt;

use url::Url;

/// A URL as it may appear in logs, errors and reports.
///
/// File URLs of a bulk export can be capability URLs: whoever holds the query string holds
/// the data. What prints is scheme, host, port and path; a query shows as `?…`.
///
/// Source: Bulk Data IG, "Security Considerations" (capability URLs).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SafeUrl(String);

impl SafeUrl {
    /// Redacts `url` for printing.
    pub fn of(url: &Url) -> Self {
        let mut shown = url.clone();
        // Both fail only for URLs that cannot have credentials; then there are none to hide.
        let _ = shown.set_username("");
        let _ = shown.set_password(None);
        shown.set_query(None);
        shown.set_fragment(None);
        let mut text = String::from(shown);
        if url.query().is_some() {
            text.push_str("?…");
        }
        Self(text)
    }

    /// Redacts text that should be a URL; what does not parse is not shown at all.
    pub fn parse(text: &str) -> Self {
        Url::parse(text)
            .map_or_else(|_| Self("<not a URL>".to_owned()), |url| Self::of(&url))
    }

    /// The printable text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&Url> for SafeUrl {
    fn from(url: &Url) -> Self {
        Self::of(url)
    }
}

impl fmt::Display for SafeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SafeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Items: 127.
    #[test]
    fn hides_credentials_and_query() {
        let cases = [
            ("plain", "https://h/fhir/$export", "https://h/fhir/$export"),
            ("query", "https://h/f?sig=secret", "https://h/f?…"),
            ("user", "https://u:p@h/f#frag", "https://h/f"),
            ("not a url", "sig=secret", "<not a URL>"),
        ];
        for (name, url, expected) in cases {
            assert_eq!(SafeUrl::parse(url).to_string(), expected, "case: {name}");
        }
    }
}
