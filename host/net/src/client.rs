//! Sends requests by the rules.

use std::{sync::Arc, time::Duration};

use bulkhead_model::{SafeUrl, Secret};
use bytes::Bytes;
use reqwest::{
    Method,
    header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, IF_RANGE, RANGE},
};
use url::Url;

use crate::{
    body::{Body, BodyLimits, Framing},
    config::Config,
    dial::{self, setup},
    error::Error,
    gate::{Checks, Gate},
    origin::Origin,
    redirect::{self, Hop},
    request::{Patience, Request},
    resolver::{GuardedResolver, Lookup},
    response::Response,
};

/// The program's network client. Cheap to clone; clones share connections and limits.
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    gate: Gate,
    /// For origins that the operator lets speak plain `http`.
    open: reqwest::Client,
    /// For origins that nobody named: resolves through the address check. A pool of its own,
    /// so that no connection dialled without the check is ever reused under it.
    guarded: reqwest::Client,
    /// For origins that the operator trusts: the only one with the client certificate, which
    /// says who we are to whoever asks for it.
    trusted: reqwest::Client,
    response_timeout: Duration,
    longest_patience: Duration,
    body: BodyLimits,
}

impl Client {
    /// Sets the client up. Nothing is dialled.
    ///
    /// # Errors
    ///
    /// [`Error::Setup`] when a certificate or the TLS set-up is refused.
    pub fn new(config: Config) -> Result<Self, Error> {
        let open = builder(&config, None).map_err(setup)?;
        let guarded = builder(&config, None).map_err(setup)?;
        let trusted = builder(&config, config.identity.as_ref()).map_err(setup)?;
        let gate = Gate::new(
            config.trusted_origins,
            config.insecure_origins,
            config.requests_per_origin,
            config.request_interval,
        );
        let resolver =
            GuardedResolver { reach: gate.reach().clone(), lookup: Lookup::system() };
        let shared = Shared {
            open: open.build().map_err(setup)?,
            guarded: guarded.dns_resolver(resolver).build().map_err(setup)?,
            trusted: trusted.build().map_err(setup)?,
            gate,
            response_timeout: config.response_timeout,
            longest_patience: config.longest_patience,
            body: BodyLimits {
                idle: config.idle_timeout,
                least_per_minute: config.least_per_minute,
            },
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Sends `request` and follows redirects of GET. Any final status is an answer, not an
    /// error.
    ///
    /// When the origin changes on the way, the credential and every header but content
    /// negotiation and ranges stay behind, for good.
    ///
    /// # Errors
    ///
    /// Any [`Error`] but [`Error::Setup`] and [`Error::TooLarge`].
    pub async fn send(&self, request: Request) -> Result<Response, Error> {
        let Request { method, mut url, mut headers, body, credential, patience } =
            request;
        let (origin, _) = self.shared.gate.admit(&url)?;
        let mut authenticated = false;
        if let Some(credential) = credential {
            if !credential.origins.contains(&origin) {
                return Err(Error::Credential { origin });
            }
            headers.insert(AUTHORIZATION, dial::bearer(credential.bearer.expose())?);
            authenticated = true;
        }
        let mut hops = Vec::new();
        loop {
            let (response, permit) =
                self.dial(&method, &url, headers.clone(), body.clone(), patience).await?;
            let status = response.status();
            let Some(to) =
                redirect::next(&method, &url, hops.len(), status, response.headers())?
            else {
                let framing = Framing::of(status, response.version(), response.headers());
                return Ok(Response {
                    status,
                    headers: response.headers().clone(),
                    hops,
                    authenticated,
                    framing,
                    body: Body::new(
                        response,
                        SafeUrl::of(&url),
                        self.shared.body,
                        permit,
                    ),
                    url,
                });
            };
            let crossed = redirect::crosses(&url, &to);
            if crossed {
                headers = bare(&headers);
                authenticated = false;
            }
            tracing::debug!(from = %SafeUrl::of(&url), to = %SafeUrl::of(&to), crossed, "redirect");
            hops.push(Hop {
                from: SafeUrl::of(&url),
                to: SafeUrl::of(&to),
                status,
                crossed,
            });
            url = to;
        }
    }

    /// Makes patient requests to the origin of `url` wait this long, or
    /// [`Config::longest_patience`]: it asked for fewer.
    pub fn hush(&self, url: &Url, wait: Duration) {
        if let Some(origin) = Origin::of(url) {
            self.shared.gate.pace(&origin).hush(wait.min(self.shared.longest_patience));
        }
    }

    async fn dial(
        &self,
        method: &Method,
        url: &Url,
        headers: HeaderMap,
        body: Option<Bytes>,
        patience: Patience,
    ) -> Result<(reqwest::Response, Option<tokio::sync::OwnedSemaphorePermit>), Error>
    {
        let (origin, checks) = self.shared.gate.admit(url)?;
        let client = match checks {
            Checks::Off => &self.shared.open,
            Checks::On => &self.shared.guarded,
            Checks::Trusted => &self.shared.trusted,
        };
        let mut request = client.request(method.clone(), url.clone()).headers(headers);
        if let Some(body) = body {
            request = request.body(body);
        }
        let pace = self.shared.gate.pace(&origin);
        if patience == Patience::Heeds {
            pace.quiet().await;
        }
        let permit = pace.enter().await;
        let waited = self.shared.response_timeout;
        Ok((dial::send(request, url, origin, waited).await?, permit))
    }
}

fn builder(
    config: &Config,
    identity: Option<&Secret>,
) -> Result<reqwest::ClientBuilder, reqwest::Error> {
    let builder =
        dial::builder(config.connect_timeout, identity)?.user_agent(&config.user_agent);
    let roots = dial::certificates(&config.roots)?;
    Ok(if roots.is_empty() { builder } else { builder.tls_certs_merge(roots) })
}

/// What may travel on to a stranger.
fn bare(headers: &HeaderMap) -> HeaderMap {
    [ACCEPT, ACCEPT_ENCODING, RANGE, IF_RANGE]
        .into_iter()
        .filter_map(|name| headers.get(&name).cloned().map(|value| (name, value)))
        .collect()
}
