//! The small subset of FHIR search that type filters and plain REST understand.
//!
//! Tokens, ids, patient references and `_lastUpdated`, by element of the resource's root.
//! What is not understood is refused, never ignored.
//!
//! Source: FHIR R4 search, sections "token", "reference" and "date".

use bulkhead_model::Instant;
use serde_json::Value;

use crate::{outcome::Refusal, store::Line};

/// Conditions that must all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Criteria(Vec<Criterion>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Criterion {
    Ids(Vec<String>),
    Patient { elements: &'static [&'static str], ids: Vec<String> },
    Token { element: &'static str, tokens: Vec<Token> },
    Updated { prefix: Prefix, than: Instant },
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Token {
    system: Option<String>,
    code: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prefix {
    After,
    AtOrAfter,
    AtOrBefore,
    Before,
}

impl Criteria {
    /// Reads one search parameter.
    pub(crate) fn add(&mut self, name: &str, value: &str) -> Result<(), Refusal> {
        let values = || value.split(',').map(str::to_owned).collect::<Vec<String>>();
        let criterion = match name {
            "_id" => Criterion::Ids(values()),
            "_lastUpdated" => updated(value)?,
            "patient" | "subject" => {
                let id =
                    |text: String| text.rsplit('/').next().unwrap_or_default().to_owned();
                let ids = values().into_iter().map(id).collect();
                Criterion::Patient {
                    elements: &["patient", "subject", "beneficiary"],
                    ids,
                }
            }
            _ => {
                let element = token_element(name).ok_or_else(|| {
                    Refusal::unsupported(format!(
                        "the search parameter `{name}` is not supported"
                    ))
                })?;
                let tokens = values().iter().map(|text| Token::of(text)).collect();
                Criterion::Token { element, tokens }
            }
        };
        self.0.push(criterion);
        Ok(())
    }

    /// Whether a resource meets all criteria.
    pub(crate) fn holds(&self, line: &Line<'_>) -> std::io::Result<bool> {
        let mut parsed = None;
        for criterion in &self.0 {
            let holds = match criterion {
                Criterion::Ids(ids) => ids.iter().any(|id| id == line.id),
                Criterion::Updated { prefix, than } => prefix.holds(line.updated, *than),
                Criterion::Patient { elements, ids } => {
                    let resource = body(&mut parsed, line)?;
                    elements.iter().any(|element| refers(resource, element, ids))
                }
                Criterion::Token { element, tokens } => {
                    let value = body(&mut parsed, line)?.get(*element);
                    value.is_some_and(|value| {
                        tokens.iter().any(|token| token.matches(value))
                    })
                }
            };
            if !holds {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The resource as a tree, read once. A line that is no JSON matches nothing.
fn body<'p>(
    parsed: &'p mut Option<Value>,
    line: &Line<'_>,
) -> std::io::Result<&'p Value> {
    let value = match parsed.take() {
        Some(value) => value,
        None => serde_json::from_slice(crate::peek::body(&line.read()?))
            .unwrap_or(Value::Null),
    };
    Ok(parsed.insert(value))
}

fn refers(resource: &Value, element: &str, ids: &[String]) -> bool {
    let reference = resource.get(element).and_then(|value| value.get("reference"));
    reference
        .and_then(Value::as_str)
        .and_then(|text| text.split_once("Patient/"))
        .is_some_and(|(_, id)| ids.iter().any(|wanted| wanted == id))
}

fn updated(value: &str) -> Result<Criterion, Refusal> {
    let prefixes = [
        ("gt", Prefix::After),
        ("ge", Prefix::AtOrAfter),
        ("le", Prefix::AtOrBefore),
        ("lt", Prefix::Before),
    ];
    prefixes
        .into_iter()
        .find_map(|(letters, prefix)| {
            let than = value.strip_prefix(letters)?.parse().ok()?;
            Some(Criterion::Updated { prefix, than })
        })
        .ok_or_else(|| {
            Refusal::unsupported("want `_lastUpdated` as gt, ge, lt or le and an instant")
        })
}

/// The element behind a token parameter.
fn token_element(name: &str) -> Option<&'static str> {
    let names = [
        ("active", "active"),
        ("category", "category"),
        ("class", "class"),
        ("clinical-status", "clinicalStatus"),
        ("code", "code"),
        ("gender", "gender"),
        ("identifier", "identifier"),
        ("intent", "intent"),
        ("status", "status"),
        ("type", "type"),
        ("vaccine-code", "vaccineCode"),
        ("verification-status", "verificationStatus"),
    ];
    names.into_iter().find(|(known, _)| *known == name).map(|(_, element)| element)
}

impl Prefix {
    fn holds(self, updated: Instant, than: Instant) -> bool {
        match self {
            Self::After => updated > than,
            Self::AtOrAfter => updated >= than,
            Self::AtOrBefore => updated <= than,
            Self::Before => updated < than,
        }
    }
}

impl Token {
    /// `system|code`, `|code`, `system|` or `code`.
    fn of(text: &str) -> Self {
        match text.split_once('|') {
            Some((system, code)) => Self {
                system: Some(system.to_owned()),
                code: (!code.is_empty()).then(|| code.to_owned()),
            },
            None => Self { system: None, code: Some(text.to_owned()) },
        }
    }

    fn matches(&self, value: &Value) -> bool {
        match value {
            Value::Array(values) => values.iter().any(|value| self.matches(value)),
            Value::Object(object) => {
                if let Some(codings) = object.get("coding") {
                    return self.matches(codings);
                }
                let text = |name| object.get(name).and_then(Value::as_str);
                self.fits(text("system"), text("code").or(text("value")))
            }
            Value::String(text) => self.fits(None, Some(text)),
            Value::Bool(flag) => {
                self.fits(None, Some(if *flag { "true" } else { "false" }))
            }
            Value::Null | Value::Number(_) => false,
        }
    }

    fn fits(&self, system: Option<&str>, code: Option<&str>) -> bool {
        let system_fits = self
            .system
            .as_deref()
            .is_none_or(|wanted| system.unwrap_or_default() == wanted);
        system_fits && self.code.as_deref().is_none_or(|wanted| code == Some(wanted))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn matches_tokens_wherever_fhir_keeps_them() {
        let concept = json!([{ "coding": [{ "system": "s", "code": "a" }] }]);
        let identifier = json!([{ "system": "s", "value": "a" }]);
        let cases = [
            ("code in a concept", "a", &concept, true),
            ("system and code", "s|a", &concept, true),
            ("other system", "t|a", &concept, false),
            ("any of a system", "s|", &concept, true),
            ("identifier", "s|a", &identifier, true),
            ("plain code", "final", &json!("final"), true),
            ("no system wanted", "|final", &json!("final"), true),
            ("flag", "true", &json!(true), true),
            ("number", "1", &json!(1), false),
        ];
        for (name, token, value, expected) in cases {
            assert_eq!(Token::of(token).matches(value), expected, "case: {name}");
        }
    }
}
