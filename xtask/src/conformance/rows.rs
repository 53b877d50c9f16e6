//! The file of requirements: what each asks for and how far it holds. Knows no test.

use anyhow::{Context as _, Result, bail};
use toml::{Table, Value};

/// How many requirements of the protocol there are.
const ITEMS: usize = 142;

/// How many faults of servers there are.
const FAULTS: usize = 41;

/// What belongs together on the page.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) title: String,
    pub(super) rows: Vec<Row>,
}

/// One requirement, fault or rule.
#[derive(Debug)]
pub(super) struct Row {
    /// `71`, `F13` or `S2`.
    pub(super) id: String,
    pub(super) says: String,
    /// Whom it binds, and how much.
    pub(super) level: String,
    /// Of the Bulk Data guide, or where else it stands.
    pub(super) versions: String,
    pub(super) status: Status,
    /// Why it does not hold, or not wholly; nothing when it does.
    pub(super) why: Option<String>,
}

/// How far a requirement holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// Left out on purpose, and the protocol allows it.
    ByDesign,
    /// A test proves it.
    Holds,
    /// Nothing does it.
    NotYet,
    /// Some of it, or without a proof.
    Partly,
    /// It binds servers alone.
    ServerOnly,
}

impl Status {
    /// All, in the order of the page.
    pub(super) const ALL: [Self; 5] =
        [Self::Holds, Self::Partly, Self::NotYet, Self::ByDesign, Self::ServerOnly];

    /// The word in the file and on the page.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::ByDesign => "by-design",
            Self::Holds => "holds",
            Self::NotYet => "not-yet",
            Self::Partly => "partly",
            Self::ServerOnly => "server-only",
        }
    }
}

/// Reads the file.
///
/// # Errors
///
/// The first row that is not complete, with its id.
pub(super) fn read(text: &str) -> Result<Vec<Part>> {
    let table: Table = text.parse()?;
    let parts = table.get("part").and_then(Value::as_array).context("no `[[part]]`")?;
    parts.iter().map(part).collect()
}

fn part(value: &Value) -> Result<Part> {
    let title = word(value, "title")?;
    let rows = value
        .get("rows")
        .and_then(Value::as_array)
        .with_context(|| format!("part `{title}` has no `rows`"))?;
    let rows = rows.iter().map(row).collect::<Result<_>>();
    Ok(Part { rows: rows.with_context(|| format!("part `{title}`"))?, title })
}

fn row(value: &Value) -> Result<Row> {
    let id = word(value, "id")?;
    complete(value, &id).with_context(|| format!("row {id}"))
}

fn complete(value: &Value, id: &str) -> Result<Row> {
    let known = ["id", "level", "versions", "status", "says", "why"];
    let names = value.as_table().into_iter().flat_map(Table::keys);
    if let Some(unknown) = names.into_iter().find(|name| !known.contains(&name.as_str()))
    {
        bail!("`{unknown}` is unknown");
    }
    let status = word(value, "status")?;
    let status = Status::ALL
        .into_iter()
        .find(|known| known.word() == status)
        .with_context(|| format!("`{status}` is no status"))?;
    let why = value.get("why").map(|_| word(value, "why")).transpose()?;
    match (status, &why) {
        (Status::Holds, Some(_)) => bail!("it holds, and has a `why` all the same"),
        (
            Status::ByDesign | Status::NotYet | Status::Partly | Status::ServerOnly,
            None,
        ) => bail!("it does not hold, and has no `why`"),
        (Status::Holds, None)
        | (
            Status::ByDesign | Status::NotYet | Status::Partly | Status::ServerOnly,
            Some(_),
        ) => {}
    }
    Ok(Row {
        id: id.to_owned(),
        says: word(value, "says")?,
        level: word(value, "level")?,
        versions: word(value, "versions")?,
        status,
        why,
    })
}

/// A text that fits into a cell of a table.
fn word(value: &Value, name: &str) -> Result<String> {
    let text = value.get(name).and_then(Value::as_str).map(str::trim);
    let text = text.filter(|text| !text.is_empty());
    let text = text.with_context(|| format!("`{name}` is missing"))?;
    if text.contains(['|', '\n']) {
        bail!("`{name}` does not fit into a table: it has a `|` or a new line");
    }
    Ok(text.to_owned())
}

/// The ids that are missing, or stand where they should not.
pub(super) fn gaps(parts: &[Part]) -> Vec<String> {
    let found: Vec<&str> =
        parts.iter().flat_map(|part| &part.rows).map(|row| row.id.as_str()).collect();
    let rules = found.iter().filter(|id| id.starts_with('S')).count();
    let wanted: Vec<String> = (1..=ITEMS)
        .map(|number| number.to_string())
        .chain((1..=rules).map(|number| format!("S{number}")))
        .chain((1..=FAULTS).map(|number| format!("F{number}")))
        .collect();
    let mut gaps: Vec<String> = wanted
        .iter()
        .filter(|id| !found.contains(&id.as_str()))
        .map(|id| format!("{id} is missing"))
        .collect();
    if gaps.is_empty() && found != wanted {
        let pair = found.iter().zip(&wanted).find(|(found, wanted)| *found != wanted);
        let (first, instead) = pair.map_or(("the last row", "nothing"), |(a, b)| (a, b));
        gaps.push(format!("{first} stands where {instead} should"));
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(inside: &str) -> Result<Vec<Part>> {
        read(&format!("[[part]]\ntitle = \"P\"\nrows = [{inside}]"))
    }

    #[test]
    fn refuses_rows_that_say_too_little_or_too_much() {
        let cases = [
            (
                "no reason",
                r#"{ id = "7", level = "l", versions = "v", says = "s", status = "partly" }"#,
                "part `P`: row 7: it does not hold, and has no `why`",
            ),
            (
                "a reason too many",
                r#"{ id = "7", level = "l", versions = "v", says = "s", status = "holds", why = "w" }"#,
                "part `P`: row 7: it holds, and has a `why` all the same",
            ),
            (
                "a word that is no status",
                r#"{ id = "7", level = "l", versions = "v", says = "s", status = "done" }"#,
                "part `P`: row 7: `done` is no status",
            ),
            (
                "an unknown key",
                r#"{ id = "7", reason = "r" }"#,
                "part `P`: row 7: `reason` is unknown",
            ),
            (
                "a text that breaks the table",
                r#"{ id = "7", level = "l", versions = "v", says = "a|b", status = "holds" }"#,
                "part `P`: row 7: `says` does not fit into a table: it has a `|` or a new line",
            ),
            ("no id", r#"{ level = "l" }"#, "part `P`: `id` is missing"),
        ];
        for (name, inside, expected) in cases {
            let refused = format!("{:#}", rows(inside).unwrap_err());
            assert_eq!(refused, expected, "case: {name}");
        }
    }

    #[test]
    fn finds_what_is_missing_or_out_of_order() {
        let all = |ids: &[String]| {
            let rows: Vec<String> = ids
                .iter()
                .map(|id| {
                    format!(
                        r#"{{ id = "{id}", level = "l", versions = "v", says = "s", status = "holds" }}"#
                    )
                })
                .collect();
            gaps(&self::rows(&rows.join(",")).unwrap())
        };
        let mut ids: Vec<String> = (1..=ITEMS).map(|number| number.to_string()).collect();
        ids.push("S1".to_owned());
        ids.extend((1..=FAULTS).map(|number| format!("F{number}")));
        assert_eq!(all(&ids), Vec::<String>::new());
        let mut less = ids.clone();
        less.retain(|id| id != "71" && id != "F13");
        assert_eq!(all(&less), ["71 is missing", "F13 is missing"]);
        ids.swap(0, 1);
        assert_eq!(all(&ids), ["2 stands where 1 should"]);
        ids.swap(0, 1);
        ids.push("F1".to_owned());
        assert_eq!(all(&ids), ["the last row stands where nothing should"]);
    }
}
