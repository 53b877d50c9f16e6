//! Why a plugin could not be loaded. What goes wrong later is a `StageError` or `SinkError`.

use std::path::PathBuf;

use bulkhead_pipeline::Crash;

use crate::{SignatureError, grant::Denied};

/// One thing wrong with a stage's settings, as the plugin says. Cut to a length and freed of
/// control characters: it may go to a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// JSON pointer into the settings.
    pub pointer: String,
    /// The plugin's code.
    pub code: String,
    /// The plugin's words. A guest that says them has its settings and nothing else, in any
    /// run: they hold no patient data.
    pub message: String,
}

/// Why a plugin could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The compiled-code cache cannot be used.
    #[error("using the compiled-code cache at {}", path.display())]
    Cache {
        /// Where it should be.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A child process could not be started, or does not speak as it should.
    #[error("working in a child process")]
    Child {
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The engine refused the component.
    #[error("compiling the plugin")]
    Compile {
        /// What the engine said: the feature or the flaw.
        #[source]
        source: wasmtime::Error,
    },
    /// Compiling the component took more than it may.
    #[error("compiling the plugin needs more than {bound}")]
    CompileBound {
        /// What ran out, with the setting to change.
        bound: String,
    },
    /// The plugin died while it was being loaded.
    #[error("trying the plugin, which {crash}")]
    Died {
        /// How.
        crash: Crash,
    },
    /// The bytes are not the ones that were pinned.
    #[error("the plugin's SHA-256 is {actual}, but the configuration pins {pinned}")]
    Digest {
        /// Lower-case hexadecimal.
        actual: String,
        /// As configured.
        pinned: String,
    },
    /// What the plugin imports, asks and was granted do not agree.
    #[error("{} between what the plugin wants and what it may", count(denied.len(), "disagreement"))]
    Denied {
        /// Every disagreement.
        denied: Vec<Denied>,
    },
    /// The engine could not be set up.
    #[error("setting up the sandbox")]
    Engine {
        /// Why.
        #[source]
        source: wasmtime::Error,
    },
    /// An import of the plugin is not linked, or not of this contract.
    #[error("linking the plugin")]
    Link {
        /// The engine's words name the import.
        #[source]
        source: wasmtime::Error,
    },
    /// The manifest is not what this host reads.
    #[error("reading the plugin's manifest")]
    Manifest {
        /// Where it goes wrong.
        #[source]
        source: serde_json::Error,
    },
    /// `describe()` gives another answer each time.
    #[error("the plugin says something else of itself each time it is asked")]
    ManifestChanges,
    /// The embedded manifest and `describe()` differ.
    #[error("the plugin's embedded manifest is not what the plugin itself says")]
    ManifestLies,
    /// The file is not a component, or has no manifest.
    #[error("{0}")]
    NotAPlugin(&'static str),
    /// The file cannot be read.
    #[error("reading the plugin")]
    Read {
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Nobody who may sign it did.
    #[error("checking who signed the plugin")]
    Signature {
        /// Why the signature does not count.
        #[source]
        source: SignatureError,
    },
    /// The kernel cannot wall a child in.
    #[error(
        "putting walls around the plugin's process: this kernel lacks {missing}. Run on one that has it, or accept what walls there are with `isolation = \"process-unconfined\"`"
    )]
    Walls {
        /// What is missing.
        missing: String,
    },
    /// The plugin does not accept its settings.
    #[error("{} with the stage's settings", count(problems.len(), "problem"))]
    Settings {
        /// Every problem.
        problems: Vec<ConfigProblem>,
    },
}

impl Error {
    /// How a guest died that could not be made anew. What it accepted once and refuses now
    /// is no answer that the contract allows.
    pub(crate) const fn crash(&self) -> Crash {
        match self {
            Self::Died { crash } => *crash,
            Self::Settings { .. } => Crash::Contract,
            Self::Cache { .. }
            | Self::Child { .. }
            | Self::Compile { .. }
            | Self::CompileBound { .. }
            | Self::Denied { .. }
            | Self::Digest { .. }
            | Self::Engine { .. }
            | Self::Link { .. }
            | Self::Manifest { .. }
            | Self::ManifestChanges
            | Self::ManifestLies
            | Self::NotAPlugin(_)
            | Self::Read { .. }
            | Self::Signature { .. }
            | Self::Walls { .. } => Crash::Trap,
        }
    }
}

fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}
