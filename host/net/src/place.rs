//! Where a destination is, and what may be dialled for it.

use url::Url;

use crate::{cidr::Cidr, origin::Origin, reach::Reach};

/// Whether a destination may be spoken to without TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClearText {
    /// The operator says so.
    Allowed,
    /// Only on this machine.
    OnThisMachine,
}

/// Where a destination is. Holding one proves that it may be dialled as far as its spelling
/// tells; names are judged by what they resolve to, at every dial.
#[derive(Clone, Debug)]
pub struct Place {
    url: Url,
    origin: Origin,
    reach: Reach,
}

/// Why a URL cannot be a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceFault {
    /// The host is an address that must be allowed by name.
    #[error("its address is of a private or reserved network that is not allowed")]
    Address,
    /// Clear text that would leave this machine.
    #[error("clear text, and the host is not this machine")]
    ClearText,
    /// A user, a query or a fragment.
    #[error("a URL with a user, password, `?` or `#`")]
    Extra,
    /// Neither `http` nor `https`.
    #[error("neither http nor https")]
    Scheme,
}

impl Place {
    /// Checks `url`: public addresses and those in `allow` may be dialled.
    ///
    /// # Errors
    ///
    /// [`PlaceFault`] when it cannot be a destination.
    pub fn new(
        url: Url,
        allow: Vec<Cidr>,
        clear_text: ClearText,
    ) -> Result<Self, PlaceFault> {
        let origin = Origin::of(&url).ok_or(PlaceFault::Scheme)?;
        let has_user = !url.username().is_empty() || url.password().is_some();
        if has_user || url.query().is_some() || url.fragment().is_some() {
            return Err(PlaceFault::Extra);
        }
        let reach = match (origin.is_https(), clear_text) {
            (true, _) | (false, ClearText::Allowed) => Reach::Listed(allow),
            (false, ClearText::OnThisMachine) if origin.is_loopback() => {
                Reach::LoopbackOf(allow)
            }
            (false, ClearText::OnThisMachine) => return Err(PlaceFault::ClearText),
        };
        // Nothing resolves a literal, so no resolver would refuse it.
        if origin.literal().is_some_and(|address| !reach.permits(address)) {
            return Err(PlaceFault::Address);
        }
        Ok(Self { url, origin, reach })
    }

    /// The URL.
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// Scheme, host and port.
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(crate) const fn reach(&self) -> &Reach {
        &self.reach
    }

    /// The URL of `target`, a path with its query, at this place; `None` when reading it as
    /// a URL would make anything else of it.
    pub(crate) fn at(&self, target: &str) -> Option<Url> {
        let url = Url::parse(&format!("{}{target}", self.origin)).ok()?;
        let is_same = Origin::of(&url).as_ref() == Some(&self.origin)
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none()
            && target_of(&url) == target;
        is_same.then_some(url)
    }
}

fn target_of(url: &Url) -> String {
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(
        url: &str,
        allow: &[&str],
        clear_text: ClearText,
    ) -> Result<Place, PlaceFault> {
        let allow = allow.iter().map(|range| range.parse().unwrap()).collect();
        Place::new(url.parse().unwrap(), allow, clear_text)
    }

    /// Attacks: 34.
    #[test]
    fn a_private_address_in_any_spelling_is_no_destination_unless_it_is_allowed() {
        let spellings = [
            "https://127.1/",
            "https://0x7f000001/",
            "https://0x7f.0.0.1/",
            "https://017700000001/",
            "https://2130706433/",
            "https://127.0.0.1./",
            "https://\u{ff11}27.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:169.254.169.254]/",
            "https://[64:ff9b::a9fe:a9fe]/",
            "https://[2002:a9fe:a9fe::]/",
            "https://[fd00:ec2::254]/",
            "https://169.254.169.254/",
            "https://100.64.0.1/",
            "https://0.0.0.0/",
            "https://0/",
            "https://10.0.0.1/",
        ];
        for url in spellings {
            let found = place(url, &[], ClearText::OnThisMachine).map(|_| ());
            assert_eq!(found, Err(PlaceFault::Address), "case: {url}");
            let found = place(url, &["192.168.0.0/16"], ClearText::Allowed).map(|_| ());
            assert_eq!(found, Err(PlaceFault::Address), "case: {url}, beside the list");
        }
        for url in ["https://127.1/", "https://[::ffff:127.0.0.1]/", "http://127.0.0.1/"]
        {
            let found = place(url, &["127.0.0.0/8"], ClearText::OnThisMachine);
            assert!(found.is_ok(), "case: {url}, allowed");
        }
    }

    #[test]
    fn clear_text_stays_on_this_machine_unless_the_operator_says_otherwise() {
        use ClearText::{Allowed, OnThisMachine};
        let local: &[&str] = &["127.0.0.0/8", "10.0.0.0/8"];
        let cases = [
            ("this machine by name", "http://localhost:1/", local, OnThisMachine, None),
            ("this machine", "http://127.0.0.1:1/", local, OnThisMachine, None),
            (
                "this machine, not listed",
                "http://127.0.0.1:1/",
                &[],
                OnThisMachine,
                Some(PlaceFault::Address),
            ),
            (
                "elsewhere",
                "http://h.example/",
                local,
                OnThisMachine,
                Some(PlaceFault::ClearText),
            ),
            (
                "elsewhere, listed",
                "http://10.0.0.1/",
                local,
                OnThisMachine,
                Some(PlaceFault::ClearText),
            ),
            ("elsewhere, said to be fine", "http://10.0.0.1/", local, Allowed, None),
            ("a file", "file:///etc/passwd", local, Allowed, Some(PlaceFault::Scheme)),
            (
                "a user",
                "https://u@h.example/",
                &[],
                OnThisMachine,
                Some(PlaceFault::Extra),
            ),
            (
                "a query",
                "https://h.example/?q",
                &[],
                OnThisMachine,
                Some(PlaceFault::Extra),
            ),
        ];
        for (name, url, allow, clear_text, expected) in cases {
            assert_eq!(place(url, allow, clear_text).err(), expected, "case: {name}");
        }
    }

    /// Attacks: 30.
    #[test]
    fn a_target_cannot_become_another_place() {
        let place = place("https://h.example:8443/v1/", &[], ClearText::Allowed).unwrap();
        let cases = [
            ("a path", "/v1/x", true),
            ("a query", "/v1/x?a=b", true),
            ("what is an authority to a reference is a path here", "//evil/", true),
            ("a user", "@evil/", false),
            ("a port", ":1/", false),
            ("more of the host", ".evil/", false),
            ("a climb", "/v1/../x", false),
            ("a climb, encoded", "/v1/%2e%2e/x", false),
            ("backslashes", "\\\\evil", false),
            ("a fragment", "/x#y", false),
            ("a line end", "/x\r\ny", false),
            ("nothing", "", false),
        ];
        for (name, target, expected) in cases {
            assert_eq!(place.at(target).is_some(), expected, "case: {name}");
        }
    }
}
