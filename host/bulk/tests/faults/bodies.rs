//! Faults of bodies: cut short, framed and packed in every way, stalled.

use std::{num::NonZeroU32, time::Duration};

use bulkhead_sample_server::{
    Fault, Gzip, On, Scenario,
    scenario::{Array, At, BodyFault, Count, CutHow, Framing, Packing},
};

use crate::row::{End, Row, Why, check, error, row};

fn spoilt(body: BodyFault) -> Scenario {
    Scenario::default().with(Fault::on(On::File).file(0).body(body))
}

fn once(body: BodyFault) -> Scenario {
    Scenario::default().with(Fault::on(On::File).file(0).times(1).body(body))
}

fn without_count(scenario: Scenario) -> Scenario {
    scenario.with(Fault::on(On::Manifest).array(Array::Output).count(Count::Absent))
}

fn plain(row: Row) -> Row {
    row.behaving(|behaviour| behaviour.gzip = Gzip::Never)
}

/// Faults: F15.
#[tokio::test]
async fn a_body_that_ends_early_is_noticed_and_fetched_again() {
    let framed = |framing, at, how| BodyFault {
        framing: Some(framing),
        ..BodyFault::cut(at, how)
    };
    let packed = |at| BodyFault {
        packing: Some(Packing::Members(NonZeroU32::MIN.saturating_add(2))),
        framing: Some(Framing::UntilClose),
        ..BodyFault::cut(at, CutHow::Clean)
    };
    let mut rows = Vec::new();
    let broken = [
        ("short length", framed(Framing::Length, At::MidLine(3), CutHow::Close)),
        ("short length, reset", framed(Framing::Length, At::MidLine(3), CutHow::Reset)),
        ("no last chunk", framed(Framing::Chunked, At::LineEnd(2), CutHow::Close)),
    ];
    for (name, body) in broken {
        let scenario = once(body.clone());
        rows.push(plain(row(format!("F15 {name} once"), scenario, End::Complete)));
        let scenario = spoilt(body);
        rows.push(plain(row(
            format!("F15 {name} for ever"),
            scenario,
            error("Network/Body"),
        )));
    }
    for (name, at) in [("gzip data", At::GzipData), ("gzip trailer", At::GzipTrailer)] {
        let scenario = once(packed(at));
        rows.push(row(format!("F15 {name} once"), scenario, End::Complete));
        let scenario = spoilt(packed(at));
        rows.push(row(format!("F15 {name} for ever"), scenario, error("Corrupt")));
    }
    rows.push(row(
        "F15 after the first member",
        spoilt(packed(At::GzipAfterMember)),
        End::Incomplete(Why::Count),
    ));
    for (name, at) in [("mid-line", At::MidLine(3)), ("line end", At::LineEnd(2))] {
        let clean = framed(Framing::UntilClose, at, CutHow::Clean);
        let end = End::Incomplete(Why::Count);
        rows.push(plain(row(format!("F15 clean {name}"), spoilt(clean.clone()), end)));
        let scenario = without_count(spoilt(clean));
        let end = End::Incomplete(Why::Unproven);
        rows.push(plain(row(format!("F15 clean {name}, no count"), scenario, end)));
    }
    // The one cut that nothing shows: the framing is whole, and nobody counted.
    let hidden = framed(Framing::Chunked, At::LineEnd(2), CutHow::Clean);
    let scenario = without_count(spoilt(hidden.clone()));
    rows.push(plain(row("F15 whole framing, no count", scenario, End::AsSent)));
    rows.push(plain(row(
        "F15 whole framing, count",
        spoilt(hidden),
        End::Incomplete(Why::Count),
    )));
    let high = Fault::on(On::Manifest).of_type("Patient").count(Count::Add(5));
    rows.push(row(
        "F15 count too high",
        Scenario::default().with(high),
        End::Incomplete(Why::Count),
    ));
    let text = Fault::on(On::Manifest).array(Array::Output).count(Count::Text);
    rows.push(
        row("F15 count as text", Scenario::default().with(text), End::Complete)
            .shown_by(|seen| seen.files() > 1),
    );
    check(rows).await;
}

/// Faults: F16.
#[tokio::test]
async fn files_arrive_whole_in_every_framing_and_packing() {
    let one = NonZeroU32::MIN;
    let length =
        BodyFault { framing: Some(Framing::Length), ..BodyFault::packed(Packing::Gzip) };
    let closed = BodyFault::framed(Framing::UntilClose);
    check(vec![
        row("F16 chunked", spoilt(BodyFault::framed(Framing::Chunked)), End::Complete),
        row("F16 until close", spoilt(closed.clone()), End::Complete),
        plain(row(
            "F16 until close, no count",
            without_count(spoilt(closed)),
            End::Incomplete(Why::Unproven),
        )),
        row("F16 length and gzip", spoilt(length), End::Complete),
        row(
            "F16 unlabelled",
            spoilt(BodyFault::packed(Packing::Unlabelled)),
            End::Complete,
        ),
        row("F16 double", spoilt(BodyFault::packed(Packing::Double)), End::Complete),
        row(
            "F16 members",
            spoilt(BodyFault::packed(Packing::Members(one))),
            End::Complete,
        ),
        row("F16 identity", spoilt(BodyFault::packed(Packing::Identity)), End::Complete),
        row(
            "F16 brotli",
            spoilt(BodyFault::packed(Packing::Label("br".to_owned()))),
            error("Encoding"),
        ),
        row("F18 byte by byte", spoilt(BodyFault::writes(one)), End::Complete),
    ])
    .await;
}

/// Faults: F17.
#[tokio::test]
async fn a_body_that_stalls_is_given_up_and_fetched_again() {
    let long = Duration::from_secs(20);
    let impatient = |row: Row| {
        plain(row).over(|config| config.idle_timeout = Duration::from_millis(200))
    };
    let stall = BodyFault::stall(At::MidLine(3), long);
    check(vec![
        impatient(row("F17 stalls once", once(stall.clone()), End::Complete)),
        impatient(row("F17 stalls for ever", spoilt(stall), error("Network/Timeout"))),
        impatient(row(
            "F17 trickles",
            once(BodyFault::slow(NonZeroU32::MIN)),
            End::Complete,
        )),
    ])
    .await;
}
