//! Extensions: gone, unless they are known to name no one.
//!
//! The few that are kept without being asked for must also have the shape they are known
//! for; anything more in them and they go.

use super::{Fate, Gap, Place, Refusal, Step, Walk};
use crate::{preset, tree::Kind};

impl<'s> Walk<'_, 's> {
    /// The array `extension`.
    pub(super) fn extensions(&mut self, at: usize, place: Place<'s>) -> Step {
        if self.tree.kind(at) != Kind::Array {
            return Ok(Fate::Goes);
        }
        self.each(at, Gap::Closed, &mut |walk, item| {
            if walk.is_kept(item) {
                return walk.kept(item, place);
            }
            let is_safe = walk.url(item).is_some_and(|url| {
                preset::is_safe_extension(url) && walk.is_plain(item, Nested::Allowed)
            });
            Ok(if is_safe { Fate::Stays } else { Fate::Goes })
        })
    }

    /// The array `modifierExtension`.
    pub(super) fn modifier_extensions(&mut self, at: usize, place: Place<'s>) -> Step {
        if self.tree.kind(at) != Kind::Array {
            return Err(Refusal::ModifierExtension);
        }
        self.each(at, Gap::Closed, &mut |walk, item| {
            if walk.is_kept(item) {
                walk.kept(item, place)
            } else {
                Err(Refusal::ModifierExtension)
            }
        })
    }

    /// An extension that the operator keeps: its parts stay, their values are judged.
    fn kept(&mut self, at: usize, place: Place<'s>) -> Step {
        self.each(at, Gap::Closed, &mut |walk, member| match walk.tree.name(member) {
            "extension" if walk.tree.kind(member) == Kind::Array => {
                walk.each(member, Gap::Closed, &mut |walk, item| walk.kept(item, place))
            }
            "url" => Ok(Fate::Stays),
            _ => walk.member(at, member, place),
        })
    }

    /// The one URL of an extension, as written.
    fn url(&self, at: usize) -> Option<&'s str> {
        let tree = self.tree;
        let mut urls = tree.children(at).filter(|member| tree.name(*member) == "url");
        let url = tree.raw(urls.next()?).strip_prefix('"')?.strip_suffix('"')?;
        urls.next().is_none().then_some(url)
    }

    fn is_kept(&self, at: usize) -> bool {
        let url = self.url(at);
        url.is_some_and(|url| self.policy.keep_extensions.iter().any(|kept| kept == url))
    }

    /// Whether an extension holds codes only, and the one text that US Core asks for.
    fn is_plain(&self, at: usize, nested: Nested) -> bool {
        let tree = self.tree;
        if tree.kind(at) != Kind::Object {
            return false;
        }
        let is_text = self.url(at) == Some("text");
        tree.children(at).all(|member| match (tree.name(member), tree.kind(member)) {
            ("url" | "valueCode", Kind::String) => true,
            ("valueString", Kind::String) => is_text && nested == Nested::Forbidden,
            ("valueAge" | "valueCoding", Kind::Object) => {
                tree.children(member).all(|part| match tree.kind(part) {
                    Kind::Array | Kind::Object | Kind::Resource => false,
                    Kind::Literal | Kind::Number | Kind::String => true,
                })
            }
            ("extension", Kind::Array) => {
                nested == Nested::Allowed
                    && tree
                        .children(member)
                        .all(|item| self.is_plain(item, Nested::Forbidden))
            }
            _ => false,
        })
    }
}

/// Whether an extension may hold others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nested {
    Allowed,
    Forbidden,
}
