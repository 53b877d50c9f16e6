//! What the security documents claim, held against the tests they name.
//!
//! In `SECURITY.md` and `docs/threat-model.md` a word in backticks with at least three
//! underscores is the name of a test. It must be one, in a file that the same line links to, when
//! the line links to any Rust file. Every line of a table under a heading that begins with one of
//! [`CLAIMING`] must name a test or link to one: a claim without proof is none.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use crate::{plan::Outcome, tag, tidy, workspace::Workspace};

/// What the step does.
pub(crate) const ABOUT: &str = "claims of the security documents name tests that exist";

const DOCUMENTS: [&str; 2] = ["SECURITY.md", "docs/threat-model.md"];

/// Headings under which every row of a table is a claim.
const CLAIMING: [&str; 2] = ["What holds", "What is proven"];

/// Reads the documents against the tree.
///
/// # Errors
///
/// One that names every claim without its test.
pub(crate) fn check(workspace: &Workspace) -> Result<Outcome> {
    let files = tidy::texts(workspace.root())?;
    let tests: BTreeMap<&str, Vec<String>> = files
        .iter()
        .filter(|(path, _)| tidy::is_rust(path))
        .map(|(path, text)| (path.as_str(), tag::tests(text)))
        .collect();
    let mut findings = Vec::new();
    let mut count = 0;
    for document in DOCUMENTS {
        let (names, wrong) = read(document, &workspace.text(document)?, &tests);
        count += names;
        findings.extend(wrong);
    }
    if !findings.is_empty() {
        bail!("{} findings:\n  {}", findings.len(), findings.join("\n  "));
    }
    Ok(Outcome::Done(format!("{count} names of tests")))
}

/// How many tests a document names, and what is wrong with it.
fn read(
    document: &str,
    text: &str,
    tests: &BTreeMap<&str, Vec<String>>,
) -> (usize, Vec<String>) {
    let mut count = 0;
    let mut findings = Vec::new();
    let mut is_claiming = false;
    for (index, line) in text.lines().enumerate() {
        let at = index + 1;
        if let Some(heading) = line.trim_start_matches('#').strip_prefix(' ')
            && line.starts_with('#')
        {
            is_claiming = CLAIMING.iter().any(|start| heading.starts_with(start));
        }
        let linked = links(document, line);
        let files: Vec<&String> =
            linked.iter().filter(|path| tidy::is_rust(path)).collect();
        let names: Vec<&str> =
            line.split('`').skip(1).step_by(2).filter(is_name).collect();
        for name in &names {
            let is_there = |path: &str| {
                tests.get(path).is_some_and(|tests| tests.iter().any(|test| test == name))
            };
            let found = if files.is_empty() {
                tests.keys().any(|path| is_there(path))
            } else {
                files.iter().any(|path| is_there(path))
            };
            if !found {
                let place =
                    if files.is_empty() { "anywhere" } else { "in a linked file" };
                findings
                    .push(format!("{document}:{at}: there is no test `{name}` {place}"));
            }
        }
        count += names.len();
        let is_row = line.starts_with("| ") && !line.starts_with("|---");
        let is_head = text.lines().nth(at).is_some_and(|next| next.starts_with("|---"));
        let is_proved = !names.is_empty()
            || linked.iter().any(|path| {
                path.starts_with("tests/guests")
                    || tests.get(path.as_str()).is_some_and(|tests| !tests.is_empty())
            });
        if is_claiming && is_row && !is_head && !is_proved {
            findings.push(format!("{document}:{at}: a claim without a test"));
        }
    }
    (count, findings)
}

/// Whether a word is the name of a test.
fn is_name(word: &&str) -> bool {
    word.matches('_').count() >= 3
        && word.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'
        })
}

/// Where a line links to, from the root.
fn links(document: &str, line: &str) -> Vec<String> {
    let folder = document.rsplit_once('/').map_or("", |(folder, _)| folder);
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| {
            let target = target.split('#').next().unwrap_or(target);
            match target.strip_prefix("../") {
                Some(rest) => rest.to_owned(),
                None if folder.is_empty() => target.to_owned(),
                None => format!("{folder}/{target}"),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_claims_without_a_test_that_exists() {
        let tests = BTreeMap::from([
            ("a.rs", vec!["it_is_so_and_so".to_owned()]),
            ("b.rs", Vec::new()),
        ]);
        // Name, text, findings.
        let head = "## What holds today\n| what | see |\n|---|---|\n";
        let cases: [(&str, String, &[&str]); 7] = [
            ("a test", format!("{head}| x | `it_is_so_and_so` in [a](../a.rs) |"), &[]),
            ("a test anywhere", "see `it_is_so_and_so`".to_owned(), &[]),
            (
                "a renamed test",
                "see `it_was_so_and_so`".to_owned(),
                &["docs/d.md:1: there is no test `it_was_so_and_so` anywhere"],
            ),
            (
                "a test of another file",
                "`it_is_so_and_so` in [b](../b.rs)".to_owned(),
                &["docs/d.md:1: there is no test `it_is_so_and_so` in a linked file"],
            ),
            (
                "a row without one",
                format!("{head}| x | y |"),
                &["docs/d.md:4: a claim without a test"],
            ),
            ("a row with a file of tests", format!("{head}| x | [a](../a.rs) |"), &[]),
            (
                "a row elsewhere",
                "## More\n| a | b |\n|---|---|\n| x | y |".to_owned(),
                &[],
            ),
        ];
        for (name, text, expected) in cases {
            let (_, findings) = read("docs/d.md", &text, &tests);
            assert_eq!(findings, expected, "case: {name}");
        }
    }
}
