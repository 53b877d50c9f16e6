//! Addresses as a server writes them, and as they are: behind a proxy that speaks TLS for it, a
//! server may take itself for one of clear text, or for another host.
//!
//! Mended is what cannot be meant otherwise, and what the operator says. Nothing is ever changed
//! to clear text.

use std::sync::atomic::{AtomicBool, Ordering};

use bulkhead_model::SafeUrl;
use url::Url;

use crate::settings::{Rewrite, Settings};

/// What is known of the server's addresses.
pub(super) struct Addresses {
    base: Url,
    rewrite: Option<Rewrite>,
    is_told: AtomicBool,
}

impl Addresses {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            base: settings.base.clone(),
            rewrite: settings.rewrite.clone(),
            is_told: AtomicBool::new(false),
        }
    }

    /// The address by which to reach what the server calls `url`.
    pub(super) fn mended(&self, url: &Url) -> Url {
        let rewritten = self.rewritten(url).unwrap_or_else(|| url.clone());
        let mended = self.secured(&rewritten).unwrap_or(rewritten);
        if mended != *url && !self.is_told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                written = %SafeUrl::of(url), used = %SafeUrl::of(&mended),
                "the server writes addresses of itself that are not right; they are mended"
            );
        }
        mended
    }

    /// What begins as the operator says begins with something else.
    fn rewritten(&self, url: &Url) -> Option<Url> {
        let Rewrite { from, to } = self.rewrite.as_ref()?;
        if url.as_str().starts_with(to.as_str()) {
            return None;
        }
        let rest = url.as_str().strip_prefix(from.as_str())?;
        Url::parse(&format!("{to}{rest}")).ok()
    }

    /// Clear text on the base's own host, where the base is not: the port is then the base's.
    fn secured(&self, url: &Url) -> Option<Url> {
        let is_alike = url.scheme() == "http"
            && self.base.scheme() == "https"
            && url.host() == self.base.host()
            && (url.port().is_none() || url.port() == self.base.port());
        if !is_alike {
            return None;
        }
        let mut secured = url.clone();
        secured.set_scheme("https").ok()?;
        secured.set_port(self.base.port()).ok()?;
        Some(secured)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Items: 95, 124.
    /// Faults: F6, F34.
    #[test]
    fn mends_what_cannot_be_meant_otherwise_and_what_the_operator_says() {
        let rewrite = |from: &str, to: &str| {
            Some(Rewrite { from: from.parse().unwrap(), to: to.parse().unwrap() })
        };
        let (plain, port) =
            ("https://ehr.example/fhir/", "https://ehr.example:8443/fhir/");
        let to_base = rewrite("http://fhir:8080/", "https://ehr.example/");
        let doubled = rewrite("https://ehr.example/", "https://ehr.example/fhir/");
        // name, base, rewrite, as written, as it is
        let cases = [
            ("right", plain, None, "https://ehr.example/s/1", "https://ehr.example/s/1"),
            (
                "clear text",
                plain,
                None,
                "http://ehr.example/s/1?a=b",
                "https://ehr.example/s/1?a=b",
            ),
            (
                "its port",
                plain,
                None,
                "http://ehr.example:80/s/1",
                "https://ehr.example/s/1",
            ),
            (
                "the base's port",
                port,
                None,
                "http://ehr.example/s/1",
                "https://ehr.example:8443/s/1",
            ),
            (
                "both",
                port,
                None,
                "http://ehr.example:8443/s/1",
                "https://ehr.example:8443/s/1",
            ),
            (
                "another port",
                plain,
                None,
                "http://ehr.example:8080/s",
                "http://ehr.example:8080/s",
            ),
            (
                "another host",
                plain,
                None,
                "http://files.example/s",
                "http://files.example/s",
            ),
            (
                "a base in clear text",
                "http://ehr.example/",
                None,
                "http://ehr.example/s",
                "http://ehr.example/s",
            ),
            (
                "as the operator says",
                plain,
                to_base.clone(),
                "http://fhir:8080/fhir/s",
                "https://ehr.example/fhir/s",
            ),
            (
                "not so",
                plain,
                to_base,
                "http://other:8080/fhir/s",
                "http://other:8080/fhir/s",
            ),
            (
                "once",
                plain,
                doubled.clone(),
                "https://ehr.example/s",
                "https://ehr.example/fhir/s",
            ),
            (
                "never twice",
                plain,
                doubled,
                "https://ehr.example/fhir/s",
                "https://ehr.example/fhir/s",
            ),
        ];
        for (name, base, rewrite, written, expected) in cases {
            let settings = Settings { rewrite, ..Settings::new(base.parse().unwrap()) };
            let found = Addresses::new(&settings).mended(&written.parse().unwrap());
            assert_eq!(found.as_str(), expected, "case: {name}");
        }
    }
}
