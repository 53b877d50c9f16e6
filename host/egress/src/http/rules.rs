//! What a guest may ask of a destination: methods, paths, headers. Pure: nothing is looked
//! up and nothing is dialled before everything is admitted.

use std::{collections::BTreeSet, time::Duration};

use bulkhead_net::header::{HeaderMap, HeaderName};

use super::{
    error::HttpError,
    header,
    path::{Base, PathFault},
};

/// A method that can be granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Of what is there, nothing shall be left.
    Delete,
    /// To read.
    Get,
    /// To change a part.
    Patch,
    /// To hand over.
    Post,
    /// To replace or make.
    Put,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Delete, Self::Get, Self::Patch, Self::Post, Self::Put];

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "DELETE",
            Self::Get => "GET",
            Self::Patch => "PATCH",
            Self::Post => "POST",
            Self::Put => "PUT",
        }
    }

    /// Whether a body means anything with it. Where it does not, servers disagree on where
    /// the request ends.
    pub const fn takes_body(self) -> bool {
        match self {
            Self::Delete | Self::Get => false,
            Self::Patch | Self::Post | Self::Put => true,
        }
    }

    pub(crate) const fn on_the_wire(self) -> bulkhead_net::Method {
        match self {
            Self::Delete => bulkhead_net::Method::DELETE,
            Self::Get => bulkhead_net::Method::GET,
            Self::Patch => bulkhead_net::Method::PATCH,
            Self::Post => bulkhead_net::Method::POST,
            Self::Put => bulkhead_net::Method::PUT,
        }
    }
}

/// What a guest asks. Guest-controlled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The method.
    pub method: Method,
    /// Path and query below the destination's base.
    pub path_and_query: String,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// A key by which a server may tell a repetition.
    pub idempotency_key: Option<String>,
    /// How long the guest would wait.
    pub timeout: Option<Duration>,
}

/// What a destination admits.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Below which path.
    pub base: Base,
    /// With which methods.
    pub methods: BTreeSet<Method>,
    /// With which headers.
    pub headers: Vec<HeaderName>,
}

/// A head that was admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Admitted {
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
}

impl Rules {
    /// Checks a head.
    ///
    /// # Errors
    ///
    /// [`HttpError`] that names the rule.
    pub(crate) fn admit(&self, head: &Head) -> Result<Admitted, HttpError> {
        if !self.methods.contains(&head.method) {
            return Err(HttpError::Method { method: head.method });
        }
        let target = self.base.join(&head.path_and_query);
        let target = target.map_err(|fault: PathFault| HttpError::Path { fault })?;
        let mut headers = HeaderMap::new();
        for (name, text) in &head.headers {
            let granted = self.headers.iter().find(|granted| is_name(granted, name));
            let (Some(name), Some(value)) = (granted, header::value(text)) else {
                return Err(HttpError::Header);
            };
            // A second value of one name is read in as many ways as there are servers.
            if headers.insert(name, value).is_some() {
                return Err(HttpError::Header);
            }
        }
        if let Some(key) = &head.idempotency_key {
            let is_key = (1..=LONGEST_KEY).contains(&key.len())
                && key.bytes().all(|byte| byte.is_ascii_graphic());
            let value = header::value(key).filter(|_| is_key).ok_or(HttpError::Header)?;
            headers.insert(HeaderName::from_static(IDEMPOTENCY_KEY), value);
        }
        Ok(Admitted { method: head.method, target, headers })
    }
}

fn is_name(granted: &HeaderName, name: &str) -> bool {
    granted.as_str().eq_ignore_ascii_case(name)
}

/// Source: draft-ietf-httpapi-idempotency-key-header.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Bytes of such a key.
const LONGEST_KEY: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        Rules {
            base: Base::new(&"https://h/v1/".parse().unwrap(), "/in").unwrap(),
            methods: [Method::Post, Method::Put].into(),
            headers: ["content-type", "prefer"]
                .map(|name| name.parse().unwrap())
                .to_vec(),
        }
    }

    fn post(path: &str, headers: &[(&str, &str)], key: Option<&str>) -> Head {
        let pair =
            |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Head {
            method: Method::Post,
            path_and_query: path.to_owned(),
            headers: headers.iter().map(pair).collect(),
            idempotency_key: key.map(str::to_owned),
            timeout: None,
        }
    }

    #[test]
    fn admits_what_is_granted() {
        let head = post("/x", &[("Content-Type", "a/b"), ("PREFER", "c")], Some("k-1"));
        let admitted = rules().admit(&head).unwrap();
        assert_eq!(admitted.target, "/v1/in/x");
        let mut headers: Vec<String> = admitted
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        headers.sort();
        assert_eq!(headers, ["content-type: a/b", "idempotency-key: k-1", "prefer: c"]);
    }

    /// Attacks: 30, 31.
    #[test]
    fn refuses_everything_else() {
        let long = "k".repeat(256);
        let cases = [
            (
                "a method",
                Head { method: Method::Delete, ..post("/x", &[], None) },
                "method",
            ),
            ("a path", post("/../x", &[], None), "path"),
            ("a header", post("/x", &[("accept", "a")], None), "header"),
            ("a host's header", post("/x", &[("Host", "evil")], None), "header"),
            ("lengths", post("/x", &[("Content-Length", "+5")], None), "header"),
            ("chunks", post("/x", &[("Transfer-Encoding", "chunked")], None), "header"),
            ("a pseudo-header", post("/x", &[(":authority", "evil")], None), "header"),
            ("a credential", post("/x", &[("Authorization", "x")], None), "header"),
            ("a name with a blank", post("/x", &[("prefer ", "x")], None), "header"),
            (
                "a name with a line end",
                post("/x", &[("prefer\r\n", "x")], None),
                "header",
            ),
            (
                "a value with a line end",
                post("/x", &[("prefer", "x\r\ny: z")], None),
                "header",
            ),
            (
                "a name twice",
                post("/x", &[("prefer", "x"), ("Prefer", "y")], None),
                "header",
            ),
            ("an empty key", post("/x", &[], Some("")), "header"),
            ("a key with a blank", post("/x", &[], Some("a b")), "header"),
            ("a key with a line end", post("/x", &[], Some("a\r\nb")), "header"),
            ("a long key", post("/x", &[], Some(&long)), "header"),
        ];
        for (name, head, expected) in cases {
            let found = match rules().admit(&head) {
                Err(HttpError::Method { .. }) => "method",
                Err(HttpError::Path { .. }) => "path",
                Err(HttpError::Header) => "header",
                other => panic!("case: {name}: {other:?}"),
            };
            assert_eq!(found, expected, "case: {name}");
        }
    }
}
