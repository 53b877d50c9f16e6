//! Where a plugin's guests run, as the operator decides.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a plugin's guests run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// In the host's process, each in a store of its own.
    #[default]
    InProcess,
    /// Each in a process of its own, behind every wall that there is; where the kernel lacks
    /// one, not at all.
    Process,
    /// Each in a process of its own, behind what walls the kernel has.
    ProcessUnconfined,
}

/// The walls that a child has put up around itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walls {
    /// The version of the kernel's landlock.
    pub landlock: Option<u32>,
    /// Whether system calls are filtered.
    pub seccomp: bool,
}

impl fmt::Display for Walls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.seccomp { "seccomp" } else { "NO seccomp" })?;
        match self.landlock {
            Some(abi) => write!(f, ", landlock ABI {abi}"),
            None => f.write_str(", NO landlock"),
        }
    }
}
