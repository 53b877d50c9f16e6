//! A fault: at which door it strikes, which requests, and what it does to them.
//!
//! A fault counts every request that it is about, whatever another fault does to it.

use std::{num::NonZeroU32, time::Duration};

use serde::Deserialize;
use serde_json::Value;

use super::{answer::Answer, body::BodyFault, units};

/// A door of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum On {
    /// A cancellation.
    Delete,
    /// `$everything` of a patient.
    Everything,
    /// A file of an export.
    File,
    /// A kick-off.
    Kickoff,
    /// A poll or page that is about to carry a manifest.
    Manifest,
    /// `/metadata`.
    Metadata,
    /// Every poll.
    Poll,
    /// A read or a search.
    Read,
    /// `.well-known/smart-configuration`.
    Smart,
    /// The token endpoint.
    Token,
}

/// A list of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Array {
    /// `deleted`.
    Deleted,
    /// `error`, or `outcome`.
    Error,
    /// `output`.
    Output,
}

/// Of whom an export is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LevelKind {
    /// A group.
    Group,
    /// All patients.
    Patient,
    /// Everything.
    System,
}

/// Whether an export asks for changes only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Span {
    /// It has no `_since`.
    Full,
    /// It has a `_since`.
    Incremental,
}

/// What has a count of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Per {
    /// Each client.
    Client,
    /// Each file of each job.
    File,
    /// Each job.
    Job,
    /// The server.
    #[default]
    Server,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// In order (FIN).
    Close,
    /// By a reset (RST).
    Reset,
}

/// When an answer is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoseWhen {
    /// After the server did what was asked.
    After,
    /// Before it did anything.
    Before,
}

/// No answer at all: the connection ends without a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Lose {
    /// Before or after the server did what was asked.
    pub when: LoseWhen,
    /// How the connection ends.
    pub how: End,
}

/// Where a redirect points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hop {
    /// The server's other origin.
    Elsewhere,
    /// The server itself.
    Home,
    /// Back to where it was asked, for ever.
    Loop,
}

/// A chain of redirects; the last hop answers what was asked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    /// Where each points.
    pub hops: Vec<Hop>,
}

/// All access tokens become worthless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Revoke {
    /// Once the head of the answer is written.
    AfterHead,
    /// Before the request is judged.
    Before,
}

/// An edit of the headers of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeaderEdit {
    /// One more of this name.
    Add(String, String),
    /// None of this name.
    Remove(String),
    /// One of this name.
    Set(String, String),
}

/// An edit of a JSON answer, by RFC 6901 pointer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JsonEdit {
    /// The member is gone.
    Remove(String),
    /// The member has this value; its parent must be there.
    Set(String, Value),
}

/// An edit of the `count` of a manifest's entries: those that `type`, `file` and `array`
/// name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Count {
    /// No `count`.
    Absent,
    /// So many more.
    Add(i64),
    /// This many.
    Set(i64),
    /// The number as a string.
    Text,
}

/// Something that strikes at a door, some times.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Fault {
    /// By which the log and a test know it.
    #[serde(default)]
    pub name: String,
    /// At which door.
    pub on: On,
    /// Only files of this type (`Bundle` for deletions, `OperationOutcome` for errors).
    #[serde(rename = "type")]
    pub resource_type: Option<String>,
    /// Only the file of this number, from 0, over `output`, `deleted` and `error`.
    pub file: Option<u32>,
    /// Only files of this list.
    pub array: Option<Array>,
    /// Only this page of a manifest, from 0.
    pub page: Option<u32>,
    /// Only the job of the n-th kick-off, from 1.
    pub job: Option<u32>,
    /// Only exports of this level.
    pub level: Option<LevelKind>,
    /// Only requests by this method.
    pub method: Option<String>,
    /// Only requests of this client.
    pub client: Option<String>,
    /// Only full exports, or only incremental ones.
    pub span: Option<Span>,
    /// Lets this many pass first.
    #[serde(default)]
    pub after: u32,
    /// Strikes this many times. Default: always.
    pub times: Option<u32>,
    /// Strikes each n-th of them.
    #[serde(default = "one")]
    pub every: NonZeroU32,
    /// What has a count of its own.
    #[serde(default)]
    pub per: Per,
    /// Answers instead of the server.
    pub answer: Option<Answer>,
    /// Spoils the body.
    pub body: Option<BodyFault>,
    /// Edits the counts of a manifest.
    pub count: Option<Count>,
    /// Waits before the head.
    #[serde(default, deserialize_with = "units::some_duration")]
    pub delay: Option<Duration>,
    /// Edits the headers of the answer.
    #[serde(default)]
    pub headers: Vec<HeaderEdit>,
    /// Waits at a gate until `Control::release` opens it, at most a minute.
    pub hold: Option<String>,
    /// Edits the JSON of the answer.
    #[serde(default)]
    pub json: Vec<JsonEdit>,
    /// Ends the connection without an answer.
    pub lose: Option<Lose>,
    /// Points elsewhere.
    pub redirect: Option<Redirect>,
    /// Makes all tokens worthless.
    pub revoke: Option<Revoke>,
    /// Deletes the job and answers this status.
    pub vanish: Option<u16>,
}

const fn one() -> NonZeroU32 {
    NonZeroU32::MIN
}

impl Fault {
    /// A fault that does nothing yet, at every request of a door.
    pub fn on(on: On) -> Self {
        Self {
            name: String::new(),
            on,
            resource_type: None,
            file: None,
            array: None,
            page: None,
            job: None,
            level: None,
            method: None,
            client: None,
            span: None,
            after: 0,
            times: None,
            every: one(),
            per: Per::Server,
            answer: None,
            body: None,
            count: None,
            delay: None,
            headers: Vec::new(),
            hold: None,
            json: Vec::new(),
            lose: None,
            redirect: None,
            revoke: None,
            vanish: None,
        }
    }

    /// What is wrong with it, one sentence each.
    pub(super) fn problems(&self) -> Vec<&'static str> {
        let mut problems = Vec::new();
        let is_idle = self.answer.is_none()
            && self.body.is_none()
            && self.count.is_none()
            && self.delay.is_none()
            && self.headers.is_empty()
            && self.hold.is_none()
            && self.json.is_empty()
            && self.lose.is_none()
            && self.redirect.is_none()
            && self.revoke.is_none()
            && self.vanish.is_none();
        if is_idle {
            problems.push("a fault does something: `answer`, `body`, `count`, `delay`, `headers`, `hold`, `json`, `lose`, `redirect`, `revoke` or `vanish`");
        }
        problems.extend(self.answer.as_ref().and_then(Answer::problem));
        if let Some(redirect) = &self.redirect {
            if !matches!(redirect.status, 301 | 302 | 303 | 307 | 308) {
                problems.push("a redirect is 301, 302, 303, 307 or 308");
            }
            if redirect.hops.is_empty() {
                problems.push("a redirect has at least one hop");
            }
        }
        if self.vanish.is_some_and(|status| !matches!(status, 404 | 410)) {
            problems.push("a vanished job answers 404 or 410");
        }
        let is_of_job =
            matches!(self.on, On::Delete | On::File | On::Manifest | On::Poll);
        if self.vanish.is_some() && !is_of_job {
            problems
                .push("only a job can vanish: `poll`, `manifest`, `file` or `delete`");
        }
        if self.count.is_some() && self.on != On::Manifest {
            problems.push("only a `manifest` has counts");
        }
        if self.body.is_some() && !matches!(self.on, On::File | On::Manifest) {
            problems.push("only a `file` or a `manifest` has a body to spoil");
        }
        problems.extend(self.body.as_ref().and_then(BodyFault::problem));
        problems
    }

    pub(super) fn names_elsewhere(&self) -> bool {
        let hops = self.redirect.iter().flat_map(|redirect| &redirect.hops);
        hops.into_iter().any(|hop| *hop == Hop::Elsewhere)
    }
}
