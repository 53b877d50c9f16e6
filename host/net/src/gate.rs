//! Which URLs may be dialled, and the pace of each origin.
//!
//! The rules are pure: scheme, origin, literal address. Names are checked after resolution,
//! in `resolver`.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bulkhead_model::SafeUrl;
use url::Url;

use crate::{error::Error, origin::Origin, pace::Pace, reach::Reach};

/// How the addresses of a URL's host are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checks {
    /// The operator lets it speak plain `http`: dial whatever it resolves to, as a stranger.
    Off,
    /// Public addresses only; loopback too when the operator's own origin is loopback.
    On,
    /// The operator trusts the origin: the same, and show it the client certificate.
    Trusted,
}

/// The rules of one client.
#[derive(Debug)]
pub(crate) struct Gate {
    trusted: BTreeSet<Origin>,
    insecure: BTreeSet<Origin>,
    /// Of origins that nobody named.
    reach: Reach,
    per_origin: usize,
    interval: Duration,
    /// Held for map look-ups only, never across an await.
    open: Mutex<BTreeMap<Origin, Arc<Pace>>>,
}

impl Gate {
    pub(crate) fn new(
        trusted: BTreeSet<Origin>,
        insecure: BTreeSet<Origin>,
        per_origin: NonZeroUsize,
        interval: Duration,
    ) -> Self {
        // A source on this machine may send us to this machine: demos, tests, side-cars.
        let is_local = trusted.iter().any(Origin::is_loopback);
        let reach = if is_local { Reach::PublicAndLoopback } else { Reach::Public };
        Self {
            trusted,
            insecure,
            reach,
            per_origin: per_origin.get(),
            interval,
            open: Mutex::new(BTreeMap::new()),
        }
    }

    /// What may be dialled for origins that nobody named.
    pub(crate) const fn reach(&self) -> &Reach {
        &self.reach
    }

    /// Admits `url` or says which rule it breaks.
    pub(crate) fn admit(&self, url: &Url) -> Result<(Origin, Checks), Error> {
        let origin =
            Origin::of(url).ok_or_else(|| Error::Scheme { url: SafeUrl::of(url) })?;
        if !origin.is_https() && !origin.is_loopback() && !self.insecure.contains(&origin)
        {
            return Err(Error::Insecure { url: SafeUrl::of(url), origin });
        }
        if self.trusted.contains(&origin) {
            return Ok((origin, Checks::Trusted));
        }
        if self.insecure.contains(&origin) {
            return Ok((origin, Checks::Off));
        }
        if let Some(address) = origin.literal()
            && !self.reach.permits(address)
        {
            return Err(Error::Address { url: SafeUrl::of(url), origin });
        }
        Ok((origin, Checks::On))
    }

    /// What is known of the pace of `origin`.
    pub(crate) fn pace(&self, origin: &Origin) -> Arc<Pace> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // Servers choose how many file origins there are: forget the idle ones.
        if open.len() >= MAX_IDLE_ORIGINS {
            open.retain(|_, pace| Arc::strong_count(pace) > 1 || pace.is_hushed());
        }
        let fresh = || Arc::new(Pace::new(self.per_origin, self.interval));
        Arc::clone(open.entry(origin.clone()).or_insert_with(fresh))
    }
}

/// Far above the file servers of one export, far below what would matter in memory.
const MAX_IDLE_ORIGINS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    enum Answer {
        Address,
        Checked,
        Insecure,
        Scheme,
        Trusted,
        Unchecked,
    }

    fn ask(gate: &Gate, url: &str) -> Answer {
        match gate.admit(&url.parse().unwrap()) {
            Ok((_, Checks::On)) => Answer::Checked,
            Ok((_, Checks::Off)) => Answer::Unchecked,
            Ok((_, Checks::Trusted)) => Answer::Trusted,
            Err(Error::Address { .. }) => Answer::Address,
            Err(Error::Insecure { .. }) => Answer::Insecure,
            Err(Error::Scheme { .. }) => Answer::Scheme,
            Err(other) => panic!("{other}"),
        }
    }

    /// Items: 10, 125, 126.
    #[test]
    fn admits_by_scheme_origin_and_literal_address() {
        let set = |list: &[&str]| list.iter().map(|text| text.parse().unwrap()).collect();
        let remote = Gate::new(
            set(&["https://ehr.example", "https://10.0.0.5"]),
            set(&["http://old.example"]),
            NonZeroUsize::MIN,
            Duration::ZERO,
        );
        let local = set(&["http://127.0.0.1:80"]);
        let local = Gate::new(local, set(&[]), NonZeroUsize::MIN, Duration::ZERO);
        let cases = [
            ("base", &remote, "https://ehr.example/fhir", Answer::Trusted),
            ("other name", &remote, "https://files.example/1", Answer::Checked),
            ("listed private address", &remote, "https://10.0.0.5/1", Answer::Trusted),
            ("private address", &remote, "https://10.0.0.6/1", Answer::Address),
            ("metadata", &remote, "https://169.254.169.254/", Answer::Address),
            ("decimal spelling", &remote, "https://2852039166/", Answer::Address),
            ("plain http", &remote, "http://files.example/1", Answer::Insecure),
            ("listed plain http", &remote, "http://old.example/1", Answer::Unchecked),
            ("loopback of a remote base", &remote, "http://127.0.0.1/1", Answer::Address),
            (
                "loopback of a local base",
                &local,
                "http://127.0.0.1:81/1",
                Answer::Checked,
            ),
            (
                "metadata of a local base",
                &local,
                "https://169.254.169.254/",
                Answer::Address,
            ),
            ("file", &remote, "file:///etc/passwd", Answer::Scheme),
        ];
        for (name, gate, url, expected) in cases {
            assert_eq!(ask(gate, url), expected, "case: {name}");
        }
    }
}
