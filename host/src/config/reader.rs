//! Reads a TOML table key by key: every key that is asked for is known, and what nobody
//! asked for is a problem that names the nearest known key.

use std::{
    cell::RefCell, collections::BTreeSet, fmt::Display, ops::Range, str::FromStr,
    time::Duration,
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Problems, near::nearest};

/// One table of the configuration.
pub(crate) struct Reader<'a> {
    /// `None` for a section that is not there: then every key of it is absent.
    table: Option<&'a DeTable<'a>>,
    span: Range<usize>,
    /// Where it stands, for messages: `source.auth`.
    place: String,
    problems: &'a Problems,
    known: RefCell<BTreeSet<String>>,
}

impl<'a> Reader<'a> {
    /// The whole file.
    pub(crate) fn root(table: &'a Spanned<DeTable<'a>>, problems: &'a Problems) -> Self {
        Self::over(Some(table.get_ref()), table.span(), "", problems)
    }

    fn over(
        table: Option<&'a DeTable<'a>>,
        span: Range<usize>,
        place: &str,
        problems: &'a Problems,
    ) -> Self {
        Self { table, span, place: place.to_owned(), problems, known: RefCell::default() }
    }

    /// Whether the table is there at all.
    pub(crate) fn is_present(&self) -> bool {
        self.table.is_some()
    }

    /// The line where the table begins, from 1.
    pub(crate) fn line(&self) -> usize {
        self.problems.line(&self.span)
    }

    /// Notes a problem with this table as a whole.
    pub(crate) fn problem(&self, message: impl Into<String>) {
        self.problems.add(&self.span, message);
    }

    /// Notes a problem with one key of it.
    pub(crate) fn problem_at(&self, key: &str, message: impl Into<String>) {
        let span = self.value(key).map_or_else(|| self.span.clone(), Spanned::span);
        self.problems.add(&span, message);
    }

    fn value(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.known.borrow_mut().insert(key.to_owned());
        self.table?.get(key)
    }

    /// Where the table stands, for messages: empty for the whole file.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// Where `key` stands, for messages.
    pub(crate) fn path(&self, key: &str) -> String {
        if self.place.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.place)
        }
    }

    /// A table below this one; an absent one reads as empty.
    pub(crate) fn section(&self, key: &str) -> Self {
        let place = self.path(key);
        match self.value(key) {
            None => Self::over(None, self.span.clone(), &place, self.problems),
            Some(value) => {
                let table = if let DeValue::Table(table) = value.get_ref() {
                    Some(table)
                } else {
                    self.problems
                        .add(&value.span(), format!("`{place}` must be a table"));
                    None
                };
                Self::over(table, value.span(), &place, self.problems)
            }
        }
    }

    /// The tables `[KEY.NAME]` below `key`, by name.
    pub(crate) fn named(&self, key: &str) -> Vec<(String, Self)> {
        let section = self.section(key);
        let Some(table) = section.table else { return Vec::new() };
        table
            .keys()
            .map(|name| name.get_ref().to_string())
            .map(|name| (name.clone(), section.section(&name)))
            .collect()
    }

    /// The tables of an array, `[[key]]` or `key = [{…}, …]`.
    pub(crate) fn tables(&self, key: &str) -> Vec<Self> {
        let place = self.path(key);
        let Some(value) = self.value(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.problems
                .add(&value.span(), format!("`{place}` must be a list of tables"));
            return Vec::new();
        };
        let mut tables = Vec::new();
        for (at, item) in items.iter().enumerate() {
            match item.get_ref() {
                DeValue::Table(table) => tables.push(Self::over(
                    Some(table),
                    item.span(),
                    &format!("{place}[{at}]"),
                    self.problems,
                )),
                _ => {
                    self.problems
                        .add(&item.span(), format!("`{place}` must hold tables"));
                }
            }
        }
        tables
    }

    /// Whether `key` holds a table.
    pub(crate) fn is_table(&self, key: &str) -> bool {
        self.value(key).is_some_and(|value| matches!(value.get_ref(), DeValue::Table(_)))
    }

    /// Whether `key` is there, whatever it holds.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// Whether `key` holds text.
    pub(crate) fn is_text(&self, key: &str) -> bool {
        self.value(key).is_some_and(|value| matches!(value.get_ref(), DeValue::String(_)))
    }

    /// Text.
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        let value = self.value(key)?;
        if let DeValue::String(text) = value.get_ref() {
            return Some(text.to_string());
        }
        self.problems.add(&value.span(), format!("`{}` must be text", self.path(key)));
        None
    }

    /// Text that must be there.
    pub(crate) fn required_text(&self, key: &str, what: &str) -> Option<String> {
        if self.value(key).is_none() {
            let key = self.path(key);
            self.problem(format!("`{key}` is missing: write `{key} = \"…\"` ({what})"));
            return None;
        }
        self.text(key)
    }

    /// Text that means something.
    pub(crate) fn parsed<T: FromStr<Err: Display>>(&self, key: &str) -> Option<T> {
        let text = self.text(key)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.problem_at(
                    key,
                    format!("`{}` = \"{text}\" is {error}", self.path(key)),
                );
                None
            }
        }
    }

    /// One of a few words.
    pub(crate) fn word(&self, key: &str, words: &[&str]) -> Option<String> {
        let text = self.text(key)?;
        if words.contains(&text.as_str()) {
            return Some(text);
        }
        let listed = words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>();
        let message =
            format!("`{}` = \"{text}\": write {}", self.path(key), listed.join(" or "));
        self.problem_at(key, message);
        None
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        let value = self.value(key)?;
        if let DeValue::Boolean(flag) = value.get_ref() {
            return Some(*flag);
        }
        self.problems
            .add(&value.span(), format!("`{}` must be true or false", self.path(key)));
        None
    }

    /// A whole number within `range`.
    pub(crate) fn number(&self, key: &str, range: Range<u64>) -> Option<u64> {
        let value = self.value(key)?;
        let number = match value.get_ref() {
            DeValue::Integer(number) => number.as_str().replace('_', "").parse().ok(),
            _ => None,
        };
        let found = number.filter(|number| range.contains(number));
        if found.is_none() {
            let message = format!(
                "`{}` must be a whole number from {} to {}",
                self.path(key),
                range.start,
                range.end - 1
            );
            self.problems.add(&value.span(), message);
        }
        found
    }

    /// A time: `500ms`, `30s`, `5m`, `12h`, `30d`.
    pub(crate) fn duration(&self, key: &str) -> Option<Duration> {
        let text = self.text(key)?;
        let found = parse_duration(&text);
        if found.is_none() {
            let message = format!(
                "`{}` = \"{text}\": write a whole number with ms, s, m, h or d, for example \"5m\"",
                self.path(key)
            );
            self.problem_at(key, message);
        }
        found
    }

    /// A list of text.
    pub(crate) fn texts(&self, key: &str) -> Option<Vec<String>> {
        let value = self.value(key)?;
        let items = match value.get_ref() {
            DeValue::Array(items) => items
                .iter()
                .map(|item| match item.get_ref() {
                    DeValue::String(text) => Some(text.to_string()),
                    _ => None,
                })
                .collect::<Option<Vec<String>>>(),
            _ => None,
        };
        if items.is_none() {
            let key = self.path(key);
            self.problems.add(&value.span(), format!("`{key}` must be a list of text"));
        }
        items
    }

    /// Any value as JSON, for what is not ours to read.
    pub(crate) fn json(&self, key: &str) -> Option<serde_json::Value> {
        self.value(key).map(|value| to_json(value.get_ref()))
    }

    /// Notes every key that nobody asked for.
    pub(crate) fn finish(&self) {
        let Some(table) = self.table else { return };
        let known = self.known.borrow();
        for key in table.keys() {
            let name: &str = key.get_ref();
            if known.contains(name) {
                continue;
            }
            let place = self.path(name);
            let near = nearest(name, known.iter().map(String::as_str));
            let message = if let Some(near) = near {
                format!("unknown key `{place}`: did you mean `{near}`?")
            } else {
                let listed: Vec<&str> = known.iter().map(String::as_str).collect();
                format!("unknown key `{place}`: known here are {}", listed.join(", "))
            };
            self.problems.add(&key.span(), message);
        }
    }
}

/// A time as text: see [`Reader::duration`].
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().ok()?;
    let seconds = match unit {
        "ms" => return Some(Duration::from_millis(number)),
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

fn to_json(value: &DeValue<'_>) -> serde_json::Value {
    use serde_json::Value;
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => number
            .as_str()
            .replace('_', "")
            .parse::<i64>()
            .map_or_else(|_| Value::String(number.as_str().to_owned()), Value::from),
        DeValue::Float(number) => number
            .as_str()
            .replace('_', "")
            .parse::<f64>()
            .map_or_else(|_| Value::String(number.as_str().to_owned()), Value::from),
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Datetime(moment) => Value::String(moment.to_string()),
        DeValue::Array(items) => {
            Value::Array(items.iter().map(|item| to_json(item.get_ref())).collect())
        }
        DeValue::Table(table) => Value::Object(
            table
                .iter()
                .map(|(key, value)| (key.get_ref().to_string(), to_json(value.get_ref())))
                .collect(),
        ),
    }
}
