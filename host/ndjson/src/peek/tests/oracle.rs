//! The same envelope the slow way: `serde_json` reads a tree, which is then walked.
//!
//! Shares with the walk under test what references mean, and nothing of how JSON is read.

use std::{fmt, ops::Range};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};

use super::*;
use crate::peek::found::{Contained, Found, Logical};

/// What `Peek::read` has to give.
pub(super) fn envelope(
    line: &[u8],
    expected: &str,
    bases: &Bases,
) -> Result<Envelope, Malformed> {
    let text = std::str::from_utf8(line).map_err(|_| Malformed::Utf8)?;
    let Ok(Tree::Object(fields)) = serde_json::from_str(text) else {
        return Err(Malformed::Json);
    };
    let walk = |node| resource(&fields, text, node, bases);
    let found = walk(tree(expected))?;
    let kind = found.kind();
    if kind == expected { found.finish() } else { walk(tree(kind))?.finish() }
}

/// JSON that keeps order, repeated keys and where text without escapes stands.
enum Tree<'l> {
    Array(Vec<Tree<'l>>),
    Escaped(String),
    Object(Vec<(String, Tree<'l>)>),
    Plain(&'l str),
    Scalar,
}

impl Tree<'_> {
    fn said(&self) -> Option<&str> {
        match self {
            Tree::Escaped(text) => Some(text),
            Tree::Plain(text) => Some(text),
            Tree::Array(_) | Tree::Object(_) | Tree::Scalar => None,
        }
    }

    fn span(&self, line: &str) -> Option<Range<u32>> {
        let Tree::Plain(text) = self else { return None };
        let start =
            u32::try_from(text.as_ptr() as usize - line.as_ptr() as usize).unwrap();
        Some(start..start + u32::try_from(text.len()).unwrap())
    }
}

fn resource<'l>(
    fields: &[(String, Tree<'_>)],
    line: &'l str,
    root: Option<&'static Node>,
    bases: &'l Bases,
) -> Result<Found<'l>, Malformed> {
    let mut found = Found::new(line, "", bases);
    for (name, tree) in fields {
        match (name.as_str(), tree) {
            ("resourceType", _) => found.resource_type(tree.span(line)),
            ("id", _) => found.id(tree.span(line)),
            ("meta", Tree::Object(fields)) => {
                for (name, tree) in fields {
                    if name == "lastUpdated" {
                        found.last_updated(tree.said().unwrap_or_default());
                    }
                    element(tree, None, false, &mut found)?;
                }
                continue;
            }
            _ => {}
        }
        let node = root.and_then(|root| root.child(name));
        let is_own =
            matches!(name.as_str(), "resourceType" | "id" | "meta" | "contained");
        element(tree, if is_own { None } else { node }, name == "contained", &mut found)?;
    }
    Ok(found)
}

fn element(
    tree: &Tree<'_>,
    node: Option<&'static Node>,
    is_contained: bool,
    found: &mut Found<'_>,
) -> Result<(), Malformed> {
    match tree {
        Tree::Escaped(_) | Tree::Plain(_) | Tree::Scalar => Ok(()),
        Tree::Array(items) => {
            items.iter().try_for_each(|item| element(item, node, is_contained, found))
        }
        Tree::Object(fields) => object(fields, node, is_contained, found),
    }
}

fn object(
    fields: &[(String, Tree<'_>)],
    node: Option<&'static Node>,
    is_contained: bool,
    found: &mut Found<'_>,
) -> Result<(), Malformed> {
    let role = node.and_then(|node| node.role);
    let (mut logical, mut contained) = (Logical::default(), Contained::default());
    for (name, tree) in fields {
        let mut below = node.and_then(|node| node.child(name));
        match name.as_str() {
            "reference" => {
                logical.has_reference |= reference(tree, node, found)?;
                continue;
            }
            "type" if role.is_some() => {
                logical.names(tree.said().unwrap_or_default());
                below = None;
            }
            "identifier" if role.is_some() => {
                logical.has_identifier = true;
                below = None;
            }
            "resourceType" if is_contained => {
                contained.is_patient |= tree.said() == Some("Patient");
                below = None;
            }
            "id" if is_contained => {
                contained.id = tree.said().unwrap_or_default().to_owned().into();
                below = None;
            }
            _ => {}
        }
        element(tree, below, false, found)?;
    }
    if is_contained {
        found.contained(contained);
    }
    found.logical(&logical, role);
    Ok(())
}

fn reference(
    tree: &Tree<'_>,
    node: Option<&'static Node>,
    found: &mut Found<'_>,
) -> Result<bool, Malformed> {
    if let Some(text) = tree.said() {
        found.reference(text, node.and_then(|node| node.role));
        return Ok(true);
    }
    match tree {
        Tree::Array(items) => {
            let mut is_text = false;
            for item in items {
                is_text |= reference(item, node, found)?;
            }
            Ok(is_text)
        }
        Tree::Object(fields) => {
            let own = ["reference", "type", "identifier", "display", "id", "extension"];
            let known =
                |name: &str| own.contains(&name.strip_prefix('_').unwrap_or(name));
            let odd = ["_identifier", "_id", "_extension"];
            if fields.iter().any(|(name, _)| !known(name) || odd.contains(&name.as_str()))
            {
                return Err(Malformed::Json);
            }
            let inner = node.and_then(|node| node.child("reference")).or(node);
            object(fields, inner, false, found).map(|()| false)
        }
        Tree::Escaped(_) | Tree::Plain(_) | Tree::Scalar => Ok(false),
    }
}

impl<'l> Deserialize<'l> for Tree<'l> {
    fn deserialize<D: Deserializer<'l>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(Planter)
    }
}

struct Planter;

impl<'l> Visitor<'l> for Planter {
    type Value = Tree<'l>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Tree<'l>, E> {
        Ok(Tree::Scalar)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Tree<'l>, E> {
        Ok(Tree::Scalar)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Tree<'l>, E> {
        Ok(Tree::Scalar)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Tree<'l>, E> {
        Ok(Tree::Scalar)
    }

    fn visit_unit<E>(self) -> Result<Tree<'l>, E> {
        Ok(Tree::Scalar)
    }

    fn visit_borrowed_str<E>(self, text: &'l str) -> Result<Tree<'l>, E> {
        Ok(Tree::Plain(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree<'l>, E> {
        Ok(Tree::Escaped(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'l>>(self, mut items: A) -> Result<Tree<'l>, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element()? {
            array.push(item);
        }
        Ok(Tree::Array(array))
    }

    fn visit_map<A: MapAccess<'l>>(self, mut map: A) -> Result<Tree<'l>, A::Error> {
        let mut object = Vec::new();
        while let Some(entry) = map.next_entry()? {
            object.push(entry);
        }
        Ok(Tree::Object(object))
    }
}
