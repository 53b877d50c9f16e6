//! Which rule an element meets: paths as operators write them, and a table to find them by
//! an element's name.
//!
//! The table also knows the elements that mean something by themselves ([`Element`]), so
//! that one look-up a member answers both questions. Most names are in it not at all.

use crate::{reference, settings::Action};

/// What becomes of an element: an operator's action, or one that only the preset uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// As [`Action::Age`].
    Age,
    /// `Bundle.entry.fullUrl`: becomes a `urn:uuid:`.
    FullUrl,
    /// As [`Action::Keep`].
    Keep,
    /// A URL below the server's base: written as a reference is.
    Location,
    /// As [`Action::Pseudonym`].
    Pseudonym,
    /// As [`Action::Redact`].
    Redact,
    /// Text becomes `[redacted]`; objects are judged on their own.
    RedactText,
    /// As [`Action::Remove`].
    Remove,
    /// As [`Action::Shift`].
    Shift,
    /// As [`Action::Year`].
    Year,
    /// As [`Action::Zip3`].
    Zip3,
}

impl From<Action> for Act {
    fn from(action: Action) -> Self {
        match action {
            Action::Age => Self::Age,
            Action::Keep => Self::Keep,
            Action::Pseudonym => Self::Pseudonym,
            Action::Redact => Self::Redact,
            Action::Remove => Self::Remove,
            Action::Shift => Self::Shift,
            Action::Year => Self::Year,
            Action::Zip3 => Self::Zip3,
        }
    }
}

/// An element that means something whatever the rules say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    /// `contained`: resources within.
    Contained,
    /// `display`, which in a Reference names someone.
    Display,
    /// `extension`.
    Extension,
    /// `id`, of a resource or of an element.
    Id,
    /// `identifier`, of a Reference or of anything else.
    Identifier,
    /// `modifierExtension`: changes the meaning of what it stands in.
    ModifierExtension,
    /// `reference`.
    Reference,
    /// `resourceType`.
    ResourceType,
    /// Codes and the like: never a date, whatever they look like.
    Technical,
}

/// A rule's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    anchor: Anchor,
    /// Element names; never empty.
    elements: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Anchor {
    AnyDepth,
    AnyType,
    Type(String),
}

impl Pattern {
    /// Reads a path, or says what is wrong with it.
    pub(crate) fn read(path: &str) -> Result<Self, String> {
        let (anchor, rest) = path.split_once('.').ok_or_else(|| {
            format!(
                "path `{path}` names no element; write `Type.element` or `**.element`"
            )
        })?;
        let anchor = match anchor {
            "**" => Anchor::AnyDepth,
            "*" => Anchor::AnyType,
            name if reference::is_type(name) => Anchor::Type(name.to_owned()),
            _ => {
                return Err(format!(
                    "path `{path}` must begin with a resource type, `*` or `**`"
                ));
            }
        };
        let is_element = |name: &str| {
            name.starts_with(|first: char| first.is_ascii_lowercase())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        let elements: Vec<String> = rest.split('.').map(str::to_owned).collect();
        match elements.iter().find(|name| !is_element(name)) {
            None => Ok(Self { anchor, elements }),
            Some(name) => Err(format!(
                "path `{path}`: `{name}` is no element name (no indexes; write a choice \
                 element as in JSON, `valueString`)"
            )),
        }
    }

    /// Refuses elements on which every reference depends.
    pub(crate) fn unless_reserved(self) -> Result<Self, String> {
        match self.name() {
            name @ ("id" | "reference" | "resourceType") => {
                Err(format!("`{name}` takes no rule; see the setting `ids`"))
            }
            _ => Ok(self),
        }
    }

    fn name(&self) -> &str {
        self.elements.last().map_or("", String::as_str)
    }

    /// Whether the path is this one, given that it ends in this one's last name.
    fn matches(&self, resource_type: &str, path: &[&str]) -> bool {
        let is_anchored = match &self.anchor {
            Anchor::AnyDepth => path.len() >= self.elements.len(),
            Anchor::AnyType => path.len() == self.elements.len(),
            Anchor::Type(name) => {
                path.len() == self.elements.len() && name == resource_type
            }
        };
        let mut parents = self.elements.iter().rev().zip(path.iter().rev()).skip(1);
        is_anchored && parents.all(|(want, have)| want == have)
    }
}

/// All rules, by the last name of their paths.
#[derive(Debug)]
pub(crate) struct Rules {
    entries: Vec<Entry>,
    /// Positions in `entries`, by a cheap hash of the name.
    buckets: Vec<Vec<usize>>,
}

impl Default for Rules {
    fn default() -> Self {
        let mut rules = Self { entries: Vec::new(), buckets: vec![Vec::new(); BUCKETS] };
        for (name, element) in ELEMENTS {
            rules.entry(name).element = Some(*element);
        }
        rules
    }
}

impl Rules {
    /// Adds a rule behind those there are.
    pub(crate) fn push(&mut self, pattern: Pattern, act: Act) {
        let name = pattern.name().to_owned();
        self.entry(&name).rules.push((pattern, act));
    }

    /// What is known of an element name.
    pub(crate) fn find(&self, name: &str) -> Option<&Entry> {
        let bucket = self.buckets.get(bucket(name))?;
        let mut entries = bucket.iter().filter_map(|at| self.entries.get(*at));
        entries.find(|entry| entry.name == name)
    }

    fn entry(&mut self, name: &str) -> &mut Entry {
        let known = self.entries.iter().position(|entry| entry.name == name);
        let at = known.unwrap_or(self.entries.len());
        if known.is_none() {
            let entry = Entry { name: name.to_owned(), element: None, rules: Vec::new() };
            self.entries.push(entry);
            if let Some(bucket) = self.buckets.get_mut(bucket(name)) {
                bucket.push(at);
            }
        }
        // `at` is the position of one that was found, or of the one just pushed.
        &mut self.entries[at]
    }
}

/// What is known of one element name.
#[derive(Debug)]
pub(crate) struct Entry {
    name: String,
    pub(crate) element: Option<Element>,
    rules: Vec<(Pattern, Act)>,
}

impl Entry {
    /// The act of the first rule that matches.
    pub(crate) fn act(&self, resource_type: &str, path: &[&str]) -> Option<Act> {
        let mut rules = self.rules.iter();
        rules
            .find(|(pattern, _)| pattern.matches(resource_type, path))
            .map(|(_, act)| *act)
    }
}

/// Length, first and last byte tell element names apart well enough.
fn bucket(name: &str) -> usize {
    let byte = |byte: Option<&u8>| usize::from(byte.copied().unwrap_or(0));
    let bytes = name.as_bytes();
    (bytes.len() * 31 + byte(bytes.first()) * 7 + byte(bytes.last()) * 13) % BUCKETS
}

const BUCKETS: usize = 256;

const ELEMENTS: &[(&str, Element)] = &[
    ("code", Element::Technical),
    ("contained", Element::Contained),
    ("display", Element::Display),
    ("extension", Element::Extension),
    ("id", Element::Id),
    ("identifier", Element::Identifier),
    ("modifierExtension", Element::ModifierExtension),
    ("reference", Element::Reference),
    ("resourceType", Element::ResourceType),
    ("system", Element::Technical),
    ("unit", Element::Technical),
    ("url", Element::Technical),
    ("version", Element::Technical),
    ("versionId", Element::Technical),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_paths_by_type_and_depth() {
        let cases: &[(&str, &str, &str, &[&str], bool)] = &[
            ("type", "Patient.name", "Patient", &["name"], true),
            ("other type", "Patient.name", "Person", &["name"], false),
            ("deeper", "Patient.name", "Patient", &["contact", "name"], false),
            ("long", "Patient.contact.name", "Patient", &["contact", "name"], true),
            ("any type", "*.name", "Person", &["name"], true),
            ("any type, deeper", "*.name", "Person", &["contact", "name"], false),
            ("any depth", "**.name", "Person", &["contact", "name"], true),
            ("any depth, two names", "**.note.text", "Goal", &["note", "text"], true),
            ("any depth, other parent", "**.note.text", "Goal", &["code", "text"], false),
            ("any depth, too shallow", "**.note.text", "Goal", &["text"], false),
        ];
        for (name, path, resource_type, at, expected) in cases {
            let pattern = Pattern::read(path).unwrap();
            assert_eq!(pattern.matches(resource_type, at), *expected, "case: {name}");
        }
    }

    #[test]
    fn the_first_rule_wins() {
        let mut rules = Rules::default();
        rules.push(Pattern::read("Patient.name").unwrap(), Act::Keep);
        rules.push(Pattern::read("**.name").unwrap(), Act::Remove);
        let act =
            |resource_type, path: &[&str]| rules.find("name")?.act(resource_type, path);
        assert_eq!(act("Patient", &["name"]), Some(Act::Keep));
        assert_eq!(act("Person", &["name"]), Some(Act::Remove));
        assert!(rules.find("gender").is_none());
        assert_eq!(
            rules.find("url").and_then(|entry| entry.element),
            Some(Element::Technical)
        );
    }

    #[test]
    fn refuses_paths_that_could_never_match() {
        for path in [
            "Patient",
            "patient.name",
            "Patient.",
            "Patient.name[0]",
            "Observation.value[x]",
            "",
        ] {
            assert!(Pattern::read(path).is_err(), "case: {path}");
        }
    }
}
