//! `bulkhead plugin sign`: a detached signature beside a plugin.
//!
//! What is signed is what was read, hashed and found to be a plugin. The trusted comment is
//! signed too: time, name of the file and, if asked for, the last day on which it counts.

use std::{
    io::{Cursor, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use bulkhead_model::Instant;
use bulkhead_sandbox::{Day, Package, Signature, TrustedKey};
use minisign::{PublicKey, SecretKey, SecretKeyBox};

use super::{build::store, inspect::causes, password::Password};
use crate::{clock, config, failure::Failure};

/// Signs a plugin with minisign's kind of signature, in a file beside it.
///
/// Only what can be a plugin is signed. An older signature in that place is replaced.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bulkhead plugin sign plugins/x.wasm --key team.key --password-env TEAM_PASSWORD
  bulkhead plugin sign plugins/x.wasm --key team.key --password-file pw --expires 2027-12-31

Keys are those of `bulkhead plugin keygen` or `minisign -G`. Others verify it with
  bulkhead plugin inspect plugins/x.wasm --trust team.pub
  minisign -Vm plugins/x.wasm -p team.pub")]
pub(super) struct Sign {
    /// The plugin, a component with its manifest.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The secret key.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,

    #[command(flatten)]
    password: Password,

    /// The last day (UTC) on which the signature counts [default: no end].
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day)]
    expires: Option<Day>,

    /// Where to write the signature [default: FILE.minisig].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

fn day(text: &str) -> Result<Day, String> {
    Day::parse(text).ok_or_else(|| "write a day as 2027-12-31".to_owned())
}

impl Sign {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let no_plugin = |error: bulkhead_sandbox::Error| {
            let why = causes(&anyhow::Error::new(error));
            Failure::refused(format!("{} is not signed: {why}", self.file.display()))
        };
        let package = Package::read(&self.file).map_err(no_plugin)?;
        package.manifest().map_err(no_plugin)?;
        let text = fs_err::read_to_string(&self.key)
            .map_err(|error| Failure::refused(format!("reading the key: {error}")))?;
        let key = secret_key(&text, self.password.read()?)?;
        let signed =
            sign(&package, &key, &self.file, self.expires.as_ref(), clock::now())?;
        let out = self.out.unwrap_or_else(|| config::beside(&self.file));
        store(&out, signed.text.as_bytes())?;
        let until = self.expires.map_or_else(String::new, |day| format!(", until {day}"));
        let mut print = std::io::stdout().lock();
        writeln!(print, "signed by key {}{until}", signed.by)?;
        writeln!(print, "  file       {}", self.file.display())?;
        writeln!(print, "  sha256     {}", package.sha256())?;
        writeln!(print, "  signature  {}", out.display())?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The secret key of a minisign file.
fn secret_key(text: &str, password: Option<String>) -> anyhow::Result<SecretKey> {
    let boxed = || {
        SecretKeyBox::from_string(text)
            .map_err(|error| Failure::refused(format!("the key cannot be read: {error}")))
    };
    let opened = match password {
        // Never without one: the library would ask on the terminal.
        Some(password) => boxed()?.into_secret_key(Some(password)),
        None => boxed()?.into_unencrypted_secret_key(),
    };
    opened.map_err(|error| {
        let what = format!("the key cannot be opened: {error}");
        let hint = "a key with a password needs --password-env or --password-file, one \
                    without takes neither";
        Failure::refused(what).hint(hint).into()
    })
}

/// A signature as it is written down, and by whom.
#[derive(Debug)]
struct Signed {
    text: String,
    by: String,
}

/// Signs, and verifies what came of it as an operator's machine will.
fn sign(
    package: &Package,
    key: &SecretKey,
    file: &Path,
    expires: Option<&Day>,
    now: Instant,
) -> anyhow::Result<Signed> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let name: String =
        name.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
    let until = expires.map_or_else(String::new, |day| format!("\texpires:{day}"));
    let seconds = now.unix_ms().div_euclid(1_000);
    let comment = format!("timestamp:{seconds}\tfile:{name}\thashed{until}");
    let bytes = Cursor::new(package.bytes());
    let signed = minisign::sign(None, key, bytes, Some(&comment), Some(UNTRUSTED))
        .context("signing the plugin")?;
    let text = signed.into_string();
    let public = PublicKey::from_secret_key(key).context("reading the key")?;
    let own = TrustedKey::parse("own", &public.to_base64())?;
    let by = own.id().to_string();
    let read = Signature::parse(text.as_bytes());
    read.and_then(|signature| package.verify(&signature, &[own], now)).map_err(
        |error| Failure::refused(format!("the signature would not count: {error}")),
    )?;
    Ok(Signed { text, by })
}

/// The first line of a signature, which nobody signs.
const UNTRUSTED: &str = "signature from `bulkhead plugin sign`";

#[cfg(test)]
mod tests {
    use minisign::KeyPair;

    use super::*;

    const NOW: Instant = Instant::from_unix_ms(1_795_694_400_000);

    fn package() -> Package {
        let bytes = wat::parse_str("(component)").unwrap();
        let manifest = r#"{"bulkhead":1,"name":"x","version":"1","role":"filter"}"#;
        Package::from_bytes(bytes).unwrap().with_manifest(manifest).unwrap()
    }

    #[test]
    fn what_is_signed_verifies_here_and_with_minisign() {
        let KeyPair { pk, sk } = KeyPair::generate_unencrypted_keypair().unwrap();
        let package = package();
        let day = Day::parse("2027-01-31").unwrap();
        let path = Path::new("plugins/x.wasm");
        let signed = sign(&package, &sk, path, Some(&day), NOW).unwrap();
        let trusted = [TrustedKey::parse("team", &pk.to_base64()).unwrap()];
        let signature = Signature::parse(signed.text.as_bytes()).unwrap();
        let verified = package.verify(&signature, &trusted, NOW).unwrap();
        assert_eq!(verified.expires, Some(day));
        let expected = "timestamp:1795694400 file:x.wasm hashed expires:2027-01-31";
        assert_eq!(verified.comment, expected);
        let signature = minisign::SignatureBox::from_string(&signed.text).unwrap();
        let bytes = Cursor::new(package.bytes());
        assert!(minisign::verify(&pk, &signature, bytes, true, false, false).is_ok());
    }

    #[test]
    fn does_not_sign_what_would_not_count() {
        let KeyPair { sk, .. } = KeyPair::generate_unencrypted_keypair().unwrap();
        let over = Day::parse("2026-11-25").unwrap();
        let cases = [
            ("a day that is over", "x.wasm", Some(&over)),
            ("a name that ends it", "x expires=2020-01-01.wasm", None),
        ];
        for (name, file, expires) in cases {
            let refused = sign(&package(), &sk, Path::new(file), expires, NOW);
            assert!(refused.unwrap_err().is::<Failure>(), "case: {name}");
        }
    }

    #[test]
    fn a_key_opens_with_its_password_and_never_asks_for_it() {
        let plain = KeyPair::generate_unencrypted_keypair().unwrap().sk;
        let locked =
            KeyPair::generate_encrypted_keypair(Some("right".to_owned())).unwrap().sk;
        let text = |key: &SecretKey| key.to_box(None).unwrap().into_string();
        let (plain, locked) = (text(&plain), text(&locked));
        let password = |text: &str| Some(text.to_owned());
        let cases = [
            ("the right one", &locked, password("right"), true),
            ("a wrong one", &locked, password("wrong"), false),
            ("none where one is needed", &locked, None, false),
            ("none where none is needed", &plain, None, true),
            ("one too many", &plain, password("right"), false),
            ("no key", &"hello".to_owned(), None, false),
        ];
        for (name, text, password, expected) in cases {
            let opened = secret_key(text, password);
            assert_eq!(opened.is_ok(), expected, "case: {name}");
            assert!(
                opened.err().is_none_or(|error| error.is::<Failure>()),
                "case: {name}"
            );
        }
    }
}
