//! Stores lie apart: from what the program trusts or keeps to itself, and from each other.
//!
//! A plugin that is granted a store chooses the names of files in it. So the state folder must
//! not lie there, nor the configuration, a plugin, a secret or a list of patients; and what is
//! in one store must not be in another, which may not be granted to the same plugin.
//!
//! Compared is where paths lead to: links, and whatever of a path is there, are followed.

use std::{
    ffi::OsString,
    path::{Component, Path, PathBuf},
};

use super::{
    AuthConfig, CohortSource, Config, DestinationAuth, SecretSource, reader::Reader,
};

/// Notes every store that does not lie apart.
pub(super) fn check(config: &Config, root: &Reader<'_>) {
    let state = real(&config.state);
    let trusted: Vec<(String, PathBuf)> =
        trusted(config).into_iter().map(|(what, path)| (what, real(path))).collect();
    let tables = root.named("stores");
    let stores: Vec<(&String, &Reader<'_>, PathBuf)> = tables
        .iter()
        .filter_map(|(name, table)| {
            Some((name, table, real(&folder(config.stores.get(name)?)?)))
        })
        .collect();
    for (at, (name, table, store)) in stores.iter().enumerate() {
        let clash = |what: &str| {
            table.problem_at(
                "url",
                format!(
                    "`stores.{name}.url` {what}: a plugin chooses the names of files in a store; \
                     give it a folder of its own"
                ),
            );
        };
        if store.starts_with(&state) || state.starts_with(store) {
            clash("holds the state folder (`state.path`), or lies in it");
        }
        for (what, _) in trusted.iter().filter(|(_, path)| path.starts_with(store)) {
            clash(&format!("holds {what}"));
        }
        for (other, _, path) in stores.get(..at).unwrap_or_default() {
            if store.starts_with(path) || path.starts_with(store) {
                clash(&format!("is `stores.{other}.url` too, or one lies in the other"));
            }
        }
    }
}

/// Files that the program reads because the operator named them.
fn trusted(config: &Config) -> Vec<(String, &Path)> {
    let mut found = vec![("the configuration".to_owned(), config.path.as_path())];
    for (name, plugin) in &config.plugins {
        found.push((format!("`plugins.{name}.path`"), plugin.path.as_path()));
        if let Some(signed) = &plugin.signed_by {
            found.push((format!("the signature of `plugins.{name}`"), &signed.file));
        }
    }
    for (name, cohort) in &config.cohorts {
        match cohort {
            CohortSource::Csv { path, .. } | CohortSource::Ndjson(path) => {
                found.push((format!("`cohorts.{name}.from`"), path));
            }
            CohortSource::Group(_) | CohortSource::Identifier(_) => {}
        }
    }
    let secrets = secrets(config).into_iter();
    found.extend(secrets.filter_map(|(what, source)| match source {
        SecretSource::Env(_) => None,
        SecretSource::File(path) => Some((what, path.as_path())),
    }));
    let roots = config.destinations.iter().flat_map(|(name, to)| {
        to.roots.iter().map(move |path| (format!("`destinations.{name}.roots`"), path))
    });
    found.extend(roots.map(|(what, path)| (what, path.as_path())));
    let roots = config.source.network.roots.iter();
    found.extend(roots.map(|path| ("`source.tls.roots`".to_owned(), path.as_path())));
    found
}

/// Every secret that is named, with the setting that names it.
pub(crate) fn secrets(config: &Config) -> Vec<(String, &SecretSource)> {
    let mut found: Vec<(String, &SecretSource)> =
        config.keys.iter().map(|(name, key)| (format!("`keys.{name}`"), key)).collect();
    match &config.source.auth {
        AuthConfig::BackendServices(services) => {
            found.push(("`source.auth.key`".to_owned(), &services.key));
        }
        AuthConfig::Bearer(token) => {
            found.push(("`source.auth.bearer`".to_owned(), token));
        }
        AuthConfig::ClientSecret(of) => {
            found.push(("`source.auth.client-secret`".to_owned(), &of.secret));
        }
        AuthConfig::None => {}
    }
    if let Some(identity) = &config.source.network.identity {
        found.push(("`source.tls.identity`".to_owned(), identity));
    }
    for (name, to) in &config.destinations {
        let auth = match &to.auth {
            DestinationAuth::Basic { password, .. } => Some(password),
            DestinationAuth::Bearer(token) => Some(token),
            DestinationAuth::ClientCredentials { client_secret, .. } => {
                Some(client_secret)
            }
            DestinationAuth::None => None,
        };
        found.extend(auth.map(|of| (format!("`destinations.{name}.auth`"), of)));
        let identity = to.identity.as_ref();
        found.extend(identity.map(|of| (format!("`destinations.{name}.identity`"), of)));
    }
    found
}

/// The folder of a store's address; `None` when it is no folder of this machine.
pub(crate) fn folder(address: &str) -> Option<PathBuf> {
    match url::Url::parse(address) {
        Ok(url) if url.scheme() == "file" => url.to_file_path().ok(),
        Ok(url) if url.scheme().len() > 1 => None,
        Ok(_) | Err(_) => Some(PathBuf::from(address)),
    }
}

/// Where a path leads to, as far as it is there; the rest as it is written.
fn real(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    // From the longest part that is there, back to the whole.
    let mut missing: Vec<OsString> = Vec::new();
    let mut there = path.as_path();
    let mut found = loop {
        if let Ok(found) = fs_err::canonicalize(there) {
            break found;
        }
        let Some(last) = there.components().next_back() else { return path };
        missing.push(last.as_os_str().to_owned());
        let Some(parent) = there.parent() else { return path };
        there = parent;
    };
    for name in missing.iter().rev() {
        match Path::new(name).components().next() {
            Some(Component::ParentDir) => {
                found.pop();
            }
            Some(_) | None => found.push(name),
        }
    }
    found
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::config::Pinning;

    fn said(folder: &Path, stores: &str) -> Vec<String> {
        let text = format!(
            "[source]\nbase-url = \"https://ehr.example/fhir\"\nlevel = \"system\"\n\
             types = [\"Patient\"]\n[state]\npath = \"state\"\n\
             [keys.research]\nfile = \"keys/research.key\"\n\
             [cohorts.study]\nfrom = {{ csv = \"lists/members.csv\" }}\n\
             [plugins.files]\npath = \"plugins/files.wasm\"\n\
             [[chain]]\nname = \"a\"\nsink = {{ plugin = \"files\" }}\n{stores}"
        );
        let path = folder.join("bulkhead.toml");
        match Config::parse(&path, &text, Pinning::Waived) {
            Ok(_) => Vec::new(),
            Err(problems) => {
                problems.list().into_iter().map(|problem| problem.message).collect()
            }
        }
    }

    /// Attacks: 38.
    #[test]
    fn a_store_holds_nothing_that_the_program_trusts_and_lies_in_no_other() {
        let ground = tempfile::tempdir().unwrap();
        let folder = ground.path().join("site");
        for made in ["state", "keys", "lists", "plugins", "out"] {
            fs_err::create_dir_all(folder.join(made)).unwrap();
        }
        for (name, to) in [("to-state", "state"), ("to-keys", "keys"), ("to-out", "out")]
        {
            fs_err::os::unix::fs::symlink(folder.join(to), folder.join(name)).unwrap();
        }
        let one = |url: &str| format!("[stores.lake]\nurl = \"{url}\"\n");
        let two = |url: &str| format!("{}[stores.other]\nurl = \"{url}\"\n", one("out"));
        let beside = format!("file://{}/beside", ground.path().display());
        let keys = format!("file://{}/keys", folder.display());
        let cases = [
            ("a folder beside the configuration", one("out"), None),
            ("one that is not there yet", one("new/deep"), None),
            ("one elsewhere", one(&beside), None),
            ("another store", two("out-too"), None),
            ("a bucket", one("s3://state"), Some("local folders alone")),
            ("the state folder", one("state"), Some("holds the state folder")),
            ("within it", one("state/new"), Some("lies in it")),
            ("through a link", one("to-state/x"), Some("lies in it")),
            ("by way of another", one("out/../state"), Some("lies in it")),
            ("by way of nothing", one("no/../state"), Some("lies in it")),
            ("above everything", one("."), Some("holds the configuration")),
            ("where plugins lie", one("plugins"), Some("holds `plugins.files.path`")),
            ("where keys lie", one("to-keys"), Some("holds `keys.research`")),
            ("where keys lie, as a URL", one(&keys), Some("holds `keys.research`")),
            ("where lists lie", one("lists"), Some("holds `cohorts.study.from`")),
            ("one folder twice", two("to-out"), Some("is `stores.lake.url` too")),
            ("one within the other", two("out/x"), Some("one lies in the other")),
        ];
        for (name, stores, expected) in cases {
            let said = said(&folder, &stores);
            match expected {
                None => assert_eq!(said, Vec::<String>::new(), "case: {name}"),
                Some(expected) => {
                    let is_said = said.iter().any(|line| line.contains(expected));
                    assert!(is_said, "case: {name}: {said:?}");
                }
            }
        }
    }
}
