//! What a server says went wrong.
//!
//! Keeps severities, codes and one short, cleaned text of an `OperationOutcome`; also knows
//! the phrases by which servers say things that no code says.
//!
//! Source: FHIR R4 `OperationOutcome`, code system `issue-type`; Bulk Data IG, "Response -
//! Error Status".

use std::fmt;

use serde::Deserialize;

use crate::safe_headers::SafeHeaders;

/// An `OperationOutcome`, or what could be read of an error body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Whether the body was an `OperationOutcome` at all.
    pub is_fhir: bool,
    /// The issue codes, in order, with their severities.
    pub issues: Vec<Issue>,
    /// The first text, cleaned and cut; server-controlled.
    pub text: Option<String>,
    /// What may be shown of the headers that came along.
    pub headers: SafeHeaders,
    /// Of all issues, also of those beyond the ones kept.
    is_transient: bool,
    /// The parameters that only save work, as far as any text names them.
    named: Vec<&'static str>,
    /// Whether storage says that a signed link has run out.
    pub(crate) is_expired_link: bool,
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
            let text = plain_text(body);
            let named = named(text.as_deref());
            let is_expired_link = says_expired(body);
            return Self { text, named, is_expired_link, ..Self::default() };
        };
        let is_transient = is_transient(&raw.issue);
        let named = named(raw.issue.iter().flat_map(RawIssue::texts));
        // What only informs is no reason: the first grave issue speaks first.
        let grave = raw.issue.iter().filter(|issue| issue.is_grave());
        let text = grave
            .chain(&raw.issue)
            .find_map(|issue| issue.texts().next().and_then(clean));
        let issues = raw
            .issue
            .into_iter()
            .take(MAX_ISSUES)
            .map(|issue| Issue {
                severity: clean(&issue.severity).unwrap_or_default(),
                code: clean(&issue.code).unwrap_or_default(),
            })
            .collect();
        let headers = SafeHeaders::default();
        let is_expired_link = false;
        Self {
            is_fhir: true,
            issues,
            text,
            headers,
            is_transient,
            named,
            is_expired_link,
        }
    }

    /// Whether every issue that counts is of the transient branch of `issue-type`.
    ///
    /// Warnings and information do not count; without an issue nothing is transient.
    pub fn is_transient(&self) -> bool {
        self.is_transient
    }

    /// Whether every issue that counts says `exception`, which servers say of what passes and
    /// of what does not.
    pub(crate) fn is_mere_exception(&self) -> bool {
        let says = |issue: &Issue| issue.code == "exception";
        let mild = |issue: &&Issue| {
            !matches!(issue.severity.as_str(), "information" | "warning")
        };
        let mut grave = self.issues.iter().filter(mild).peekable();
        if grave.peek().is_some() {
            return grave.all(says);
        }
        !self.issues.is_empty() && self.issues.iter().all(says)
    }

    /// Whether any text of it names this parameter, which must be one of those that only
    /// save work.
    pub(crate) fn names(&self, parameter: &str) -> bool {
        self.named.contains(&parameter)
    }

    /// The same with the headers that came along.
    #[must_use]
    pub(crate) fn with_headers(self, headers: SafeHeaders) -> Self {
        Self { headers, ..self }
    }

    /// Whether some issue says more than a warning.
    pub(crate) fn is_grave(&self) -> bool {
        let mild =
            |issue: &Issue| matches!(issue.severity.as_str(), "information" | "warning");
        !self.issues.iter().all(mild)
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
    #[serde(default)]
    expression: Vec<String>,
}

impl RawIssue {
    fn is_grave(&self) -> bool {
        !matches!(self.severity.as_str(), "information" | "warning")
    }

    fn texts(&self) -> impl Iterator<Item = &str> {
        let details = self.details.as_ref().and_then(|details| details.text.as_deref());
        let more = self.expression.iter().map(String::as_str);
        details.into_iter().chain(self.diagnostics.as_deref()).chain(more)
    }
}

fn is_transient(issues: &[RawIssue]) -> bool {
    let transient = |issue: &RawIssue| TRANSIENT.contains(&issue.code.as_str());
    let mut grave = issues.iter().filter(|issue| issue.is_grave()).peekable();
    if grave.peek().is_some() {
        return grave.all(transient);
    }
    !issues.is_empty() && issues.iter().all(transient)
}

/// Which of the parameters that only save work `texts` name.
fn named<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<&'static str> {
    let texts: Vec<&str> = texts.into_iter().collect();
    let said = |name: &&&str| texts.iter().any(|text| text.contains(**name));
    SAVES_WORK.iter().filter(said).copied().collect()
}

#[derive(Deserialize)]
struct RawDetails {
    text: Option<String>,
}

/// Server-controlled text fit for a terminal: one line, no control characters, cut short.
pub(crate) fn clean(text: &str) -> Option<String> {
    let words =
        text.split(|c: char| c.is_whitespace() || c.is_control() || is_invisible(c));
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let line: String = line.chars().take(MAX_TEXT).collect();
    (!line.is_empty()).then_some(line)
}

/// Characters that change how a line looks and are not seen themselves: zero-width ones,
/// and those that turn the direction of writing.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{061c}'
            | '\u{feff}'
    )
}

/// Whether a body is storage's word for a signed link that has run out, which comes with any
/// status.
fn says_expired(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    [
        "ExpiredToken",
        "ExpiredRequest",
        "Request has expired",
        "Signature not valid in the specified time",
    ]
    .iter()
    .any(|phrase| text.contains(phrase))
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
/// What may be left out of a kick-off without a change of what is exported.
pub(crate) const SAVES_WORK: [&str; 4] =
    ["_elements", "allowPartialManifests", "organizeOutputBy", "separate-export-status"];
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

    /// Items: 66.
    /// Faults: F2.
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
        let mut many = vec![("error", "timeout"); MAX_ISSUES];
        many.push(("fatal", "processing"));
        let many = outcome(&many);
        assert!(!many.is_transient(), "a grave issue beyond those kept");
        assert_eq!(many.issues.len(), MAX_ISSUES);
    }

    /// Items: 55, 62, 67.
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
            (
                "text that turns around",
                "ab\u{202e}cd\u{200b}",
                "`ab cd`",
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

    /// Items: 55.
    #[test]
    fn finds_the_parameter_that_any_issue_names() {
        let body = r#"{"resourceType":"OperationOutcome","issue":[
            {"severity":"information","code":"informational","diagnostics":"see below"},
            {"severity":"error","code":"not-supported","details":{"text":"no"},
             "diagnostics":"organizeOutputBy","expression":["_type"]}]}"#;
        let outcome = Outcome::read(body.as_bytes());
        assert!(outcome.names("organizeOutputBy"));
        assert!(!outcome.names("_elements") && !outcome.names("_type"));
        assert!(Outcome::read(b"unknown: _elements").names("_elements"));
    }
}
