//! How the server always is. The default of every mode is the conformant server.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;

use super::{
    content::{Delete, Deleted, GroupSince, Omission, Outcome, Skew, Token, Unscoped},
    files::{Access, FilesAt, Links, Organized, Pages},
    units::{self, Shift},
};

/// How the server is.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Modes {
    /// Which edition of the IG it speaks.
    pub edition: Edition,
    /// Whether manifests have members that no edition knows.
    pub unknown_members: bool,
    /// What the manifest's `transactionTime` is.
    pub transaction_time: TransactionTime,
    /// What becomes of resources that change while the export runs.
    pub reads: Reads,
    /// What `_since` means.
    pub since: Since,
    /// What becomes of parameters, by name.
    pub parameters: BTreeMap<String, Treatment>,
    /// How lists may be written.
    pub lists: Lists,
    /// What the kick-off's `Content-Location` is.
    pub location: Location,
    /// What becomes of `Prefer: separate-export-status`.
    pub export_status: ExportStatus,
    /// Whether a kick-off may be handed an earlier job.
    pub reuse: Reuse,
    /// Who opens files.
    pub access: Access,
    /// Where files are.
    pub files_at: FilesAt,
    /// Whether the links of files end before the job does. Default: they do not.
    pub links: Option<Links>,
    /// What the manifest's `Expires` is.
    pub expires: Expires,
    /// Whether a manifest has pages. Default: it does not.
    pub pages: Option<Pages>,
    /// What becomes of `organizeOutputBy`.
    pub organized: Organized,
    /// How deletions are told.
    pub deleted: Deleted,
    /// What else is in the `error` files.
    pub outcome: Outcome,
    /// What is left out.
    pub omit: Vec<Omission>,
    /// What becomes of types in `_type` that the token does not cover.
    pub unscoped: Unscoped,
    /// How cancellations are answered.
    pub delete: Delete,
    /// What an incremental export of a group holds.
    pub group: GroupSince,
    /// How wrong the clocks are.
    pub skew: Skew,
    /// What the token endpoint gives.
    pub token: Token,
}

impl Modes {
    pub(super) fn name_elsewhere(&self) -> bool {
        self.location == Location::Elsewhere
            || self.files_at == FilesAt::Elsewhere
            || self.pages.is_some_and(|pages| pages.elsewhere)
    }

    pub(super) fn problems(&self) -> Vec<&'static str> {
        let mut problems = Vec::new();
        if self.pages.is_some_and(|pages| pages.files == 0) {
            problems.push("modes: a page has at least one file");
        }
        let statuses = [self.delete.running, self.delete.done];
        if statuses.iter().any(|status| !(200..=599).contains(status)) {
            problems.push("modes: a status is from 200 to 599");
        }
        if let TransactionTime::PerJob(list) = &self.transaction_time
            && list.is_empty()
        {
            problems.push("modes: `per-job` names at least one transaction time");
        }
        problems
    }

    /// Whether a file's link opens it, and nothing else is needed.
    pub(crate) fn links_open(&self) -> bool {
        match self.access {
            Access::Always | Access::AsSignIn => false,
            Access::Capability | Access::Never | Access::TrueButPresigned => true,
        }
    }
}

impl TransactionTime {
    /// The one of the n-th kick-off, from 1.
    pub(crate) fn of_job(&self, ordinal: u32) -> &Self {
        match self {
            Self::PerJob(list) => {
                let at = usize::try_from(ordinal.saturating_sub(1)).unwrap_or(usize::MAX);
                let one = list.get(at).or(list.last());
                one.map_or(self, |one| one.of_job(ordinal))
            }
            Self::Ahead(_)
            | Self::Behind(_)
            | Self::End
            | Self::Missing
            | Self::Offset(_)
            | Self::PollNow
            | Self::Replica(_)
            | Self::Start
            | Self::Text(_)
            | Self::Truncated
            | Self::Zoneless => self,
        }
    }
}

/// An edition of the IG.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Edition {
    /// 1.0: GET alone, no `deleted`.
    V1,
    /// 2.0.
    V2,
    /// 3.0.
    #[default]
    V3,
    /// 4.0: POST alone, no comma lists, `outcome` instead of `error`, no `request`.
    V4,
}

/// What a manifest's `transactionTime` is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransactionTime {
    /// So far ahead of the data.
    Ahead(#[serde(deserialize_with = "units::duration")] Duration),
    /// So far behind the data.
    Behind(#[serde(deserialize_with = "units::duration")] Duration),
    /// When the job was found done.
    End,
    /// There is none.
    Missing,
    /// The right instant at this offset, such as `+05:30`.
    Offset(String),
    /// One for each kick-off in turn, the last one for all that follow.
    PerJob(Vec<TransactionTime>),
    /// The time of each poll.
    PollNow,
    /// The data too is so far behind, as of a replica.
    Replica(#[serde(deserialize_with = "units::duration")] Duration),
    /// When the kick-off cut the data.
    #[default]
    Start,
    /// Anything.
    Text(String),
    /// Without seconds.
    Truncated,
    /// Without a zone.
    Zoneless,
}

/// What becomes of resources that change between the cut and the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reads {
    /// The new version is there.
    New,
    /// The old version is there.
    #[default]
    Old,
    /// They are left out.
    Omitted,
}

/// What `_since` means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Since {
    /// Changed after it.
    #[default]
    After,
    /// Changed at it or after.
    AtOrAfter,
    /// Nothing.
    Ignored,
    /// An instant this far off, as of a server that takes it for its local time.
    Local(Shift),
    /// Refused with fractions of a second.
    RefusesFraction,
    /// Taken even when it is in the future.
    TakesFuture,
}

/// What becomes of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Treatment {
    /// It is left out, and nobody is told.
    Ignore,
    /// It is left out, and the `error` files say so.
    Lenient,
    /// The kick-off is refused.
    Refuse,
}

/// How lists may be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lists {
    /// With commas and by repetition.
    #[default]
    CommaOrRepeat,
    /// By repetition alone.
    NoComma,
    /// With commas alone.
    NoRepeat,
}

/// What a `Content-Location` is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Location {
    /// An absolute URL.
    #[default]
    Absolute,
    /// There is none.
    Absent,
    /// At the second origin.
    Elsewhere,
    /// An `http://` URL, whatever the server's own scheme.
    PlainHttp,
    /// An absolute URL with this query.
    Query(String),
    /// A path.
    Relative,
}

/// What becomes of `Prefer: separate-export-status`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExportStatus {
    /// It is applied, and one header says so.
    Applied,
    /// It is applied, and two headers say so.
    AppliedTwice,
    /// It is applied, asked for or not.
    Unasked,
    /// It is left out.
    #[default]
    Unsupported,
    /// It is said to be applied, but no poll tells the state.
    WithoutState,
}

/// When a kick-off is handed an earlier job of the same request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Reuse {
    /// When at all.
    pub when: ReuseWhen,
    /// Whether a finished job too.
    pub done: bool,
    /// Whether another client's job too.
    pub across_clients: bool,
}

/// When jobs are used again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReuseWhen {
    /// Always.
    Always,
    /// Never.
    #[default]
    Never,
    /// Unless the client sends `Cache-Control: no-cache`.
    UnlessNoCache,
}

/// What a manifest's `Expires` is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expires {
    /// There is none.
    Absent,
    /// The end of the job.
    #[default]
    AsJob,
    /// So far from now.
    In(Shift),
    /// Anything.
    Text(String),
}
