//! The law as written: the block ```` ```floors ```` of a Markdown text.
//!
//! Two kinds of lines. `net -> model` draws arrows (`nothing` and `anything` are words);
//! `reqwest only net` fences a dependency in (`dev` adds all development dependencies).
//! `#` opens a comment.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};

/// Which crate may name which.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Law {
    arrows: BTreeMap<String, Reach>,
    fences: BTreeMap<String, Fence>,
}

/// What one crate may name of ours.
#[derive(Debug, PartialEq, Eq)]
enum Reach {
    Anything,
    Only(BTreeSet<String>),
}

/// Who may name one dependency.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fence {
    /// The crates inside.
    pub(super) inside: BTreeSet<String>,
    /// Whether tests of any crate may name it.
    pub(super) open_to_tests: bool,
}

impl Law {
    /// Reads the one block of `markdown`.
    ///
    /// # Errors
    ///
    /// No block or two, a line that is neither arrow nor fence, a name that no line
    /// introduces, or arrows in a circle.
    pub(super) fn read(markdown: &str) -> Result<Self> {
        let mut law = Self::default();
        for line in block(markdown)? {
            let rule = line.split('#').next().unwrap_or_default().trim();
            if !rule.is_empty() {
                law.add(rule)
                    .with_context(|| format!("reading the floors line `{rule}`"))?;
            }
        }
        law.check()?;
        Ok(law)
    }

    /// Whether the law has a line for the crate.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.arrows.contains_key(name)
    }

    /// Whether `from` may name `to`.
    pub(super) fn allows(&self, from: &str, to: &str) -> bool {
        match self.arrows.get(from) {
            Some(Reach::Anything) => true,
            Some(Reach::Only(names)) => names.contains(to),
            None => false,
        }
    }

    /// Whether arrows lead from `from` to `to`, over any number of crates.
    pub(super) fn reaches(&self, from: &str, to: &str) -> bool {
        let mut seen = BTreeSet::new();
        let mut ahead = vec![from];
        while let Some(name) = ahead.pop() {
            match self.arrows.get(name) {
                Some(Reach::Anything) => return true,
                Some(Reach::Only(next)) if seen.insert(name) => {
                    if next.contains(to) {
                        return true;
                    }
                    ahead.extend(next.iter().map(String::as_str));
                }
                Some(Reach::Only(_)) | None => {}
            }
        }
        false
    }

    /// All crates that the law has a line for.
    pub(super) fn floors(&self) -> impl Iterator<Item = &str> {
        self.arrows.keys().map(String::as_str)
    }

    /// All fenced dependencies.
    pub(super) fn fences(&self) -> impl Iterator<Item = (&str, &Fence)> {
        self.fences.iter().map(|(name, fence)| (name.as_str(), fence))
    }

    fn add(&mut self, rule: &str) -> Result<()> {
        let is_second = if let Some((from, to)) = rule.split_once(" -> ") {
            let reach = match to.trim() {
                "anything" => Reach::Anything,
                "nothing" => Reach::Only(BTreeSet::new()),
                names => Reach::Only(list(names)?),
            };
            self.arrows.insert(from.trim().to_owned(), reach).is_some()
        } else if let Some((dependency, names)) = rule.split_once(" only ") {
            let mut inside = list(names)?;
            let open_to_tests = inside.remove("dev");
            let fence = Fence { inside, open_to_tests };
            self.fences.insert(dependency.trim().to_owned(), fence).is_some()
        } else {
            bail!("want `crate -> crates` or `dependency only crates`");
        };
        if is_second {
            bail!("there was such a line before");
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        let in_arrows = self.arrows.values().filter_map(|reach| match reach {
            Reach::Anything => None,
            Reach::Only(names) => Some(names),
        });
        let in_fences = self.fences.values().map(|fence| &fence.inside);
        for name in in_arrows.chain(in_fences).flatten() {
            if !self.knows(name) {
                bail!("the floors block names `{name}`, but has no line for it");
            }
        }
        for (name, reach) in &self.arrows {
            if *reach != Reach::Anything && self.reaches(name, name) {
                bail!("the floors block draws a circle through `{name}`");
            }
        }
        Ok(())
    }
}

fn block(markdown: &str) -> Result<Vec<&str>> {
    let mut blocks = markdown.split("```floors\n").skip(1);
    let (Some(block), None) = (blocks.next(), blocks.next()) else {
        bail!(
            "docs/architecture.md must hold exactly one block that opens with ```floors"
        );
    };
    Ok(block.lines().take_while(|line| *line != "```").collect())
}

fn list(names: &str) -> Result<BTreeSet<String>> {
    let names: Vec<&str> = names.split(',').map(str::trim).collect();
    if names.iter().any(|name| name.is_empty() || name.contains(char::is_whitespace)) {
        bail!("names are parted by commas");
    }
    Ok(names.into_iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_arrows_and_fences() {
        let law = law("model -> nothing # floor 1\n\nnet -> model\nbulk -> net, model\n\
            tests -> anything\nreqwest only net\naxum only net, dev")
        .unwrap();
        let allowed = |from, to| law.allows(from, to);
        assert!(
            allowed("net", "model") && allowed("bulk", "net") && allowed("tests", "bulk")
        );
        assert!(
            !allowed("model", "net")
                && !allowed("net", "bulk")
                && !allowed("attic", "net")
        );
        let fences: Vec<(&str, bool)> =
            law.fences().map(|(name, fence)| (name, fence.open_to_tests)).collect();
        assert_eq!(fences, [("axum", true), ("reqwest", false)]);
    }

    #[test]
    fn follows_arrows_over_many_crates() {
        let law = law("a -> nothing\nb -> a\nc -> b\nd -> nothing").unwrap();
        let cases =
            [("c", "a", true), ("a", "c", false), ("d", "a", false), ("c", "c", false)];
        for (from, to, expected) in cases {
            assert_eq!(law.reaches(from, to), expected, "case: {from} to {to}");
        }
    }

    #[test]
    fn refuses_a_law_that_contradicts_itself() {
        let cases: &[(&str, &str, &str)] = &[
            ("circle", "a -> b\nb -> a", "the floors block draws a circle through `a`"),
            ("itself", "a -> a", "the floors block draws a circle through `a`"),
            ("unknown", "a -> b", "the floors block names `b`, but has no line for it"),
            (
                "unknown owner",
                "x only b",
                "the floors block names `b`, but has no line for it",
            ),
            (
                "twice",
                "a -> nothing\na -> anything",
                "reading the floors line `a -> anything`: there was such a line before",
            ),
            (
                "no rule",
                "a may b",
                "reading the floors line `a may b`: \
                 want `crate -> crates` or `dependency only crates`",
            ),
            (
                "no comma",
                "a -> b c",
                "reading the floors line `a -> b c`: names are parted by commas",
            ),
        ];
        for (name, lines, expected) in cases {
            assert_eq!(
                format!("{:#}", law(lines).unwrap_err()),
                *expected,
                "case: {name}"
            );
        }
    }

    #[test]
    fn wants_exactly_one_block() {
        for (name, text) in [("none", "# A"), ("two", "```floors\n```\n```floors\n```\n")]
        {
            assert!(Law::read(text).is_err(), "case: {name}");
        }
    }

    fn law(lines: &str) -> Result<Law> {
        Law::read(&format!(
            "# A\n\n```floors\n{lines}\n```\n\nMore text -> not a rule.\n"
        ))
    }
}
