//! The folder of sealed bodies of a configuration.

use std::{path::PathBuf, sync::Arc};

use bulkhead_egress::{Identities, Vault};

use crate::{
    config::{Config, SecretSource},
    failure::Failure,
};

/// Where sealed bodies lie.
fn folder(config: &Config) -> PathBuf {
    config.state.join("quarantine")
}

/// The folder of sealed bodies, under the run lock. `None` when nothing is sealed and nothing
/// ever was.
///
/// # Errors
///
/// When it cannot be used.
pub(crate) fn open(config: &Config) -> anyhow::Result<Option<Arc<Vault>>> {
    let path = folder(config);
    if !config.quarantine.seals() && !path.is_dir() {
        return Ok(None);
    }
    let (recipients, most) =
        (config.quarantine.recipients.clone(), config.quarantine.max_bytes);
    Ok(Some(Arc::new(Vault::open(&path, recipients, most.bytes())?)))
}

/// The same to look at, while a run may be under way.
///
/// # Errors
///
/// When it cannot be read.
pub(crate) fn look_at(config: &Config) -> anyhow::Result<Option<Vault>> {
    let path = folder(config);
    if !path.is_dir() {
        return Ok(None);
    }
    Ok(Some(Vault::look_at(&path, Vec::new(), 0)?))
}

/// The operator's private keys.
///
/// # Errors
///
/// A [`Failure`] when the file cannot be read or holds none.
pub(crate) fn identities(path: &std::path::Path) -> anyhow::Result<Identities> {
    let secret = SecretSource::File(path.to_owned()).read()?;
    Identities::parse(&secret).map_err(|error| {
        let what = format!("{} is no file of identities", path.display());
        anyhow::Error::new(error).context(Failure::refused(what))
    })
}
