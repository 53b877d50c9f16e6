//! Faults of lines, as far as they are the client's: it hands bytes on as they came, and
//! stops at what no text unfolds to. What a line means is the intake's to judge.

use bulkhead_model::ByteSize;
use bulkhead_sample_server::{
    Fault, On, Scenario,
    scenario::{BodyFault, Insert, LineEdit, Packing, Shape, Stain},
};

use crate::row::{End, Why, check, error, row};

fn spoilt(body: BodyFault) -> Scenario {
    Scenario::default().with(Fault::on(On::File).file(0).body(body))
}

fn holds(lines: &[u8], part: &[u8]) -> bool {
    lines.windows(part.len()).any(|window| window == part)
}

/// Faults: F18, F20.
#[tokio::test]
async fn lines_are_handed_on_byte_for_byte() {
    let shaped = |shape| spoilt(BodyFault::shape(shape));
    let stained = |with| spoilt(BodyFault::line(LineEdit::Stain { row: 1, with }));
    let numbers = r#"{"resourceType":"Patient","id":"numbers","a":[1.0,1.00,1e2,12345678901234567890],"b":"\u00e9\u2028"}"#;
    let inserted = spoilt(BodyFault::insert(1, Insert::Text(numbers.to_owned())));
    check(vec![
        row("F18 crlf", shaped(Shape::Crlf), End::Complete)
            .shown_by(|seen| holds(&seen.lines, b"\r\n")),
        row("F18 bom", shaped(Shape::Bom), End::Complete)
            .shown_by(|seen| seen.lines.starts_with(b"\xef\xbb\xbf")),
        row("F18 blank first", shaped(Shape::BlankFirst), End::Complete)
            .shown_by(|seen| seen.lines.starts_with(b"\n")),
        row("F18 blank between", shaped(Shape::BlankBetween), End::Complete)
            .shown_by(|seen| holds(&seen.lines, b"\n\n")),
        row("F18 blank last", shaped(Shape::BlankLast), End::Complete)
            .shown_by(|seen| holds(&seen.lines, b"\n\n")),
        row("F18 spaces", shaped(Shape::Spaces), End::Complete)
            .shown_by(|seen| holds(&seen.lines, b" \n")),
        row("F18 no final newline", shaped(Shape::NoFinalNewline), End::Complete)
            .shown_by(|seen| holds(&seen.lines, b"}{\"")),
        row("F18 pretty", shaped(Shape::Pretty), End::Incomplete(Why::Count)),
        row("F18 nul", stained(Stain::Nul), End::AsSent)
            .shown_by(|seen| seen.lines.contains(&0)),
        row("F18 invalid utf-8", stained(Stain::InvalidUtf8), End::AsSent)
            .shown_by(|seen| std::str::from_utf8(&seen.lines).is_err()),
        row("F18 escaped nul", stained(Stain::EscapedNul), End::Complete)
            .shown_by(|seen| holds(&seen.lines, br"\u0000")),
        row("F18 escaped return", stained(Stain::EscapedReturn), End::Complete)
            .shown_by(|seen| holds(&seen.lines, br"\r")),
        row("F18 line separator", stained(Stain::LineSeparator), End::Complete)
            .shown_by(|seen| holds(&seen.lines, "\u{2028}".as_bytes())),
        row("F18 multibyte", stained(Stain::Multibyte), End::Complete),
        row("F20 numbers", inserted, End::Incomplete(Why::Count)).shown_by(|seen| {
            holds(
                &seen.lines,
                br#"[1.0,1.00,1e2,12345678901234567890],"b":"\u00e9\u2028"}"#,
            )
        }),
    ])
    .await;
}

/// Faults: F19, F22, F23.
#[tokio::test]
async fn sizes_are_bounded_and_lines_too_many_show_in_the_count() {
    let inserted = |what| spoilt(BodyFault::insert(1, what));
    let bomb = BodyFault {
        packing: Some(Packing::Gzip),
        ..BodyFault::insert(1, Insert::Line(40 << 20))
    };
    let copy = LineEdit::Copy { file: 1, row: 1, at: 1 };
    let more = || End::Incomplete(Why::Count);
    check(vec![
        row("F19 too long", inserted(Insert::Line(8 << 20)), error("TooLarge"))
            .set(|settings| settings.limits.file = ByteSize::mib(4)),
        row("F19 bomb", spoilt(bomb), error("Inflated"))
            .set(|settings| settings.limits.inflation = 100),
        row("F19 deep", inserted(Insert::Deep(10_000)), more()),
        row("F19 wide", inserted(Insert::Wide(100_000)), more()),
        row("F19 keys twice", inserted(Insert::DuplicateKeys), more()),
        row("F22 other type", inserted(Insert::OfType("Observation".to_owned())), more()),
        row("F22 outcome", inserted(Insert::Outcome("error".to_owned())), more()),
        row("F22 without id", inserted(Insert::WithoutId), more()),
        row("F22 without type", inserted(Insert::WithoutType), more()),
        row("F23 twice", spoilt(BodyFault::line(LineEdit::Duplicate(1))), more()),
        row("F23 older after newer", spoilt(BodyFault::line(LineEdit::Older(1))), more()),
        row("F23 across files", spoilt(BodyFault::line(copy)), more()),
        row("F12 dropped rows", spoilt(BodyFault::line(LineEdit::DropAfter(2))), more()),
    ])
    .await;
}
