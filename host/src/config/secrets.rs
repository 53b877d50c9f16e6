//! Secrets by reference: a file or a variable of the environment, never the value itself.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use bulkhead_model::Secret;

use super::reader::Reader;
use crate::failure::Failure;

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SecretSource {
    /// A variable of the environment.
    Env(String),
    /// A file; a line end at its end does not count.
    File(PathBuf),
}

impl SecretSource {
    /// Reads the secret.
    ///
    /// # Errors
    ///
    /// A [`Failure`] that says where it should be, also when nothing is there.
    pub(crate) fn read(&self) -> anyhow::Result<Secret> {
        let secret = self.read_any()?;
        if secret.expose().is_empty() {
            let where_from = match self {
                Self::Env(name) => format!("the variable `{name}` of the environment"),
                Self::File(path) => path.display().to_string(),
            };
            let what = format!("{where_from} should hold a secret and is empty");
            return Err(Failure::refused(what).hint("write the secret there").into());
        }
        Ok(secret)
    }

    fn read_any(&self) -> anyhow::Result<Secret> {
        match self {
            Self::Env(name) => std::env::var(name).map(Secret::new).map_err(|_| {
                Failure::refused(format!("the environment has no variable `{name}`"))
                    .hint("set it, or use `{ file = \"…\" }` in the configuration")
                    .into()
            }),
            Self::File(path) => {
                // As a secret from the first: it is wiped, with its line end, when this returns.
                let read = fs_err::read(path).map(Secret::new).map_err(|error| {
                    Failure::refused(format!("reading a secret: {error}"))
                        .hint("name a file that the user who runs bulkhead can read")
                })?;
                warn_if_open(path);
                Ok(Secret::new(read.expose().trim_ascii_end()))
            }
        }
    }
}

/// Says once a process when others than its owner and group may read a secret.
#[cfg(unix)]
fn warn_if_open(path: &Path) {
    use std::{
        collections::BTreeSet,
        os::unix::fs::PermissionsExt as _,
        sync::{Mutex, PoisonError},
    };
    static TOLD: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    let Ok(metadata) = fs_err::metadata(path) else { return };
    let is_open = may_be_read_by_all(metadata.permissions().mode());
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    if is_open && told.insert(path.to_owned()) {
        tracing::warn!(
            file = %path.display(),
            "anybody on this machine may read this secret: `chmod 600` it"
        );
    }
}

#[cfg(not(unix))]
fn warn_if_open(_path: &Path) {}

#[cfg(unix)]
const fn may_be_read_by_all(mode: u32) -> bool {
    mode & 0o004 != 0
}

/// `{ file = "…" }` or `{ env = "…" }`.
pub(crate) fn read(section: &Reader<'_>, folder: &Path) -> Option<SecretSource> {
    let (file, env) = (section.text("file"), section.text("env"));
    section.finish();
    let place = section.place();
    match (section.has("file"), section.has("env")) {
        (true, false) => file.map(|file| SecretSource::File(folder.join(file))),
        (false, true) => env.map(SecretSource::Env),
        (true, true) => {
            section.problem(format!(
                "`{place}` has a `file` and an `env`: leave one out, as the secret lies in one place"
            ));
            None
        }
        (false, false) => {
            section.problem(format!(
                "`{place}` does not say where the secret lies: write `{{ file = \"…\" }}` or \
                 `{{ env = \"…\" }}`"
            ));
            None
        }
    }
}

/// `[KEY.NAME]` tables that each name a secret.
pub(crate) fn named(
    root: &Reader<'_>,
    key: &str,
    folder: &Path,
) -> BTreeMap<String, SecretSource> {
    let tables = root.named(key).into_iter();
    tables.filter_map(|(name, table)| Some((name, read(&table, folder)?))).collect()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::config::{Config, Pinning};

    #[test]
    fn a_secret_that_is_empty_is_none() {
        let ground = tempfile::tempdir().unwrap();
        let path = ground.path().join("secret");
        for (text, is_some) in [("s", true), ("s\n", true), ("", false), ("\n", false)] {
            fs_err::write(&path, text).unwrap();
            let read = SecretSource::File(path.clone()).read();
            assert_eq!(read.is_ok(), is_some, "{text:?}");
            if let Err(error) = read {
                assert!(error.to_string().contains("is empty"), "{error}");
            }
        }
    }

    #[test]
    fn a_secret_with_two_places_or_none_is_told_by_the_full_name_of_its_setting() {
        // The setting, and the text around it.
        let source = "[source]\nbase-url = \"https://ehr.example/fhir\"\n";
        let client = "[source.auth]\nclient-id = \"me\"\n";
        let place = "[destinations.dwh]\nurl = \"https://dwh.example/\"\n";
        let credentials = "auth = { client-credentials = { client-id = \"me\", token-url = \
                           \"https://id.example/token\", client-secret = SECRET } }";
        let basic = "auth = { basic = { user = \"me\", password = SECRET } }";
        let settings = [
            ("keys.study", "[keys]\nstudy = SECRET".to_owned()),
            ("source.auth.key", format!("{client}key = SECRET")),
            ("source.auth.client-secret", format!("{client}client-secret = SECRET")),
            ("source.auth.bearer", "[source.auth]\nbearer = SECRET".to_owned()),
            ("source.tls.identity", "[source.tls]\nidentity = SECRET".to_owned()),
            ("destinations.dwh.identity", format!("{place}identity = SECRET")),
            ("destinations.dwh.auth.bearer", format!("{place}auth.bearer = SECRET")),
            ("destinations.dwh.auth.basic.password", format!("{place}{basic}")),
            (
                "destinations.dwh.auth.client-credentials.client-secret",
                format!("{place}{credentials}"),
            ),
        ];
        let rest =
            "[plugins.p]\npath = \"p.wasm\"\n[[chain]]\nsink = { plugin = \"p\" }\n";
        for (setting, table) in settings {
            let said = |secret: &str| {
                let text = format!("{source}{table}\n{rest}").replace("SECRET", secret);
                let path = Path::new("site/bulkhead.toml");
                let read = Config::parse(path, &text, Pinning::Waived);
                let problems = read.err().map(|problems| problems.list());
                let problems = problems.into_iter().flatten();
                problems.map(|problem| problem.message).collect::<Vec<_>>()
            };
            assert_eq!(said("{ env = \"E\" }"), Vec::<String>::new(), "case: {setting}");
            let two = format!(
                "`{setting}` has a `file` and an `env`: leave one out, as the secret lies in one \
                 place"
            );
            assert_eq!(said("{ env = \"E\", file = \"f\" }"), [two], "case: {setting}");
            let none = format!(
                "`{setting}` does not say where the secret lies: write `{{ file = \"…\" }}` or \
                 `{{ env = \"…\" }}`"
            );
            assert_eq!(said("{}"), [none], "case: {setting}");
            let number = format!("`{setting}.file` must be text");
            assert_eq!(said("{ file = 1 }"), [number], "case: {setting}");
        }
    }

    /// Items: 31.
    #[test]
    fn a_secret_is_open_when_anybody_may_read_it() {
        // name, mode, whether it is worth a warning
        let cases = [
            ("its owner alone", 0o600, false),
            ("read only", 0o400, false),
            ("a group, as mounted secrets are", 0o640, false),
            ("everybody", 0o644, true),
            ("everybody but the group", 0o604, true),
            ("a file's type is no right", 0o100_600, false),
        ];
        for (name, mode, expected) in cases {
            assert_eq!(may_be_read_by_all(mode), expected, "case: {name}");
        }
    }
}
