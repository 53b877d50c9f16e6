//! Which records share a part: those of one kind to which the same happened.

use bulkhead_plugin::{Change, artifacts::Framing};
use serde::{Deserialize, Serialize};

/// Records of one kind to which the same happened. One part at most is open for each. The
/// order, by kind, then shelf, is the order of commits and of the manifest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Series {
    pub(crate) kind: String,
    pub(crate) shelf: Shelf,
}

impl Series {
    /// Whether the kind is a FHIR resource type and no stream of a transform.
    pub(crate) fn is_resource(&self) -> bool {
        let mut bytes = self.kind.bytes();
        self.kind.len() <= 64
            && bytes.next().is_some_and(|byte| byte.is_ascii_uppercase())
            && bytes.all(|byte| byte.is_ascii_alphanumeric())
    }
}

/// Where records lie, by what happened to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Shelf {
    /// New or changed.
    Data,
    /// Deleted by the server.
    Deleted,
    /// To be taken back.
    Retracted,
}

impl Shelf {
    /// By what happened.
    pub(crate) const fn of(change: Change) -> Self {
        match change {
            Change::Upsert => Self::Data,
            Change::Delete => Self::Deleted,
            Change::Retract => Self::Retracted,
        }
    }

    /// How the host turns its records into lines.
    pub(crate) const fn framing(self) -> Framing {
        match self {
            Self::Data => Framing::Lines,
            Self::Deleted | Self::Retracted => Framing::DeleteBundles,
        }
    }
}
