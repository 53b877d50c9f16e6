//! Faults of bodies: cuts, framing, packing, lines, shapes, pace, writes.

use std::{io::Read, num::NonZeroU32, time::Duration};

use bulkhead_sample_server::{
    Data, Fault, On, Running, Scenario,
    scenario::{
        At, BodyFault, Cut, CutHow, Framing, Insert, LineEdit, Packing, Shape, Shift,
        Stain,
    },
};
use flate2::read::{GzDecoder, MultiGzDecoder};
use serde_json::Value;

use crate::client::{Raw, export, misbehaving, raw, send, target};

const GZIP: &str = "Accept-Encoding: gzip\r\n";

/// The first file of an export of six patients, spoilt; and what it should have been.
async fn spoilt(body: BodyFault, headers: &str) -> (Raw, Vec<u8>) {
    let fault = Fault::on(On::File).times(1).body(body);
    let (server, file) = served(fault, "$export?_type=Patient").await;
    let spoilt = raw(server.addr, &file, headers).await;
    let whole = send(server.addr, "GET", &file, &[], "").await.body;
    assert_eq!(server.control.struck().len(), 1);
    server.shutdown().await;
    (spoilt, whole)
}

async fn served(fault: Fault, path: &str) -> (Running, String) {
    let scenario = Scenario::default().with(fault);
    let server = misbehaving(Data::made_up(6, 7), scenario).await;
    let manifest = export(&server, path).await;
    let file = target(manifest["output"][0]["url"].as_str().unwrap());
    (server, file)
}

fn at_row(whole: &[u8], row: usize) -> usize {
    whole.split_inclusive(|byte| *byte == b'\n').take(row).map(<[u8]>::len).sum()
}

/// Takes the chunks together; whether the last one came.
fn chunks(mut raw: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(end) = raw.windows(2).position(|two| two == b"\r\n") else {
            return (body, false);
        };
        let size =
            usize::from_str_radix(std::str::from_utf8(&raw[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return (body, true);
        }
        let size = size.min(raw.len() - end - 2);
        body.extend_from_slice(&raw[end + 2..end + 2 + size]);
        raw = raw.get(end + 2 + size + 2..).unwrap_or_default();
    }
}

/// Faults: F15.
#[tokio::test]
async fn bodies_break_off_where_ordered() {
    let framed = |framing, at, how| BodyFault {
        framing: Some(framing),
        ..BodyFault::cut(at, how)
    };
    let (_, whole) = spoilt(BodyFault::framed(Framing::Length), "").await;
    let (two, three) = (at_row(&whole, 2), at_row(&whole, 3));
    let mid = two + (three - 1 - two) / 2;
    let cases = [
        ("short length", Framing::Length, At::Byte(100), CutHow::Close, 100),
        ("reset", Framing::Length, At::Byte(100), CutHow::Reset, 100),
        ("mid-line", Framing::Length, At::MidLine(3), CutHow::Close, mid),
        ("no last chunk", Framing::Chunked, At::MidLine(3), CutHow::Close, mid),
        ("clean mid-line", Framing::Chunked, At::MidLine(3), CutHow::Clean, mid),
        ("clean at a line's end", Framing::Chunked, At::LineEnd(2), CutHow::Clean, two),
        (
            "closed at a line's end",
            Framing::UntilClose,
            At::LineEnd(2),
            CutHow::Clean,
            two,
        ),
        ("clean with a length", Framing::Length, At::LineEnd(2), CutHow::Clean, two),
        ("half", Framing::Length, At::Fraction(0.5), CutHow::Close, whole.len() / 2),
    ];
    for (name, framing, at, how, length) in cases {
        let (raw, whole) = spoilt(framed(framing, at, how), "").await;
        let body = match framing {
            Framing::Chunked => {
                let (body, is_ended) = chunks(raw.body());
                assert_eq!(is_ended, how == CutHow::Clean, "case: {name}");
                body
            }
            Framing::Length | Framing::UntilClose => raw.body().to_vec(),
        };
        assert!(body == whole[..length], "case: {name}: {} of {length}", body.len());
        assert_eq!(raw.is_reset, how == CutHow::Reset, "case: {name}");
        let said = match how {
            CutHow::Clean => length,
            CutHow::Close | CutHow::Reset => whole.len(),
        };
        let says = raw.head().contains(&format!("content-length: {said}\r\n"));
        assert_eq!(says, framing == Framing::Length, "case: {name}");
    }
}

/// Faults: F15.
#[tokio::test]
async fn a_random_cut_depends_on_the_seed_alone() {
    let mut lengths = Vec::new();
    for seed in [1, 1, 2] {
        let body = BodyFault {
            framing: Some(Framing::Length),
            ..BodyFault::cut(At::Random, CutHow::Close)
        };
        let scenario = Scenario { seed, ..Scenario::default() };
        let scenario = scenario.with(Fault::on(On::File).body(body));
        let server = misbehaving(Data::made_up(6, 7), scenario).await;
        let manifest = export(&server, "$export?_type=Patient").await;
        let file = target(manifest["output"][0]["url"].as_str().unwrap());
        lengths.push(raw(server.addr, &file, "").await.body().len());
        server.shutdown().await;
    }
    assert_eq!(lengths[0], lengths[1]);
    assert_ne!(lengths[0], lengths[2]);
}

/// Faults: F15.
#[tokio::test]
async fn gzip_breaks_off_in_data_in_the_trailer_and_between_members() {
    let gunzip = |bytes: &[u8]| {
        let mut plain = Vec::new();
        let read = MultiGzDecoder::new(bytes).read_to_end(&mut plain);
        (plain, read.is_ok())
    };
    let cut = |at| BodyFault::cut(at, CutHow::Close);
    for (name, at) in [("data", At::GzipData), ("trailer", At::GzipTrailer)] {
        let (raw, whole) = spoilt(cut(at), GZIP).await;
        assert!(raw.head().contains("content-encoding: gzip"), "case: {name}");
        let (body, is_ended) = chunks(raw.body());
        assert!(!is_ended, "case: {name}");
        let (plain, is_whole) = gunzip(&body);
        assert!(!is_whole && whole.starts_with(&plain), "case: {name}");
        assert_eq!(plain.len() == whole.len(), name == "trailer", "case: {name}");
    }
    let two = NonZeroU32::new(2).unwrap();
    let body = BodyFault {
        packing: Some(Packing::Members(two)),
        ..BodyFault::cut(At::GzipAfterMember, CutHow::Clean)
    };
    let (raw, whole) = spoilt(body, "").await;
    let (plain, is_whole) = gunzip(&chunks(raw.body()).0);
    assert!(is_whole);
    assert!(plain == whole[..at_row(&whole, 2)]);
}

/// Faults: F16.
#[tokio::test]
async fn bodies_are_framed_and_packed_as_ordered() {
    let frames = [
        (Framing::Chunked, "http/1.1", "transfer-encoding: chunked"),
        (Framing::Length, "http/1.1", "content-length: "),
        (Framing::UntilClose, "http/1.0", "connection: close"),
    ];
    for (framing, version, header) in frames {
        for headers in ["", GZIP] {
            let (raw, whole) = spoilt(BodyFault::framed(framing), headers).await;
            let head = raw.head();
            assert!(head.starts_with(version) && head.contains(header), "{head}");
            let body = match framing {
                Framing::Chunked => chunks(raw.body()).0,
                Framing::Length | Framing::UntilClose => raw.body().to_vec(),
            };
            if headers == GZIP {
                assert!(head.contains("content-encoding: gzip"), "{head}");
                assert!(gunzipped(&body) == whole);
            } else {
                assert!(body == whole);
            }
        }
    }
    let two = NonZeroU32::new(2).unwrap();
    let packings = [
        (Packing::Identity, None, 0),
        (Packing::Gzip, Some("gzip"), 1),
        (Packing::Unlabelled, None, 1),
        (Packing::Double, Some("gzip"), 2),
        (Packing::Members(two), Some("gzip"), 1),
        (Packing::Label("br".to_owned()), Some("br"), 0),
        (Packing::Label("gzip".to_owned()), Some("gzip"), 0),
    ];
    for (packing, label, layers) in packings {
        let (raw, whole) = spoilt(BodyFault::packed(packing.clone()), GZIP).await;
        let found = raw
            .head()
            .lines()
            .find_map(|line| line.strip_prefix("content-encoding: ").map(str::to_owned));
        assert_eq!(found.as_deref(), label, "case: {packing:?}");
        let mut body = chunks(raw.body()).0;
        for _ in 0..layers {
            body = gunzipped(&body);
        }
        assert!(body == whole, "case: {packing:?}");
    }
}

fn gunzipped(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    MultiGzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
    plain
}

/// Faults: F17.
#[tokio::test]
async fn a_body_stalls_and_trickles() {
    let stall = BodyFault::stall(At::MidLine(2), Duration::from_mins(10));
    let (server, file) =
        served(Fault::on(On::File).body(stall), "$export?_type=Patient").await;
    let reading = raw(server.addr, &file, "");
    let ended = tokio::time::timeout(Duration::from_millis(300), reading).await;
    assert!(ended.is_err());
    server.shutdown().await;

    // 150 bytes at 500 a second: three tenths of a second at least, six reads or more.
    let slow = BodyFault {
        cut: Some(Cut { at: At::Byte(150), how: CutHow::Close }),
        ..BodyFault::slow(NonZeroU32::new(500).unwrap())
    };
    let (raw, whole) = spoilt(slow, "").await;
    assert!(raw.body() == &whole[..150]);
    assert!(raw.reads >= 4, "{} reads", raw.reads);
}

/// What a shape makes of a body.
type Change<'a> = &'a dyn Fn(&str) -> String;

/// Faults: F18.
#[tokio::test]
async fn lines_take_every_shape() {
    let cases: [(&str, Shape, Change<'_>); 8] = [
        ("crlf", Shape::Crlf, &|text| text.replace('\n', "\r\n")),
        ("bom", Shape::Bom, &|text| format!("\u{feff}{text}")),
        ("blank between", Shape::BlankBetween, &|text| text.replace('\n', "\n\n")),
        ("blank first", Shape::BlankFirst, &|text| format!("\n\n{text}")),
        ("blank last", Shape::BlankLast, &|text| format!("{text}\n\n")),
        ("spaces", Shape::Spaces, &|text| text.replace('\n', "\n   \n")),
        ("no final newline", Shape::NoFinalNewline, &|text| text.trim_end().to_owned()),
        ("pretty", Shape::Pretty, &|text| {
            let pretty = |line| {
                let value: Value = serde_json::from_str(line).unwrap();
                serde_json::to_string_pretty(&value).unwrap() + "\n"
            };
            text.lines().map(pretty).collect()
        }),
    ];
    for (name, shape, expected) in cases {
        let (raw, whole) = spoilt(BodyFault::shape(shape), "").await;
        let body = String::from_utf8(chunks(raw.body()).0).unwrap();
        let whole = String::from_utf8(whole).unwrap();
        assert!(body == expected(&whole), "case: {name}: {body:.200}");
    }
    let stains: [(Stain, &[u8]); 6] = [
        (Stain::EscapedReturn, b"\"\\r\""),
        (Stain::EscapedNul, b"\"\\u0000\""),
        (Stain::InvalidUtf8, b"\"\xff\xfe\""),
        (Stain::LineSeparator, b"\"\xe2\x80\xa8\""),
        (Stain::Multibyte, "\"é€😀\"".as_bytes()),
        (Stain::Nul, b"\"\0\""),
    ];
    for (with, bytes) in stains {
        let edit = LineEdit::Stain { row: 2, with };
        let (raw, whole) = spoilt(BodyFault::line(edit), "").await;
        let body = chunks(raw.body()).0;
        let start = at_row(&whole, 1);
        assert!(body[..start] == whole[..start]);
        let row = &body[start..];
        assert!(row.starts_with(&[b"{\"language\":".as_slice(), bytes].concat()));
    }
    let one = BodyFault::writes(NonZeroU32::MIN);
    let (raw, whole) = spoilt(one, "").await;
    assert!(raw.body() == whole);
}

/// Faults: F19, F20, F22, F23, F24.
#[tokio::test]
async fn lines_come_that_should_not() {
    let text = r#"{"resourceType":"Patient","id":"n","multipleBirthInteger":1.00}"#;
    let inserts = [
        ("text", Insert::Text(text.to_owned()), "1.00"),
        ("type", Insert::OfType("Observation".to_owned()), "\"Observation\""),
        ("outcome", Insert::Outcome("fatal".to_owned()), "\"fatal\""),
        ("no id", Insert::WithoutId, "{\"resourceType\":\"Patient\",\"active\":true}"),
        ("no type", Insert::WithoutType, "{\"id\":"),
        ("keys", Insert::DuplicateKeys, "\"active\":true,\"active\":false"),
        ("deep", Insert::Deep(10_000), "[[[[[[[[[["),
        ("wide", Insert::Wide(100_000), "\"m99999\":99999}"),
    ];
    for (name, what, expected) in inserts {
        for at in [1, 4, u64::MAX] {
            let (raw, whole) = spoilt(BodyFault::insert(at, what.clone()), "").await;
            let body = String::from_utf8(chunks(raw.body()).0).unwrap();
            let place = usize::try_from(at.min(7)).unwrap() - 1;
            let inserted = body.lines().nth(place).unwrap();
            assert!(inserted.contains(expected), "case: {name} at {at}");
            let rest = body.replace(&format!("{inserted}\n"), "");
            assert!(rest.as_bytes() == whole, "case: {name} at {at}");
        }
    }
    let lines = |edit| async {
        let (raw, whole) = spoilt(BodyFault::line(edit), "").await;
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (body, whole) = (text(chunks(raw.body()).0), text(whole));
        let owned = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        (owned(&body), owned(&whole))
    };
    let (body, whole) = lines(LineEdit::Duplicate(2)).await;
    assert_eq!((body.len(), &body[2]), (7, &whole[1]));
    let (body, whole) = lines(LineEdit::Older(2)).await;
    let meta = |line: &str| serde_json::from_str::<Value>(line).unwrap()["meta"].clone();
    assert_eq!((body.len(), &body[1]), (7, &whole[1]));
    assert!(
        meta(&body[2])["lastUpdated"].as_str() < meta(&body[1])["lastUpdated"].as_str()
    );
    let (body, whole) = lines(LineEdit::Drop(1)).await;
    assert_eq!(body, whole[1..]);
    let (body, whole) = lines(LineEdit::DropAfter(2)).await;
    assert_eq!(body, whole[..2]);
    let (body, _) = lines(LineEdit::WithoutMeta(1)).await;
    assert_eq!(meta(&body[0]), Value::Null);
    let shift = Shift::ahead(Duration::from_hours(1));
    let (body, _) = lines(LineEdit::Updated { row: 1, shift }).await;
    // Made-up data stands at its start, which is the transaction time.
    assert!(
        meta(&body[0])["lastUpdated"].as_str() > meta(&body[1])["lastUpdated"].as_str()
    );
    let replaced = LineEdit::Replace { row: 6, text: "not json".to_owned() };
    assert_eq!(lines(replaced).await.0[5], "not json");
}

/// Faults: F23.
#[tokio::test]
async fn a_resource_comes_in_two_files() {
    let copy = LineEdit::Copy { file: 1, row: 1, at: 1 };
    let fault = Fault::on(On::File).file(0).body(BodyFault::line(copy));
    let (server, file) = served(fault, "$export?_type=Condition,Patient").await;
    let body = send(server.addr, "GET", &file, &[], "").await.text();
    let second = file.replace("0.Condition", "1.Patient");
    let other = send(server.addr, "GET", &second, &[], "").await.text();
    assert_eq!(body.lines().next(), other.lines().next());
    server.shutdown().await;
}

/// Faults: F19.
#[tokio::test]
async fn a_line_is_huge_and_a_bomb_is_small() {
    let huge = BodyFault::insert(1, Insert::Line(64 << 20));
    let (raw, whole) = spoilt(huge, "").await;
    assert_eq!(chunks(raw.body()).0.len(), (64 << 20) + 1 + whole.len());
    let bomb = BodyFault {
        packing: Some(Packing::Gzip),
        ..BodyFault::insert(1, Insert::Line(16 << 20))
    };
    let (raw, whole) = spoilt(bomb, GZIP).await;
    assert!(raw.body().len() < 1 << 20, "{}", raw.body().len());
    let mut plain = 0;
    let packed = chunks(raw.body()).0;
    let mut decoder = GzDecoder::new(packed.as_slice());
    let mut buffer = vec![0; 1 << 16];
    loop {
        match decoder.read(&mut buffer).unwrap() {
            0 => break,
            read => plain += read,
        }
    }
    assert_eq!(plain, (16 << 20) + 1 + whole.len());
}

/// Faults: F15, F17.
#[tokio::test]
async fn a_manifest_breaks_off_too() {
    let body = BodyFault::cut(At::Byte(10), CutHow::Close);
    let fault = Fault::on(On::Manifest).body(body);
    let server = misbehaving(Data::made_up(2, 7), Scenario::default().with(fault)).await;
    let status = crate::client::kickoff(&server, "$export").await;
    let cut = raw(server.addr, &status, GZIP).await;
    assert!(cut.body().len() == 10 || chunks(cut.body()).0.len() == 10);
    server.shutdown().await;
}
