use std::{collections::BTreeMap, fmt::Write as _};

use proptest::{collection::vec, prelude::*};
use serde_json::value::RawValue;

use super::*;

/// Faults: F20.
#[test]
fn says_whether_two_lines_say_the_same() {
    let cases = [
        ("the same", r#"{"a":1}"#, r#"{"a":1}"#, true),
        (
            "order of members",
            r#"{"a":1,"b":{"c":2,"d":3}}"#,
            r#"{"b":{"d":3,"c":2},"a":1}"#,
            true,
        ),
        (
            "blanks",
            r#"{"a":[1,2],"b":"x y"}"#,
            "{ \"a\" :\t[ 1 , 2 ] ,\r \"b\": \"x y\" } ",
            true,
        ),
        ("blanks in a text", r#"{"b":"x y"}"#, r#"{"b":"x  y"}"#, false),
        ("an escaped character", r#"{"a":"\u00e9","n":1}"#, r#"{"a":"é","n":1}"#, true),
        ("an escaped pair", r#"{"a":"\ud83d\ude00"}"#, r#"{"a":"😀"}"#, true),
        ("an escaped slash", r#"{"a":"x\/y","n":[7]}"#, r#"{"a":"x/y","n":[7]}"#, true),
        ("an escaped key", r#"{"\u0061\"":7}"#, r#"{"a\"":7}"#, true),
        (
            "a quote and a backslash",
            r#"{"a":"\\\"","b":1}"#,
            r#"{"a":"\u005c\u0022","b":1}"#,
            true,
        ),
        ("precision", r#"{"a":1.0}"#, r#"{"a":1.00}"#, false),
        ("precision in a list", r#"{"a":[2,1.0]}"#, r#"{"a":[2,1.00]}"#, false),
        ("an exponent", r#"{"a":1e2}"#, r#"{"a":100}"#, false),
        ("a number after an escape", r#"{"a":"\"","b":1}"#, r#"{"a":"\"","b":2}"#, false),
        ("a literal", r#"{"a":true}"#, r#"{"a":false}"#, false),
        ("null is something", r#"{"a":null}"#, "{}", false),
        ("order of items", r#"{"a":[1,2]}"#, r#"{"a":[2,1]}"#, false),
        ("an item twice", r#"{"a":[1]}"#, r#"{"a":[1,1]}"#, false),
        ("nested otherwise", r#"{"a":[[1],2]}"#, r#"{"a":[[1,2]]}"#, false),
        ("text and number", r#"{"a":"1"}"#, r#"{"a":1}"#, false),
        ("text and literal", r#"{"a":"true"}"#, r#"{"a":true}"#, false),
        ("empty list and object", r#"{"a":[]}"#, r#"{"a":{}}"#, false),
        ("empty and missing", r#"{"a":{}}"#, "{}", false),
        ("values that change places", r#"{"a":1,"b":2}"#, r#"{"a":2,"b":1}"#, false),
        ("a member deeper", r#"{"a":{"b":1}}"#, r#"{"a":{},"b":1}"#, false),
        (
            "version and moment",
            r#"{"id":"1","meta":{"versionId":"1","lastUpdated":"2026-01-01T00:00:00Z","profile":["p"]}}"#,
            r#"{"id":"1","meta":{"profile":["p"],"versionId":"2"}}"#,
            true,
        ),
        (
            "a meta of those alone",
            r#"{"meta":{"versionId":"1"},"a":1}"#,
            r#"{"a":1}"#,
            true,
        ),
        ("the rest of meta", r#"{"meta":{"tag":[]}}"#, r#"{"meta":{"tag":[1]}}"#, false),
        (
            "a version elsewhere",
            r#"{"a":{"versionId":"1"}}"#,
            r#"{"a":{"versionId":"2"}}"#,
            false,
        ),
        (
            "a meta elsewhere",
            r#"{"a":{"meta":{"versionId":"1"}}}"#,
            r#"{"a":{"meta":{}}}"#,
            false,
        ),
        ("a version of the root", r#"{"versionId":"1"}"#, r#"{"versionId":"2"}"#, false),
        (
            "the signature of an attachment",
            r#"{"content":[{"attachment":{"url":"https://h/b/1?sig=a&exp=1"}}]}"#,
            r#"{"content":[{"attachment":{"url":"https://h/b/1?sig=b&exp=2"}}]}"#,
            true,
        ),
        (
            "another attachment",
            r#"{"url":"https://h/b/1?s"}"#,
            r#"{"url":"https://h/b/2?s"}"#,
            false,
        ),
        ("a content URL", r#"{"contentUrl":"x?1"}"#, r#"{"contentUrl":"x?2"}"#, true),
        ("an escaped query", r#"{"url":"x\u003f1"}"#, r#"{"url":"x?2"}"#, true),
        ("a query elsewhere", r#"{"uri":"x?1"}"#, r#"{"uri":"x?2"}"#, false),
    ];
    for (name, one, other, is_same) in cases {
        let (one_hash, other_hash) = (content_hash(one), content_hash(other));
        assert!(one_hash.is_some() && other_hash.is_some(), "case: {name}");
        assert_eq!(one_hash == other_hash, is_same, "case: {name}");
        assert_eq!(canonical(one) == canonical(other), is_same, "slowly, case: {name}");
    }
}

#[test]
fn what_is_not_json_says_nothing() {
    for line in [
        "",
        "{",
        "nope",
        r#"{"a":1}{"#,
        r#"{"a":01}"#,
        r#"{"a":"\x"}"#,
        r#"{"a" 1}"#,
        "[1,]",
    ] {
        assert_eq!(content_hash(line), None, "{line}");
    }
}

/// What counts of a line, written out.
fn canonical(line: &str) -> String {
    written(serde_json::from_str(line).unwrap(), "", 0).unwrap_or_else(|| "{}".to_owned())
}

fn written(raw: &RawValue, name: &str, depth: usize) -> Option<String> {
    let text = raw.get();
    Some(match text.as_bytes()[0] {
        b'{' => {
            let members: BTreeMap<String, &RawValue> =
                serde_json::from_str(text).unwrap();
            let is_meta = depth == 1 && name == "meta";
            let counts =
                |key: &str| !is_meta || !["versionId", "lastUpdated"].contains(&key);
            let members: Vec<String> = members
                .iter()
                .filter(|(key, _)| counts(key))
                .filter_map(|(key, value)| {
                    Some(format!("{key:?}:{}", written(value, key, depth + 1)?))
                })
                .collect();
            if is_meta && members.is_empty() {
                return None;
            }
            format!("{{{}}}", members.join(","))
        }
        b'[' => {
            let items: Vec<&RawValue> = serde_json::from_str(text).unwrap();
            // Deeper than any `meta` that counts, and still named as the list is.
            let item = |item: &&RawValue| written(item, name, 9).unwrap();
            format!("[{}]", items.iter().map(item).collect::<Vec<String>>().join(","))
        }
        b'"' => {
            let said: String = serde_json::from_str(text).unwrap();
            let is_url = ["url", "contentUrl"].contains(&name);
            let end = said.find('?').filter(|_| is_url).unwrap_or(said.len());
            format!("{:?}", &said[..end])
        }
        _ => text.to_owned(),
    })
}

#[derive(Clone, Debug)]
enum Tree {
    Array(Vec<Tree>),
    Object(BTreeMap<String, Tree>),
    Scalar(&'static str),
    Text(String),
}

fn tree() -> impl Strategy<Value = Tree> {
    let scalar = prop::sample::select(vec!["1", "1.0", "1.00", "-2e1", "true", "null"]);
    let leaf = prop_oneof![
        scalar.prop_map(Tree::Scalar),
        prop_oneof![Just("a".to_owned()), Just("a?b".to_owned()), "[a-c?é\"\\\\]{0,12}"]
            .prop_map(Tree::Text),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let key = prop_oneof![
            Just("meta".to_owned()),
            Just("url".to_owned()),
            Just("versionId".to_owned()),
            "[a-c\"é]{1,2}",
        ];
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Tree::Array),
            prop::collection::btree_map(key, inner, 0..4).prop_map(Tree::Object),
        ]
    })
}

/// Writes a tree in a style that dice choose.
fn write(tree: &Tree, dice: &mut impl Iterator<Item = u8>, out: &mut String) {
    let mut blank = |out: &mut String| {
        out.push_str(["", "", " ", "\t "][usize::from(dice.next().unwrap() % 4)]);
        dice.next().unwrap()
    };
    let style = blank(out);
    match tree {
        Tree::Scalar(text) => out.push_str(text),
        Tree::Text(said) => quote(said, style, out),
        Tree::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                write(item, dice, out);
            }
            out.push(']');
        }
        Tree::Object(members) => {
            let mut members: Vec<(&String, &Tree)> = members.iter().collect();
            let middle = usize::from(style) % members.len().max(1);
            members.rotate_left(middle);
            out.push('{');
            for (at, (key, value)) in members.into_iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                quote(key, dice.next().unwrap(), out);
                out.push(':');
                write(value, dice, out);
            }
            out.push('}');
        }
    }
    out.push_str(if style % 3 == 0 { " " } else { "" });
}

fn quote(said: &str, die: u8, out: &mut String) {
    out.push('"');
    for (at, said) in said.chars().enumerate() {
        let must = said == '"' || said == '\\';
        if must || (usize::from(die) + at).is_multiple_of(3) {
            write!(out, "\\u{:04X}", u32::from(said)).unwrap();
        } else {
            out.push(said);
        }
    }
    out.push('"');
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Items: 134.
    /// Faults: F20.
    #[test]
    fn two_lines_hash_alike_just_when_they_say_the_same(
        one in tree(), other in tree(), dice in vec(any::<u8>(), 1..40), more in vec(any::<u8>(), 1..40),
    ) {
        let render = |tree: &Tree, dice: &[u8]| {
            let mut out = String::new();
            write(tree, &mut dice.iter().copied().cycle(), &mut out);
            out
        };
        let (first, again, another) = (render(&one, &dice), render(&one, &more), render(&other, &more));
        prop_assert!(content_hash(&first).is_some(), "{}", first);
        prop_assert_eq!(content_hash(&first), content_hash(&again), "{} {}", first, again);
        prop_assert_eq!(
            content_hash(&first) == content_hash(&another),
            canonical(&first) == canonical(&another),
            "{} {}", first, another
        );
    }
}
