//! Reads a scenario as operators write it, and tells all that is wrong with it at once, each
//! with its line.
//!
//! Each key is read by itself first, so that one mistake does not hide the next.

use serde::de::DeserializeOwned;
use toml::{
    Spanned,
    de::{DeTable, DeValue, ValueDeserializer},
};

use super::{Change, Elsewhere, Fault, Modes, Profile, Scenario, Settings};

/// Reads a scenario; what is wrong with it otherwise, as `line N: …`.
pub(super) fn read(text: &str) -> Result<Scenario, Vec<String>> {
    let mut problems = Problems { text, told: Vec::new() };
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        problems.tell(error.span().map(|span| span.start), error.message());
    }
    if !problems.told.is_empty() {
        return Err(problems.told);
    }
    let mut table = table.into_inner();
    let mut scenario = Scenario::default();
    if let Some(value) = table.remove("profile") {
        if let Some(profile) = named(&value) {
            // The profiles are ours, and a test reads each.
            let (base, _) = DeTable::parse_recoverable(profile.toml());
            overlay(&mut table, base.into_inner());
        } else {
            let names = Profile::ALL.map(Profile::name).join(", ");
            let at = value.span().start;
            problems.tell(Some(at), &format!("unknown profile, want one of {names}"));
        }
    }
    for (key, value) in table {
        match key.get_ref().as_ref() {
            "seed" => scenario.seed = problems.read(value).unwrap_or_default(),
            "elsewhere" => {
                if problems.read(value) == Some(true) {
                    scenario.elsewhere = Elsewhere::Always;
                }
            }
            "behaviour" => {
                scenario.behaviour =
                    problems.table::<Settings>(value).unwrap_or_default();
            }
            "modes" => {
                let at = value.span().start;
                if let Some(modes) = problems.table::<Modes>(value) {
                    for problem in modes.problems() {
                        problems.tell(Some(at), problem);
                    }
                    scenario.modes = modes;
                }
            }
            "fault" => {
                for value in items(value) {
                    let at = value.span().start;
                    let Some(fault) = problems.fault(value) else { continue };
                    for problem in fault.problems() {
                        problems.tell(Some(at), problem);
                    }
                    scenario.faults.push(fault);
                }
            }
            "change" => {
                for value in items(value) {
                    scenario.changes.extend(problems.change(value));
                }
            }
            name => {
                let text = format!("unknown table or key `{name}`, want one of {TABLES}");
                problems.tell(Some(key.span().start), &text);
            }
        }
    }
    if problems.told.is_empty() { Ok(scenario) } else { Err(problems.told) }
}

fn named(value: &Spanned<DeValue<'_>>) -> Option<Profile> {
    match value.get_ref() {
        DeValue::String(name) => Profile::named(name),
        DeValue::Array(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Float(_)
        | DeValue::Integer(_)
        | DeValue::Table(_) => None,
    }
}

/// Adds the tables of a profile, key by key, where the file says nothing itself.
fn overlay<'a>(table: &mut DeTable<'a>, base: DeTable<'a>) {
    for (key, value) in base {
        match (table.get_mut(key.get_ref().as_ref()), value.get_ref()) {
            (Some(own), DeValue::Table(more)) => {
                if let DeValue::Table(own) = own.get_mut() {
                    for (key, value) in more {
                        if !own.contains_key(key.get_ref().as_ref()) {
                            own.insert(key.clone(), value.clone());
                        }
                    }
                }
            }
            (Some(_), _) => {}
            (None, _) => {
                table.insert(key, value);
            }
        }
    }
}

/// The tables of an array of tables; anything else as it is, to be refused.
fn items(value: Spanned<DeValue<'_>>) -> Vec<Spanned<DeValue<'_>>> {
    let span = value.span();
    let value = value.into_inner();
    if let DeValue::Array(array) = value {
        return array.into_iter().collect();
    }
    vec![Spanned::new(span, value)]
}

struct Problems<'a> {
    text: &'a str,
    told: Vec<String>,
}

impl Problems<'_> {
    fn tell(&mut self, at: Option<usize>, text: &str) {
        let before = self.text.get(..at.unwrap_or(0)).unwrap_or_default();
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let text = text.trim_end().replace('\n', ", ");
        self.told.push(format!("line {line}: {text}"));
    }

    fn read<T: DeserializeOwned>(&mut self, value: Spanned<DeValue<'_>>) -> Option<T> {
        let at = value.span().start;
        match T::deserialize(ValueDeserializer::from(value)) {
            Ok(read) => Some(read),
            Err(error) => {
                let at = error.span().map_or(at, |span| span.start);
                self.tell(Some(at), error.message());
                None
            }
        }
    }

    /// Reads a table whose keys all have defaults.
    fn table<T: DeserializeOwned>(&mut self, value: Spanned<DeValue<'_>>) -> Option<T> {
        self.keys::<T>(&value, None);
        if self.told.is_empty() { self.read(value) } else { None }
    }

    /// Reads a fault, whose door has no default.
    fn fault(&mut self, value: Spanned<DeValue<'_>>) -> Option<Fault> {
        let before = self.told.len();
        self.keys::<Fault>(&value, Some("on"));
        if self.told.len() == before { self.read(value) } else { None }
    }

    /// Reads a change: its moment, and the one thing that happens.
    fn change(&mut self, value: Spanned<DeValue<'_>>) -> Option<Change> {
        let span = value.span();
        let DeValue::Table(mut table) = value.into_inner() else {
            self.tell(Some(span.start), "a change is a table");
            return None;
        };
        let when = if let Some(when) = table.remove("when") {
            self.read(when)
        } else {
            self.tell(Some(span.start), "a change has a `when`");
            None
        };
        if table.len() != 1 {
            self.tell(Some(span.start), "a change has `when` and one thing that happens");
            return None;
        }
        let what = self.read(Spanned::new(span, DeValue::Table(table)));
        Some(Change { when: when?, what: what? })
    }

    /// Reads each key of a table by itself, beside the one that may not lack.
    fn keys<T: DeserializeOwned>(
        &mut self,
        value: &Spanned<DeValue<'_>>,
        needed: Option<&str>,
    ) {
        let DeValue::Table(table) = value.get_ref() else { return };
        let span = value.span();
        let needed = needed.and_then(|name| table.get_key_value(name));
        for (key, one) in table {
            let mut alone = DeTable::new();
            alone.insert(key.clone(), one.clone());
            if let Some((key, value)) = needed {
                alone.insert(key.clone(), value.clone());
            }
            let alone = Spanned::new(span.clone(), DeValue::Table(alone));
            let before = self.told.len();
            let _: Option<T> = self.read(alone);
            // Without its door, or with a wrong one, nothing of a fault can be read.
            let is_needed = needed.is_some_and(|(name, _)| name == key);
            if self.told.len() > before && is_needed {
                self.told.truncate(before + 1);
                return;
            }
        }
        self.told.dedup();
    }
}

const TABLES: &str = "seed, profile, elsewhere, behaviour, modes, fault, change";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_reads() {
        for profile in Profile::ALL {
            let text = format!("profile = \"{}\"", profile.name());
            let whole = read(profile.toml());
            assert!(whole.is_ok(), "case: {}: {whole:?}", profile.name());
            assert_eq!(read(&text), whole, "case: {}", profile.name());
        }
    }

    #[test]
    fn a_file_says_more_than_its_profile() {
        let text = "profile = \"hapi-like\"\n[modes]\nedition = \"v3\"\n";
        let modes = read(text).map(|scenario| scenario.modes).unwrap_or_default();
        assert_eq!(modes.edition, super::super::Edition::V3);
        assert_eq!(modes.files_at, super::super::FilesAt::Binary);
    }

    #[test]
    fn tells_all_problems_with_their_lines() {
        let text = "\
seed = -1
[modes]
edition = \"v9\"
pages = { files = 0, until = 3 }
[[fault]]
on = \"poll\"
answer = { status = 99 }
[[fault]]
on = \"poll\"
delay = 5
time = 3
[[fault]]
on = \"nowhere\"
[surprise]
";
        let told = read(text).err().unwrap_or_default();
        let lines: Vec<&str> =
            told.iter().filter_map(|problem| problem.split(':').next()).collect();
        let mut lines: Vec<&str> = lines.into_iter().collect();
        lines.sort_unstable();
        lines.dedup();
        let expected = [
            "line 1", "line 10", "line 11", "line 13", "line 14", "line 3", "line 4",
            "line 5",
        ];
        assert_eq!(lines, expected, "{told:#?}");
    }
}
