//! One row of a table: a scenario, what is asked for, and how the export must end.

use bulkhead_bulk::{Error, Kickoff, Settings};
use bulkhead_model::Level;
use bulkhead_net::Config;
use bulkhead_sample_server::{Bearer, Behaviour, Origin, Rule, Scenario, Stopwatch};

use crate::rig::{Seen, run};

/// How an export ends for a caller who knows no more than the client tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Every file came whole, and together they hold what the server holds.
    Complete,
    /// Every file came whole by every sign there is, yet what came is not what the server
    /// holds. Nothing but knowledge of other exports can tell.
    AsSent,
    /// The client says that something is missing, and why.
    Incomplete(Why),
    /// The export failed; the name of the error, with that of its cause where that decides.
    Error(String),
}

/// Why an export is known to be incomplete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// A file holds another number of lines than the manifest says.
    Count,
    /// A later page of the manifest could not be had.
    Pages,
    /// Nothing proves the end of a file: no framing, no count.
    Unproven,
}

/// The end of an export that failed.
pub(crate) fn error(name: &str) -> End {
    End::Error(name.to_owned())
}

/// What shows that a row met its fault.
type Sign = fn(&Seen) -> bool;

pub(crate) struct Row {
    name: String,
    end: End,
    sign: Sign,
    excused: Option<Rule>,
    pub(crate) scenario: Scenario,
    pub(crate) kickoff: Kickoff,
    pub(crate) behave: fn(&mut Behaviour),
    pub(crate) set: fn(&mut Settings),
    pub(crate) net: fn(&mut Config),
    /// The types that the client may have, when not all.
    pub(crate) types: Option<Vec<&'static str>>,
    /// What tells the server the gaps between requests.
    pub(crate) stopwatch: Stopwatch,
}

/// A row whose fault must have struck.
pub(crate) fn row(name: impl Into<String>, scenario: Scenario, end: End) -> Row {
    let types = vec!["Patient".parse().unwrap(), "Condition".parse().unwrap()];
    Row {
        name: name.into(),
        end,
        sign: |seen| !seen.struck.is_empty(),
        excused: None,
        scenario,
        kickoff: Kickoff { types, ..Kickoff::new(Level::System) },
        behave: |_| {},
        set: |_| {},
        net: |_| {},
        types: None,
        stopwatch: Stopwatch::stopped(),
    }
}

impl Row {
    /// For modes, which strike nowhere: what else shows that they were in force.
    pub(crate) fn shown_by(self, sign: Sign) -> Self {
        Self { sign, ..self }
    }

    /// Where the fault leaves no other way than to break a rule.
    pub(crate) fn excusing(self, rule: Rule) -> Self {
        Self { excused: Some(rule), ..self }
    }

    pub(crate) fn asking(mut self, ask: impl FnOnce(&mut Kickoff)) -> Self {
        ask(&mut self.kickoff);
        self
    }

    pub(crate) fn behaving(self, behave: fn(&mut Behaviour)) -> Self {
        Self { behave, ..self }
    }

    pub(crate) fn set(self, set: fn(&mut Settings)) -> Self {
        Self { set, ..self }
    }

    pub(crate) fn over(self, net: fn(&mut Config)) -> Self {
        Self { net, ..self }
    }

    /// Lets the server tell how long the client waits.
    pub(crate) fn timed(self) -> Self {
        let start = tokio::time::Instant::now();
        Self { stopwatch: Stopwatch::new(move || start.elapsed()), ..self }
    }

    pub(crate) fn granting(self, types: &[&'static str]) -> Self {
        Self { types: Some(types.to_vec()), ..self }
    }
}

/// Runs all rows, and tells of all that failed.
pub(crate) async fn check(rows: Vec<Row>) {
    let mut failed = Vec::new();
    for row in rows {
        let (name, end) = (row.name.clone(), row.end.clone());
        let (sign, excused) = (row.sign, row.excused);
        let seen = Box::pin(run(row)).await;
        let mut wrong = Vec::new();
        if seen.end != end {
            wrong.push(format!("ended as {:?}, not {end:?}", seen.end));
        }
        if !sign(&seen) {
            wrong.push("nothing shows that the fault was met".to_owned());
        }
        wrong.extend(breaches(&seen, excused));
        if !wrong.is_empty() {
            let told = seen.told.as_deref().unwrap_or_default();
            failed.push(format!("{name}: {} {told}", wrong.join("; ")));
        }
    }
    assert!(failed.is_empty(), "{} rows:\n  {}", failed.len(), failed.join("\n  "));
}

/// What holds of every row: the token is seen by nobody else, and the client keeps its
/// manners. Its waits are cut short here, so that one rule is left to a test of its own.
fn breaches(seen: &Seen, excused: Option<Rule>) -> Vec<String> {
    let mut breaches = Vec::new();
    for request in &seen.log {
        if request.origin == Origin::Elsewhere && request.authorized {
            breaches.push(format!("the token went elsewhere: {}", request.path));
        }
        if request.bearer == Bearer::Unknown {
            breaches.push(format!("a token of nobody: {}", request.path));
        }
    }
    let lapses = seen
        .lapses
        .iter()
        .filter(|lapse| lapse.rule != Rule::TooSoon && Some(lapse.rule) != excused);
    breaches.extend(lapses.map(|lapse| format!("{lapse:?}")));
    if seen.told.as_deref().is_some_and(|told| told.contains("s3cret")) {
        breaches.push("a capability is printed".to_owned());
    }
    breaches
}

/// The name of an error; of one about a manifest or the network also its cause's.
pub(crate) fn name(error: &Error) -> String {
    let cause = if let Error::Manifest { source, .. } = error {
        Some(first_word(source))
    } else if let Error::Network { source, .. } = error {
        Some(first_word(source))
    } else {
        None
    };
    let name = first_word(error);
    cause.map_or_else(|| name.clone(), |cause| format!("{name}/{cause}"))
}

fn first_word(value: &impl std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    text.chars().take_while(|letter| letter.is_alphanumeric()).collect()
}
