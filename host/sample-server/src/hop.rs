//! Redirects: a chain of hops that keeps nothing, since the URL says what is left of it.
//!
//! `/hop/307/eh/…` redirects elsewhere, then home; `/hop/307/-/…` answers what was asked.
//! A chain that led elsewhere is its own credential, like a capability URL, since a client
//! drops its token on the way.

use axum::http::{Uri, uri::PathAndQuery};

use crate::scenario::{Hop, Redirect};

/// What a request below `/hop/` asks for.
pub(crate) enum Step {
    /// The end of the chain: what was asked at first.
    Arrived { uri: Uri, is_free: bool },
    /// One more redirect.
    Onward { status: u16, target: String, is_elsewhere: bool },
}

/// Where the first redirect of a chain points: a path, and whether it is elsewhere.
pub(crate) fn first(redirect: &Redirect, path_and_query: &str) -> (String, bool) {
    let letters: String = redirect
        .hops
        .iter()
        .map(|hop| match hop {
            Hop::Elsewhere => 'e',
            Hop::Home => 'h',
            Hop::Loop => 'o',
        })
        .collect();
    let free = if letters.contains('e') { "free" } else { "kept" };
    let mut rest = letters.chars();
    let is_elsewhere = rest.next() == Some('e');
    let rest = match letters.chars().next() {
        Some('o') => "o",
        Some(_) | None => rest.as_str(),
    };
    (path(redirect.status, free, rest, path_and_query), is_elsewhere)
}

/// Reads a request below `/hop/`; `None` when it is none.
pub(crate) fn step(uri: &Uri) -> Option<Step> {
    let text = uri.path_and_query()?.as_str().strip_prefix("/hop/")?;
    let mut parts = text.splitn(4, '/');
    let (status, free, letters) = (parts.next()?, parts.next()?, parts.next()?);
    let rest = format!("/{}", parts.next()?);
    let is_free = free == "free";
    let status = status.parse().ok()?;
    let mut left = letters.chars();
    match left.next()? {
        '-' => {
            let target: PathAndQuery = rest.parse().ok()?;
            Some(Step::Arrived { uri: Uri::from(target), is_free })
        }
        'o' => {
            let target = path(status, free, "o", &rest);
            Some(Step::Onward { status, target, is_elsewhere: false })
        }
        letter => {
            let target = path(status, free, left.as_str(), &rest);
            Some(Step::Onward { status, target, is_elsewhere: letter == 'e' })
        }
    }
}

fn path(status: u16, free: &str, letters: &str, path_and_query: &str) -> String {
    let letters = if letters.is_empty() { "-" } else { letters };
    format!("/hop/{status}/{free}/{letters}{path_and_query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_leads_to_what_was_asked() {
        let hops = vec![Hop::Elsewhere, Hop::Elsewhere, Hop::Home];
        let redirect = Redirect { status: 307, hops };
        let (mut path, is_elsewhere) = first(&redirect, "/fhir/bulk/1/0.ndjson?a=b");
        assert!(is_elsewhere);
        let mut seen = Vec::new();
        let arrived = loop {
            match step(&path.parse().unwrap_or_default()) {
                Some(Step::Onward { target, is_elsewhere, .. }) => {
                    seen.push(is_elsewhere);
                    path = target;
                }
                Some(Step::Arrived { uri, is_free }) => break Some((uri, is_free)),
                None => break None,
            }
        };
        assert_eq!(seen, [true, false]);
        let expected = Uri::from_static("/fhir/bulk/1/0.ndjson?a=b");
        assert_eq!(arrived, Some((expected, true)));
    }
}
