//! What the server made: the files of an export.
//!
//! [`Manifest`] is the sum of all pages of one job, read leniently as a union of the four
//! editions of the IG. What was odd about it is kept as [`Warning`]s. `page` reads one page.
//!
//! Source: Bulk Data IG 1.0 to 4.0, "Response - Complete Status"; FHIR `BulkDataManifest`.

mod extension;
mod fault;
mod page;
mod patients;

use std::{collections::BTreeSet, fmt};

use bulkhead_model::{Instant, ResourceType, SafeUrl};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::kickoff::Kickoff;

pub(crate) use extension::{Checksum, Claims};
pub(crate) use page::{Page, PageOrigin};

pub use fault::{ManifestError, Remedy};

/// The files of one export, all pages together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The earliest transaction time that the job's manifests state and that can be right;
    /// `None` when none does. Servers have been seen to state the time of each poll.
    pub transaction_time: Option<Instant>,
    /// Whether files want the access token.
    pub access: FileAccess,
    /// Files of resources.
    pub output: Vec<OutputFile>,
    /// Files of bundles that name deleted resources.
    pub deleted: Vec<OutputFile>,
    /// Files of `OperationOutcome`s (`error` before version 4).
    pub outcome: Vec<OutputFile>,
    /// When the first of the files go away: the earliest `Expires` of all pages.
    pub expires: Option<Instant>,
    /// How output is organised, when it is not by resource type.
    pub organized_by: Option<String>,
    /// What that means in detail, as sent (version 4).
    #[serde(default)]
    pub organized_by_detail: Option<Value>,
    /// The media type of the files, when stated.
    pub output_format: Option<String>,
    /// The extension of the first page, as sent: an object before version 4, then an array.
    pub extension: Option<Value>,
    /// How many pages there were.
    pub pages: u32,
    /// What was odd.
    pub warnings: Vec<Warning>,
}

/// Whether files want the access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileAccess {
    /// `requiresAccessToken` is false: the token must not be sent.
    Open,
    /// `requiresAccessToken` is true: the token must be sent.
    Token,
    /// The server does not say: the token goes to trusted origins and nowhere else.
    Unstated,
}

/// One file of an export.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct OutputFile {
    /// Which file of the manifest this is; stays the same when URLs are renewed.
    pub id: FileId,
    /// The type of its resources; `None` when the manifest states none or no valid name.
    pub resource_type: Option<ResourceType>,
    /// Where it is. May be a capability: show it as `SafeUrl`.
    pub url: Url,
    /// How many resources it holds, when stated.
    pub count: Option<u64>,
    /// How long it is in bytes, when stated; whether compressed is not specified.
    pub size_hint: Option<u64>,
    /// Where its last block continues, when output is organised.
    pub continues_in: Option<Url>,
    /// Its extension, as sent.
    pub extension: Option<Value>,
    /// How many outcomes of which severity it holds, as sent (version 4).
    pub count_severity: Option<Value>,
    /// When its link runs out: its page's `Expires`.
    #[serde(default)]
    pub expires: Option<Instant>,
}

/// The place of a file in a manifest. URLs are no identity: servers renew them.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct FileId {
    /// The page, from 0.
    pub page: u32,
    /// The array within the page.
    pub list: FileList,
    /// The position within the array, from 0.
    pub position: u32,
}

/// The arrays of a manifest.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum FileList {
    /// `deleted`.
    Deleted,
    /// `error`, or `outcome` in version 4.
    Outcome,
    /// `output`.
    Output,
}

/// What is odd about a manifest, though it can be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Warning {
    /// `requiresAccessToken` is text.
    #[error("requiresAccessToken is text, not a boolean")]
    AccessIsText,
    /// `requiresAccessToken` differs between pages; files follow their own page's word only
    /// as far as all agree.
    #[error("requiresAccessToken differs between pages")]
    AccessDiffers,
    /// `requiresAccessToken` is missing.
    #[error("requiresAccessToken is missing")]
    AccessUnstated,
    /// The media type of the manifest is not `application/json`.
    #[error("the manifest is labelled `{0}`")]
    ContentType(String),
    /// A count is no number.
    #[error("the count of a file is not a number")]
    Count,
    /// Neither files nor access are stated: nothing but when, and of what.
    #[error(
        "it states no files and nothing of access: it is taken for empty, which is a guess"
    )]
    EmptyByGuess,
    /// `X-Export-Status` is missing although the server agreed to send it.
    #[error("X-Export-Status is missing although the server agreed to send it")]
    ExportStatusMissing,
    /// The extension differs between pages; the first page's counts.
    #[error("the extension differs between pages")]
    ExtensionDiffers,
    /// The format of files differs between pages.
    #[error("outputFormat differs between pages")]
    FormatDiffers,
    /// Pages are organised in different ways, so that no reader can tell what a line is.
    #[error("outputOrganizedBy differs between pages")]
    OrganizedDiffers,
    /// `output` is missing.
    #[error("output is missing")]
    OutputMissing,
    /// A later page could not be had for good; the pages before it are here.
    #[error("page {page} could not be had, files are missing: {reason}")]
    PagesIncomplete {
        /// The page, from 0.
        page: u32,
        /// Why; holds no more than an error shows.
        reason: String,
    },
    /// The transaction time lies in the server's own future and is not used.
    #[error("transactionTime `{0}` lies in the future")]
    TimeAhead(Instant),
    /// The transaction time differs between pages or polls.
    #[error("transactionTime differs between pages or polls")]
    TimeDiffers,
    /// There is no transaction time that can be read.
    #[error("transactionTime is missing or no instant")]
    TimeUnreadable,
    /// A type is no name of a resource type.
    #[error("the type of a file is not the name of a resource type")]
    Type,
    /// A file of output has no type although output is organised by type.
    #[error("a file has no type")]
    TypeMissing,
    /// A file of output has a type although output is organised in another way.
    #[error("a file has a type although output is not organised by type")]
    TypeUnexpected,
}

impl Warning {
    /// Whether something may be missing, so that no watermark may move.
    pub fn holds_watermarks(&self) -> bool {
        match self {
            Self::OrganizedDiffers | Self::PagesIncomplete { .. } => true,
            // A count may confirm it: see [`Manifest::is_guess`].
            Self::EmptyByGuess
            | Self::AccessIsText
            | Self::AccessDiffers
            | Self::AccessUnstated
            | Self::ContentType(_)
            | Self::Count
            | Self::ExportStatusMissing
            | Self::ExtensionDiffers
            | Self::FormatDiffers
            // Only where the rest is whole: then it means that there is nothing.
            | Self::OutputMissing
            // The time is then the server's own before the kick-off, or the earliest.
            | Self::TimeAhead(_)
            | Self::TimeDiffers
            | Self::TimeUnreadable
            // A file without type counts for every type.
            | Self::Type
            | Self::TypeMissing
            | Self::TypeUnexpected => false,
        }
    }
}

impl Manifest {
    /// All files: output, then deleted, then outcomes.
    pub fn files(&self) -> impl Iterator<Item = &OutputFile> {
        self.output.iter().chain(&self.deleted).chain(&self.outcome)
    }

    /// The file at a place, as after the manifest was read again for fresh URLs.
    pub fn file(&self, id: FileId) -> Option<&OutputFile> {
        self.files().find(|file| file.id == id)
    }

    /// The file that `old` has become in a manifest that was read again; `None` when what
    /// stands in its place is another file.
    ///
    /// URLs may change, nothing else may: a manifest is immutable.
    pub fn renewed(&self, old: &OutputFile) -> Option<&OutputFile> {
        self.file(old.id).filter(|new| {
            new.resource_type == old.resource_type && new.count == old.count
        })
    }

    /// Whether it is taken for empty only because it states nothing to the contrary, so that
    /// something else must show that nothing is missing.
    pub fn is_guess(&self) -> bool {
        self.output.is_empty() && self.warnings.contains(&Warning::EmptyByGuess)
    }

    /// The outputs in the order in which their links run out, as far as that is told; else
    /// in the manifest's order. Gives positions in `output`.
    pub fn soonest_first(&self) -> Vec<usize> {
        let mut order: Vec<(Option<Instant>, usize)> =
            self.output.iter().zip(0..).map(|(file, at)| (file.expires, at)).collect();
        // Stable: files that say nothing come last, in their order.
        order.sort_by_key(|(expires, _)| (expires.is_none(), *expires));
        order.into_iter().map(|(_, at)| at).collect()
    }

    /// What was asked for and is not to be seen in the manifest, by parameter.
    pub fn ignored(&self, kickoff: &Kickoff) -> Vec<&'static str> {
        let asked = kickoff.organize_output_by.is_some();
        if asked && self.organized_by.is_none() {
            vec!["organizeOutputBy"]
        } else {
            Vec::new()
        }
    }

    pub(crate) fn empty() -> Self {
        Self {
            transaction_time: None,
            access: FileAccess::Unstated,
            output: Vec::new(),
            deleted: Vec::new(),
            outcome: Vec::new(),
            expires: None,
            organized_by: None,
            organized_by_detail: None,
            output_format: None,
            extension: None,
            pages: 0,
            warnings: Vec::new(),
        }
    }

    /// Adds the next page.
    pub(crate) fn add(&mut self, mut page: Page) {
        for file in
            page.output.iter_mut().chain(&mut page.deleted).chain(&mut page.outcome)
        {
            file.expires = page.expires;
        }
        for warning in &page.warnings {
            self.warn(warning.clone());
        }
        self.see_time(page.transaction_time);
        if self.pages == 0 {
            self.access = page.access;
            self.organized_by = page.organized_by;
            self.organized_by_detail = page.organized_by_detail;
            self.output_format = page.output_format;
            self.extension = page.extension;
        } else {
            if self.access != page.access {
                // Token to trusted origins only: withholds too much rather than too little.
                self.access = FileAccess::Unstated;
                self.warn(Warning::AccessDiffers);
            }
            if self.organized_by != page.organized_by {
                self.warn(Warning::OrganizedDiffers);
            }
            if self.output_format != page.output_format {
                self.warn(Warning::FormatDiffers);
            }
            if self.extension != page.extension {
                self.warn(Warning::ExtensionDiffers);
            }
        }
        self.output.extend(page.output);
        self.deleted.extend(page.deleted);
        // Version 3 repeats the error files on every page.
        let known: BTreeSet<Url> =
            self.outcome.iter().map(|file| file.url.clone()).collect();
        self.outcome
            .extend(page.outcome.into_iter().filter(|file| !known.contains(&file.url)));
        self.expires = [self.expires, page.expires].into_iter().flatten().min();
        self.pages += 1;
    }

    /// Takes note of a transaction time, of a page or of a poll before the end.
    pub(crate) fn see_time(&mut self, time: Option<Instant>) {
        match (self.transaction_time, time) {
            (None, time) => self.transaction_time = time,
            (Some(known), Some(time)) if known != time => {
                self.transaction_time = Some(known.min(time));
                self.warn(Warning::TimeDiffers);
            }
            (Some(_), _) => {}
        }
    }

    pub(crate) fn warn(&mut self, warning: Warning) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
}

impl fmt::Debug for OutputFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutputFile")
            .field("id", &self.id)
            .field("resource_type", &self.resource_type)
            .field("url", &SafeUrl::of(&self.url))
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
