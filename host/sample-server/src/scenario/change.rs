//! What happens to the data, and when: the changes that no clock of the server betrays.

use serde::Deserialize;
use serde_json::Value;

use super::units::Shift;

/// A moment in the life of the server. Kick-offs count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// Once the n-th kick-off has cut its data.
    AfterKickoff(u32),
    /// When a poll finds the job of the n-th kick-off done.
    AtManifest(u32),
    /// Before the n-th kick-off cuts its data.
    BeforeKickoff(u32),
}

/// Something that happens to the data at a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// At which moment.
    pub when: When,
    /// What happens.
    pub what: What,
}

/// One resource.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Target {
    /// Its type.
    #[serde(rename = "type")]
    pub resource_type: String,
    /// Its id; else `pick` says which.
    pub id: Option<String>,
    /// The how manieth of the type, from 1.
    #[serde(default = "first")]
    pub pick: u32,
}

/// A patient of a group, or one who is to be.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Member {
    /// The group.
    pub group: String,
    /// The patient; else `pick` says which.
    pub patient: Option<String>,
    /// The how manieth of those who can join, or of those who can leave, from 1.
    #[serde(default = "first")]
    pub pick: u32,
}

const fn first() -> u32 {
    1
}

/// What happens to the data.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum What {
    /// A patient joins a group.
    AddMember(Member),
    /// A resource is deleted.
    Delete(Target),
    /// A resource is gone, and no deletion tells it.
    DeleteSilently(Target),
    /// A resource cannot be seen until a moment.
    Hide {
        /// Which.
        target: Target,
        /// Until when.
        until: When,
    },
    /// A resource is stamped now, but is seen only from a moment on.
    LateCommit {
        /// The resource.
        text: String,
        /// From when on.
        until: When,
    },
    /// A group becomes a member of another.
    NestGroup {
        /// The member.
        group: String,
        /// The other.
        into: String,
    },
    /// A resource is created or replaced.
    Put(String),
    /// The same, stamped this far from now.
    PutAt {
        /// How far.
        shift: Shift,
        /// The resource.
        text: String,
    },
    /// A patient leaves a group.
    RemoveMember(Member),
    /// The data is again what it was this far from now.
    Restore(Shift),
    /// Members of a resource change, by RFC 6901 pointer, and its stamp does not.
    SilentEdit {
        /// Which.
        target: Target,
        /// Pointers and values.
        set: Vec<(String, Value)>,
    },
}

impl Target {
    /// The how manieth of a type, from 1.
    pub fn pick(resource_type: impl Into<String>, pick: u32) -> Self {
        Self { resource_type: resource_type.into(), id: None, pick }
    }

    /// The one of an id.
    pub fn id(resource_type: impl Into<String>, id: impl Into<String>) -> Self {
        Self { resource_type: resource_type.into(), id: Some(id.into()), pick: 1 }
    }
}

impl Member {
    /// The how manieth who can join or leave, from 1.
    pub fn pick(group: impl Into<String>, pick: u32) -> Self {
        Self { group: group.into(), patient: None, pick }
    }
}

impl Change {
    /// Something that happens at a moment.
    pub fn new(when: When, what: What) -> Self {
        Self { when, what }
    }
}
