//! A configuration as it was written: its digest, and one for every setting, so that a later
//! run can say which settings have changed without keeping what they were.

use std::{collections::BTreeMap, path::Path};

use toml::{Table, Value};

use crate::trail::sha256;

/// A configuration as it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// SHA-256 of the file.
    pub(crate) sha256: String,
    /// A digest of every setting, by its path in the file.
    pub(crate) settings: BTreeMap<String, String>,
}

impl Written {
    /// Of `text`, which is valid; files that it names for settings are in `folder`.
    pub(crate) fn of(text: &str, folder: &Path) -> Self {
        let mut settings = BTreeMap::new();
        if let Ok(table) = text.parse::<Table>() {
            flatten("", &Value::Table(table), folder, &mut settings);
        }
        Self { sha256: sha256(text.as_bytes()), settings }
    }
}

fn flatten(
    place: &str,
    value: &Value,
    folder: &Path,
    settings: &mut BTreeMap<String, String>,
) {
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                let place =
                    if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
                flatten(&place, value, folder, settings);
            }
        }
        Value::Array(items) if items.iter().all(Value::is_table) => {
            for (item, at) in items.iter().zip(0..) {
                // Named where there is a name: one that is put in between changes no other.
                let name = item.get("name").and_then(Value::as_str);
                let place = name.map_or_else(
                    || format!("{place}[{at}]"),
                    |name| format!("{place}[{name}]"),
                );
                flatten(&place, item, folder, settings);
            }
        }
        value => {
            let mut text = value.to_string();
            if let Some(file) = value.as_str()
                && place.ends_with(".config-file")
            {
                // What it says counts, not what it is called.
                text += &fs_err::read_to_string(folder.join(file)).unwrap_or_default();
            }
            let digest = sha256(text.as_bytes());
            settings.insert(place.to_owned(), digest.get(..32).unwrap_or("").to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(before: &str, now: &str) -> Vec<String> {
        let (before, now) =
            (Written::of(before, Path::new("")), Written::of(now, Path::new("")));
        assert!(before == now || before.sha256 != now.sha256);
        let all = before.settings.keys().chain(now.settings.keys());
        let mut paths: Vec<String> = all
            .filter(|path| before.settings.get(*path) != now.settings.get(*path))
            .cloned()
            .collect();
        paths.sort();
        paths.dedup();
        paths
    }

    #[test]
    fn says_which_settings_differ_by_their_paths() {
        let base = "[plugins.x]\ngrants = { stores = [\"a\"] }\n[[chain]]\nname = \"r\"\n\
                    stages = [{ plugin = \"x\" }]\n";
        let cases: [(&str, &str, &str, &[&str]); 5] = [
            ("nothing", "", "", &[]),
            ("a remark", "[plugins.x]", "# x\n[plugins.x]", &[]),
            ("a grant", "[\"a\"]", "[\"a\", \"b\"]", &["plugins.x.grants.stores"]),
            ("a new one", "grants", "path = \"p\"\ngrants", &["plugins.x.path"]),
            (
                "in a list",
                "plugin = \"x\"",
                "plugin = \"y\"",
                &["chain[r].stages[0].plugin"],
            ),
        ];
        for (name, from, to, expected) in cases {
            assert_eq!(
                changed(base, &base.replacen(from, to, 1)),
                expected,
                "case: {name}"
            );
        }
    }

    #[test]
    fn keeps_no_value_and_sees_into_files_of_settings() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("s.json");
        let text = "[[chain]]\nname = \"r\"\nsink = { config-file = \"s.json\" }\n\
                    base = \"https://secret.example\"\n";
        fs_err::write(&file, "{}").unwrap();
        let before = Written::of(text, folder.path());
        assert!(!format!("{before:?}").contains("secret"), "{before:?}");
        fs_err::write(&file, "{\"a\":1}").unwrap();
        let now = Written::of(text, folder.path());
        assert_eq!(before.sha256, now.sha256);
        let path = "chain[r].sink.config-file";
        assert_ne!(before.settings.get(path), now.settings.get(path));
        assert!(before.settings.contains_key(path));
    }
}
