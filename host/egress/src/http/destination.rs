//! One destination at work: what it admits, as whom it is spoken to, and what it may take.

use std::{collections::BTreeMap, num::NonZeroUsize, sync::Arc, time::Duration};

use bulkhead_model::Secret;
use bulkhead_net::{
    self as net, Call, Lookup, Place, Rest, StatusCode, header::CONTENT_TYPE,
};
use bytes::Bytes;

use super::{
    credential::{Auth, Credential, Now},
    error::HttpError,
    header,
    payload::Payload,
    quota::{Quota, Reserved},
    rules::{Admitted, Head, Rules},
    token::Tokens,
};

/// What one destination may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DestinationLimits {
    /// Requests at once, over all plugins and files.
    pub concurrency: NonZeroUsize,
    /// How long one request may take, from the wait for its turn to the last byte of the
    /// answer.
    pub timeout: Duration,
    /// Bytes of one request's body.
    pub request_bytes: u64,
    /// Bytes of one answer's body that a guest gets.
    pub response_bytes: u64,
}

impl Default for DestinationLimits {
    /// 8 is what two files in flight each for four lanes make; 20 s ends before the 30 s of
    /// a plugin's call do; 16 MiB and a little is the largest record in a Bundle; 1 MiB holds
    /// the answer to a batch of 4,096 entries.
    fn default() -> Self {
        Self {
            concurrency: NonZeroUsize::MIN.saturating_add(7),
            timeout: Duration::from_secs(20),
            request_bytes: 17 << 20,
            response_bytes: 1 << 20,
        }
    }
}

/// What a destination is made of.
#[derive(Clone)]
pub struct DestinationConfig {
    /// As the operator calls it.
    pub name: String,
    /// Where it is.
    pub place: Place,
    /// What it admits.
    pub rules: Rules,
    /// What it may take.
    pub limits: DestinationLimits,
    /// As whom it is spoken to.
    pub auth: Auth,
    /// Further root certificates, PEM: of the destination and of its token endpoint.
    pub roots: Vec<Vec<u8>>,
    /// Client certificate and key for mutual TLS, PEM: for the destination alone.
    pub identity: Option<Secret>,
    /// Where names are looked up.
    pub lookup: Lookup,
    /// The clock, given by whoever owns it.
    pub now: Now,
}

/// What a guest gets back. A redirect is an answer like any other: it is not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// What of its headers is for guests.
    pub headers: Vec<(String, String)>,
    /// The body, or the beginning of it; not decoded.
    pub body: Bytes,
    /// Whether there was more of it.
    pub is_truncated: bool,
}

/// One destination at work.
pub struct Destination {
    name: String,
    rules: Rules,
    limits: DestinationLimits,
    way: net::Destination,
    credential: Credential,
    now: Now,
}

impl Destination {
    /// Sets it up. Nothing is dialled.
    ///
    /// # Errors
    ///
    /// [`net::Error::Setup`] when a certificate or the TLS set-up is refused.
    pub fn new(config: DestinationConfig) -> Result<Self, net::Error> {
        let DestinationConfig { name, place, rules, limits, auth, roots, .. } = config;
        let way = net::DestinationConfig {
            concurrency: limits.concurrency,
            roots,
            lookup: config.lookup,
            ..net::DestinationConfig::default()
        };
        let credential = match auth {
            Auth::Basic { user, password } => Credential::Basic { user, password },
            Auth::Bearer(token) => Credential::Bearer(token),
            Auth::None => Credential::None,
            Auth::ClientCredentials(client) => {
                let endpoint =
                    net::Destination::new(client.endpoint.clone(), way.clone())?;
                let now = Arc::clone(&config.now);
                let tokens = Tokens::new(endpoint, *client, limits.timeout, now);
                Credential::Tokens(Box::new(tokens))
            }
        };
        let way = net::DestinationConfig { identity: config.identity, ..way };
        let way = net::Destination::new(place, way)?;
        Ok(Self { name, rules, limits, way, credential, now: config.now })
    }

    /// As the operator calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sends what a guest asks for, within its quota, when it is admitted.
    ///
    /// A `401` to a token that can be had anew makes the request go once more, with a fresh
    /// one: that status says that nothing was done. The second try counts like the first, and
    /// so does each request for a token: a destination that works together with a plugin gets
    /// no more by refusing.
    ///
    /// # Errors
    ///
    /// [`HttpError`]. For what is not admitted, no name is looked up.
    pub async fn send(
        &self,
        head: &Head,
        payload: &Payload,
        quota: &Quota,
    ) -> Result<Answer, HttpError> {
        let admitted = self.admit(head, payload)?;
        let wanted = head.timeout.unwrap_or(self.limits.timeout).min(self.limits.timeout);
        let reserved = quota
            .reserve(payload.len(), self.limits.response_bytes, wanted)
            .map_err(|spent| HttpError::Spent { spent })?;
        let begun = (self.now)();
        let within = reserved.time;
        let exchanged = tokio::time::timeout(
            within,
            self.exchange(&admitted, payload, &reserved, quota),
        );
        let answer =
            exchanged.await.unwrap_or(Err(HttpError::TimedOut { waited: within }));
        let took = (self.now)().since(begun).min(within);
        let came = answer.as_ref().map_or(0, |answer| answer.body.len() as u64);
        reserved.settle(came, took);
        answer
    }

    fn admit(&self, head: &Head, payload: &Payload) -> Result<Admitted, HttpError> {
        let mut admitted = self.rules.admit(head)?;
        if !payload.is_empty() && !head.method.takes_body() {
            return Err(HttpError::BodyNotTaken { method: head.method });
        }
        let (bytes, most) = (payload.len(), self.limits.request_bytes);
        if bytes > most {
            return Err(HttpError::BodyTooLarge { bytes, most });
        }
        if let Some(media_type) = payload.media_type() {
            let value = header::value(media_type).ok_or(HttpError::Header)?;
            admitted.headers.entry(CONTENT_TYPE).or_insert(value);
        }
        Ok(admitted)
    }

    async fn exchange(
        &self,
        admitted: &Admitted,
        payload: &Payload,
        reserved: &Reserved,
        quota: &Quota,
    ) -> Result<Answer, HttpError> {
        let mut given = self.credential.give(quota).await?;
        let mut is_first = true;
        loop {
            let call = Call {
                method: admitted.method.on_the_wire(),
                target: admitted.target.clone(),
                headers: admitted.headers.clone(),
                authorization: given.authorization.take(),
                body: payload.pieces(),
                within: reserved.time,
                response_bytes: usize::try_from(reserved.answer).unwrap_or(usize::MAX),
            };
            let answer = self.way.send(call).await.map_err(HttpError::of)?;
            let is_refused = answer.status == StatusCode::UNAUTHORIZED;
            if let Some(refused) = given.serial.filter(|_| is_refused && is_first)
                && let Some(other) = self.credential.renew(refused, quota).await?
            {
                let came = answer.body.len() as u64;
                quota
                    .spend(payload.len().saturating_add(came))
                    .map_err(|spent| HttpError::Spent { spent })?;
                (given, is_first) = (other, false);
                continue;
            }
            return Ok(Answer {
                status: answer.status.as_u16(),
                headers: header::shown(
                    &answer.headers,
                    self.way.place(),
                    &self.rules.base,
                ),
                body: answer.body,
                is_truncated: answer.rest == Rest::Left,
            });
        }
    }
}

/// Destinations by name, as one stage may reach them.
#[derive(Clone, Default)]
pub struct Destinations(BTreeMap<String, Arc<Destination>>);

impl Destinations {
    /// The destination of that name.
    pub fn find(&self, name: &str) -> Option<&Arc<Destination>> {
        self.0.get(name)
    }

    /// Those that `granted` names.
    #[must_use]
    pub fn only(&self, granted: &[String]) -> Self {
        let is_granted = |name: &String| granted.contains(name);
        let chosen = self.0.iter().filter(|(name, _)| is_granted(name));
        Self(chosen.map(|(name, to)| (name.clone(), Arc::clone(to))).collect())
    }
}

impl FromIterator<Arc<Destination>> for Destinations {
    fn from_iter<I: IntoIterator<Item = Arc<Destination>>>(all: I) -> Self {
        Self(all.into_iter().map(|to| (to.name.clone(), to)).collect())
    }
}

#[cfg(test)]
mod tests {
    use bulkhead_model::Instant;
    use bulkhead_net::ClearText;

    use super::*;
    use crate::http::{Base, Method};

    /// Attacks: 29.
    #[test]
    fn a_stage_holds_the_destinations_that_it_was_granted() {
        let to = |name: &str| {
            let url: url::Url = format!("https://{name}.example/").parse().unwrap();
            let base = Base::new(&url, "/").unwrap();
            let made = Destination::new(DestinationConfig {
                name: name.to_owned(),
                place: Place::new(url, Vec::new(), ClearText::OnThisMachine).unwrap(),
                rules: Rules { base, methods: [Method::Post].into(), headers: vec![] },
                limits: DestinationLimits::default(),
                auth: Auth::None,
                roots: Vec::new(),
                identity: None,
                lookup: Lookup::system(),
                now: Arc::new(|| Instant::from_unix_ms(0)),
            });
            Arc::new(made.unwrap())
        };
        let all: Destinations = ["dwh", "dwh2", "other"].map(to).into_iter().collect();
        let own = all.only(&["dwh".to_owned(), "missing".to_owned()]);
        assert_eq!(own.find("dwh").map(|to| to.name()), Some("dwh"));
        for name in ["dwh2", "other", "missing"] {
            assert!(own.find(name).is_none(), "case: {name}");
        }
    }
}
