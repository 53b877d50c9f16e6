//! `bulkhead plugin keygen`: a key that signs plugins.
//!
//! Both halves are minisign's own files. Standard output carries the public one and nothing
//! else, so that it can be sent to a file.
//!
//! Source: <https://jedisct1.github.io/minisign/>, "Secret key format", "Public key format".

use std::{io::Write, path::PathBuf, process::ExitCode};

use anyhow::Context;
use bulkhead_model::Secret;
use bulkhead_sandbox::TrustedKey;
use minisign::KeyPair;

use super::password::Password;
use crate::{command::keys::store, failure::Failure};

/// Makes a key that signs plugins and prints its public half, in minisign's format.
///
/// The secret half is written for you alone (mode 0600), encrypted with a password. A file
/// that is already there is never replaced. The `minisign` program reads both halves.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bulkhead plugin keygen --out team.key --password-env TEAM_PASSWORD > team.pub
  bulkhead plugin keygen --out ci.key --no-password > ci.pub

Give team.pub to those who run your plugins, by another way than the plugins. They write:
  [trust.team]
  public-key = { file = \"team.pub\" }
  [plugins.X]
  signed-by = [\"team\"]")]
pub(super) struct Keygen {
    /// Where to write the secret key.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    #[command(flatten)]
    password: Password,

    /// Leaves the secret key readable for whoever gets the file.
    #[arg(long, conflicts_with_all = ["password_env", "password_file"])]
    no_password: bool,
}

impl Keygen {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let password = self.password.read()?;
        if password.is_none() && !self.no_password {
            let hint = "name its place with --password-env or --password-file, or say \
                        --no-password";
            return Err(Failure::refused("the key needs a password").hint(hint).into());
        }
        let comment = match &password {
            Some(_) => "minisign encrypted secret key",
            None => "minisign secret key without a password",
        };
        let pair = match password {
            Some(password) => KeyPair::generate_encrypted_keypair(Some(password)),
            None => KeyPair::generate_unencrypted_keypair(),
        };
        let KeyPair { pk, sk } = pair.context("making a key")?;
        let secret = sk.to_box(Some(comment)).context("writing the key down")?;
        let public = pk.to_box().context("writing the public key down")?.into_string();
        let key = TrustedKey::parse("new", &public)?;
        store(&self.out, &Secret::new(secret.into_string()))?;
        std::io::stdout().lock().write_all(public.as_bytes())?;
        let mut err = std::io::stderr().lock();
        writeln!(
            err,
            "wrote secret key {} to {} (mode 0600)",
            key.id(),
            self.out.display()
        )?;
        if self.no_password {
            writeln!(
                err,
                "warning: it has no password: whoever gets the file signs in your name"
            )?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
