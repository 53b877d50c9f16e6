//! The destinations of a chain, with their secrets read. Nothing is dialled.

use std::{collections::BTreeSet, sync::Arc};

use anyhow::Context as _;
use bulkhead_egress::http::{
    Auth, ClientCredentials, Destination, DestinationConfig as Made, Destinations,
};
use bulkhead_model::Secret;
use bulkhead_net::Lookup;

use crate::{
    clock,
    config::{ChainConfig, Config, DestinationAuth, DestinationConfig, SecretSource},
    failure::Failure,
};

/// The destinations that some plugin of the chain is granted.
///
/// # Errors
///
/// A [`Failure`] that names the setting whose secret or certificate cannot be used.
pub(crate) fn destinations(
    config: &Config,
    chain: &ChainConfig,
) -> anyhow::Result<Destinations> {
    let used = chain.stages.iter().chain([&chain.sink]);
    let granted: BTreeSet<&String> = used
        .filter_map(|stage| config.plugins.get(&stage.plugin))
        .flat_map(|plugin| &plugin.grants.destinations)
        .collect();
    let found = granted
        .into_iter()
        .filter_map(|name| Some((name, config.destinations.get(name)?)));
    found.map(|(name, to)| Ok(Arc::new(open(name, to)?))).collect()
}

fn open(name: &str, to: &DestinationConfig) -> anyhow::Result<Destination> {
    let roots = to.roots.iter().map(fs_err::read);
    let roots = roots.collect::<Result<Vec<_>, _>>().map_err(|error| {
        let what =
            format!("reading a certificate of `destinations.{name}.roots`: {error}");
        Failure::refused(what)
    })?;
    let identity = to.identity.as_ref().map(SecretSource::read).transpose();
    let made = Made {
        name: name.to_owned(),
        place: to.place.clone(),
        rules: to.rules.clone(),
        limits: to.limits,
        auth: auth(name, &to.auth)?,
        roots,
        identity: identity.with_context(|| format!("`destinations.{name}.identity`"))?,
        lookup: Lookup::system(),
        now: clock::shared(),
    };
    Destination::new(made).with_context(|| {
        let hint =
            "write PEM: certificates in `roots`; certificate and key in `identity`";
        let what = format!("setting up `destinations.{name}`");
        Failure::refused(what).hint(hint)
    })
}

fn auth(name: &str, auth: &DestinationAuth) -> anyhow::Result<Auth> {
    let read = |key: &str, source: &SecretSource| {
        let at = format!("destinations.{name}.auth.{key}");
        let secret = source.read().with_context(|| format!("`{at}`"))?;
        one_line(&at, secret)
    };
    Ok(match auth {
        DestinationAuth::Basic { user, password } => Auth::Basic {
            user: user.clone(),
            password: read("basic.password", password)?,
        },
        DestinationAuth::Bearer(token) => Auth::Bearer(read("bearer", token)?),
        DestinationAuth::ClientCredentials {
            endpoint,
            client_id,
            client_secret,
            scope,
        } => Auth::ClientCredentials(Box::new(ClientCredentials {
            endpoint: (**endpoint).clone(),
            client_id: client_id.clone(),
            client_secret: read("client-credentials.client-secret", client_secret)?,
            scope: scope.clone(),
        })),
        DestinationAuth::None => Auth::None,
    })
}

/// A secret that can stand in a header: one line of text, and not nothing.
fn one_line(at: &str, secret: Secret) -> anyhow::Result<Secret> {
    let is_line = secret
        .expose_str()
        .is_some_and(|text| !text.is_empty() && !text.chars().any(char::is_control));
    if is_line {
        return Ok(secret);
    }
    let what = format!("the secret of `{at}` is empty, or not one line of text");
    Err(Failure::refused(what).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_is_not_one_line_is_refused_without_being_shown() {
        let cases: [(&str, &[u8], bool); 5] = [
            ("a line", b"t0ken", true),
            ("with blanks", b"pass word", true),
            ("empty", b"", false),
            ("two lines", b"hunter\r\n2", false),
            ("no text", b"hunter\xff", false),
        ];
        for (name, bytes, expected) in cases {
            let found = one_line("destinations.dwh.auth.bearer", Secret::new(bytes));
            assert_eq!(found.is_ok(), expected, "case: {name}");
            if let Err(error) = found {
                let said = format!("{error:#}");
                assert!(said.contains("destinations.dwh.auth.bearer"), "{said}");
                assert!(!said.contains("hunter"), "{said}");
            }
        }
    }
}
