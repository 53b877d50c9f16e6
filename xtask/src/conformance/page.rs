//! The page for readers, made of rows and proofs. Decides nothing.

use std::fmt::Write as _;

use super::{
    Proofs, STAGE,
    rows::{Part, Row, Status},
};
use crate::tag::Tag;

const HEAD: &str = "\
# Conformance

What the FHIR Bulk Data and SMART specifications ask of a client, what is known to go wrong with
servers, and how far Bulkhead holds. Made by `cargo xtask conformance` from
[conformance.toml](conformance.toml) and from the tests, which name above themselves what they
prove; `cargo xtask test` fails when this page says anything else.

Sources: HL7 FHIR Bulk Data Access 1.0, 2.0, 3.0 and the ballot of 4.0; SMART App Launch 2.2
(Backend Services); NDJSON 1.0; FHIR R4; RFC 6749, 6750, 7523, 9110. The sentences are ours.
*Versions* are those of the Bulk Data guide. *Rule* is a conclusion of ours, asked for by nobody.

| status | meaning |
|---|---|
| holds | a test proves it |
| partly | some of it, or without a test; the reason says what is missing |
| not-yet | nothing does it |
| by-design | left out on purpose, where the protocol leaves it open |
| server-only | binds servers alone |
";

const FAULTS: &str = "\
A fault *holds* when a test of the client meets it. `serve-sample` can play all of them that have
a test under *played*; see [rehearsing.md](rehearsing.md).
";

/// The whole page.
pub(super) fn render(parts: &[Part], proofs: &Proofs) -> String {
    let mut page = HEAD.to_owned();
    let _ = write!(page, "\nIn all: {}.\n", sum(parts));
    for part in parts {
        let are_faults = part.rows.iter().any(|row| row.id.starts_with('F'));
        let _ = write!(page, "\n## {}\n\n", part.title);
        if are_faults {
            page.push_str(FAULTS);
            page.push_str("\n| | what the server does, and what is due | status | met | played | reason |\n|---|---|---|---|---|---|\n");
        } else {
            page.push_str("| | requirement | level, versions | status | tests | reason |\n|---|---|---|---|---|---|\n");
        }
        for row in &part.rows {
            let tests = proofs.get(&row.id).map_or(&[][..], Vec::as_slice);
            page.push_str(&line(row, tests, are_faults));
        }
    }
    page
}

/// How many rows there are of each status.
pub(super) fn sum(parts: &[Part]) -> String {
    let counts: Vec<String> = Status::ALL
        .into_iter()
        .map(|status| {
            let rows = parts.iter().flat_map(|part| &part.rows);
            let count = rows.filter(|row| row.status == status).count();
            format!("{count} {}", status.word())
        })
        .collect();
    counts.join(", ")
}

fn line(row: &Row, tests: &[Tag], is_fault: bool) -> String {
    let Row { id, says, level, versions, status, why } = row;
    let why = why.as_deref().unwrap_or_default();
    let status = status.word();
    let (played, met): (Vec<&Tag>, Vec<&Tag>) =
        tests.iter().partition(|tag| is_fault && tag.path.starts_with(STAGE));
    let cells = if is_fault {
        [says.clone(), status.to_owned(), links(&met), links(&played), why.to_owned()]
    } else {
        let binds = format!("{level}; {versions}");
        [says.clone(), binds, status.to_owned(), links(&met), why.to_owned()]
    };
    format!("| {id} | {} |\n", cells.join(" | "))
}

/// Tests as links to their files, one below the other.
fn links(tests: &[&Tag]) -> String {
    let links: Vec<String> =
        tests.iter().map(|tag| format!("[{}](../{})", tag.test, tag.path)).collect();
    links.join("<br>")
}

#[cfg(test)]
mod tests {
    use super::{super::rows, *};

    #[test]
    fn writes_a_line_a_row_with_links_to_its_tests() {
        let parts = rows::read(
            r#"
            [[part]]
            title = "Polling"
            rows = [
              { id = "61", level = "client shall", versions = "all", status = "holds", says = "A." },
              { id = "62", level = "rule", versions = "2", status = "not-yet", says = "B.", why = "C." },
            ]
            [[part]]
            title = "Faults"
            rows = [{ id = "F1", level = "rule", versions = "all", status = "holds", says = "D." }]
            "#,
        )
        .unwrap();
        let mut proofs = Proofs::new();
        let mut tag = |id: &str, path: &str, test: &str| {
            let tag = Tag { path: path.to_owned(), test: test.to_owned(), ids: vec![] };
            proofs.entry(id.to_owned()).or_default().push(tag);
        };
        tag("61", "host/a.rs", "one");
        tag("61", "host/b.rs", "two");
        tag("F1", "tests/it/c.rs", "copes");
        tag("F1", "host/sample-server/d.rs", "plays");
        let page = render(&parts, &proofs);
        let lines: Vec<&str> = page
            .lines()
            .filter(|line| {
                ["| 6", "| F", "In all", "## "]
                    .iter()
                    .any(|start| line.starts_with(start))
            })
            .collect();
        assert_eq!(
            lines,
            [
                "In all: 2 holds, 0 partly, 1 not-yet, 0 by-design, 0 server-only.",
                "## Polling",
                "| 61 | A. | client shall; all | holds | [one](../host/a.rs)<br>[two](../host/b.rs) |  |",
                "| 62 | B. | rule; 2 | not-yet |  | C. |",
                "## Faults",
                "| F1 | D. | holds | [copes](../tests/it/c.rs) | [plays](../host/sample-server/d.rs) |  |",
            ]
        );
        assert!(page.ends_with("|\n"));
    }
}
