//! What a server says went wrong.
//!
//! Keeps severities, codes and one short, cleaned text of an `OperationOutcome`; also knows
//! the phrases by which servers say things that no code says.
//!
//! Source: FHIR R4 `OperationOutcome`, code system `issue-type`; Bulk Data IG, "Response -
//! Error Status".

use std::fmt;

use serde::Deserialize;

/// An `OperationOutcome`, or what could be read of an error body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Whether the body was an `OperationOutcome` at all.
    pub is_fhir: bool,
    /// The issue codes, in order, with their severities.
    pub issues: Vec<Issue>,
    /// The first text, cleaned and cut; server-controlled.
    pub text: Option<String>,
}

/// One issue without its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// `fatal`, `error`, `warning` or `information`; server-controlled.
    pub severity: String,
    /// The `issue-type` code; server-controlled.
    pub code: String,
}

/// What kind of refusal a text speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Complaint {
    /// An export of the same client is running.
    AlreadyRunning,
    /// The request method is refused.
    Method,
    /// The client has no right to this.
    NotAllowed,
    /// No phrase that is known.
    Other,
    /// The same export was asked for too recently.
    TooRecent,
    /// A parameter is not supported.
    UnsupportedParameter,
}

impl Outcome {
    /// Reads an error body. Never fails: HTML and plain text give an outcome without issues.
    pub fn read(body: &[u8]) -> Self {
        let raw = serde_json::from_slice::<RawOutcome>(body)
            .ok()
            .filter(|raw| raw.resource_type == "OperationOutcome");
        let Some(raw) = raw else {
            return Self { text: plain_text(body), ..Self::default() };
        };
        let text = raw.issue.iter().find_map(|issue| {
            let details = issue.details.as_ref();
            let text = details.and_then(|details| details.text.as_deref());
            text.or(issue.diagnostics.as_deref()).and_then(clean)
        });
        let issues = raw
            .issue
            .into_iter()
            .take(MAX_ISSUES)
            .map(|issue| Issue {
                severity: clean(&issue.severity).unwrap_or_default(),
                code: clean(&issue.code).unwrap_or_default(),
            })
            .collect();
        Self { is_fhir: true, issues, text }
    }

    /// Whether every issue that counts is of the transient branch of `issue-type`.
    ///
    /// Warnings and information do not count; without an issue nothing is transient.
    pub fn is_transient(&self) -> bool {
        let mut grave = self
            .issues
            .iter()
            .filter(|issue| !matches!(issue.severity.as_str(), "information" | "warning"))
            .peekable();
        if grave.peek().is_some() {
            return grave.all(|issue| TRANSIENT.contains(&issue.code.as_str()));
        }
        !self.issues.is_empty()
            && self.issues.iter().all(|issue| TRANSIENT.contains(&issue.code.as_str()))
    }

    /// What the text complains of.
    pub fn complaint(&self) -> Complaint {
        let text = self.text.as_deref().unwrap_or_default().to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
        let coded = |code: &str| self.issues.iter().any(|issue| issue.code == code);
        if says(&["too recently", "too soon", "request window"]) {
            Complaint::TooRecent
        } else if says(&["already in progress", "already running", "already exists"])
            || coded("duplicate")
        {
            Complaint::AlreadyRunning
        } else if says(&[
            "method not allowed",
            "unsupported method",
            "use post",
            "use get",
        ]) {
            Complaint::Method
        } else if says(&[
            "not supported",
            "unsupported",
            "unknown parameter",
            "invalid parameter",
        ]) || coded("not-supported")
        {
            Complaint::UnsupportedParameter
        } else if says(&["forbidden", "not authorized", "insufficient"])
            || coded("forbidden")
            || coded("security")
        {
            Complaint::NotAllowed
        } else {
            Complaint::Other
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let codes: Vec<&str> =
            self.issues.iter().map(|issue| issue.code.as_str()).collect();
        match (codes.is_empty(), &self.text) {
            (true, None) => f.write_str("no reason given"),
            (true, Some(text)) => write!(f, "`{text}`"),
            (false, None) => f.write_str(&codes.join(", ")),
            (false, Some(text)) => write!(f, "{}: `{text}`", codes.join(", ")),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawOutcome {
    resource_type: String,
    #[serde(default)]
    issue: Vec<RawIssue>,
}

#[derive(Deserialize)]
struct RawIssue {
    #[serde(default)]
    severity: String,
    #[serde(default)]
    code: String,
    diagnostics: Option<String>,
    details: Option<RawDetails>,
}

#[derive(Deserialize)]
struct RawDetails {
    text: Option<String>,
}

/// Server-controlled text fit for a terminal: one line, no control characters, cut short.
pub(crate) fn clean(text: &str) -> Option<String> {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let line: String = line.chars().take(MAX_TEXT).collect();
    (!line.is_empty()).then_some(line)
}

/// A body that is text but no JSON and no markup.
fn plain_text(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?.trim();
    if text.starts_with(['<', '{', '[']) { None } else { clean(text) }
}

/// `transient` and its children.
const TRANSIENT: [&str; 7] = [
    "transient",
    "lock-error",
    "no-store",
    "exception",
    "timeout",
    "incomplete",
    "throttled",
];
/// Enough to see the reason, too short to carry a record.
const MAX_TEXT: usize = 200;
/// Enough to judge; servers decide how many there are.
const MAX_ISSUES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(issues: &[(&str, &str)]) -> Outcome {
        let issues: Vec<_> = issues
            .iter()
            .map(|(severity, code)| serde_json::json!({"severity": severity, "code": code}))
            .collect();
        let body =
            serde_json::json!({"resourceType": "OperationOutcome", "issue": issues});
        Outcome::read(body.to_string().as_bytes())
    }

    #[test]
    fn is_transient_only_when_every_grave_issue_is() {
        let cases: &[(&str, &[(&str, &str)], bool)] = &[
            ("one transient", &[("error", "transient")], true),
            ("throttled", &[("fatal", "throttled")], true),
            ("mixed", &[("error", "timeout"), ("error", "processing")], false),
            (
                "beside information",
                &[("information", "informational"), ("error", "timeout")],
                true,
            ),
            ("only a transient warning", &[("warning", "incomplete")], true),
            ("processing", &[("error", "processing")], false),
            ("no issue", &[], false),
        ];
        for (name, issues, expected) in cases {
            assert_eq!(outcome(issues).is_transient(), *expected, "case: {name}");
        }
    }

    #[test]
    fn reads_any_body_and_keeps_little_of_it() {
        let fhir = r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error",
            "code":"processing","diagnostics":"The Client requested this Group too recently"}]}"#;
        let cases = [
            (
                "fhir",
                fhir,
                "processing: `The Client requested this Group too recently`",
                Complaint::TooRecent,
            ),
            (
                "plain",
                "Invalid\u{1b}[31m token\n",
                "`Invalid [31m token`",
                Complaint::Other,
            ),
            ("html", "<html>503</html>", "no reason given", Complaint::Other),
            ("other json", "{\"a\":1}", "no reason given", Complaint::Other),
            (
                "parameter",
                "Unsupported parameter _elements",
                "`Unsupported parameter _elements`",
                Complaint::UnsupportedParameter,
            ),
            ("empty", "", "no reason given", Complaint::Other),
        ];
        for (name, body, shown, complaint) in cases {
            let outcome = Outcome::read(body.as_bytes());
            assert_eq!(outcome.to_string(), shown, "case: {name}");
            assert_eq!(outcome.complaint(), complaint, "case: {name}");
        }
    }
}
