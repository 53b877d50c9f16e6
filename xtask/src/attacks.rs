//! What a hostile plugin may try, held against the tests that try it.
//!
//! `docs/attacks.toml` lists the cases. Tests say above themselves which they play, as
//! `/// Attacks: 29, 30.`, and so does the head of every guest under `tests/guests`. Both make
//! `docs/attacks.md`: a case without a test must say why, and cannot be claimed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use anyhow::{Context as _, Result};
use toml::{Table, Value};

use crate::{
    proof::{self, Made, Page, Proofs},
    tag::Tag,
};

/// What the step does.
pub(crate) const ABOUT: &str =
    "docs/attacks.md says which hostile cases are tested where";

const ROWS: &str = "docs/attacks.toml";
const GUESTS: &str = "tests/guests/";

/// The page.
pub(crate) const PAGE: Page =
    Page { path: "docs/attacks.md", command: "attacks", rows: ROWS, make };

/// How many cases there are.
const CASES: usize = 53;

const HEAD: &str = "\
# Attacks

What a hostile plugin, or whoever supplies it, may try; what must become of it; and the tests that
try it. Made by `cargo xtask attacks` from [attacks.toml](attacks.toml), from the tests, which name
above themselves what they play (`/// Attacks: 29.`), and from the heads of the hostile guests in
[tests/guests](../tests/guests); `cargo xtask test` fails when this page says anything else.

A guest runs beside an honest chain on one thread, whose output must be what it is without the
guest, byte for byte; and no canary in a body, an id, a key or another's state may turn up in what
was logged, counted, said or written, outside the stores that were granted:
[tests/isolation](../tests/isolation/beside.rs). All do so twice: in the process of the honest
chain, and with `isolation = \"process\"` ([apart](../tests/isolation/apart.rs)); a guest that comes
to another end there has a line `apart` in its head.
";

/// A case, as the file says it.
struct Row {
    id: usize,
    tries: String,
    ends: String,
    /// What is not tested of it, and why.
    but: Option<String>,
}

fn make(rows: &str, texts: &BTreeMap<String, String>) -> Result<Made> {
    let parts = read(rows)?;
    let (proofs, mut findings) = proofs(texts);
    let rows: Vec<&Row> = parts.iter().flat_map(|(_, rows)| rows).collect();
    findings.extend(breaches(&rows, &proofs));
    let whole = rows.iter().filter(|row| row.but.is_none()).count();
    let guests: BTreeSet<&str> = proofs
        .values()
        .flatten()
        .filter(|tag| tag.path.starts_with(GUESTS))
        .map(|tag| tag.path.as_str())
        .collect();
    let sum = format!("{} cases, {whole} wholly, {} guests", rows.len(), guests.len());
    Ok(Made { text: render(&parts, &proofs, &sum), sum, findings })
}

/// The tests and guests of every case.
fn proofs(texts: &BTreeMap<String, String>) -> (Proofs, Vec<String>) {
    let (mut proofs, mut findings) = proof::of_tests(texts, &["Attacks:"]);
    for (path, text) in texts {
        let Some(guest) = path.strip_prefix(GUESTS) else { continue };
        let attacks = text.lines().find_map(|line| line.strip_prefix(";; attacks = ["));
        let Some(attacks) = attacks.and_then(|rest| rest.strip_suffix(']')) else {
            findings.push(format!("{path}: no `;; attacks = [...]`"));
            continue;
        };
        let ids = attacks.split(',').map(|id| id.trim().to_owned()).collect();
        let test = guest.trim_end_matches(".wat").to_owned();
        proof::add(&mut proofs, &Tag { path: path.clone(), test, ids });
    }
    (proofs, findings)
}

fn breaches(rows: &[&Row], proofs: &Proofs) -> Vec<String> {
    let mut breaches = Vec::new();
    for id in 1..=CASES {
        match rows.iter().filter(|row| row.id == id).count() {
            1 => {}
            count => breaches.push(format!("{ROWS}: case {id} is there {count} times")),
        }
    }
    for row in rows {
        if row.but.is_none() && !proofs.contains_key(&row.id.to_string()) {
            breaches.push(format!("{ROWS}: no test plays case {}", row.id));
        }
    }
    let is_case = |id: &str| rows.iter().any(|row| row.id.to_string() == id);
    breaches.extend(proof::of_nothing(proofs, is_case));
    breaches
}

type Parts = Vec<(String, Vec<Row>)>;

fn read(text: &str) -> Result<Parts> {
    let table: Table = text.parse()?;
    let parts = table.get("part").and_then(Value::as_array).context("no `[[part]]`")?;
    parts
        .iter()
        .map(|part| {
            let rows = part.get("rows").and_then(Value::as_array).context("no `rows`")?;
            Ok((word(part, "title")?, rows.iter().map(row).collect::<Result<_>>()?))
        })
        .collect()
}

fn row(value: &Value) -> Result<Row> {
    let id = value.get("id").and_then(Value::as_integer).context("a row without `id`")?;
    let but = value.get("but").map(|_| word(value, "but")).transpose()?;
    let (tries, ends) = (word(value, "tries")?, word(value, "ends")?);
    Ok(Row { id: usize::try_from(id)?, tries, ends, but })
}

fn word(value: &Value, key: &str) -> Result<String> {
    let found = value.get(key).and_then(Value::as_str);
    Ok(found.with_context(|| format!("no `{key}` in {value}"))?.to_owned())
}

fn render(parts: &Parts, proofs: &Proofs, found: &str) -> String {
    let mut page = HEAD.to_owned();
    let _ = write!(page, "\nIn all: {found}.\n");
    for (title, rows) in parts {
        let _ = write!(
            page,
            "\n## {title}\n\n| | what it tries | what must become of it | tests | but |\n|---|---|---|---|---|\n"
        );
        for Row { id, tries, ends, but } in rows {
            let places = proofs.get(&id.to_string()).map_or(&[][..], Vec::as_slice);
            let links: Vec<String> = places
                .iter()
                .map(|tag| format!("[{}](../{})", tag.test, tag.path))
                .collect();
            let but = but.as_deref().unwrap_or_default();
            let _ = writeln!(
                page,
                "| {id} | {tries} | {ends} | {} | {but} |",
                links.join("<br>")
            );
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: usize, but: Option<&str>) -> Row {
        Row {
            id,
            tries: String::new(),
            ends: String::new(),
            but: but.map(ToOwned::to_owned),
        }
    }

    #[test]
    fn finds_cases_that_nobody_plays_and_plays_of_no_case() {
        let rows: Vec<Row> = (1..=CASES)
            .map(|id| row(id, (id == 2).then_some("it is not possible")))
            .collect();
        let all: Vec<&Row> = rows.iter().collect();
        let place = |id: usize| {
            let (path, test) = ("a.rs".to_owned(), "t".to_owned());
            (id.to_string(), vec![Tag { path, test, ids: vec![id.to_string()] }])
        };
        let mut proofs: Proofs = (3..=CASES + 1).map(place).collect();
        assert_eq!(
            breaches(&all, &proofs),
            [
                "docs/attacks.toml: no test plays case 1",
                "a.rs: `t` names 54, which there is not",
            ]
        );
        proofs.remove(&(CASES + 1).to_string());
        proofs.extend([place(1)]);
        assert_eq!(breaches(&all, &proofs), Vec::<String>::new());
        assert_eq!(
            breaches(&all[1..], &proofs),
            [
                "docs/attacks.toml: case 1 is there 0 times",
                "a.rs: `t` names 1, which there is not",
            ]
        );
    }

    #[test]
    fn reads_tests_and_the_heads_of_guests() {
        let texts = [
            ("a.rs", "/// Attacks: 1, 2.\n#[test]\nfn one() {"),
            ("tests/guests/time/01-x.wat", ";; attacks = [1, 9]\n"),
            ("tests/guests/time/02-x.wat", ";; does = \"x\"\n"),
        ];
        let texts = texts.map(|(path, text)| (path.to_owned(), text.to_owned()));
        let (proofs, findings) = proofs(&texts.into());
        assert_eq!(proofs.get("1").map(Vec::len), Some(2));
        assert_eq!(proofs.get("9").map(Vec::len), Some(1));
        assert_eq!(findings, ["tests/guests/time/02-x.wat: no `;; attacks = [...]`"]);
    }
}
