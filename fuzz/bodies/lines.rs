//! What must hold of any bytes that are said to be NDJSON. A body fails by panicking.

use std::collections::BTreeSet;

use bulkhead_ndjson::{
    Bases, Block, Framer, FramerLimits, Line, Malformed, Peek, content_hash,
};
use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// A line as it was framed: its number, and its bytes or how many there were.
type Framed = (u64, Result<Vec<u8>, u64>);

/// Blocks are the same however chunks break, and hold the lines that are there.
pub(crate) fn framer(data: &[u8]) {
    let [block, lines, line, chunk, text @ ..] = data else { return };
    let limits = FramerLimits {
        block_bytes: usize::from(*block) + 1,
        block_lines: usize::from(*lines % 8) + 1,
        line_bytes: usize::from(*line) + 1,
    };
    let whole = framed(limits, std::iter::once(text));
    let broken = framed(limits, text.chunks(usize::from(*chunk) + 1));
    assert_eq!(whole, broken);
    let found: Vec<Framed> = whole.into_iter().flatten().collect();
    assert_eq!(found, split(limits.line_bytes, text));
}

fn framed<'a>(
    limits: FramerLimits,
    chunks: impl Iterator<Item = &'a [u8]>,
) -> Vec<Vec<Framed>> {
    let mut framer = Framer::new(limits);
    let mut blocks = Vec::new();
    for chunk in chunks {
        framer.push(Bytes::copy_from_slice(chunk));
        while let Some(block) = framer.next_block() {
            blocks.push(block);
        }
    }
    blocks.extend(framer.finish().0);
    blocks.iter().map(lines_of).collect()
}

fn lines_of(block: &Block) -> Vec<Framed> {
    let text = |line: &Line| match line {
        Line::TooLong { number, len } => (*number, Err(*len)),
        Line::Whole { number, span } => {
            let bytes = block.bytes.get(span.clone());
            (*number, Ok(bytes.map_or_else(Vec::new, <[u8]>::to_vec)))
        }
    };
    block.lines.iter().map(text).collect()
}

/// The same, the simple way.
fn split(longest: usize, text: &[u8]) -> Vec<Framed> {
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        if line.len() > longest {
            lines.push((number, Err(line.len() as u64)));
        } else if !line.iter().all(|byte| b" \t\r".contains(byte)) {
            lines.push((number, Ok(line.strip_suffix(b"\r").unwrap_or(line).to_vec())));
        }
    }
    lines
}

/// What the scanner says of a line, a whole JSON reader says too.
pub(crate) fn peek(data: &[u8]) {
    let bases = Bases::new(["https://ehr.example/fhir".to_owned()]);
    let peek = Peek::new("Observation".parse().ok().as_ref(), bases);
    let found = peek.read(data);
    let Ok(text) = std::str::from_utf8(data) else {
        return assert_eq!(found, Err(Malformed::Utf8));
    };
    if serde_json::from_str::<IgnoredAny>(text).is_err() {
        assert!(found.is_err(), "{found:?}");
    }
    let Ok(tree) = serde_json::from_str::<Map<String, Value>>(text) else { return };
    match found {
        Ok(envelope) => {
            let at = |span: &std::ops::Range<u32>| {
                let (start, end) = (span.start as usize - 1, span.end as usize + 1);
                text.get(start..end).and_then(|text| serde_json::from_str(text).ok())
            };
            let kind = tree.get("resourceType").and_then(Value::as_str);
            assert_eq!(at(&envelope.resource_type), kind.map(str::to_owned));
            let id = tree.get("id").and_then(Value::as_str);
            assert_eq!(envelope.id.as_ref().and_then(at), id.map(str::to_owned));
        }
        Err(reason) => {
            assert!(!matches!(reason, Malformed::Json | Malformed::Utf8), "{reason:?}");
        }
    }
}

/// Only JSON has content, and it stays the same when the line is written anew.
pub(crate) fn content(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let hash = content_hash(text);
    if serde_json::from_str::<IgnoredAny>(text).is_err() {
        assert_eq!(hash, None);
    }
    let Ok(tree) = serde_json::from_str::<Map<String, Value>>(text) else { return };
    assert!(hash.is_some());
    if serde_json::from_str::<Plain>(text).is_ok_and(|plain| plain.0) {
        let anew = Value::Object(tree).to_string();
        assert_eq!(hash, content_hash(&anew), "{anew}");
    }
}

/// Whether a JSON text survives a tree: no name twice, and no number that is not whole.
struct Plain(bool);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Judge)
    }
}

struct Judge;

impl<'de> Visitor<'de> for Judge {
    type Value = Plain;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Plain, E> {
        Ok(Plain(true))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Plain, E> {
        Ok(Plain(false))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Plain, E> {
        Ok(Plain(true))
    }

    fn visit_str<E>(self, _: &str) -> Result<Plain, E> {
        Ok(Plain(true))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Plain, E> {
        Ok(Plain(true))
    }

    fn visit_unit<E>(self) -> Result<Plain, E> {
        Ok(Plain(true))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Plain, A::Error> {
        let mut is_plain = true;
        while let Some(item) = items.next_element::<Plain>()? {
            is_plain &= item.0;
        }
        Ok(Plain(is_plain))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Plain, A::Error> {
        let (mut is_plain, mut names) = (true, BTreeSet::new());
        while let Some((name, member)) = members.next_entry::<String, Plain>()? {
            is_plain &= member.0 && names.insert(name);
        }
        Ok(Plain(is_plain))
    }
}
