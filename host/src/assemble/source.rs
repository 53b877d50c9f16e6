//! The client of a configuration's server.

use std::sync::Arc;

use anyhow::Context as _;
use bulkhead_bulk::{
    Auth, BackendServices, Bearer, Client, ClientSecret, PollLimits, Settings,
    SigningKey, Surroundings,
};

use crate::{
    clock,
    config::{
        AuthConfig, Config, SecretConfig, SecretSource, ServicesConfig, SourceConfig,
    },
    failure::Failure,
};

/// The client of a configuration's server.
///
/// # Errors
///
/// When a secret or a certificate is missing or the settings cannot be used.
pub(crate) fn client(config: &Config) -> anyhow::Result<Client> {
    let settings = settings(config)?;
    let network = network(&config.source, &settings)?;
    let network = bulkhead_net::Client::new(network)
        .context("setting up the network: `source.tls` must name PEM certificates")?;
    let random: bulkhead_bulk::Random = Arc::new(clock::random);
    let surroundings = Surroundings { clock: clock::shared(), random };
    Client::new(settings, network, surroundings).context("setting up the client")
}

fn settings(config: &Config) -> anyhow::Result<Settings> {
    let source = &config.source;
    let mut settings = Settings::new(source.base_url.clone());
    settings.trusted_origins.clone_from(&source.trusted_origins);
    settings.profile.clone_from(&source.profile);
    settings.aliases.clone_from(&source.base_aliases);
    settings.rewrite.clone_from(&source.rewrite);
    settings.method = source.asking.method;
    settings.version = source.asking.version;
    settings.since_style = source.asking.since_style;
    settings.filter_commas = source.asking.filter_commas;
    settings.handling = source.asking.handling;
    settings.file_lifetime = source.network.file_lifetime;
    settings.ignored_extensions.clone_from(&source.network.ignored_extensions);
    settings.poll = PollLimits {
        ceiling: config.limits.longest_poll,
        job_timeout: config.limits.export_time,
        ..PollLimits::default()
    };
    settings.auth = match &source.auth {
        AuthConfig::None => Auth::None,
        AuthConfig::Bearer(token) => Auth::Bearer(bearer(token)?),
        AuthConfig::ClientSecret(client) => {
            settings.client_id_header.clone_from(&client.client_id_header);
            Auth::ClientSecret(secret(client)?)
        }
        AuthConfig::BackendServices(services) => {
            settings.client_id_header.clone_from(&services.client_id_header);
            Auth::BackendServices(BackendServices {
                client_id: services.client_id.clone(),
                keys: keys(services)?,
                token_url: services.token_url.clone(),
                scope: services.scope.clone(),
            })
        }
    };
    Ok(settings)
}

/// A token that others renew: in a file it is read anew before each use.
fn bearer(token: &SecretSource) -> anyhow::Result<Bearer> {
    // Missing from the start is the operator's to know before anything is sent.
    token.read()?;
    let token = token.clone();
    Ok(Bearer::read_by(move || token.read().map_err(Into::into)))
}

fn secret(client: &SecretConfig) -> anyhow::Result<ClientSecret> {
    Ok(ClientSecret {
        client_id: client.client_id.clone(),
        secret: client.secret.read()?,
        place: client.place,
        token_url: client.token_url.clone(),
        scope: client.scope.clone(),
    })
}

/// The keys to sign with, under the ids by which the server knows them.
fn keys(services: &ServicesConfig) -> anyhow::Result<Vec<Arc<SigningKey>>> {
    let mut keys = SigningKey::parse_all(&services.key.read()?)
        .context("reading the private key of `source.auth.key`")?;
    if let Some(kid) = &services.kid {
        if keys.len() == 1 {
            keys = keys.into_iter().map(|key| key.with_kid(kid.clone())).collect();
        } else {
            let known: Vec<String> =
                keys.iter().map(|key| key.kid().to_owned()).collect();
            keys.retain(|key| key.kid() == kid);
            if keys.is_empty() {
                let what = format!("`source.auth.key` holds no key with the id `{kid}`");
                let hint = format!("it holds {}", known.join(", "));
                return Err(Failure::refused(what).hint(&hint).into());
            }
        }
    }
    if let Some(url) = &services.jwks_url {
        keys = keys.into_iter().map(|key| key.with_jku(url.to_string())).collect();
    }
    Ok(keys.into_iter().map(Arc::new).collect())
}

fn network(
    source: &SourceConfig,
    settings: &Settings,
) -> anyhow::Result<bulkhead_net::Config> {
    let wanted = &source.network;
    let default = bulkhead_net::Config::default();
    let roots = wanted.roots.iter().map(fs_err::read);
    let roots = roots.collect::<Result<Vec<_>, _>>().map_err(|error| {
        Failure::refused(format!("reading a certificate of `source.tls.roots`: {error}"))
    })?;
    let identity = wanted.identity.as_ref().map(SecretSource::read).transpose()?;
    Ok(bulkhead_net::Config {
        user_agent: concat!("bulkhead/", env!("CARGO_PKG_VERSION")).to_owned(),
        trusted_origins: settings.operator_origins(),
        insecure_origins: source.insecure_origins.iter().cloned().collect(),
        requests_per_origin: wanted.at_once.unwrap_or(default.requests_per_origin),
        request_interval: wanted.interval.unwrap_or(default.request_interval),
        longest_patience: wanted.patience.unwrap_or(default.longest_patience),
        response_timeout: wanted.response_time.unwrap_or(default.response_timeout),
        idle_timeout: wanted.idle_time.unwrap_or(default.idle_timeout),
        roots,
        identity,
        ..default
    })
}
