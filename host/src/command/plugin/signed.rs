//! Who signed a plugin, as far as that can be told.

use std::path::{Path, PathBuf};

use bulkhead_sandbox::{Package, Signature, SignatureError, TrustedKey};
use serde::Serialize;

use super::text::plain;
use crate::{
    clock,
    config::{self, Config, Pinning, Signatures},
};

/// Whose signature would count, and where it would lie.
#[derive(Clone, Debug, Default)]
pub(super) struct Trusted {
    /// Keys whose signatures count.
    keys: Vec<TrustedKey>,
    /// Where the signature lies, when not beside the plugin.
    file: Option<PathBuf>,
    need: Need,
}

/// Whether a plugin without a signature is at fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Need {
    #[default]
    Welcome,
    Required,
}

impl Trusted {
    /// Those of `keys`, each a line of base64 or a `.pub` file, and of a configuration.
    ///
    /// # Errors
    ///
    /// When a key or the configuration cannot be read.
    pub(super) fn read(
        keys: &[String],
        config: Option<&Path>,
        plugin: &Path,
    ) -> anyhow::Result<Self> {
        let mut trusted = Self::default();
        if let Some(path) = config {
            trusted.configured(&Config::read(path, Pinning::Waived)?, plugin);
        }
        for key in keys {
            // A line of base64 is no path that anybody has.
            let (name, text) = match TrustedKey::parse("--trust", key) {
                Ok(_) => ("--trust", key.clone()),
                Err(_) => (key.as_str(), fs_err::read_to_string(key)?),
            };
            trusted.keys.push(TrustedKey::parse(name, &text)?);
            trusted.need = Need::Required;
        }
        Ok(trusted)
    }

    /// What a configuration says of the plugin at this path, else of all.
    fn configured(&mut self, config: &Config, plugin: &Path) {
        let place = |path: &Path| fs_err::canonicalize(path).ok();
        let here = place(plugin);
        let mut named = config.plugins.values().filter_map(|known| {
            let is_this = here.is_some() && place(&known.path) == here;
            known.signed_by.clone().filter(|_| is_this)
        });
        if let Some(signed_by) = named.next_back() {
            (self.keys, self.file) = (signed_by.keys, Some(signed_by.file));
            self.need = Need::Required;
        } else {
            self.keys = config.trust.values().cloned().collect();
            self.need = match config.signatures {
                Signatures::AsNamed => Need::Welcome,
                Signatures::Required => Need::Required,
            };
        }
    }

    /// The same with the signature in another place.
    #[must_use]
    pub(super) fn at(self, file: Option<PathBuf>) -> Self {
        Self { file: file.or(self.file), ..self }
    }
}

/// What is known of a plugin's signature. Every member is always there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Signed {
    pub(super) state: State,
    /// The signature file.
    file: String,
    /// The key that it says it is by.
    pub(super) key: Option<String>,
    /// Whose key that is.
    pub(super) signer: Option<String>,
    /// The last day on which it counts.
    expires: Option<String>,
    /// What its maker noted, signed too.
    comment: Option<String>,
    /// Why it does not count.
    why: Option<String>,
    #[serde(skip)]
    need: Need,
}

/// How a signature stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    /// There is none.
    Absent,
    /// It does not count.
    Refused,
    /// No key is known that it could be checked with.
    Unverified,
    /// It is by a key that is trusted, over these bytes.
    Verified,
}

impl Signed {
    /// Of a plugin that was read from `path`.
    pub(super) fn of(path: &Path, package: &Package, trusted: &Trusted) -> Self {
        let file = trusted.file.clone().unwrap_or_else(|| config::beside(path));
        let mut found = Self {
            state: State::Absent,
            file: plain(&file.display().to_string()),
            key: None,
            signer: None,
            expires: None,
            comment: None,
            why: None,
            need: trusted.need,
        };
        let signature = match Signature::read(&file) {
            Ok(signature) => signature,
            Err(SignatureError::Missing) => return found,
            Err(error) => return found.refused(&error),
        };
        found.key = Some(signature.key_id().to_string());
        if trusted.keys.is_empty() {
            found.state = State::Unverified;
            return found;
        }
        match package.verify(&signature, &trusted.keys, clock::now()) {
            Ok(signer) => Self {
                state: State::Verified,
                signer: Some(signer.name),
                expires: signer.expires.map(|day| day.to_string()),
                comment: Some(plain(&signer.comment)),
                ..found
            },
            Err(error) => found.refused(&error),
        }
    }

    fn refused(self, error: &SignatureError) -> Self {
        Self { state: State::Refused, why: Some(plain(&error.to_string())), ..self }
    }

    /// Why the plugin is not to be loaded on its account.
    pub(super) fn fault(&self) -> Option<String> {
        match (self.need, self.state) {
            (Need::Required, State::Absent | State::Unverified) => {
                Some(format!("it must be signed, and {}", self.words()))
            }
            (Need::Required, State::Refused) => Some(self.does_not_count()),
            (Need::Required, State::Verified) | (Need::Welcome, _) => None,
        }
    }

    /// What is worth a look though nobody asked for a signature.
    pub(super) fn remark(&self) -> Option<String> {
        let is_bad = self.need == Need::Welcome && self.state == State::Refused;
        is_bad.then(|| self.does_not_count())
    }

    fn does_not_count(&self) -> String {
        format!("its signature does not count: {}", self.why())
    }

    fn why(&self) -> &str {
        self.why.as_deref().unwrap_or_default()
    }

    /// How it stands, for people.
    pub(super) fn words(&self) -> String {
        let key = self.key.as_deref().unwrap_or_default();
        match self.state {
            State::Absent => format!("there is no {}", self.file),
            State::Refused => self.why().to_owned(),
            State::Unverified => format!(
                "says to be by key {key}; not checked, name a key with --trust or --config"
            ),
            State::Verified => {
                let signer = plain(self.signer.as_deref().unwrap_or_default());
                let until = self.expires.as_ref();
                let until =
                    until.map_or_else(String::new, |day| format!(", until {day}"));
                format!("by `{signer}`, key {key}{until}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use minisign::KeyPair;

    use super::*;

    /// Attacks: 49.
    #[test]
    fn tells_how_a_signature_stands_and_faults_only_what_was_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.wasm");
        let bytes = wat::parse_str("(component)").unwrap();
        let package = Package::from_bytes(bytes.clone()).unwrap();
        let [team, other] =
            [(); 2].map(|()| KeyPair::generate_unencrypted_keypair().unwrap());
        let sign = |bytes: &[u8]| {
            let signed =
                minisign::sign(None, &team.sk, Cursor::new(bytes), Some("x"), None);
            signed.unwrap().to_bytes()
        };
        let trust = |pair: &KeyPair| vec![pair.pk.to_base64()];
        // case, signature, trusted keys, how it stands, whether that is a fault
        let cases = [
            ("none, nobody asked", None, vec![], State::Absent, false),
            ("none, and asked for", None, trust(&team), State::Absent, true),
            ("one, nobody asked", Some(sign(&bytes)), vec![], State::Unverified, false),
            ("a good one", Some(sign(&bytes)), trust(&team), State::Verified, false),
            ("a stranger's", Some(sign(&bytes)), trust(&other), State::Refused, true),
            ("over others", Some(sign(b"\0asm")), trust(&team), State::Refused, true),
            ("no signature", Some(b"hello".to_vec()), vec![], State::Refused, false),
        ];
        for (name, signature, keys, state, is_fault) in cases {
            let file = config::beside(&path);
            match signature {
                Some(signature) => fs_err::write(&file, signature).unwrap(),
                None => drop(fs_err::remove_file(&file)),
            }
            let trusted = Trusted::read(&keys, None, &path).unwrap();
            let found = Signed::of(&path, &package, &trusted);
            assert_eq!(found.state, state, "case: {name}");
            assert_eq!(found.fault().is_some(), is_fault, "case: {name}");
            let is_bad = state == State::Refused;
            assert_eq!(found.remark().is_some(), is_bad && !is_fault, "case: {name}");
            assert!(!found.words().is_empty(), "case: {name}");
        }
    }

    #[test]
    fn takes_keys_from_the_command_line_and_from_a_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let pair = KeyPair::generate_unencrypted_keypair().unwrap();
        let file = folder.path().join("team.pub");
        fs_err::write(&file, pair.pk.to_box().unwrap().into_string()).unwrap();
        let plugin = folder.path().join("x.wasm");
        fs_err::write(&plugin, "").unwrap();
        let config = folder.path().join("bulkhead.toml");
        let text = |lines: &str, plugin: &str| {
            format!(
                "{lines}[source]\nbase-url = \"https://ehr.example/fhir\"\n[trust.team]\n\
                 public-key = {{ file = \"team.pub\" }}\n[plugins.x]\npath = \"x.wasm\"\n\
                 {plugin}[[chain]]\nsink = {{ plugin = \"x\" }}\n"
            )
        };
        let read = |keys: &[String], config: Option<&Path>| {
            let read = Trusted::read(keys, config, &plugin).unwrap();
            (read.keys.len(), read.need, read.file.is_some())
        };
        let file = [file.display().to_string()];
        assert_eq!(read(&[], None), (0, Need::Welcome, false));
        assert_eq!(read(&file, None), (1, Need::Required, false));
        let named = "signed-by = [\"team\"]\nsignature = \"y.sig\"\n";
        for (lines, of_plugin, expected) in [
            ("", "", (1, Need::Welcome, false)),
            ("require-signatures = true\n", named, (1, Need::Required, true)),
            ("", named, (1, Need::Required, true)),
        ] {
            fs_err::write(&config, text(lines, of_plugin)).unwrap();
            assert_eq!(read(&[], Some(&config)), expected, "case: {lines}{of_plugin}");
        }
        assert!(Trusted::read(&["nowhere.pub".to_owned()], None, &plugin).is_err());
    }
}
