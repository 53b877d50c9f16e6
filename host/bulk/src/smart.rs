//! A server's SMART configuration.
//!
//! Source: SMART App Launch 2.2, "Conformance" (`.well-known/smart-configuration`).

use serde::Deserialize;
use url::Url;

use crate::scope::Dialect;

/// What `.well-known/smart-configuration` says that matters to a backend service. All of it
/// is server-controlled, and older servers omit most.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Smart {
    /// The token endpoint, as stated; may be relative to the FHIR base.
    pub token_endpoint: Option<String>,
    /// The signature algorithms taken, when stated.
    #[serde(default)]
    pub token_endpoint_auth_signing_alg_values_supported: Vec<String>,
    /// What the server can do, when stated.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// Some scopes; the list is not exhaustive by definition.
    #[serde(default)]
    pub scopes_supported: Vec<String>,
}

/// Where tokens are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TokenEndpoint {
    /// Where to post to.
    pub(crate) url: Url,
    /// The same as text, unchanged: assertions must name it exactly.
    pub(crate) audience: String,
}

impl TokenEndpoint {
    /// Reads an absolute URL, or one relative to the FHIR base.
    pub(crate) fn read(text: &str, base: &Url) -> Option<Self> {
        if let Ok(url) = Url::parse(text) {
            return Some(Self { url, audience: text.to_owned() });
        }
        let url = base.join(text).ok()?;
        Some(Self { audience: url.to_string(), url })
    }
}

impl Smart {
    /// How to spell scopes: version 2 only where it is announced.
    pub(crate) fn dialect(&self) -> Dialect {
        let announced = |name: &str| self.capabilities.iter().any(|known| known == name);
        if announced("permission-v2") { Dialect::V2 } else { Dialect::V1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audience_is_the_text_as_stated() {
        let base = "https://ehr.example/fhir/".parse().unwrap();
        let cases = [
            ("absolute", "https://as.example/token", "https://as.example/token"),
            ("not normalised", "https://AS.example:443", "https://AS.example:443"),
            ("relative", "../auth/token", "https://ehr.example/auth/token"),
        ];
        for (name, text, expected) in cases {
            let endpoint = TokenEndpoint::read(text, &base).unwrap();
            assert_eq!(endpoint.audience, expected, "case: {name}");
        }
    }
}
