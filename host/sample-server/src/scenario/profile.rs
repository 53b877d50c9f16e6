//! Servers that are known for their ways, as scenarios.
//!
//! Each is written in the grammar that operators use, so that what one orders can be read,
//! copied and changed.

/// A known kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// None: the conformant server.
    Conformant,
    /// One job at a time, slow, with a job used again.
    EpicLike,
    /// Files as Binary resources, no `error` list, a transaction time at the end.
    HapiLike,
    /// The server of the Inferno client test kit.
    Inferno,
    /// The SMART reference server: what is not in scope is left out in silence.
    SmartReference,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Conformant,
        Self::EpicLike,
        Self::HapiLike,
        Self::Inferno,
        Self::SmartReference,
    ];

    /// By which operators order it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Conformant => "conformant",
            Self::EpicLike => "epic-like",
            Self::HapiLike => "hapi-like",
            Self::Inferno => "inferno",
            Self::SmartReference => "smart-reference",
        }
    }

    /// The scenario, as operators write it.
    pub fn toml(self) -> &'static str {
        match self {
            Self::Conformant => "",
            Self::EpicLike => include_str!("profile/epic-like.toml"),
            Self::HapiLike => include_str!("profile/hapi-like.toml"),
            Self::Inferno => include_str!("profile/inferno.toml"),
            Self::SmartReference => include_str!("profile/smart-reference.toml"),
        }
    }

    /// The profile of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name() == name)
    }
}
