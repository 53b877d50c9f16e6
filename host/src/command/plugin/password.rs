//! The password of a key that signs plugins: from the environment or a file, never asked for.

use std::path::PathBuf;

use crate::{config::SecretSource, failure::Failure};

/// Where the password of a secret key is.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
pub(super) struct Password {
    /// The variable of the environment that holds the key's password.
    #[arg(long, value_name = "NAME")]
    password_env: Option<String>,

    /// The file that holds it; a line end at its end does not count.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl Password {
    /// The password, if there is to be one.
    ///
    /// # Errors
    ///
    /// A [`Failure`] when it cannot be read, is empty or is no text.
    pub(super) fn read(self) -> anyhow::Result<Option<String>> {
        let source = match (self.password_env, self.password_file) {
            (Some(name), _) => SecretSource::Env(name),
            (None, Some(file)) => SecretSource::File(file),
            (None, None) => return Ok(None),
        };
        let secret = source.read()?;
        match secret.expose_str() {
            Some(text) if !text.is_empty() => Ok(Some(text.to_owned())),
            Some(_) | None => {
                Err(Failure::refused("the password is empty or no text").into())
            }
        }
    }
}
