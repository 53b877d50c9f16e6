//! Why the sample server could not start or could not do what its control asked.

use std::{io, net::SocketAddr, path::PathBuf};

/// Why the sample server failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address cannot be listened on.
    #[error("cannot listen on `{addr}`")]
    Bind {
        /// The address asked for.
        addr: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file of the folder cannot be read or unpacked.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The folder holds no file that looks like NDJSON.
    #[error("no `.ndjson` or `.jsonl` file (plain or `.gz`) in `{}`", path.display())]
    EmptyFolder {
        /// The folder.
        path: PathBuf,
    },
    /// A line is no FHIR resource. The line itself is not shown: it may be patient data.
    #[error("`{}:{line}` is not a FHIR resource: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A file has not one line that names its type.
    #[error("no line of `{}` names a resource type", path.display())]
    UntypedFile {
        /// The file.
        path: PathBuf,
    },
    /// A resource given to the control is not one.
    #[error("cannot put a resource: {reason}")]
    Put {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A registered key set is not a JWK Set.
    #[error("cannot read the key set of client `{client}`")]
    KeySet {
        /// The client id.
        client: String,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// The data has no script of rounds.
    #[error("cannot play a round: only made-up data has a script")]
    NoScript,
    /// The data outgrew the index (4 GiB of ids or 4 billion lines of one type).
    #[error("cannot index more resources of one type")]
    IndexFull,
    /// The public origin cannot carry a path.
    #[error("cannot serve below `{origin}`: not an http or https origin")]
    PublicOrigin {
        /// What was given.
        origin: bulkhead_model::SafeUrl,
    },
    /// A scenario cannot be played.
    #[error("cannot play the scenario: {}", problems.join("; "))]
    Scenario {
        /// All that is wrong with it.
        problems: Vec<String>,
    },
}
