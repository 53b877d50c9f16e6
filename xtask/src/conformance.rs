//! What the protocol asks for, held against what the tests prove.
//!
//! `docs/conformance.toml` says for every requirement and every fault how far it holds. Tests
//! say above themselves which of them they prove, as `/// Items: 71, 98.` and
//! `/// Faults: F13.`. Both together make `docs/conformance.md`. Nothing there can be claimed
//! without a test, and the page cannot fall behind: a step of `cargo xtask test` compares.

mod page;
mod rows;

use std::collections::BTreeMap;

use anyhow::Result;

use crate::proof::{self, Made, Page, Proofs};
use rows::{Part, Status};

/// What the step does.
pub(crate) const ABOUT: &str = "docs/conformance.md says what the tests prove";

/// What is known of each requirement.
const ROWS: &str = "docs/conformance.toml";

/// What is made of it.
pub(crate) const PAGE: Page =
    Page { path: "docs/conformance.md", command: "conformance", rows: ROWS, make };

/// Where the tests of the rehearsal server are: they show that a fault can be played, not
/// that anyone copes with it.
const STAGE: &str = "host/sample-server/";

fn make(rows: &str, texts: &BTreeMap<String, String>) -> Result<Made> {
    let parts = rows::read(rows)?;
    let (proofs, mut findings) = proof::of_tests(texts, &["Items:", "Faults:"]);
    findings.extend(breaches(&parts, &proofs));
    Ok(Made { text: page::render(&parts, &proofs), sum: page::sum(&parts), findings })
}

/// What is claimed and not proved, and what is proved and not known.
fn breaches(parts: &[Part], proofs: &Proofs) -> Vec<String> {
    let mut breaches = rows::gaps(parts);
    let rows: Vec<_> = parts.iter().flat_map(|part| &part.rows).collect();
    for row in &rows {
        let tests = proofs.get(&row.id).map_or(&[][..], Vec::as_slice);
        let is_fault = row.id.starts_with('F');
        let is_proved = tests.iter().any(|tag| !is_fault || !tag.path.starts_with(STAGE));
        match (row.status, is_proved) {
            (Status::Holds, false) => breaches.push(format!(
                "{ROWS}: {} is said to hold, and no test {} names it",
                row.id,
                if is_fault { "of the client" } else { "at all" },
            )),
            (Status::Holds, true)
            | (
                Status::ByDesign | Status::NotYet | Status::Partly | Status::ServerOnly,
                _,
            ) => {}
        }
    }
    let is_known = |id: &str| rows.iter().any(|row| row.id == id);
    breaches.extend(proof::of_nothing(proofs, is_known));
    breaches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tag::Tag;

    fn proofs(of: &[(&str, &str)]) -> Proofs {
        let mut proofs = Proofs::new();
        for (id, path) in of {
            let tag = Tag {
                path: (*path).to_owned(),
                test: "t".to_owned(),
                ids: vec![(*id).to_owned()],
            };
            proofs.entry((*id).to_owned()).or_default().push(tag);
        }
        proofs
    }

    #[test]
    fn finds_claims_without_a_test_and_tests_without_a_claim() {
        // Name, row, its status, what tests name and where, breaches.
        type Case<'a> =
            (&'a str, &'a str, &'a str, &'a [(&'a str, &'a str)], &'a [&'a str]);
        let (client, stage) = ("host/bulk/src/a.rs", "host/sample-server/tests/it/a.rs");
        let cases: &[Case<'_>] = &[
            ("an item that a test names", "1", "holds", &[("1", client)], &[]),
            (
                "an item that none names",
                "1",
                "holds",
                &[],
                &[
                    "docs/conformance.toml: 1 is said to hold, and no test at all names it",
                ],
            ),
            ("an item that does not hold", "1", "partly", &[], &[]),
            ("a fault that the client meets", "F1", "holds", &[("F1", client)], &[]),
            (
                "a fault that is only played",
                "F1",
                "holds",
                &[("F1", stage)],
                &[
                    "docs/conformance.toml: F1 is said to hold, and no test of the client names it",
                ],
            ),
            (
                "a test that names nothing",
                "1",
                "not-yet",
                &[("900", client)],
                &["host/bulk/src/a.rs: `t` names 900, which there is not"],
            ),
        ];
        for (name, id, status, of, expected) in cases {
            let why = if *status == "holds" { "" } else { ", why = \"w\"" };
            let text = format!(
                "[[part]]\ntitle = \"P\"\nrows = [{{ id = \"{id}\", level = \"l\", \
                 versions = \"v\", status = \"{status}\", says = \"s\"{why} }}]"
            );
            let parts = rows::read(&text).unwrap();
            let found = breaches(&parts, &proofs(of));
            let found: Vec<&String> =
                found.iter().filter(|breach| !breach.contains("missing")).collect();
            assert_eq!(found, expected.iter().collect::<Vec<_>>(), "case: {name}");
        }
    }
}
