//! `bulkhead keys`: the key that signs in, and its public half for registration.
//!
//! Standard output carries the public set and nothing else, so that it can be sent to a file;
//! what a person should know goes to standard error.
//!
//! Source: SMART App Launch 2.2, "Client Authentication: Asymmetric"; RFC 7517.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use bulkhead_bulk::{Algorithm, KeyError, SigningKey};
use bulkhead_model::Secret;
use clap::{Subcommand, ValueEnum};
use serde_json::Value;

use crate::{config::SecretSource, failure::Failure};

const EXAMPLES: &str = "\
Examples:
  bulkhead keys generate --out bulkhead-key.pem > jwks.json
  bulkhead keys jwks bulkhead-key.pem
  bulkhead keys jwks old.pem new.pem > jwks.json
  bulkhead keys jwks --env BULKHEAD_KEY";

/// Makes the key that signs in to a FHIR server, and prints its public half.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Keys {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    Generate(Generate),
    Jwks(Jwks),
}

/// Makes a new private key and prints the public JWK Set to register with the server.
///
/// The private key is written as PKCS#8 PEM that only you can read (mode 0600). A file that is
/// already there is never replaced.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  bulkhead keys generate --out bulkhead-key.pem > jwks.json
Then register jwks.json with the server, and name the key in bulkhead.toml:
  [source.auth]
  client-id = \"…\"
  key = { file = \"bulkhead-key.pem\" }")]
struct Generate {
    /// Where to write the private key.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// How it will sign. Servers must accept both.
    #[arg(long, value_name = "ALG", value_enum, default_value_t)]
    alg: Alg,
}

/// Prints the public JWK Set of private keys, for registration. Never the private part.
///
/// Several keys make one set: the old and the new one, while keys are changed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bulkhead keys jwks bulkhead-key.pem
  bulkhead keys jwks old.pem new.pem > jwks.json
  bulkhead keys jwks --env BULKHEAD_KEY > jwks.json")]
struct Jwks {
    /// The private keys: each file a JWK, a JWK Set or PEM.
    #[arg(value_name = "FILE", required_unless_present = "env", conflicts_with = "env")]
    files: Vec<PathBuf>,

    /// The variable of the environment that holds it.
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
}

/// The two algorithms that SMART Backend Services asks every server to know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Alg {
    /// ECDSA on P-384 with SHA-384.
    #[default]
    #[value(name = "ES384", alias = "es384")]
    Es384,
    /// RSA (3072 bits) with SHA-384.
    #[value(name = "RS384", alias = "rs384")]
    Rs384,
}

impl From<Alg> for Algorithm {
    fn from(alg: Alg) -> Self {
        match alg {
            Alg::Es384 => Self::Es384,
            Alg::Rs384 => Self::Rs384,
        }
    }
}

impl Keys {
    /// Does what was asked.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.task {
            Task::Generate(generate) => generate.run(),
            Task::Jwks(jwks) => jwks.run(),
        }
    }
}

impl Generate {
    fn run(self) -> anyhow::Result<ExitCode> {
        let key = SigningKey::generate(self.alg.into())?;
        store(&self.out, &key.to_pem()?)?;
        print(&key.public_jwks())?;
        let mut err = std::io::stderr().lock();
        writeln!(err, "wrote the private key to {} (mode 0600)", self.out.display())?;
        writeln!(
            err,
            "register the public set above with the server; its key id is {}",
            key.kid()
        )?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Jwks {
    fn run(self) -> anyhow::Result<ExitCode> {
        let files = self.files.into_iter().map(|file| {
            let place = file.display().to_string();
            (SecretSource::File(file), place)
        });
        let variable = self.env.map(|name| {
            let place = format!("variable {name}");
            (SecretSource::Env(name), place)
        });
        let mut keys = Vec::new();
        for (source, place) in files.chain(variable) {
            keys.extend(parse(&source.read()?, &place)?);
        }
        print(&public_set(&keys)?)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// All keys of one file or variable.
fn parse(text: &Secret, place: &str) -> anyhow::Result<Vec<SigningKey>> {
    SigningKey::parse_all(text).map_err(|error| {
        let failure = Failure::refused(format!("{error} ({place})"));
        anyhow::Error::new(if error == KeyError::Public {
            failure
                .hint("give the private key; this command prints the public half of it")
        } else {
            failure
        })
    })
}

fn public_set(keys: &[SigningKey]) -> anyhow::Result<Value> {
    SigningKey::public_set(keys).map_err(|error| {
        let hint =
            "give one of them another `kid`, or leave it out: then it is the thumbprint";
        anyhow::Error::new(Failure::refused(error.to_string()).hint(hint))
    })
}

fn print(set: &Value) -> anyhow::Result<()> {
    let jwks = serde_json::to_string_pretty(set)?;
    writeln!(std::io::stdout().lock(), "{jwks}")?;
    Ok(())
}

/// Writes a private key whole, for its owner alone, and never over another one.
pub(super) fn store(path: &Path, pem: &Secret) -> anyhow::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    let writing = || format!("writing the key to {}", path.display());
    // A temporary file is made with mode 0600 and keeps it under its last name.
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(writing)?;
    file.write_all(pem.expose()).with_context(writing)?;
    file.as_file().sync_all().with_context(writing)?;
    file.persist_noclobber(path).map_err(|failed| {
        if failed.error.kind() == std::io::ErrorKind::AlreadyExists {
            let what = format!("{} is already there", path.display());
            let hint = "a key is never replaced: name another file with --out";
            return anyhow::Error::new(Failure::refused(what).hint(hint));
        }
        anyhow::Error::new(failed.error).context(writing())
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_key_reads_back_as_the_same_key() {
        let folder = tempfile::tempdir().unwrap();
        for alg in Alg::value_variants() {
            let path = folder.path().join(format!("{alg:?}.pem"));
            let key = SigningKey::generate((*alg).into()).unwrap();
            store(&path, &key.to_pem().unwrap()).unwrap();
            let read = SecretSource::File(path).read().unwrap();
            let read = parse(&read, "test").unwrap();
            assert_eq!(public_set(&read).unwrap(), key.public_jwks(), "case: {alg:?}");
        }
    }

    /// Items: 31.
    #[cfg(unix)]
    #[test]
    fn only_its_owner_can_read_a_stored_key() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        store(&path, &Secret::new("secret")).unwrap();
        let mode = fs_err::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_key_that_is_there_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        store(&path, &Secret::new("first")).unwrap();
        let refused = store(&path, &Secret::new("second")).unwrap_err();
        assert!(refused.downcast_ref::<Failure>().is_some());
        assert_eq!(fs_err::read(&path).unwrap(), b"first");
    }

    /// Items: 13.
    #[test]
    fn a_public_set_holds_no_private_member() {
        for alg in Alg::value_variants() {
            let key = SigningKey::generate((*alg).into()).unwrap();
            let set = key.public_jwks();
            let members = set["keys"][0].as_object().unwrap();
            for private in ["d", "p", "q", "dp", "dq", "qi", "k", "oth"] {
                assert!(!members.contains_key(private), "case: {alg:?} {private}");
            }
        }
    }

    /// Items: 14.
    #[test]
    fn several_keys_make_one_set_and_two_under_one_id_make_none() {
        let pem = |key: &SigningKey| key.to_pem().unwrap();
        let new = || SigningKey::generate(Algorithm::Es384).unwrap();
        let (old, next, other) = (new(), new(), new());
        let named = |key: SigningKey| key.with_kid("k".to_owned());
        let kids = |set: &Value| -> Vec<String> {
            let keys = set["keys"].as_array().unwrap().iter();
            keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
        };
        let mut keys = Vec::new();
        for key in [&old, &next, &old] {
            keys.extend(parse(&pem(key), "test").unwrap());
        }
        let set = public_set(&keys).unwrap();
        assert_eq!(kids(&set), [old.kid(), next.kid()]);
        let clash = [named(next), named(other)];
        let refused = public_set(&clash).unwrap_err();
        assert!(refused.downcast_ref::<Failure>().is_some(), "{refused}");
    }

    #[test]
    fn says_which_key_cannot_be_read() {
        let key = SigningKey::generate(Algorithm::Es384).unwrap();
        let public = key.public_jwks().to_string();
        let cases = [("a public set", public.as_str()), ("no key", "hello")];
        for (name, text) in cases {
            let refused = parse(&Secret::new(text), "key.pem").unwrap_err();
            assert!(
                refused.to_string().ends_with("(key.pem)"),
                "case: {name}: {refused}"
            );
        }
    }
}
