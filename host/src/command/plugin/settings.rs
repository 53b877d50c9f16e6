//! A plugin's settings in words, from the JSON Schema in its manifest.
//!
//! Reads what schema generators write for plain settings and is content to say "any value"
//! about the rest: the plugin itself checks its settings. The schema is plugin-controlled, so
//! references are followed to a bounded depth.
//!
//! Source: JSON Schema 2020-12; `$defs` and `definitions` alike.

use serde_json::Value;

use super::text::plain;

/// References and lists within lists followed, at most: real settings nest three deep.
const DEPTH: usize = 6;

/// One setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    /// Its key.
    pub(super) name: String,
    /// What it takes, in words.
    pub(super) kind: String,
    /// Whether it must be given, and what holds when it is not.
    pub(super) presence: Presence,
    /// What it means.
    pub(super) description: String,
    /// Words that it takes, each with its meaning, when they have meanings.
    pub(super) choices: Vec<(String, String)>,
}

/// Whether a setting must be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// It may be left out, and then this holds, written as JSON.
    Default(String),
    /// It may be left out.
    Optional,
    /// It must be given.
    Required,
}

/// The settings that `schema` describes: required ones first, then by name.
pub(super) fn settings(schema: &Value) -> Vec<Setting> {
    let top = Schema { value: schema, root: schema };
    let top = top.resolved();
    let Some(properties) = top.value.get("properties").and_then(Value::as_object) else {
        return Vec::new();
    };
    let required: Vec<&str> = strings(top.value.get("required")).collect();
    let mut settings: Vec<Setting> = properties
        .iter()
        .map(|(name, value)| {
            let schema = Schema { value, root: schema };
            let is_required = required.contains(&name.as_str());
            Setting {
                name: plain(name),
                kind: schema.kind(DEPTH),
                presence: schema.presence(is_required),
                description: schema.description(),
                choices: schema.choices(),
            }
        })
        .collect();
    settings.sort_by_key(|setting| setting.presence != Presence::Required);
    settings
}

/// A schema, and the document in which its references are looked up.
#[derive(Clone, Copy)]
struct Schema<'a> {
    value: &'a Value,
    root: &'a Value,
}

impl<'a> Schema<'a> {
    fn at(self, value: &'a Value) -> Self {
        Self { value, ..self }
    }

    /// Follows references, as far as they lead within the document.
    fn resolved(self) -> Self {
        let mut schema = self;
        for _ in 0..DEPTH {
            let target = schema
                .value
                .get("$ref")
                .and_then(Value::as_str)
                .and_then(|reference| reference.strip_prefix('#'))
                .and_then(|pointer| self.root.pointer(pointer));
            let Some(target) = target else { break };
            schema = self.at(target);
        }
        schema
    }

    /// What it takes, in words.
    fn kind(self, depth: usize) -> String {
        let Some(depth) = depth.checked_sub(1) else { return "any value".to_owned() };
        let schema = self.resolved();
        let value = schema.value;
        if let Some(only) = value.get("const") {
            return literal(only);
        }
        let listed: Vec<String> = value
            .get("enum")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .map(literal)
            .collect();
        if !listed.is_empty() {
            return one_of(&listed);
        }
        let branches = schema.branches();
        if !branches.is_empty() {
            let kinds: Vec<String> =
                branches.iter().map(|branch| branch.kind(depth)).collect();
            let are_words =
                branches.iter().all(|branch| branch.value.get("const").is_some());
            return if are_words { one_of(&kinds) } else { kinds.join(", or ") };
        }
        let kinds: Vec<String> =
            schema.types().map(|name| schema.kind_of_type(name, depth)).collect();
        if kinds.is_empty() { "any value".to_owned() } else { kinds.join(", or ") }
    }

    fn kind_of_type(self, name: &str, depth: usize) -> String {
        match name {
            "array" => match self.value.get("items") {
                Some(items) => format!("list of: {}", self.at(items).kind(depth)),
                None => "list".to_owned(),
            },
            "boolean" => "true or false".to_owned(),
            "integer" => format!("whole number{}", self.bounds()),
            "number" => format!("number{}", self.bounds()),
            "object" => self.table(),
            "string" => "text".to_owned(),
            other => plain(other),
        }
    }

    fn table(self) -> String {
        let properties = self.value.get("properties").and_then(Value::as_object);
        let keys: Vec<String> = properties
            .into_iter()
            .flat_map(|properties| properties.keys())
            .map(|key| format!("`{}`", plain(key)))
            .collect();
        if keys.is_empty() {
            "table".to_owned()
        } else {
            format!("table of {}", keys.join(", "))
        }
    }

    fn bounds(self) -> String {
        let bound = |name: &str| self.value.get(name).filter(|bound| bound.is_number());
        match (bound("minimum"), bound("maximum")) {
            (Some(least), Some(most)) => format!(" from {least} to {most}"),
            (Some(least), None) => format!(" of at least {least}"),
            (None, Some(most)) => format!(" of at most {most}"),
            (None, None) => String::new(),
        }
    }

    fn types(self) -> impl Iterator<Item = &'a str> {
        let named = self.value.get("type");
        let one = named.and_then(Value::as_str);
        one.into_iter().chain(strings(named)).filter(|name| *name != "null")
    }

    /// The alternatives, without the one that says "or nothing".
    fn branches(self) -> Vec<Self> {
        let lists = ["oneOf", "anyOf", "allOf"].map(|name| self.value.get(name));
        let branches = lists.into_iter().flatten().filter_map(Value::as_array).flatten();
        branches
            .filter(|branch| branch.get("type").and_then(Value::as_str) != Some("null"))
            .map(|branch| self.at(branch))
            .collect()
    }

    /// The meanings of the words that it takes, where they have meanings.
    fn choices(self) -> Vec<(String, String)> {
        let mut schema = self.resolved();
        // `Option` of an enumeration: one branch besides null.
        if let [only] = schema.branches().as_slice() {
            schema = only.resolved();
        }
        let meant = |branch: Self| {
            let word = branch.value.get("const")?;
            let meaning = branch.value.get("description")?.as_str()?;
            Some((literal(word), plain(meaning)))
        };
        schema.branches().into_iter().filter_map(meant).collect()
    }

    fn presence(self, is_required: bool) -> Presence {
        match self.value.get("default") {
            Some(Value::Null) => Presence::Optional,
            Some(default) => Presence::Default(literal(default)),
            None if is_required => Presence::Required,
            None => Presence::Optional,
        }
    }

    /// Its own description, else that of what it refers to.
    fn description(self) -> String {
        let own = |value: &Value| value.get("description")?.as_str().map(plain);
        own(self.value).or_else(|| own(self.resolved().value)).unwrap_or_default()
    }
}

fn strings(list: Option<&Value>) -> impl Iterator<Item = &str> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn one_of(words: &[String]) -> String {
    match words {
        [only] => only.clone(),
        words => format!("one of {}", words.join(", ")),
    }
}

/// A value as an operator would write it.
fn literal(value: &Value) -> String {
    plain(&value.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn only(property: &Value) -> Setting {
        let schema = json!({
            "properties": { "it": property },
            "$defs": {
                "Mode": { "description": "Which.", "oneOf": [
                    { "const": "all", "description": "Every one.", "type": "string" },
                    { "const": "any", "description": "One.", "type": "string" },
                ] },
                "Rule": { "type": "object", "properties": { "path": {}, "action": {} } },
                "Loop": { "type": "array", "items": { "$ref": "#/$defs/Loop" } },
                "Self": { "$ref": "#/$defs/Self" },
            },
        });
        settings(&schema).remove(0)
    }

    #[test]
    fn says_in_words_what_a_setting_takes() {
        let cases = [
            ("text", json!({ "type": "string" }), "text"),
            ("optional text", json!({ "type": ["string", "null"] }), "text"),
            (
                "bounded number",
                json!({ "type": "integer", "minimum": 0, "maximum": 9 }),
                "whole number from 0 to 9",
            ),
            ("flag", json!({ "type": "boolean" }), "true or false"),
            ("words", json!({ "enum": ["a", "b"] }), r#"one of "a", "b""#),
            ("reference", json!({ "$ref": "#/$defs/Mode" }), r#"one of "all", "any""#),
            (
                "optional reference",
                json!({ "anyOf": [{ "$ref": "#/$defs/Mode" }, { "type": "null" }] }),
                r#"one of "all", "any""#,
            ),
            (
                "either",
                json!({ "anyOf": [{ "type": "integer" }, { "type": "string" }] }),
                "whole number, or text",
            ),
            (
                "list of tables",
                json!({ "type": "array", "items": { "$ref": "#/$defs/Rule" } }),
                "list of: table of `action`, `path`",
            ),
            ("anything", json!(true), "any value"),
            ("a reference to itself", json!({ "$ref": "#/$defs/Self" }), "any value"),
            ("a reference to nowhere", json!({ "$ref": "#/$defs/None" }), "any value"),
        ];
        for (name, property, expected) in cases {
            assert_eq!(only(&property).kind, expected, "case: {name}");
        }
    }

    #[test]
    fn a_schema_without_an_end_is_cut_off() {
        let kind = only(&json!({ "$ref": "#/$defs/Loop" })).kind;
        assert_eq!(kind, format!("{}any value", "list of: ".repeat(DEPTH)));
    }

    #[test]
    fn tells_meanings_and_defaults() {
        let expected = Setting {
            name: "it".to_owned(),
            kind: r#"one of "all", "any""#.to_owned(),
            presence: Presence::Default("\"all\"".to_owned()),
            description: "Which.".to_owned(),
            choices: vec![
                ("\"all\"".to_owned(), "Every one.".to_owned()),
                ("\"any\"".to_owned(), "One.".to_owned()),
            ],
        };
        assert_eq!(only(&json!({ "$ref": "#/$defs/Mode", "default": "all" })), expected);
    }

    #[test]
    fn required_settings_come_first() {
        let schema = json!({
            "properties": { "a": { "default": null }, "b": { "default": 1 }, "c": {} },
            "required": ["c"],
        });
        let found: Vec<_> = settings(&schema)
            .into_iter()
            .map(|found| (found.name, found.presence))
            .collect();
        let expected = [
            ("c".to_owned(), Presence::Required),
            ("a".to_owned(), Presence::Optional),
            ("b".to_owned(), Presence::Default("1".to_owned())),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_no_schema_describes_no_settings() {
        for schema in [json!(null), json!({}), json!([]), json!({ "properties": 3 })] {
            assert_eq!(settings(&schema), [], "case: {schema}");
        }
    }
}
