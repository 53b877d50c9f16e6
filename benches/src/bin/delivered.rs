//! What the ledger of resources costs: against the same table in `SQLite`, and to a lane that
//! asks it.
//!
//! `bench-delivered [RESOURCES] [ROUNDS]`; 1,000,000 resources and 5 rounds when not said.

#![expect(clippy::print_stdout, reason = "a measurement tells its numbers there")]
#![expect(clippy::disallowed_methods, reason = "measuring is reading clocks")]

use std::{fmt::Write as _, time::Instant};

use anyhow::ensure;
use bulkhead_benches::{
    data::{File, home},
    lanes::{travel, travel_with},
    remembering::{Remembering, remember},
    resources::{Resources, SQLITE, Sqlite, Table, bytes_below},
    rounds::{self, Contestant, median, take_turns},
};
use bulkhead_ledger::delivered::Delivered;
use bulkhead_pipeline::{Advance, Memory};

/// As in the program; `SQLite` keeps to its own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Resources that are written together: what a sink makes durable at once, about.
const BATCH: u64 = 30_000;

/// Resources that are asked about together: about a block.
const ASKED: u64 = 1000;

/// Times that each is asked.
const QUESTIONS: u64 = 200;

/// Seconds after which `SQLite` is filled no further: a measurement ends the same day.
const PATIENCE: f64 = 90.0;

/// Lines of the file that travels.
const LINES: u64 = 100_000;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default| {
        arguments.get(at).map_or(Ok(default), |text| text.parse::<u64>())
    };
    let resources = Resources { count: number(0, 1_000_000)?, seed: 1 };
    let rounds = usize::try_from(number(1, 5)?)?;
    let home = home().join(format!("delivered-{}", std::process::id()));
    let delivered = Delivered::open(&home.join("fjall"))?;
    let done =
        measure(&resources, delivered.clone(), Sqlite::open(&home.join("sqlite"))?)
            .and_then(|()| {
                for name in ["fjall", "sqlite"] {
                    let bytes = bytes_below(&home.join(name))?;
                    println!("on disk, {name}: {:.0} MB", bytes as f64 / 1e6);
                }
                lanes(&delivered, rounds)
            });
    drop(delivered);
    fs_err::remove_dir_all(&home)?;
    done
}

/// What one table took, batch by batch.
struct Taken {
    table: Box<dyn Table>,
    seconds: Vec<f64>,
    filled: u64,
}

fn measure(
    resources: &Resources,
    delivered: Delivered,
    sqlite: Sqlite,
) -> anyhow::Result<()> {
    let taken = |table: Box<dyn Table>| Taken { table, seconds: Vec::new(), filled: 0 };
    let mut tables = [taken(Box::new(delivered)), taken(Box::new(sqlite))];
    println!("{}\n{} resources, {BATCH} a commit", rounds::load(), resources.count);
    let mut turn = 0;
    let mut start = 0;
    while start < resources.count {
        let end = (start + BATCH).min(resources.count);
        let entries = resources.entries(start..end, 1)?;
        tables.rotate_left(turn % 2);
        for one in &mut tables {
            let is_in_time = one.seconds.iter().sum::<f64>() < PATIENCE;
            if is_in_time || one.table.name() != SQLITE {
                let clock = Instant::now();
                one.table.commit(&entries)?;
                one.seconds.push(clock.elapsed().as_secs_f64());
                one.filled = end;
            }
        }
        (start, turn) = (end, turn + 1);
    }
    tables.sort_by_key(|one| one.table.name() == SQLITE);
    println!("\nfirst delivery: commits of new resources");
    for one in &tables {
        let last = one.seconds.get(one.seconds.len() * 9 / 10..).unwrap_or_default();
        println!(
            "{:<18} {:>10} resources {:>7.1} s {:>9.0} a second, {:>7.1} ms a commit (median), {:>7.1} ms (longest), {:>7.1} ms (median of the last tenth)",
            one.table.name(),
            one.filled,
            one.seconds.iter().sum::<f64>(),
            one.filled as f64 / one.seconds.iter().sum::<f64>(),
            median(&one.seconds) * 1e3,
            one.seconds.iter().copied().fold(0.0, f64::max) * 1e3,
            median(last) * 1e3,
        );
    }
    let filled = tables.iter().map(|one| one.filled).min().unwrap_or(0);
    let strange = Resources { seed: 2, ..*resources };
    // Far apart, so that no question finds the blocks of the one before in a cache.
    let stretch = |question: u64| {
        let start = question * 7919 * ASKED % filled.saturating_sub(ASKED).max(1);
        start..(start + ASKED).min(filled)
    };
    for (title, known) in [("recall of known ones", true), ("recall of new ones", false)]
    {
        let asked = if known { resources } else { &strange };
        let mut each = turns(&mut tables, QUESTIONS, |table, question| {
            let keys = stretch(question)
                .map(|at| asked.key(at))
                .collect::<Result<Vec<_>, _>>()?;
            let clock = Instant::now();
            let found = table.recall(&keys)?;
            let seconds = clock.elapsed().as_secs_f64();
            ensure!(
                found == if known { keys.len() } else { 0 },
                "{found} of {}",
                keys.len()
            );
            Ok(seconds)
        })?;
        show(&tables, title, ASKED, &mut each);
    }
    let mut each = turns(&mut tables, 20, |table, question| {
        let start = question * 37 * BATCH % filled.saturating_sub(BATCH).max(1);
        let entries = resources.entries(start..(start + BATCH).min(filled), 2)?;
        let clock = Instant::now();
        table.commit(&entries)?;
        Ok(clock.elapsed().as_secs_f64())
    })?;
    show(&tables, "commits of known resources", BATCH, &mut each);
    Ok(())
}

/// Seconds of each table, in turns.
fn turns(
    tables: &mut [Taken; 2],
    count: u64,
    mut run: impl FnMut(&mut dyn Table, u64) -> anyhow::Result<f64>,
) -> anyhow::Result<[Vec<f64>; 2]> {
    let mut seconds = [Vec::new(), Vec::new()];
    for question in 0..count {
        for turn in 0..2 {
            let at = usize::try_from(question + turn)? % 2;
            if let (Some(one), Some(seconds)) = (tables.get_mut(at), seconds.get_mut(at))
            {
                seconds.push(run(one.table.as_mut(), question)?);
            }
        }
    }
    Ok(seconds)
}

fn show(tables: &[Taken; 2], title: &str, each: u64, seconds: &mut [Vec<f64>; 2]) {
    let mut text = format!("\n{title}, {each} at once\n");
    for (one, seconds) in tables.iter().zip(seconds.iter()) {
        // Writing to a String does not fail.
        let _ = writeln!(
            text,
            "{:<18} {:>8.2} ms (median) {:>9.0} a second",
            one.table.name(),
            median(seconds) * 1e3,
            each as f64 / median(seconds),
        );
    }
    let [first, second] = seconds;
    let ratios: Vec<f64> = first.iter().zip(second.iter()).map(|(a, b)| a / b).collect();
    println!("{text}ratio {:.3}", median(&ratios));
}

/// A file through a lane without a memory, with one that knows nothing of it, and with one that
/// knows all of it.
fn lanes(delivered: &Delivered, rounds: usize) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let (known, mut seed) = (file(1)?, 1);
    let run = |file: &File, skipped: u64| {
        let memory: Box<dyn Memory> = Box::new(Remembering(delivered.clone()));
        let heard = |advance: &Advance| remember(delivered, advance);
        let tally =
            runtime.block_on(travel_with(file, Vec::new(), Some(memory), heard))?;
        ensure!(tally.total().dropped_in_all() == skipped, "{tally:?}");
        Ok(())
    };
    run(&known, 0)?;
    // Every round's new lines are made before the clock starts.
    let mut fresh = Vec::new();
    for _ in 0..=rounds {
        seed += 1;
        fresh.push(file(seed)?);
    }
    let mut contestants = [
        Contestant::new("without a memory", || {
            runtime.block_on(travel(&known, Vec::new())).map(drop)
        }),
        Contestant::new("with one, all new", || match fresh.pop() {
            Some(file) => run(&file, 0),
            None => anyhow::bail!("more rounds than files"),
        }),
        Contestant::new("with one, all unchanged", || run(&known, LINES)),
    ];
    let series = take_turns(rounds, &mut contestants)?;
    let bytes = known.bytes.len() as u64;
    println!("{}", rounds::table("a lane without stages, one core", bytes, &series));
    println!("{}", rounds::load());
    Ok(())
}

/// Observations of about 850 bytes.
fn file(seed: u64) -> anyhow::Result<File> {
    let resources = Resources { count: u64::MAX, seed: 100 + seed };
    let mut text = String::new();
    for at in 0..LINES {
        let (_, id) = resources.named(at);
        writeln!(
            text,
            r#"{{"resourceType":"Observation","id":"{id}","meta":{{"versionId":"1","lastUpdated":"2026-01-02T03:04:05.678Z","profile":["http://hl7.org/fhir/us/core/StructureDefinition/us-core-observation-lab"]}},"status":"final","category":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"laboratory","display":"Laboratory"}}]}}],"code":{{"coding":[{{"system":"http://loinc.org","code":"2339-0","display":"Glucose [Mass/volume] in Blood"}}],"text":"Glucose [Mass/volume] in Blood"}},"subject":{{"reference":"Patient/{}"}},"encounter":{{"reference":"Encounter/{}"}},"effectiveDateTime":"2026-01-02T03:04:05+00:00","issued":"2026-01-02T03:04:05.678+00:00","valueQuantity":{{"value":{}.{},"unit":"mg/dL","system":"http://unitsofmeasure.org","code":"mg/dL"}}}}"#,
            at / 100,
            at / 10,
            at % 200,
            at % 10,
        )?;
    }
    Ok(File { resource_type: "Observation".parse()?, bytes: text.into() })
}
