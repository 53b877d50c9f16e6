//! Modes of files and manifests: where files are, who opens them, pages, blocks.

use std::time::Duration;

use serde::Deserialize;

use super::{answer::Answer, units};

/// Who opens files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// The manifest says that a token is needed, and it is.
    Always,
    /// As everywhere on the server.
    #[default]
    AsSignIn,
    /// Whoever has the link; a token is refused with 400.
    Capability,
    /// Whoever has the link, token or not.
    Never,
    /// Whoever has the link, though the manifest says that a token is needed; a token is
    /// refused with 400.
    TrueButPresigned,
}

/// Where files are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FilesAt {
    /// At `/fhir/Binary/{id}`, wrapped as JSON for those who accept `application/fhir+json`.
    Binary,
    /// At the second origin.
    Elsewhere,
    /// At the server.
    #[default]
    Home,
}

/// Links that end before their job.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Links {
    /// They end this long after the manifest was read, by the virtual clock.
    #[serde(default, deserialize_with = "units::some_duration")]
    pub after: Option<Duration>,
    /// They end after so many downloads of the file.
    pub downloads: Option<u32>,
    /// What an ended link answers.
    pub answer: Answer,
    /// Whether reading the manifest again gives new links.
    #[serde(default)]
    pub refreshed: bool,
    /// How often new links end as well.
    #[serde(default = "once")]
    pub generations: u32,
}

const fn once() -> u32 {
    1
}

impl Links {
    /// Links that never work at first, and are renewed with the manifest.
    pub fn dead_until_refreshed(answer: Answer) -> Self {
        let (after, downloads) = (None, Some(0));
        Self { after, downloads, answer, refreshed: true, generations: 1 }
    }
}

/// A manifest in pages.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a word of its own in a scenario, and none excludes another"
)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Pages {
    /// Files on a page; at least 1.
    pub files: u32,
    /// Whether a running job shows its first page with a 202, without a link.
    pub partial: bool,
    /// The number of a page that is empty, from 0.
    pub empty: Option<u32>,
    /// What the last page links to.
    pub then: Then,
    /// Whether the pages after the first are at the second origin.
    pub elsewhere: bool,
    /// Whether the pages after the first have another `transactionTime`.
    pub time_differs: bool,
    /// Whether each page has the `error` files, and not the last alone.
    pub errors_repeated: bool,
}

/// What the last page links to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Then {
    /// Nothing.
    #[default]
    End,
    /// The first page.
    Loop,
}

/// What becomes of `organizeOutputBy`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Organized {
    /// Files hold blocks: a header, a Patient, and what belongs to the Patient.
    Honoured(Blocks),
    /// It is left out, and nobody is told.
    IgnoredSilently,
    /// As every parameter that is not supported.
    #[default]
    Refused,
}

/// How the blocks of organized files are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Blocks {
    /// Whether a block may go on in the next file, as the manifest then says.
    pub continues: bool,
    /// All resources of these types are repeated in every block.
    pub repeated: Vec<String>,
}
