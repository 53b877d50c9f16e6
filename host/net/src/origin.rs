//! Scheme, host and port: the unit in which trust is given.
//!
//! Source: RFC 6454 section 4; the default port counts as the port.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// The origin of an `http` or `https` URL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Origin {
    secure: bool,
    host: Host<String>,
    port: u16,
}

/// Text that names no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an origin (want `https://host` or `https://host:port`, nothing after it)")]
pub struct OriginError;

impl Origin {
    /// The origin of `url`, or `None` when its scheme is neither `http` nor `https`.
    pub fn of(url: &Url) -> Option<Self> {
        let secure = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        Some(Self {
            secure,
            host: url.host()?.to_owned(),
            port: url.port_or_known_default()?,
        })
    }

    /// Whether the scheme is `https`.
    pub fn is_https(&self) -> bool {
        self.secure
    }

    /// Whether the host is this machine by its spelling: `localhost`, `127.0.0.0/8`, `::1`.
    /// No name is resolved.
    pub fn is_loopback(&self) -> bool {
        match &self.host {
            Host::Domain(name) => {
                name.trim_end_matches('.').eq_ignore_ascii_case("localhost")
            }
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        }
    }

    /// The address, when the host is written as one and no name is resolved.
    pub(crate) fn literal(&self) -> Option<IpAddr> {
        match self.host {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
        }
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).map_err(|_| OriginError)?;
        let bare = url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        if bare { Self::of(&url).ok_or(OriginError) } else { Err(OriginError) }
    }
}

impl TryFrom<String> for Origin {
    type Error = OriginError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> Self {
        origin.to_string()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, default) = if self.secure { ("https", 443) } else { ("http", 80) };
        write!(f, "{scheme}://{}", self.host)?;
        if self.port == default { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_origins_and_nothing_longer() {
        let cases = [
            ("plain", "https://h.example", Some("https://h.example")),
            ("default port", "https://h.example:443/", Some("https://h.example")),
            ("upper case", "HTTPS://H.Example", Some("https://h.example")),
            ("port", "http://127.0.0.1:8080", Some("http://127.0.0.1:8080")),
            ("v6", "https://[::1]:8443", Some("https://[::1]:8443")),
            ("path", "https://h.example/fhir", None),
            ("credentials", "https://u:p@h.example", None),
            ("other scheme", "ftp://h.example", None),
            ("no scheme", "h.example", None),
        ];
        for (name, text, expected) in cases {
            let read = text.parse::<Origin>().ok().map(|origin| origin.to_string());
            assert_eq!(read.as_deref(), expected, "case: {name}");
        }
    }

    #[test]
    fn knows_loopback_by_spelling() {
        let cases = [
            ("name", "http://localhost:1", true),
            ("v4", "http://127.0.0.9", true),
            ("v6", "http://[::1]", true),
            ("look-alike", "http://localhost.example.org", false),
            ("private", "http://10.0.0.1", false),
        ];
        for (name, text, expected) in cases {
            assert_eq!(
                text.parse::<Origin>().unwrap().is_loopback(),
                expected,
                "case: {name}"
            );
        }
    }
}
