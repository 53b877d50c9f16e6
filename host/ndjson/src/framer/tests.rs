use proptest::prelude::*;

use super::*;

/// Lines of a block: number and text.
type Shown = Vec<(u64, String)>;

fn frame(chunks: &[&[u8]], limits: FramerLimits) -> (Vec<Shown>, (u64, u64)) {
    let mut framer = Framer::new(limits);
    let mut blocks = Vec::new();
    for chunk in chunks {
        framer.push(Bytes::copy_from_slice(chunk));
        while let Some(block) = framer.next_block() {
            blocks.push(show(&block));
        }
    }
    let (last, Passed { empty_lines, crlf_lines }) = framer.finish();
    blocks.extend(last.as_ref().map(show));
    (blocks, (empty_lines, crlf_lines))
}

fn show(block: &Block) -> Vec<(u64, String)> {
    let text = |line: &Line| match line {
        Line::TooLong { number, len } => (*number, format!("<{len} bytes>")),
        Line::Whole { number, span } => {
            (*number, String::from_utf8_lossy(&block.bytes[span.clone()]).into_owned())
        }
    };
    block.lines.iter().map(text).collect()
}

const WIDE: FramerLimits =
    FramerLimits { block_bytes: 1 << 20, block_lines: 1000, line_bytes: 8 };

/// Items: 103, 104.
/// Faults: F18.
#[test]
fn frames_lines_wherever_chunks_break() {
    type Row<'a> = (&'a str, &'a [&'a str], &'a [(u64, &'a str)], u64, u64);
    let cases: &[Row<'_>] = &[
        ("split inside a line", &["a", "b\nc\n"], &[(1, "ab"), (2, "c")], 0, 0),
        ("empty lines are counted", &["a\n\nb\n \n"], &[(1, "a"), (3, "b")], 2, 0),
        ("no last newline", &["a\nb"], &[(1, "a"), (2, "b")], 0, 0),
        ("crlf is counted", &["a\r\nb\r", "\n"], &[(1, "a"), (2, "b")], 0, 2),
        ("a lone cr stays", &["a\rb\n"], &[(1, "a\rb")], 0, 0),
        (
            "byte order mark",
            &["\u{feff}a\n\u{feff}\n"],
            &[(1, "a"), (2, "\u{feff}")],
            0,
            0,
        ),
        ("spaces belong to the line", &[" a \n"], &[(1, " a ")], 0, 0),
        (
            "a line separator of Unicode does not end",
            &["a\u{2028}b\n"],
            &[(1, "a\u{2028}b")],
            0,
            0,
        ),
        ("too long", &["123456789\nb\n"], &[(1, "<9 bytes>"), (2, "b")], 0, 0),
        ("at the limit", &["12345678\n"], &[(1, "12345678")], 0, 0),
        ("too long, last", &["123456789"], &[(1, "<9 bytes>")], 0, 0),
        ("nothing", &[], &[], 0, 0),
        ("only empty lines", &["\n\r\n"], &[], 2, 0),
    ];
    for (name, chunks, expected, empty, crlf) in cases {
        let whole: String = chunks.concat();
        let expected: Vec<(u64, String)> =
            expected.iter().map(|(number, text)| (*number, (*text).to_owned())).collect();
        let bytes: Vec<&[u8]> = chunks.iter().map(|chunk| chunk.as_bytes()).collect();
        let (blocks, passed) = frame(&bytes, WIDE);
        assert_eq!(
            (blocks.concat(), passed),
            (expected.clone(), (*empty, *crlf)),
            "case: {name}"
        );
        // The same one byte at a time.
        let single: Vec<&[u8]> = whole.as_bytes().chunks(1).collect();
        assert_eq!(
            frame(&single, WIDE).0.concat(),
            expected,
            "case: {name}, byte by byte"
        );
    }
}

/// Items: 117.
/// Faults: F19.
#[test]
fn forgets_an_overlong_line_while_it_still_arrives() {
    let mut framer = Framer::new(WIDE);
    for _ in 0..1000 {
        framer.push(Bytes::from_static(&[b'x'; 100]));
        assert_eq!(framer.next_block(), None);
        assert!(framer.buffer.len() <= 8, "{} bytes are held", framer.buffer.len());
    }
    framer.push(Bytes::from_static(b"\nok\n"));
    assert_eq!(framer.next_block(), None);
    let (last, _) = framer.finish();
    let lines = last.as_ref().map(show).unwrap_or_default();
    assert_eq!(lines, [(1, "<100000 bytes>".to_owned()), (2, "ok".to_owned())]);
}

/// Items: 103.
#[test]
fn holds_no_more_than_a_block_of_empty_lines() {
    let limits = FramerLimits { block_bytes: 1000, block_lines: 10, line_bytes: 100 };
    let mut framer = Framer::new(limits);
    framer.push(Bytes::from_static(b"a\n"));
    let mut lines = Vec::new();
    for _ in 0..1000 {
        framer.push(Bytes::from_static(&[b'\n'; 100]));
        while let Some(block) = framer.next_block() {
            lines.extend(show(&block));
        }
        assert!(framer.buffer.len() <= 1100, "{} bytes are held", framer.buffer.len());
    }
    framer.push(Bytes::from_static(b"b"));
    let (last, passed) = framer.finish();
    lines.extend(last.as_ref().map(show).unwrap_or_default());
    assert_eq!(lines, [(1, "a".to_owned()), (100_002, "b".to_owned())]);
    assert_eq!(passed.empty_lines, 100_000);
}

#[test]
fn finish_loses_nothing_that_was_not_asked_for() {
    let limits = FramerLimits { block_bytes: 1, block_lines: 1, line_bytes: 100 };
    let mut framer = Framer::new(limits);
    framer.push(Bytes::from_static(b"a\n\nb\nc"));
    let (last, passed) = framer.finish();
    let lines = last.as_ref().map(show).unwrap_or_default();
    assert_eq!((lines.len(), passed.empty_lines), (3, 1));
    assert_eq!(lines.last(), Some(&(4, "c".to_owned())));
}

proptest! {
    /// Items: 104.
    /// Faults: F18.
    #[test]
    fn blocks_depend_on_the_content_alone(
        lines in prop::collection::vec("[ a-zé\r]{0,12}", 0..40),
        ends_with_newline: bool,
        cuts in prop::collection::vec(1_usize..9, 1..60),
        block_bytes in 1_usize..30,
        block_lines in 1_usize..6,
    ) {
        let limits = FramerLimits { block_bytes, block_lines, line_bytes: 10 };
        let mut text = lines.join("\n");
        if ends_with_newline {
            text.push('\n');
        }
        let whole = frame(&[text.as_bytes()], limits);
        let mut chunks = Vec::new();
        let mut rest = text.as_bytes();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (chunk, after) = rest.split_at((*cut).min(rest.len()));
            chunks.push(chunk);
            rest = after;
        }
        prop_assert_eq!(frame(&chunks, limits), whole);
    }
}
