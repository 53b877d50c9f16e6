//! `[trust.NAME]`: whose signatures count, and `plugins.X.signed-by`: whose must be there.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use bulkhead_sandbox::TrustedKey;

use super::reader::Reader;

/// Keys by name.
pub(crate) type Trust = BTreeMap<String, TrustedKey>;

/// Who must have signed a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SignedBy {
    /// Any of these.
    pub(crate) keys: Vec<TrustedKey>,
    /// The signature file.
    pub(crate) file: PathBuf,
}

/// Whether every plugin needs a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signatures {
    /// Only one that names `signed-by`.
    AsNamed,
    /// Every one.
    Required,
}

/// `[trust.NAME] public-key = "RW…"`, or `{ file = "team.pub" }`.
pub(super) fn read(root: &Reader<'_>, folder: &Path) -> Trust {
    let mut trust = Trust::new();
    for (name, table) in root.named("trust") {
        if let Some(key) = key(&table, &name, folder) {
            trust.insert(name, key);
        }
        table.finish();
    }
    trust
}

fn key(table: &Reader<'_>, name: &str, folder: &Path) -> Option<TrustedKey> {
    let text = if table.is_table("public-key") {
        let section = table.section("public-key");
        let file = section.required_text("file", "a minisign `.pub` file");
        section.finish();
        let text = fs_err::read_to_string(folder.join(file?));
        text.map_err(|error| table.problem_at("public-key", error.to_string())).ok()?
    } else {
        table.required_text(
            "public-key",
            "the line of a minisign public key, or `{ file = \"…\" }`",
        )?
    };
    let parsed = TrustedKey::parse(name, &text);
    let refuse = |error| {
        table.problem_at("public-key", format!("`trust.{name}.public-key`: {error}"));
    };
    parsed.map_err(refuse).ok()
}

/// `require-signatures`.
pub(super) fn signatures(root: &Reader<'_>) -> Signatures {
    match root.flag("require-signatures") {
        Some(true) => Signatures::Required,
        Some(false) | None => Signatures::AsNamed,
    }
}

/// `signed-by` and `signature` of one plugin whose component is at `path`.
pub(super) fn signed_by(
    plugin: &Reader<'_>,
    name: &str,
    path: &Path,
    folder: &Path,
    (trust, signatures): (&Trust, Signatures),
) -> Option<SignedBy> {
    let (names, file) = (plugin.texts("signed-by"), plugin.text("signature"));
    let Some(names) = names else {
        if signatures == Signatures::Required {
            plugin.problem(format!(
                "`plugins.{name}.signed-by` is missing, and `require-signatures` is true: name \
                 the keys of `[trust]` that may sign it"
            ));
        } else if file.is_some() {
            plugin.problem_at(
                "signature",
                format!("`plugins.{name}.signature` binds nothing without `signed-by`"),
            );
        }
        return None;
    };
    if names.is_empty() {
        plugin.problem_at(
            "signed-by",
            format!("`plugins.{name}.signed-by` names no key of `[trust]`"),
        );
    }
    let keys = names.iter().filter_map(|signer| {
        let key = trust.get(signer).cloned();
        if key.is_none() {
            let what = format!(
                "`plugins.{name}.signed-by` names `{signer}`, but there is no \
                 `[trust.{signer}]` with a key"
            );
            plugin.problem_at("signed-by", what);
        }
        key
    });
    let keys = keys.collect();
    Some(SignedBy {
        keys,
        file: file.map_or_else(|| beside(path), |file| folder.join(file)),
    })
}

/// Where the signature of a plugin lies unless another place is named: beside it.
pub(crate) fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".minisig");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Pinning};

    const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";

    const REST: &str = r#"
[source]
base-url = "https://ehr.example/fhir"
[[chain]]
name = "c"
sink = { plugin = "p" }
"#;

    fn parse(folder: &Path, text: &str) -> Result<Config, Vec<String>> {
        let path = folder.join("bulkhead.toml");
        Config::parse(&path, &format!("{text}{REST}"), Pinning::Waived).map_err(
            |problems| {
                problems.list().into_iter().map(|problem| problem.message).collect()
            },
        )
    }

    #[test]
    fn reads_who_must_have_signed() {
        let folder = tempfile::tempdir().unwrap();
        let file = format!("untrusted comment: minisign public key\n{KEY}\n");
        fs_err::write(folder.path().join("team.pub"), file).unwrap();
        let text = format!(
            r#"require-signatures = true
[trust.team]
public-key = {{ file = "team.pub" }}
[trust.lab]
public-key = "{KEY}"
[plugins.p]
path = "p.wasm"
signed-by = ["lab", "team"]
[plugins.q]
path = "q.wasm"
signed-by = ["team"]
signature = "sigs/q.sig"
"#
        );
        let config = parse(folder.path(), &text).unwrap();
        let signed = |name: &str| {
            let signed = config.plugins[name].signed_by.clone().unwrap();
            let keys: Vec<String> =
                signed.keys.iter().map(|key| key.name().to_owned()).collect();
            (keys, signed.file)
        };
        let keys = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let folder = folder.path();
        assert_eq!(signed("p"), (keys(&["lab", "team"]), folder.join("p.wasm.minisig")));
        assert_eq!(signed("q"), (keys(&["team"]), folder.join("sigs/q.sig")));
        assert_eq!(config.trust["team"].id(), config.trust["lab"].id());
    }

    #[test]
    fn trust_alone_changes_nothing() {
        let text = format!(
            "[trust.team]\npublic-key = \"{KEY}\"\n[plugins.p]\npath = \"p.wasm\"\n"
        );
        let config = parse(Path::new("site"), &text).unwrap();
        assert_eq!(config.plugins["p"].signed_by, None);
    }

    #[test]
    fn says_what_binds_nothing_and_what_is_missing() {
        let trust = format!("[trust.team]\npublic-key = \"{KEY}\"\n");
        let plugin = "[plugins.p]\npath = \"p.wasm\"\n";
        let cases = [
            (
                "a demand that is not met",
                format!("require-signatures = true\n{trust}{plugin}"),
                "`plugins.p.signed-by` is missing, and `require-signatures` is true: name the \
                 keys of `[trust]` that may sign it",
            ),
            (
                "nobody",
                format!("{trust}{plugin}signed-by = []\n"),
                "`plugins.p.signed-by` names no key of `[trust]`",
            ),
            (
                "a stranger",
                format!("{trust}{plugin}signed-by = [\"taem\"]\n"),
                "`plugins.p.signed-by` names `taem`, but there is no `[trust.taem]` with a key",
            ),
            (
                "a signature that nobody looks at",
                format!("{trust}{plugin}signature = \"p.sig\"\n"),
                "`plugins.p.signature` binds nothing without `signed-by`",
            ),
            (
                "a key that is none",
                format!("[trust.team]\npublic-key = \"RWhello\"\n{plugin}"),
                "`trust.team.public-key`: that is no minisign public key: give the line that \
                 begins with `RW`, or the `.pub` file",
            ),
            (
                "no key",
                format!("[trust.team]\n{plugin}"),
                "`trust.team.public-key` is missing: write `trust.team.public-key = \"…\"` (the \
                 line of a minisign public key, or `{ file = \"…\" }`)",
            ),
            (
                "a misspelt key",
                format!("{trust}fiel = \"x\"\n{plugin}"),
                "unknown key `trust.team.fiel`: known here are public-key",
            ),
        ];
        for (name, text, expected) in cases {
            let found = parse(Path::new("site"), &text).map(|_| ());
            assert_eq!(found, Err(vec![expected.to_owned()]), "case: {name}");
        }
    }
}
