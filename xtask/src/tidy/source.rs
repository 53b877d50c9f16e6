//! What one text file may not be: too long, headless, or with left-overs in it.

use std::path::Path;

/// Longest source file, in lines. A file over it has two nouns.
const LONGEST: usize = 400;

/// Longest test file: a table is long without being hard.
const LONGEST_TEST: usize = 600;

/// Longest README at the root, the operator's first page.
const LONGEST_FIRST_PAGE: usize = 150;

/// Longest README elsewhere: the reference of one plugin or example.
const LONGEST_PAGE: usize = 250;

/// Left-overs in Rust. In two parts, so that this file does not find itself.
const LEFT_OVERS: &[&str] = &[
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
    concat!("dbg", "!("),
    concat!("#[", "ignore"),
];

/// Places on one person's machine.
const MACHINE_PATHS: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/tmp/", "brief")];

/// Everything that is wrong with the file, each with its place.
pub(super) fn findings(path: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let is_rust = is(path, "rs");
    if is_rust && !text.starts_with("//!") && !may_be_headless(path, text) {
        findings.push(format!("{path}:1: does not open with `//!`"));
    }
    let lines = text.lines().count();
    if let Some(longest) = longest(path).filter(|longest| lines > *longest) {
        findings.push(format!("{path}:{lines}: longer than {longest} lines"));
    }
    if !text.is_empty() && !text.ends_with('\n') {
        findings.push(format!("{path}:{lines}: the last line does not end"));
    }
    for (index, line) in text.lines().enumerate() {
        let wrong = in_line(line, is_rust, may_have_tabs(path));
        findings.extend(wrong.map(|wrong| format!("{path}:{}: {wrong}", index + 1)));
    }
    findings
}

fn in_line(
    line: &str,
    is_rust: bool,
    may_have_tabs: bool,
) -> impl Iterator<Item = String> {
    let is_code = is_rust && !line.trim_start().starts_with("//");
    let left_overs = LEFT_OVERS
        .iter()
        .filter(move |left_over| is_code && line.contains(*left_over))
        .map(|left_over| format!("left over: `{left_over}`"));
    let machine_paths = MACHINE_PATHS
        .iter()
        .filter(|path| names_machine_path(line, path))
        .map(|path| format!("a path of one machine: `{path}`"));
    let spaces = line.ends_with([' ', '\t']).then(|| "white space at the end".to_owned());
    let tab = (line.contains('\t') && !may_have_tabs).then(|| "a tab".to_owned());
    left_overs.chain(machine_paths).chain(spaces).chain(tab)
}

/// Whether an absolute path begins here, not one that only has such a folder inside.
fn names_machine_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        before.is_none_or(|before| !before.is_alphanumeric() && !"._-}$".contains(before))
    })
}

fn longest(path: &str) -> Option<usize> {
    if path == "README.md" {
        Some(LONGEST_FIRST_PAGE)
    } else if path.ends_with("/README.md") {
        Some(LONGEST_PAGE)
    } else if is(path, "rs") {
        Some(if is_test(path) { LONGEST_TEST } else { LONGEST })
    } else {
        None
    }
}

/// `tests.rs`, and everything below a folder `tests`.
fn is_test(path: &str) -> bool {
    path.split('/').any(|part| part == "tests" || part == "tests.rs")
}

/// Unit tests, of which the file above them speaks, and what a program wrote.
fn may_be_headless(path: &str, text: &str) -> bool {
    let is_generated =
        text.lines().next().is_some_and(|line| line.contains("@generated"));
    is_generated || path.ends_with("/tests.rs")
}

/// Where the language's own formatter writes tabs.
fn may_have_tabs(path: &str) -> bool {
    is(path, "go") || path.ends_with("Makefile")
}

fn is(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_does_not_belong() {
        let [todo, ignore] = [LEFT_OVERS[0], LEFT_OVERS[3]];
        let unfinished = format!("//! A.\nfn a() {{ {todo}) }}\n");
        let told = format!("//! A `{todo})`.\n");
        let skipped = format!("//! A.\n{ignore}]\n");
        let work = MACHINE_PATHS[0];
        let machine = format!("See {work}x.\n");
        let inside = format!("See shift{work}x.\n");
        let cases: &[(&str, &str, &str, &[&str])] = &[
            ("clean", "a.rs", "//! A.\n", &[]),
            ("headless", "a.rs", "fn a() {}\n", &["a.rs:1: does not open with `//!`"]),
            ("unit tests", "a/tests.rs", "use super::*;\n", &[]),
            (
                "part of tests",
                "tests/a.rs",
                "use a;\n",
                &["tests/a.rs:1: does not open with `//!`"],
            ),
            ("written by a program", "a.rs", "// @generated\n", &[]),
            ("headless, but no Rust", "a.toml", "a = 1\n", &[]),
            (
                "left over",
                "a.rs",
                &unfinished,
                &[&format!("a.rs:2: left over: `{todo}`")],
            ),
            ("left over in a comment", "a.rs", &told, &[]),
            (
                "test left out",
                "a.rs",
                &skipped,
                &[&format!("a.rs:2: left over: `{ignore}`")],
            ),
            ("space at the end", "a.md", "a \nb\n", &["a.md:1: white space at the end"]),
            ("tab", "a.toml", "a\tb\n", &["a.toml:1: a tab"]),
            ("tab where it belongs", "a.go", "\ta()\n", &[]),
            ("open end", "a.md", "a\nb", &["a.md:2: the last line does not end"]),
            (
                "own machine",
                "a.md",
                &machine,
                &[&format!("a.md:1: a path of one machine: `{work}`")],
            ),
            ("folder of that name", "a.md", &inside, &[]),
        ];
        for (name, path, text, expected) in cases {
            assert_eq!(&findings(path, text), expected, "case: {name}");
        }
    }

    #[test]
    fn measures_by_what_the_file_is_for() {
        let cases: &[(&str, &str, usize)] = &[
            ("source", "host/net/src/a.rs", 400),
            ("unit tests", "host/net/src/a/tests.rs", 600),
            ("parts of unit tests", "host/net/src/a/tests/b.rs", 600),
            ("whole-program tests", "tests/src/a.rs", 600),
            ("first page", "README.md", 150),
            ("other page", "plugins/a/README.md", 250),
        ];
        for (name, path, longest) in cases {
            let fits = format!("//! A.\n{}", "\n".repeat(longest - 1));
            let is_long = format!("{fits}\n");
            assert!(findings(path, &fits).is_empty(), "case: {name}");
            let expected = format!("{path}:{}: longer than {longest} lines", longest + 1);
            assert_eq!(findings(path, &is_long), [expected], "case: {name}");
        }
    }
}
