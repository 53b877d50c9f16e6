//! SMART system scopes: what to ask for, and what was granted.
//!
//! Source: SMART App Launch 2.2, "Scopes and Launch Context", v1 and v2 system scopes.

use bulkhead_model::ResourceType;

/// The scope that a server granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GrantedScope {
    /// The token response names it; may be empty, which grants nothing.
    Stated(String),
    /// The token response does not say.
    Unstated,
}

/// How much of a resource type a scope lets us read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// All of it, as far as scopes go; policy may still withhold.
    Full,
    /// None of it.
    None,
    /// What a constraint (`?category=…`) leaves.
    Partial,
    /// The server does not say.
    Unknown,
}

/// How a server spells scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    V1,
    V2,
}

impl Dialect {
    /// The scope that asks for everything readable.
    pub(crate) fn everything(self) -> &'static str {
        match self {
            Self::V1 => "system/*.read",
            Self::V2 => "system/*.rs",
        }
    }

    pub(crate) fn other(self) -> Self {
        match self {
            Self::V1 => Self::V2,
            Self::V2 => Self::V1,
        }
    }
}

impl GrantedScope {
    /// How much of `resource_type` may be exported.
    pub fn coverage(&self, resource_type: &ResourceType) -> Coverage {
        let Self::Stated(text) = self else {
            return Coverage::Unknown;
        };
        let mut best = Coverage::None;
        for scope in text.split_whitespace() {
            match covers(scope, resource_type.as_str()) {
                Coverage::Full => return Coverage::Full,
                Coverage::Partial => best = Coverage::Partial,
                Coverage::None | Coverage::Unknown => {}
            }
        }
        best
    }
}

fn covers(scope: &str, resource_type: &str) -> Coverage {
    let Some((target, access)) =
        scope.strip_prefix("system/").and_then(|s| s.split_once('.'))
    else {
        return Coverage::None;
    };
    if target != "*" && target != resource_type {
        return Coverage::None;
    }
    let (access, constraint) = match access.split_once('?') {
        Some((access, constraint)) => (access, Some(constraint)),
        None => (access, None),
    };
    if !reads(access) {
        return Coverage::None;
    }
    if constraint.is_some_and(|text| !text.is_empty()) {
        Coverage::Partial
    } else {
        Coverage::Full
    }
}

/// Export needs read; servers disagree whether it needs search too, so `r` is enough.
fn reads(access: &str) -> bool {
    match access {
        "read" | "*" => true,
        "write" | "" => false,
        letters => {
            // v2 wants letters in the order of `cruds`; what is out of order means nothing.
            let mut order = "cruds".chars();
            letters.chars().all(|letter| order.any(|known| known == letter))
                && letters.contains('r')
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Items: 25, 26.
    /// Faults: F10.
    #[test]
    fn tells_what_a_grant_covers() {
        let cases = [
            ("v1 wildcard", "system/*.read", Coverage::Full),
            ("v1 all", "system/Observation.*", Coverage::Full),
            ("v1 write", "system/*.write", Coverage::None),
            ("v2 wildcard", "system/*.rs", Coverage::Full),
            ("v2 all letters", "system/Observation.cruds", Coverage::Full),
            ("v2 search only", "system/Observation.s", Coverage::None),
            ("v2 out of order", "system/Observation.sr", Coverage::None),
            ("other type", "system/Patient.rs", Coverage::None),
            (
                "constraint",
                "system/Observation.rs?category=laboratory",
                Coverage::Partial,
            ),
            (
                "constraint beside all",
                "system/Observation.rs?category=x system/*.rs",
                Coverage::Full,
            ),
            ("user scope", "user/*.read", Coverage::None),
            ("nothing", "", Coverage::None),
        ];
        let observation: ResourceType = "Observation".parse().unwrap();
        for (name, scope, expected) in cases {
            let granted = GrantedScope::Stated(scope.to_owned());
            assert_eq!(granted.coverage(&observation), expected, "case: {name}");
        }
        assert_eq!(GrantedScope::Unstated.coverage(&observation), Coverage::Unknown);
    }
}
