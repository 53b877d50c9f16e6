//! Relative links between Markdown files: each leads to a file, and each `#anchor` to a
//! heading. Links onto the network are not followed.
//!
//! Source: GitHub Flavored Markdown; anchors as GitHub makes them from headings.

use std::collections::{BTreeMap, BTreeSet};

/// Every link of a Markdown file in `texts` that leads nowhere. `exists` answers for paths
/// from the root, folders included.
pub(super) fn findings(
    texts: &BTreeMap<String, String>,
    exists: &dyn Fn(&str) -> bool,
) -> Vec<String> {
    let pages: BTreeMap<&str, Page> = texts
        .iter()
        .filter(|(path, _)| {
            std::path::Path::new(path).extension().is_some_and(|e| e == "md")
        })
        .map(|(path, text)| (path.as_str(), Page::read(text)))
        .collect();
    let mut findings = Vec::new();
    for (path, page) in &pages {
        for (line, link) in &page.links {
            if let Some(wrong) = fault(path, link, &pages, exists) {
                findings.push(format!("{path}:{line}: link `{link}` {wrong}"));
            }
        }
    }
    findings
}

fn fault(
    from: &str,
    link: &str,
    pages: &BTreeMap<&str, Page>,
    exists: &dyn Fn(&str) -> bool,
) -> Option<&'static str> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target =
        if file.is_empty() { Some(from.to_owned()) } else { resolve(from, file) };
    let Some(target) = target else { return Some("leads out of the project") };
    if !exists(&target) {
        return Some("leads to no file");
    }
    match pages.get(target.as_str()) {
        Some(page) if !anchor.is_empty() && !page.anchors.contains(anchor) => {
            Some("leads to no heading")
        }
        Some(_) | None => None,
    }
}

/// The path from the root, or `None` when the link climbs above it.
fn resolve(from: &str, link: &str) -> Option<String> {
    let link = link.replace("%20", " ");
    if link.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// What matters of one Markdown file.
#[derive(Debug, Default)]
struct Page {
    anchors: BTreeSet<String>,
    links: Vec<(usize, String)>,
}

impl Page {
    fn read(text: &str) -> Self {
        let mut page = Self::default();
        let mut fence: Option<&str> = None;
        for (index, line) in text.lines().enumerate() {
            let start = line.trim_start();
            let mark = ["```", "~~~"].into_iter().find(|mark| start.starts_with(mark));
            match (fence, mark) {
                (None, Some(_)) => fence = mark,
                (Some(open), Some(mark)) if open == mark => fence = None,
                (Some(_), _) => {}
                (None, None) => page.read_line(index + 1, line),
            }
        }
        page
    }

    fn read_line(&mut self, number: usize, line: &str) {
        let hashes = line.bytes().take_while(|byte| *byte == b'#').count();
        if let Some(heading) = line.get(hashes..).and_then(|rest| rest.strip_prefix(' '))
            && (1..=6).contains(&hashes)
        {
            self.add_anchor(&anchor(heading));
        }
        for attribute in ["id=\"", "name=\""] {
            let values =
                line.split(attribute).skip(1).filter_map(|rest| rest.split('"').next());
            self.anchors.extend(values.map(str::to_owned));
        }
        let shown = without_code(line);
        self.links.extend(inline(&shown).map(|link| (number, link.to_owned())));
        self.links.extend(definition(&shown).map(|link| (number, link.to_owned())));
    }

    /// A heading that comes again gets a number.
    fn add_anchor(&mut self, anchor: &str) {
        let numbered = (1..).map(|number| format!("{anchor}-{number}"));
        let mut names = std::iter::once(anchor.to_owned()).chain(numbered);
        if let Some(free) = names.find(|name| !self.anchors.contains(name)) {
            self.anchors.insert(free);
        }
    }
}

/// As GitHub does: the text without markup, in lower case, spaces to `-`, other signs gone.
fn anchor(heading: &str) -> String {
    let mut shown = String::new();
    let mut rest = heading;
    while let Some((before, link)) = rest.split_once("](") {
        shown.push_str(before);
        rest = link.split_once(')').map_or("", |(_, after)| after);
    }
    shown.push_str(rest);
    let signs = shown.trim().chars().filter_map(|sign| match sign {
        ' ' => Some('-'),
        '-' | '_' => Some(sign),
        sign if sign.is_alphanumeric() => Some(sign),
        _ => None,
    });
    signs.flat_map(char::to_lowercase).collect()
}

/// The line with its `code` taken out: what stands there is no link.
fn without_code(line: &str) -> String {
    let mut shown = String::new();
    let mut rest = line;
    while let Some(start) = rest.find('`') {
        let (before, from) = rest.split_at(start);
        let ticks = from.len() - from.trim_start_matches('`').len();
        let (mark, inside) = from.split_at(ticks);
        let Some((_, after)) = inside.split_once(mark) else { break };
        shown.push_str(before);
        rest = after;
    }
    shown.push_str(rest);
    shown
}

/// Targets of `[text](target "title")`.
fn inline(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| {
        if let Some(bracketed) = rest.strip_prefix('<') {
            return bracketed.split('>').next();
        }
        let end = rest.find([')', ' '])?;
        rest.get(..end)
    })
}

/// The target of `[name]: target`.
fn definition(line: &str) -> Option<&str> {
    let (name, target) = line.strip_prefix('[')?.split_once("]: ")?;
    let is_footnote = name.starts_with('^') || name.contains(']');
    let target = target.split_whitespace().next()?;
    (!is_footnote).then(|| target.trim_matches(['<', '>']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_links_that_lead_nowhere() {
        let cases: &[(&str, &str, &[&str])] = &[
            ("file", "[a](guide.md)", &[]),
            ("file above", "[a](../README.md)", &[]),
            ("folder", "[a](../wit/)", &[]),
            ("heading elsewhere", "[a](guide.md#two-words)", &[]),
            ("heading here", "# Here\n[a](#here)", &[]),
            ("network", "[a](https://example.org/x#y) <mailto:a@example.org>", &[]),
            ("in code", "`[a](gone.md)` and ``x ` [b](gone.md)``", &[]),
            ("in a block", "```md\n[a](gone.md)\n```", &[]),
            ("with a title", "[a](guide.md \"Guide\")", &[]),
            (
                "no file",
                "x\n[a](gone.md)",
                &["docs/a.md:2: link `gone.md` leads to no file"],
            ),
            (
                "no heading",
                "[a](guide.md#gone)",
                &["docs/a.md:1: link `guide.md#gone` leads to no heading"],
            ),
            (
                "no heading here",
                "[a](#gone)",
                &["docs/a.md:1: link `#gone` leads to no heading"],
            ),
            (
                "above the root",
                "[a](../../x.md)",
                &["docs/a.md:1: link `../../x.md` leads out of the project"],
            ),
            (
                "from the root",
                "[a](/README.md)",
                &["docs/a.md:1: link `/README.md` leads out of the project"],
            ),
            (
                "definition",
                "[a][b]\n\n[b]: gone.md",
                &["docs/a.md:3: link `gone.md` leads to no file"],
            ),
            (
                "second of two",
                "[a](guide.md), [b](gone.md)",
                &["docs/a.md:1: link `gone.md` leads to no file"],
            ),
            ("footnote", "[^1]: Not a link.", &[]),
        ];
        for (name, text, expected) in cases {
            let texts: BTreeMap<String, String> = [
                ("docs/a.md", *text),
                ("docs/guide.md", "# Guide\n## Two words\n"),
                ("README.md", "# R\n"),
            ]
            .map(|(path, text)| (path.to_owned(), text.to_owned()))
            .into();
            let found =
                findings(&texts, &|path| path == "wit" || texts.contains_key(path));
            assert_eq!(&found, expected, "case: {name}");
        }
    }

    #[test]
    fn makes_anchors_as_github_does() {
        let cases = [
            ("Two words", "two-words"),
            ("What `bulkhead run` does", "what-bulkhead-run-does"),
            ("1. First, second & third", "1-first-second--third"),
            ("A [link](x.md) inside", "a-link-inside"),
            ("snake_case: Größe", "snake_case-größe"),
        ];
        for (heading, expected) in cases {
            assert_eq!(anchor(heading), expected, "case: {heading}");
        }
    }

    #[test]
    fn numbers_headings_that_come_again() {
        let page =
            Page::read("# A\n## B\n## B\n```\n# not a heading\n```\n####### nor this\n");
        let anchors: Vec<&str> = page.anchors.iter().map(String::as_str).collect();
        assert_eq!(anchors, ["a", "b", "b-1"]);
    }
}
