//! Why a manifest cannot be used, and what is to become of its job.

use super::FileList;

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The next page of what is not a manifest is at an origin that may not see the token.
    #[error("the link to the next page leads to `{origin}`")]
    Elsewhere {
        /// The origin to list as trusted, should it be right.
        origin: bulkhead_net::Origin,
    },
    /// A file has no usable URL.
    #[error("a file in `{list:?}` has no usable url")]
    FileUrl {
        /// The array it is in.
        list: FileList,
    },
    /// The files are of a format other than NDJSON.
    #[error("the files are `{format}`, not NDJSON")]
    Format {
        /// The format; server-controlled, cleaned.
        format: String,
    },
    /// Not JSON, or not of a manifest.
    #[error("not the JSON of a manifest")]
    Json {
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// The next page is one that was read before.
    #[error("its pages lead in a circle")]
    Loop,
    /// The URL of the next page cannot be used.
    #[error("the link to the next page has no usable url")]
    NextUrl,
    /// JSON, but too little of a manifest: a job that was deleted is answered `{}`.
    #[error(
        "not a manifest: of transactionTime, requiresAccessToken, output and request two are needed"
    )]
    NotAManifest,
    /// More pages than the limit.
    #[error("more than {limit} pages")]
    Pages {
        /// The limit.
        limit: u32,
    },
    /// A manifest, but a member has a shape that no edition gives it.
    #[error("a member of the manifest has a shape that no edition gives it")]
    Shape {
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
}

/// What is to become of a job whose manifest cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// There is none: the job is gone, whatever the server says of it. Begin anew.
    BeginAnew,
    /// The manifest will be the same whenever it is asked for: give the job up.
    GiveUp,
    /// A setting makes it usable: the job stays.
    Setting,
}

impl ManifestError {
    /// What is to become of the job.
    pub const fn remedy(&self) -> Remedy {
        match self {
            Self::Json { .. } | Self::NotAManifest => Remedy::BeginAnew,
            Self::Elsewhere { .. } => Remedy::Setting,
            Self::FileUrl { .. }
            | Self::Format { .. }
            | Self::Loop
            | Self::NextUrl
            | Self::Pages { .. }
            | Self::Shape { .. } => Remedy::GiveUp,
        }
    }
}
