//! One resource as a flat list of nodes over its own text.
//!
//! A node says where a value lies and where its subtree ends; nothing is copied, so what a
//! rule leaves alone leaves byte for byte: key order, blanks, and number lexemes (`1.10`).
//! The reader is strict (RFC 8259) and refuses what a rule could be dodged with: escaped
//! element names and a second `resourceType`. It knows no rule.

mod scanner;

use std::borrow::Cow;

use scanner::Scanner;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `[…]`
    Array,
    /// `true`, `false`, `null`
    Literal,
    /// A number.
    Number,
    /// `{…}` without a `resourceType` text.
    Object,
    /// `{…}` with one.
    Resource,
    /// A string.
    String,
}

/// Bytes of the source, from `start` up to `end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// One value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// A string that holds a backslash.
    is_escaped: bool,
    /// The member name without quotes; empty in an array.
    name: Span,
    /// The value, quotes and brackets included.
    pub(crate) span: Span,
    /// The position behind the subtree.
    next: u32,
}

/// Why a text cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// An element name is written with an escape.
    EscapedName,
    /// No JSON text, or one that ends too early.
    NotJson,
    /// An object has two `resourceType` members.
    RepeatedType,
    /// Deeper than any FHIR resource is.
    TooDeep,
}

/// A resource that was read.
#[derive(Debug)]
pub(crate) struct Tree<'s> {
    source: &'s str,
    nodes: Vec<Node>,
}

impl<'s> Tree<'s> {
    /// Reads one JSON value; `nodes` is emptied and used again.
    pub(crate) fn read(source: &'s str, mut nodes: Vec<Node>) -> Result<Self, Flaw> {
        nodes.clear();
        let mut scanner = Scanner::new(source, nodes);
        scanner.document()?;
        Ok(Self { source, nodes: scanner.nodes })
    }

    /// The list, to be used again.
    pub(crate) fn into_nodes(self) -> Vec<Node> {
        self.nodes
    }

    /// The node at a position that this tree gave out.
    pub(crate) fn node(&self, at: usize) -> Node {
        self.nodes.get(at).copied().unwrap_or(Node::VOID)
    }

    pub(crate) fn kind(&self, at: usize) -> Kind {
        self.node(at).kind
    }

    /// The name of a member.
    pub(crate) fn name(&self, at: usize) -> &'s str {
        self.slice(self.node(at).name)
    }

    /// Where a member with its name, or an array's element, begins.
    pub(crate) fn outset(&self, at: usize) -> u32 {
        let node = self.node(at);
        if node.name.end == 0 {
            node.span.start
        } else {
            node.name.start.saturating_sub(1)
        }
    }

    /// The value as it is written.
    pub(crate) fn raw(&self, at: usize) -> &'s str {
        self.slice(self.node(at).span)
    }

    /// The text of a string; `None` of anything else.
    pub(crate) fn text(&self, at: usize) -> Option<Cow<'s, str>> {
        let node = self.node(at);
        if node.kind != Kind::String {
            return None;
        }
        let raw = self.slice(node.span);
        if node.is_escaped {
            return serde_json::from_str(raw).ok().map(Cow::Owned);
        }
        raw.get(1..raw.len().saturating_sub(1)).map(Cow::Borrowed)
    }

    /// The positions of a container's elements or members, in order.
    pub(crate) fn children(&self, at: usize) -> impl Iterator<Item = usize> {
        let end = self.node(at).next as usize;
        let mut next = at + 1;
        std::iter::from_fn(move || {
            let child = next;
            (child < end).then(|| {
                next = (self.node(child).next as usize).max(child + 1);
                child
            })
        })
    }

    /// The first member called `name`.
    pub(crate) fn member(&self, at: usize, name: &str) -> Option<usize> {
        self.children(at).find(|child| self.name(*child) == name)
    }

    /// The text of the first member called `name`.
    pub(crate) fn member_text(&self, at: usize, name: &str) -> Option<Cow<'s, str>> {
        self.text(self.member(at, name)?)
    }

    /// Every position of the subtree, the container's own first.
    pub(crate) fn within(&self, at: usize) -> std::ops::Range<usize> {
        at..self.node(at).next as usize
    }

    fn slice(&self, span: Span) -> &'s str {
        self.source.get(span.start as usize..span.end as usize).unwrap_or_default()
    }
}

impl Node {
    const VOID: Self = Self {
        kind: Kind::Literal,
        is_escaped: false,
        name: Span { start: 0, end: 0 },
        span: Span { start: 0, end: 0 },
        next: 0,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_json_and_nothing_else() {
        let cases = [
            (
                "object",
                r#"{"a":[1,-0.5e+3,true,false,null,"x\n\u00e9\ud83d\ude00"]}"#,
                None,
            ),
            ("blanks", " { \"a\" : [ ] , \"b\" : { } } ", None),
            ("scalar", "1.10", None),
            ("long text", r#"{"a":"0123456789abcdefghijklmnopq\"rstuvwxyzäöü"}"#, None),
            ("nothing", "", Some(Flaw::NotJson)),
            ("two values", "{} {}", Some(Flaw::NotJson)),
            ("cut off", r#"{"a":"#, Some(Flaw::NotJson)),
            ("open text", r#"{"a":"b"#, Some(Flaw::NotJson)),
            ("comma at the end", r#"{"a":1,}"#, Some(Flaw::NotJson)),
            ("bare name", "{a:1}", Some(Flaw::NotJson)),
            ("leading zero", "[01]", Some(Flaw::NotJson)),
            ("point without digits", "[1.]", Some(Flaw::NotJson)),
            ("control character", "[\"a\u{1}bcdefghij\"]", Some(Flaw::NotJson)),
            ("control character late", "[\"abcdefghijklm\u{1f}\"]", Some(Flaw::NotJson)),
            ("bad escape", r#"["\x"]"#, Some(Flaw::NotJson)),
            ("lone surrogate", r#"["\ud83d"]"#, Some(Flaw::NotJson)),
            ("low surrogate first", r#"["\ude00\ud83d"]"#, Some(Flaw::NotJson)),
            ("escaped name", r#"{"\u0069d":"1"}"#, Some(Flaw::EscapedName)),
            (
                "two types",
                r#"{"resourceType":"A","resourceType":"B"}"#,
                Some(Flaw::RepeatedType),
            ),
        ];
        for (name, source, flaw) in cases {
            assert_eq!(Tree::read(source, Vec::new()).err(), flaw, "case: {name}");
        }
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        assert_eq!(Tree::read(&deep, Vec::new()).err(), Some(Flaw::TooDeep));
    }

    #[test]
    fn finds_members_and_their_text() {
        let source = r#"{"resourceType":"Patient","a":[{"b":1.10},"x\/y"],"c":"d"}"#;
        let tree = Tree::read(source, Vec::new()).unwrap();
        assert_eq!(tree.kind(0), Kind::Resource);
        let names: Vec<&str> = tree.children(0).map(|at| tree.name(at)).collect();
        assert_eq!(names, ["resourceType", "a", "c"]);
        let array = tree.member(0, "a").unwrap();
        let items: Vec<&str> = tree.children(array).map(|at| tree.raw(at)).collect();
        assert_eq!(items, [r#"{"b":1.10}"#, r#""x\/y""#]);
        let last = tree.children(array).last().unwrap();
        assert_eq!(tree.text(last).as_deref(), Some("x/y"));
        assert_eq!(tree.member_text(0, "c").as_deref(), Some("d"));
        assert_eq!(tree.outset(tree.member(0, "c").unwrap()), 50);
    }

    proptest::proptest! {
        #[test]
        fn agrees_with_another_reader(text in "[\\[\\]{}:,\"a1.eE+\\-\\\\u0 tn]{0,24}") {
            let theirs = serde_json::from_str::<serde_json::Value>(&text).is_ok();
            let ours = match Tree::read(&text, Vec::new()) {
                Ok(_) | Err(Flaw::EscapedName | Flaw::RepeatedType) => true,
                Err(Flaw::NotJson | Flaw::TooDeep) => false,
            };
            // Numbers beyond a double are JSON all the same, and stay as they are.
            proptest::prop_assert!(ours == theirs || (ours && text.contains(['e', 'E', '\\'])));
        }

        #[test]
        fn reads_any_text_that_another_writer_made(text in "\\PC{0,40}") {
            let written = serde_json::to_string(&text).unwrap();
            let tree = Tree::read(&written, Vec::new()).unwrap();
            let read = tree.text(0);
            proptest::prop_assert_eq!(read.as_deref(), Some(text.as_str()));
        }
    }
}
