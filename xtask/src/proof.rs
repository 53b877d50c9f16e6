//! Pages that say what is proved: made of a list of what there is to prove, and of the tests that
//! name it above themselves.
//!
//! Owns the frame: gathering tests, comparing the committed page with what it should say, writing
//! it. What a list looks like, what proves enough and how the page reads is each page's own.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};

use crate::{
    plan::Outcome,
    tag::{self, Tag},
    tidy,
    workspace::Workspace,
};

/// The tests of each thing that there is to prove, by its id.
pub(crate) type Proofs = BTreeMap<String, Vec<Tag>>;

/// A page that is made.
pub(crate) struct Page {
    /// Where it lies.
    pub(crate) path: &'static str,
    /// The command that writes it.
    pub(crate) command: &'static str,
    /// The list that it is made of.
    pub(crate) rows: &'static str,
    /// Makes it of the list and of all texts of the tree.
    pub(crate) make: fn(&str, &BTreeMap<String, String>) -> Result<Made>,
}

/// What a page should say.
pub(crate) struct Made {
    pub(crate) text: String,
    /// The same in a few words.
    pub(crate) sum: String,
    /// What is claimed and not proved, and what is proved and not known.
    pub(crate) findings: Vec<String>,
}

impl Page {
    /// Compares the committed page with what it should say.
    ///
    /// # Errors
    ///
    /// A claim without a test, a test that names what there is not, or another page.
    pub(crate) fn check(&self, workspace: &Workspace) -> Result<Outcome> {
        let Made { text, sum, .. } = self.made(workspace)?;
        let Self { path, command, .. } = self;
        if workspace.text(path)? != text {
            bail!("{path} is not what it should be: `cargo xtask {command}` writes it");
        }
        Ok(Outcome::Done(sum))
    }

    /// Writes the page.
    ///
    /// # Errors
    ///
    /// As [`Page::check`], but for the page itself, which may be another.
    pub(crate) fn write(&self, workspace: &Workspace) -> Result<Outcome> {
        let Made { text, sum, .. } = self.made(workspace)?;
        let path = self.path;
        std::fs::write(workspace.root().join(path), text)
            .with_context(|| format!("writing {path}"))?;
        Ok(Outcome::Done(format!("{path}: {sum}")))
    }

    fn made(&self, workspace: &Workspace) -> Result<Made> {
        let texts = tidy::texts(workspace.root())?;
        let rows = workspace.text(self.rows)?;
        let made = (self.make)(&rows, &texts).with_context(|| self.rows.to_owned())?;
        if made.findings.is_empty() {
            return Ok(made);
        }
        bail!("{} findings:\n  {}", made.findings.len(), made.findings.join("\n  "));
    }
}

/// What the Rust files among `texts` say behind one of `openings`, and what is wrong with it.
pub(crate) fn of_tests(
    texts: &BTreeMap<String, String>,
    openings: &[&str],
) -> (Proofs, Vec<String>) {
    let (mut proofs, mut findings) = (Proofs::new(), Vec::new());
    for (path, text) in texts.iter().filter(|(path, _)| tidy::is_rust(path)) {
        let (tags, wrong) = tag::read(path, text, openings);
        findings.extend(wrong);
        for tag in tags {
            add(&mut proofs, &tag);
        }
    }
    (proofs, findings)
}

/// Adds a proof to each thing that it names.
pub(crate) fn add(proofs: &mut Proofs, tag: &Tag) {
    for id in &tag.ids {
        proofs.entry(id.clone()).or_default().push(tag.clone());
    }
}

/// Proofs of what there is not.
pub(crate) fn of_nothing(
    proofs: &Proofs,
    is_known: impl Fn(&str) -> bool,
) -> impl Iterator<Item = String> {
    proofs.iter().filter(move |(id, _)| !is_known(id)).flat_map(|(id, tags)| {
        tags.iter().map(move |tag| {
            format!("{}: `{}` names {id}, which there is not", tag.path, tag.test)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gathers_what_tests_name_and_finds_what_there_is_not() {
        let texts = [
            ("a.rs", "/// Attacks: 1, 2.\n#[test]\nfn one() {"),
            ("b.rs", "/// Attacks: 2.\n#[test]\nfn two() {"),
            ("c.md", "/// Attacks: 3.\n#[test]\nfn three() {"),
            ("d.rs", "/// Attacks: 4.\nstruct NoTest;"),
        ];
        let texts = texts.map(|(path, text)| (path.to_owned(), text.to_owned()));
        let (proofs, findings) = of_tests(&texts.into(), &["Attacks:"]);
        let named: Vec<(&str, usize)> =
            proofs.iter().map(|(id, tags)| (id.as_str(), tags.len())).collect();
        assert_eq!(named, [("1", 1), ("2", 2)]);
        assert_eq!(findings, ["d.rs:2: 4 stand above no test"]);
        let strangers: Vec<String> = of_nothing(&proofs, |id| id == "2").collect();
        assert_eq!(strangers, ["a.rs: `one` names 1, which there is not"]);
    }
}
