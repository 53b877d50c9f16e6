//! A server's SMART configuration.
//!
//! Source: SMART App Launch 2.2, "Conformance" (`.well-known/smart-configuration`).

use std::str::FromStr;

use serde::Deserialize;
use url::Url;

use crate::{key::Algorithm, lenient, operation_outcome::clean, scope::Dialect};

/// What `.well-known/smart-configuration` says that matters to a backend service. All of it
/// is server-controlled, and older servers omit most.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Smart {
    /// The token endpoint, as stated; may be relative to the FHIR base.
    #[serde(default, deserialize_with = "lenient::or_nothing")]
    pub token_endpoint: Option<String>,
    /// The signature algorithms taken, when stated.
    #[serde(default, deserialize_with = "lenient::list")]
    pub token_endpoint_auth_signing_alg_values_supported: Vec<String>,
    /// How clients may prove who they are, when stated.
    #[serde(default, deserialize_with = "lenient::list")]
    pub token_endpoint_auth_methods_supported: Vec<String>,
    /// How tokens may be bought, when stated.
    #[serde(default, deserialize_with = "lenient::list")]
    pub grant_types_supported: Vec<String>,
    /// What the server can do, when stated.
    #[serde(default, deserialize_with = "lenient::list")]
    pub capabilities: Vec<String>,
    /// Some scopes; the list is not exhaustive by definition.
    #[serde(default, deserialize_with = "lenient::list")]
    pub scopes_supported: Vec<String>,
}

/// Where tokens are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenEndpoint {
    /// Where to post to.
    pub url: Url,
    /// The same as text, unchanged: assertions must name it exactly.
    pub audience: String,
}

impl FromStr for TokenEndpoint {
    type Err = url::ParseError;

    /// Reads an absolute URL, and keeps it as it was written.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self { url: Url::parse(text)?, audience: text.to_owned() })
    }
}

impl TokenEndpoint {
    /// Reads an absolute URL, or one relative to the FHIR base.
    pub(crate) fn read(text: &str, base: &Url) -> Option<Self> {
        if let Ok(absolute) = text.parse() {
            return Some(absolute);
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

    /// What speaks against signing in with `algorithms`. Older servers state little: a list
    /// that is absent says nothing.
    pub(crate) fn doubts(&self, algorithms: &[Algorithm]) -> Vec<String> {
        let lacks = |list: &[String], wanted: &str| {
            !list.is_empty() && !list.iter().any(|item| item == wanted)
        };
        let mut doubts = Vec::new();
        if lacks(&self.grant_types_supported, "client_credentials") {
            doubts.push("it lists no grant type `client_credentials`".to_owned());
        }
        if lacks(&self.token_endpoint_auth_methods_supported, "private_key_jwt") {
            doubts.push("it lists no auth method `private_key_jwt`".to_owned());
        }
        let taken = &self.token_endpoint_auth_signing_alg_values_supported;
        if algorithms.iter().all(|algorithm| lacks(taken, algorithm.name())) {
            let ours: Vec<&str> = algorithms.iter().map(|a| a.name()).collect();
            let (ours, taken) = (ours.join(", "), taken.join(", "));
            let taken = clean(&taken).unwrap_or_default();
            doubts.push(format!("our key signs with {ours}, it takes {taken}"));
        }
        doubts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Items: 7, 17.
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

    /// Items: 8.
    #[test]
    fn doubts_only_what_a_server_really_states() {
        let read = |text: &str| serde_json::from_str::<Smart>(text).unwrap();
        let whole = r#"{"grant_types_supported":["client_credentials"],
            "token_endpoint_auth_methods_supported":["private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported":["ES384","RS384"]}"#;
        let none = r#"{"grant_types_supported":["authorization_code"],
            "token_endpoint_auth_methods_supported":["client_secret_basic"],
            "token_endpoint_auth_signing_alg_values_supported":["RS256"]}"#;
        let odd = r#"{"grant_types_supported":"client_credentials","scopes_supported":null,
            "token_endpoint_auth_methods_supported":["private_key_jwt",7],
            "capabilities":null,"token_endpoint_auth_signing_alg_values_supported":{}}"#;
        let cases = [
            ("lists that are none", read(odd), 0),
            ("an older server", read("{}"), 0),
            ("all of it", read(whole), 0),
            ("none of it", read(none), 3),
        ];
        for (name, smart, expected) in cases {
            let doubts = smart.doubts(&[Algorithm::Es384]);
            assert_eq!(doubts.len(), expected, "case: {name}: {doubts:?}");
        }
    }
}
