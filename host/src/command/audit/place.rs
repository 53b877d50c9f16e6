//! Files of the operator's, and who else may read or write them.

use std::path::Path;

use serde::Serialize;

use crate::{
    config::{AuthConfig, Config, DestinationAuth, SecretSource},
    trail,
};

/// Where a secret is.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct SecretPlace {
    /// What it is for, as a setting.
    pub(super) setting: String,
    /// Where it is, by reference.
    pub(super) place: String,
    /// Whether anybody on this machine may read it.
    pub(super) is_open: bool,
    /// Its length in bytes, of keys for pseudonyms; `None` when it could not be read.
    pub(super) bytes: Option<usize>,
    /// Whether its length counts.
    pub(super) is_key: bool,
}

/// A file or folder that must not be everybody's.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Place {
    pub(super) what: &'static str,
    pub(super) path: String,
    /// Whether anybody may read it.
    pub(super) is_read_by_all: bool,
    /// Whether others than its owner may write it.
    pub(super) is_written_by_others: bool,
}

/// Every secret that the configuration names.
pub(super) fn secrets(config: &Config) -> Vec<SecretPlace> {
    let mut found = Vec::new();
    let mut add = |setting: String, source: &SecretSource, task: Task| {
        let is_open = match source {
            SecretSource::Env(_) => false,
            SecretSource::File(path) => others(path).0,
        };
        // Its length alone leaves this function.
        let (bytes, is_key) = match task {
            Task::Hashing => (source.read().ok().map(|of| of.expose().len()), true),
            Task::SigningIn => (None, false),
        };
        let place = trail::secret(source);
        found.push(SecretPlace { setting, place, is_open, bytes, is_key });
    };
    match &config.source.auth {
        AuthConfig::BackendServices(services) => {
            add("source.auth.key".to_owned(), &services.key, Task::SigningIn);
        }
        AuthConfig::Bearer(token) => {
            add("source.auth.bearer".to_owned(), token, Task::SigningIn);
        }
        AuthConfig::ClientSecret(client) => {
            add("source.auth.client-secret".to_owned(), &client.secret, Task::SigningIn);
        }
        AuthConfig::None => {}
    }
    if let Some(identity) = &config.source.network.identity {
        add("source.tls.identity".to_owned(), identity, Task::SigningIn);
    }
    for (name, destination) in &config.destinations {
        let secret = match &destination.auth {
            DestinationAuth::Basic { password, .. } => Some(password),
            DestinationAuth::Bearer(token) => Some(token),
            DestinationAuth::ClientCredentials { client_secret, .. } => {
                Some(client_secret)
            }
            DestinationAuth::None => None,
        };
        let of = [("auth", secret), ("identity", destination.identity.as_ref())];
        for (key, source) in of.into_iter().filter_map(|(key, of)| Some((key, of?))) {
            add(format!("destinations.{name}.{key}"), source, Task::SigningIn);
        }
    }
    for (name, source) in &config.keys {
        add(format!("keys.{name}"), source, Task::Hashing);
    }
    found
}

/// What a secret is for.
#[derive(Clone, Copy, Debug)]
enum Task {
    /// Keyed hashing: its length counts.
    Hashing,
    /// Whatever the other side asks for.
    SigningIn,
}

/// The places that decide what runs and hold what was delivered.
pub(super) fn places(config: &Config) -> Vec<Place> {
    let mut found = Vec::new();
    let mut add = |what: &'static str, path: &Path| {
        if !path.exists() {
            return;
        }
        let (is_read_by_all, is_written_by_others) = others(path);
        let path = path.display().to_string();
        found.push(Place { what, path, is_read_by_all, is_written_by_others });
    };
    add("configuration", &config.path);
    add("state folder", &config.state);
    for plugin in config.plugins.values() {
        add("plugin", &plugin.path);
    }
    for address in config.stores.values() {
        let path = url::Url::parse(address).ok().and_then(|url| url.to_file_path().ok());
        add("store", path.as_deref().unwrap_or(Path::new(address)));
    }
    found
}

/// Whether anybody may read it, and whether others than its owner may write it.
#[cfg(unix)]
fn others(path: &Path) -> (bool, bool) {
    use std::os::unix::fs::PermissionsExt as _;
    let Ok(metadata) = fs_err::metadata(path) else { return (false, false) };
    let mode = metadata.permissions().mode();
    (mode & 0o004 != 0, mode & 0o022 != 0)
}

#[cfg(not(unix))]
fn others(_path: &Path) -> (bool, bool) {
    (false, false)
}
