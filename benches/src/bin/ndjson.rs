//! How fast lines are cut and read: against a copy of the same bytes, and against a parser
//! that keeps nothing.
//!
//! `bench-ndjson [PATIENTS] [ROUNDS]`, or `bench-ndjson --profile [PATIENTS]` to run framing
//! and peek alone, again and again, under a profiler.

#![expect(clippy::print_stdout, reason = "a measurement tells its numbers there")]

use std::{collections::BTreeMap, hint::black_box, path::Path};

use anyhow::Context as _;
use bulkhead_benches::{
    data::{self, File},
    lanes,
    rounds::{self, Contestant, Series, take_turns},
};
use bulkhead_ndjson::{Bases, Line, Peek, content_hash};
use bytes::Bytes;
use serde::de::IgnoredAny;

/// Passes of the profile: long enough for a sampling profiler.
const PASSES: usize = 20;

fn main() -> anyhow::Result<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_profile = arguments.first().is_some_and(|first| first == "--profile");
    if is_profile {
        arguments.remove(0);
    }
    let number = |at: usize, default: u32| {
        arguments.get(at).map_or(Ok(default), |text| text.parse())
    };
    let patients = number(0, 1700)?;
    let files = data::files(&data::made_up(patients)?)?;
    if is_profile {
        for _ in 0..PASSES {
            files.iter().for_each(peek);
        }
        return Ok(());
    }
    let rounds = usize::try_from(number(1, 9)?)?;
    println!("{}", rounds::load());
    measure(&format!("made-up, {patients} patients"), files, rounds)?;
    let synthea =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/synthea-10");
    if synthea.is_dir() {
        measure("synthea, 10 patients", data::files(&synthea)?, rounds)?;
    }
    println!("{}", rounds::load());
    Ok(())
}

fn measure(title: &str, files: Vec<File>, rounds: usize) -> anyhow::Result<()> {
    let mut by_type: BTreeMap<String, Vec<File>> = BTreeMap::new();
    for file in files {
        by_type.entry(file.resource_type.to_string()).or_default().push(file);
    }
    println!(
        "\n{title}: MB/s (median), one core\n{:<22} {:>7} {:>6} {:>8} {:>8} {:>7} {:>7} {:>8} {:>10} {:>10} {:>11}",
        "type",
        "MB",
        "B/line",
        "memcpy",
        "framing",
        "+peek",
        "+intake",
        "content",
        "IgnoredAny",
        "framing/cpy",
        "peek/Ignored"
    );
    let mut sums: Vec<Series> = Vec::new();
    let (mut all_bytes, mut all_lines) = (0_u64, 0_u64);
    for (name, files) in &by_type {
        let bytes: u64 = files.iter().map(|file| file.bytes.len() as u64).sum();
        let lines: Vec<Bytes> =
            files.iter().flat_map(|file| data::lines(&file.bytes)).collect();
        let series = contest(files, &lines, rounds).with_context(|| name.clone())?;
        row(name, bytes, lines.len() as u64, &series);
        all_bytes += bytes;
        all_lines += lines.len() as u64;
        add(&mut sums, series);
    }
    row("all", all_bytes, all_lines, &sums);
    Ok(())
}

fn contest(
    files: &[File],
    lines: &[Bytes],
    rounds: usize,
) -> anyhow::Result<Vec<Series>> {
    // Small files are over before the clock has ticked often: they run several times.
    let bytes: usize = files.iter().map(|file| file.bytes.len()).sum();
    let times = (4_000_000 / bytes.max(1)).clamp(1, 1000);
    let mut target = Vec::new();
    let mut contestants = [
        Contestant::new("memcpy", || {
            for file in files.iter().cycle().take(files.len() * times) {
                target.clear();
                target.extend_from_slice(&file.bytes);
                black_box(&target);
            }
            Ok(())
        }),
        Contestant::new("framing", || {
            for file in files.iter().cycle().take(files.len() * times) {
                lanes::blocks(file).for_each(|block| drop(black_box(block)));
            }
            Ok(())
        }),
        Contestant::new("peek", || {
            files.iter().cycle().take(files.len() * times).for_each(peek);
            Ok(())
        }),
        Contestant::new("intake", || {
            for file in files.iter().cycle().take(files.len() * times) {
                lanes::intake(file)?;
            }
            Ok(())
        }),
        Contestant::new("content", || {
            for line in lines.iter().cycle().take(lines.len() * times) {
                black_box(content_hash(line));
            }
            Ok(())
        }),
        Contestant::new("ignored", || {
            for line in lines.iter().cycle().take(lines.len() * times) {
                let text = std::str::from_utf8(line)?;
                black_box(serde_json::from_str::<IgnoredAny>(text)?);
            }
            Ok(())
        }),
    ];
    let mut series = take_turns(rounds, &mut contestants)?;
    for one in &mut series {
        for wall in &mut one.wall {
            *wall /= times as f64;
        }
    }
    Ok(series)
}

/// Framing and peek, nothing kept.
fn peek(file: &File) {
    let peek = Peek::new(Some(&file.resource_type), Bases::default());
    for block in lanes::blocks(file) {
        let text = std::str::from_utf8(&block.bytes).unwrap_or_default();
        for line in &block.lines {
            if let Line::Whole { span, .. } = line
                && let Some(line) = text.get(span.clone())
            {
                let _ = black_box(peek.read_str(line));
            }
        }
    }
}

fn add(sums: &mut Vec<Series>, series: Vec<Series>) {
    if sums.is_empty() {
        *sums = series;
        return;
    }
    for (sum, one) in sums.iter_mut().zip(series) {
        for (sum, wall) in sum.wall.iter_mut().zip(one.wall) {
            *sum += wall;
        }
    }
}

fn row(name: &str, bytes: u64, lines: u64, series: &[Series]) {
    let [copy, framing, peek, intake, content, ignored] = series else { return };
    let rate = |of: &Series| bytes as f64 / 1e6 / of.median();
    println!(
        "{name:<22} {:>7.1} {:>6.0} {:>8.0} {:>8.0} {:>7.0} {:>7.0} {:>8.0} {:>10.0} {:>10.2} {:>11.2}",
        bytes as f64 / 1e6,
        bytes as f64 / lines.max(1) as f64,
        rate(copy),
        rate(framing),
        rate(peek),
        rate(intake),
        rate(content),
        rate(ignored),
        framing.ratio(copy),
        peek.ratio(ignored),
    );
}
