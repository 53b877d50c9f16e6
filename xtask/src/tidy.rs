//! Size, headers, links and left-overs of every file, by reading text alone.
//!
//! Owns what no formatter and no linter checks. Walks the tree itself, without git, so that
//! an unpacked archive can be checked too.

mod links;
mod source;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

use crate::{plan::Outcome, workspace::Workspace};

/// What the step does.
pub(crate) const ABOUT: &str = "size, header, links and left-overs of every file";

/// Reads every text file of the tree.
///
/// # Errors
///
/// One that names every finding with its file and line.
pub(crate) fn check(workspace: &Workspace) -> Result<Outcome> {
    let texts = texts(workspace.root())?;
    let mut findings = Vec::new();
    for (path, text) in &texts {
        findings.extend(source::findings(path, text));
    }
    findings
        .extend(links::findings(&texts, &|path| workspace.root().join(path).exists()));
    for member in workspace.metadata()?.members {
        findings.extend(without_words(&member.folder, &texts));
    }
    findings.sort();
    if !findings.is_empty() {
        bail!("{} findings:\n  {}", findings.len(), findings.join("\n  "));
    }
    Ok(Outcome::Done(format!("{} files", texts.len())))
}

/// A crate says what it is: in a README, or at the top of its root file.
fn without_words(folder: &str, texts: &BTreeMap<String, String>) -> Option<String> {
    let has = |file: &str, opening: &str| {
        texts
            .get(&format!("{folder}/{file}"))
            .is_some_and(|text| text.starts_with(opening))
    };
    let speaks =
        has("README.md", "#") || has("src/lib.rs", "//!") || has("src/main.rs", "//!");
    (!speaks).then(|| format!("{folder}: neither README.md nor crate documentation"))
}

/// All text files below `root` by their path from there, with `/`.
///
/// # Errors
///
/// When a folder or file cannot be read, or is no UTF-8.
pub(crate) fn texts(root: &Path) -> Result<BTreeMap<String, String>> {
    let mut texts = BTreeMap::new();
    let mut ahead = vec![PathBuf::new()];
    while let Some(folder) = ahead.pop() {
        let here = root.join(&folder);
        let entries = std::fs::read_dir(&here)
            .and_then(Iterator::collect::<std::io::Result<Vec<_>>>)
            .with_context(|| format!("listing {}", here.display()))?;
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = folder.join(&name);
            let kind = entry
                .file_type()
                .with_context(|| format!("opening {}", path.display()))?;
            if kind.is_dir() && is_ours(&name) {
                ahead.push(path);
            } else if kind.is_file() && is_text(&name) {
                let text = std::fs::read_to_string(root.join(&path))
                    .with_context(|| format!("reading {} as text", path.display()))?;
                texts.insert(path.to_string_lossy().replace('\\', "/"), text);
            }
        }
    }
    Ok(texts)
}

/// Whether a file is Rust.
pub(crate) fn is_rust(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == "rs")
}

/// Leaves out what is built, what git and editors keep, and what the demonstration writes.
fn is_ours(folder: &str) -> bool {
    let hidden =
        folder.starts_with('.') && !matches!(folder, ".cargo" | ".ci" | ".github");
    !hidden && !matches!(folder, "target" | "bulkhead-demo" | "node_modules")
}

fn is_text(file: &str) -> bool {
    match Path::new(file).extension().and_then(|extension| extension.to_str()) {
        Some(extension) => matches!(
            extension,
            "c" | "go"
                | "js"
                | "json"
                | "md"
                | "py"
                | "rs"
                | "sh"
                | "sql"
                | "toml"
                | "ts"
                | "wat"
                | "wit"
                | "yaml"
                | "yml"
        ),
        None => matches!(file, "Dockerfile" | "Makefile" | "run"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wants_words_about_every_crate() {
        let texts: BTreeMap<String, String> = [
            ("a/README.md", "# A"),
            ("b/src/lib.rs", "//! B."),
            ("c/src/main.rs", "//! C."),
            ("d/src/lib.rs", "fn d() {}"),
        ]
        .map(|(path, text)| (path.to_owned(), text.to_owned()))
        .into();
        let cases = [("a", true), ("b", true), ("c", true), ("d", false), ("e", false)];
        for (folder, speaks) in cases {
            assert_eq!(without_words(folder, &texts).is_none(), speaks, "case: {folder}");
        }
    }

    #[test]
    fn walks_only_what_is_ours() {
        let cases = [
            ("src", true),
            (".ci", true),
            (".git", false),
            ("target", false),
            (".idea", false),
        ];
        for (folder, expected) in cases {
            assert_eq!(is_ours(folder), expected, "case: {folder}");
        }
    }
}
