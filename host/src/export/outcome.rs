//! `error` and `outcome` files: what the server has to say of its own export.
//!
//! Source: Bulk Data IG, "Response - Complete Status", `error`.

use std::collections::{BTreeMap, BTreeSet};

use bulkhead_bulk::{Client, Manifest, OutputFile};
use bulkhead_ledger::{FileArray, FileRecord};
use bulkhead_ndjson::{Block, Framer, FramerLimits, Line};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};

use super::listed;

/// Codes that are told apart; what is beyond is counted as one. Server-controlled.
const CODES: usize = 32;

/// Codes by which a server says that its export lacks something, whatever the severity.
///
/// Source: FHIR R4, code system `issue-type`.
pub(super) const OMISSIONS: [&str; 5] =
    ["forbidden", "incomplete", "not-supported", "suppressed", "too-costly"];

/// What a server's outcomes amount to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(crate) struct OutcomeCounts {
    /// Issues by severity and code: `error forbidden`.
    pub(crate) issues: BTreeMap<String, u64>,
    /// Of those, what speaks against completeness, by the type that it names; under the empty
    /// name what names none.
    pub(crate) concerns: BTreeMap<String, BTreeMap<String, u64>>,
    /// Issues of severity `error` or `fatal`.
    pub(crate) errors: u64,
    /// Lines read.
    pub(crate) lines: u64,
    /// Files that could not be read, and lines that are no outcome.
    pub(crate) unread: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    resource_type: String,
    issue: Vec<Issue>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Issue {
    severity: String,
    code: String,
    diagnostics: String,
    details: Details,
    expression: Vec<String>,
    location: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Details {
    text: String,
}

impl Issue {
    /// The types among `names` that the issue speaks of. An expression says it best; in free
    /// text only a whole word counts, and `Patient/7` is one resource, not a type.
    fn named<'a>(&self, names: &'a BTreeSet<String>) -> BTreeSet<&'a str> {
        let places = self.expression.iter().chain(&self.location);
        let roots = places.filter_map(|place| place.split(['.', '[']).next());
        let rooted: BTreeSet<&str> =
            roots.filter_map(|root| names.get(root)).map(String::as_str).collect();
        if !rooted.is_empty() {
            return rooted;
        }
        let mut found = BTreeSet::new();
        for text in [&self.diagnostics, &self.details.text] {
            let is_part = |c: char| c.is_ascii_alphanumeric() || c == '/' || c == '_';
            let words = text.split(|c: char| !is_part(c));
            found.extend(words.filter_map(|word| names.get(word)).map(String::as_str));
        }
        found
    }
}

impl OutcomeCounts {
    /// What speaks against the completeness of a type, or of all together, by severity and
    /// code.
    pub(crate) fn concerning(&self, name: &str, all: Reading) -> BTreeMap<String, u64> {
        let mut issues: BTreeMap<String, u64> = BTreeMap::new();
        for (of, own) in &self.concerns {
            if of.is_empty() || of == name || all == Reading::AllTypes {
                for (issue, count) in own {
                    *issues.entry(issue.clone()).or_default() += count;
                }
            }
        }
        // Counts of a version that did not tell types apart.
        if self.concerns.is_empty() && self.errors > 0 {
            issues.insert("error".to_owned(), self.errors);
        }
        issues
    }

    /// Adds all of `other`.
    pub(crate) fn add(&mut self, other: &Self) {
        for (issue, count) in &other.issues {
            *self.issues.entry(issue.clone()).or_default() += count;
        }
        for (name, issues) in &other.concerns {
            let own = self.concerns.entry(name.clone()).or_default();
            for (issue, count) in issues {
                *own.entry(issue.clone()).or_default() += count;
            }
        }
        self.errors += other.errors;
        self.lines += other.lines;
        self.unread += other.unread;
    }

    /// Takes the manifest's word for errors that were not read: a file that cannot be had, or
    /// that holds fewer than it should.
    pub(super) fn stated(&mut self, errors: u64, read: u64) {
        let missing = errors.saturating_sub(read);
        if missing == 0 {
            return;
        }
        self.errors += missing;
        let name = "error stated by the manifest".to_owned();
        *self.issues.entry(name.clone()).or_default() += missing;
        *self.concerns.entry(String::new()).or_default().entry(name).or_default() +=
            missing;
    }

    fn take(&mut self, block: &Block, names: &BTreeSet<String>) {
        for line in &block.lines {
            self.lines += 1;
            let bytes = match line {
                Line::TooLong { .. } => None,
                Line::Whole { span, .. } => block.bytes.get(span.clone()),
            };
            let outcome = bytes
                .and_then(|bytes| serde_json::from_slice::<Outcome>(bytes).ok())
                .filter(|outcome| outcome.resource_type == "OperationOutcome");
            match outcome {
                Some(outcome) => {
                    outcome.issue.iter().for_each(|issue| self.note(issue, names));
                }
                None => self.unread += 1,
            }
        }
    }

    fn note(&mut self, issue: &Issue, names: &BTreeSet<String>) {
        let is_grave = matches!(issue.severity.as_str(), "error" | "fatal");
        self.errors += u64::from(is_grave);
        let word = |text: &str| -> String {
            text.chars()
                .filter(|c| c.is_ascii_lowercase() || *c == '-')
                .take(32)
                .collect()
        };
        let name = format!("{} {}", word(&issue.severity), word(&issue.code));
        let is_known = self.issues.contains_key(&name) || self.issues.len() < CODES;
        let name = if is_known { name } else { "others".to_owned() };
        *self.issues.entry(name.clone()).or_default() += 1;
        if !is_grave && !OMISSIONS.contains(&issue.code.as_str()) {
            return;
        }
        // A fatal one ended the export, whatever it was at.
        let mut about =
            if issue.severity == "fatal" { BTreeSet::new() } else { issue.named(names) };
        if about.is_empty() {
            about.insert("");
        }
        for of in about {
            let own = self.concerns.entry(of.to_owned()).or_default();
            *own.entry(name.clone()).or_default() += 1;
        }
    }
}

/// What all outcome files say, this run's and those of runs before: as written down. At least
/// as many errors as the manifest states.
pub(super) fn told(
    files: &[FileRecord],
    manifest: &Manifest,
) -> anyhow::Result<OutcomeCounts> {
    let mut counts = OutcomeCounts::default();
    for file in files.iter().filter(|file| file.array == FileArray::Outcome) {
        let before = counts.errors;
        match &file.checkpoint {
            Some(checkpoint) => counts.add(&serde_json::from_str(&checkpoint.tally)?),
            None => counts.unread += 1,
        }
        let read = counts.errors.saturating_sub(before);
        let told = listed(manifest).find(|(index, ..)| *index == file.index);
        if let Some(stated) = told.and_then(|(_, _, file)| file.errors_stated()) {
            counts.stated(stated, read);
        }
    }
    Ok(counts)
}

/// Whose issues are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Of all types together.
    AllTypes,
    /// Of one type.
    OneType,
}

/// Reads one outcome file, and how long it is. Types are told apart as far as they are among
/// `names`.
///
/// # Errors
///
/// When it cannot be downloaded.
pub(super) async fn read(
    client: &Client,
    manifest: &Manifest,
    file: &OutputFile,
    names: &BTreeSet<String>,
) -> anyhow::Result<(OutcomeCounts, u64)> {
    let mut download = client.download(manifest, file).await?;
    let mut framer = Framer::new(FramerLimits::default());
    let mut counts = OutcomeCounts::default();
    let mut bytes = 0;
    while let Some(chunk) = download.try_next().await? {
        bytes += chunk.len() as u64;
        framer.push(chunk);
        while let Some(block) = framer.next_block() {
            counts.take(&block, names);
        }
    }
    let (last, _) = framer.finish();
    if let Some(block) = last {
        counts.take(&block, names);
    }
    Ok((counts, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(lines: &[&str]) -> OutcomeCounts {
        let names = ["Condition", "Observation", "Patient"].map(str::to_owned).into();
        let mut framer = Framer::new(FramerLimits::default());
        let text = lines.join("\n");
        framer.push(text.into());
        let mut counts = OutcomeCounts::default();
        if let Some(block) = framer.finish().0 {
            counts.take(&block, &names);
        }
        counts
    }

    fn outcome(issue: &str) -> String {
        format!(r#"{{"resourceType":"OperationOutcome","issue":[{issue}]}}"#)
    }

    /// Items: 72, 112. Faults: F30.
    #[test]
    fn an_issue_concerns_the_types_that_it_names_or_else_all() {
        // name, issue, the types it concerns
        let cases: [(&str, &str, &[&str]); 10] = [
            (
                "an expression",
                r#"{"severity":"error","code":"exception","expression":["Observation.code"],"diagnostics":"Patient failed"}"#,
                &["Observation"],
            ),
            (
                "a location",
                r#"{"severity":"error","code":"exception","location":["Condition"]}"#,
                &["Condition"],
            ),
            (
                "diagnostics",
                r#"{"severity":"warning","code":"suppressed","diagnostics":"no Observation, no Condition."}"#,
                &["Condition", "Observation"],
            ),
            (
                "details",
                r#"{"severity":"information","code":"too-costly","details":{"text":"Observation: too many"}}"#,
                &["Observation"],
            ),
            (
                "one resource is no type",
                r#"{"severity":"error","code":"exception","diagnostics":"reading Patient/7"}"#,
                &[""],
            ),
            (
                "a type that is none of ours",
                r#"{"severity":"error","code":"exception","diagnostics":"Group 7 failed"}"#,
                &[""],
            ),
            (
                "part of a word",
                r#"{"severity":"error","code":"exception","diagnostics":"PatientService"}"#,
                &[""],
            ),
            (
                "fatal",
                r#"{"severity":"fatal","code":"exception","expression":["Observation"]}"#,
                &[""],
            ),
            (
                "a warning of another kind",
                r#"{"severity":"warning","code":"informational","expression":["Observation"]}"#,
                &[],
            ),
            ("information", r#"{"severity":"information","code":"informational"}"#, &[]),
        ];
        for (name, issue, expected) in cases {
            let found = counts(&[&outcome(issue)]);
            let types: Vec<&str> = found.concerns.keys().map(String::as_str).collect();
            assert_eq!(types, expected, "case: {name}");
            assert_eq!((found.lines, found.unread), (1, 0), "case: {name}");
            let of =
                |name, reading| found.concerning(name, reading).values().sum::<u64>();
            let is_of_all = expected.contains(&"");
            assert_eq!(of("Patient", Reading::OneType) > 0, is_of_all, "case: {name}");
            assert_eq!(
                of("Resource", Reading::AllTypes) > 0,
                !expected.is_empty(),
                "case: {name}"
            );
        }
    }

    /// Items: 86.
    #[test]
    fn errors_that_the_manifest_states_count_although_they_were_not_read() {
        // name, stated, read, errors
        let cases = [
            ("none stated", 0, 2, 2),
            ("all read", 2, 2, 2),
            ("one short", 3, 2, 3),
            ("nothing read", 3, 0, 3),
        ];
        let line = outcome(r#"{"severity":"error","code":"exception"}"#);
        for (name, stated, read, errors) in cases {
            let lines = vec![line.as_str(); usize::try_from(read).unwrap()];
            let mut found = counts(&lines);
            found.stated(stated, read);
            assert_eq!(found.errors, errors, "case: {name}");
            let of_type = found.concerning("Patient", Reading::OneType);
            assert_eq!(of_type.values().sum::<u64>(), errors, "case: {name}");
        }
    }

    /// Items: 112.
    #[test]
    fn what_is_no_outcome_is_not_read_as_a_good_one() {
        let lines = [
            "{}",
            r#"{"resourceType":"Patient","issue":[]}"#,
            r#"{"resourceType":"OperationOutcome"}"#,
            "<html>",
            r#"{"resourceType":"OperationOutcome","issue":[]}"#,
        ];
        let found = counts(&lines);
        assert_eq!((found.lines, found.unread, found.errors), (5, 4, 0));
    }

    #[test]
    fn counts_add_up_and_survive_json() {
        let one = counts(&[&outcome(
            r#"{"severity":"error","code":"forbidden","expression":["Patient"]}"#,
        )]);
        let mut sum = one.clone();
        sum.add(&one);
        assert_eq!(sum.errors, 2);
        assert_eq!(sum.concerns["Patient"]["error forbidden"], 2);
        let json = serde_json::to_string(&sum).unwrap();
        assert_eq!(serde_json::from_str::<OutcomeCounts>(&json).unwrap(), sum);
        let old: OutcomeCounts =
            serde_json::from_str(r#"{"issues":{"error x":2},"errors":2,"lines":2}"#)
                .unwrap();
        assert_eq!(old.concerning("Patient", Reading::OneType).len(), 1);
    }
}
