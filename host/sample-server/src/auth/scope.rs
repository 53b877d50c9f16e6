//! SMART scopes, both dialects, narrowed to what an export server gives: reading.
//!
//! Source: SMART App Launch 2.2, "Scopes for requesting FHIR Resources".

use std::collections::BTreeSet;

use bulkhead_model::ResourceType;

/// What an access token opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Grant {
    Everything,
    Types(BTreeSet<String>),
}

/// How a scope names the right to read.
#[derive(Clone, Copy)]
enum Dialect {
    V1,
    V2,
}

impl Grant {
    pub(crate) fn everything() -> Self {
        Self::Everything
    }

    /// Whether resources of a type may be read.
    pub(crate) fn allows(&self, resource_type: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Types(types) => types.contains(resource_type),
        }
    }

    /// Grants of `wanted` what is on offer, and says what that is in the same dialect;
    /// `None` when nothing of it can be granted.
    pub(crate) fn of(
        wanted: &str,
        offered: &BTreeSet<ResourceType>,
        allowed: Option<&BTreeSet<ResourceType>>,
    ) -> Option<(Self, String)> {
        let mut everything = false;
        let mut types = BTreeSet::new();
        let mut said = Vec::new();
        let mut say = |name: &str, dialect| {
            let scope = match dialect {
                Dialect::V1 => format!("system/{name}.read"),
                Dialect::V2 => format!("system/{name}.rs"),
            };
            if !said.contains(&scope) {
                said.push(scope);
            }
        };
        for scope in wanted.split_whitespace() {
            let Some((name, dialect)) = read(scope) else { continue };
            match (name, allowed) {
                ("*", None) => {
                    everything = true;
                    say("*", dialect);
                }
                ("*", Some(allowed)) => {
                    for name in allowed.intersection(offered) {
                        types.insert(name.to_string());
                        say(name.as_str(), dialect);
                    }
                }
                (name, allowed) => {
                    let Ok(parsed) = name.parse::<ResourceType>() else { continue };
                    let permitted =
                        allowed.is_none_or(|allowed| allowed.contains(&parsed));
                    if offered.contains(&parsed) && permitted {
                        types.insert(name.to_owned());
                        say(name, dialect);
                    }
                }
            }
        }
        let grant = if everything { Self::Everything } else { Self::Types(types) };
        (!said.is_empty()).then(|| (grant, said.join(" ")))
    }
}

/// Reads a system scope that includes reading and searching a whole type. A scope narrowed
/// by search parameters is not one: this server could not keep to it.
fn read(scope: &str) -> Option<(&str, Dialect)> {
    let (name, rights) = scope.strip_prefix("system/")?.split_once('.')?;
    let dialect = match rights {
        "read" | "*" => Dialect::V1,
        letters => {
            let mut order = "cruds".chars();
            let in_order =
                letters.chars().all(|letter| order.any(|known| known == letter));
            (in_order && letters.contains('r') && letters.contains('s'))
                .then_some(Dialect::V2)?
        }
    };
    Some((name, dialect))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_reading_of_what_is_offered() {
        let types = |names: &[&str]| -> BTreeSet<ResourceType> {
            names.iter().filter_map(|name| name.parse().ok()).collect()
        };
        let offered = types(&["Patient", "Observation", "Task"]);
        let allowed = types(&["Patient", "Task", "Claim"]);
        let cases = [
            ("v1 all", "system/*.read", None, Some("system/*.read")),
            ("v1 star", "system/*.*", None, Some("system/*.read")),
            ("v2 all", "system/*.cruds", None, Some("system/*.rs")),
            (
                "some types",
                "system/Patient.rs system/Claim.rs system/Task.read",
                None,
                Some("system/Patient.rs system/Task.read"),
            ),
            (
                "said once",
                "system/Task.rs system/Task.cruds",
                None,
                Some("system/Task.rs"),
            ),
            (
                "narrowed client",
                "system/*.rs",
                Some(&allowed),
                Some("system/Patient.rs system/Task.rs"),
            ),
            ("client without the type", "system/Observation.rs", Some(&allowed), None),
            ("write", "system/*.write", None, None),
            ("read without search", "system/*.r", None, None),
            ("letters out of order", "system/*.sr", None, None),
            (
                "narrowed by search",
                "system/Observation.rs?category=laboratory",
                None,
                None,
            ),
            ("user scope", "user/*.read openid", None, None),
            ("empty", "", None, None),
        ];
        for (name, wanted, allowed, expected) in cases {
            let said = Grant::of(wanted, &offered, allowed).map(|(_, said)| said);
            assert_eq!(said.as_deref(), expected, "case: {name}");
        }
    }
}
