//! What the sandbox costs: first-party plugins as components against the same code native, and
//! in processes of their own.
//!
//! `bench-boundary [PATIENTS] [ROUNDS]`; 1,700 patients are 64 MB, 11 rounds.

#![expect(clippy::print_stdout, reason = "a measurement tells its numbers there")]

use std::{path::Path, process::ExitCode, sync::Arc};

use anyhow::ensure;
use bulkhead_benches::{
    data::{self, File},
    lanes::{self, COHORT, KEY},
    native::{
        self, Closure, NativeFilter, NativeTransform, Prepared, filter_settings,
        transform_settings,
    },
    rounds::{self, Contestant, Series, take_turns},
};
use bulkhead_model::PatientSet;
use bulkhead_pipeline::{Batch, Stage};
use bulkhead_sandbox::{
    Children, Grants, Isolation, Plugin, PluginStage, Sandbox, child,
};
use tokio::runtime::Runtime;

fn main() -> anyhow::Result<ExitCode> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    // As `bulkhead guest` does.
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["guest", "compile"] => return Ok(child::compile()),
        ["guest", "run"] => return Ok(child::run()),
        _ => {}
    }
    let mut arguments = words.into_iter();
    let patients = arguments.next().map_or(Ok(1700), |text| text.parse())?;
    let rounds = arguments.next().map_or(Ok(11), |text| text.parse())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!("{}", rounds::load());
    let made_up = data::files(&data::made_up(patients)?)?;
    measure(&runtime, &format!("made-up, {patients} patients"), &made_up, rounds)?;
    let synthea =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/synthea-10");
    if synthea.is_dir() {
        measure(&runtime, "synthea, 10 patients", &data::files(&synthea)?, rounds)?;
    }
    println!("{}", rounds::load());
    Ok(ExitCode::SUCCESS)
}

/// All measurements over one set of files.
fn measure(
    runtime: &Runtime,
    name: &str,
    files: &[File],
    rounds: usize,
) -> anyhow::Result<()> {
    let children = Children::of_this_program(&["guest"])?;
    let sandbox = Sandbox::new(None)?.with_children(children);
    let apart = sandbox.isolating(Isolation::Process);
    let ids = data::patients(files)?;
    let batches: Vec<Vec<Batch>> =
        files.iter().map(lanes::batches).collect::<anyhow::Result<_>>()?;
    let bench = Bench { runtime, files, batches: &batches, rounds };
    for (passing, nth) in [("keeps all", 1), ("drops half", 2)] {
        let cohort = Arc::new(data::cohort(&ids, nth));
        let grants = Grants { cohorts: vec![COHORT.to_owned()], ..Grants::default() };
        let settings = filter_settings();
        let load = async |sandbox: &Sandbox| {
            let grants = grants.clone();
            lanes::plugin(sandbox, "cohort_filter", &settings, grants, &cohort).await
        };
        let here = runtime.block_on(load(&sandbox))?;
        let apart = runtime.block_on(load(&apart))?;
        let title = format!("{name}: cohort-filter {passing}");
        bench.filter(&title, [&here, &apart], &cohort)?;
    }
    let cohort = Arc::new(PatientSet::default());
    let grants = Grants { bodies: true, keys: vec![KEY.to_owned()], ..Grants::default() };
    let settings = transform_settings();
    let load = async |sandbox: &Sandbox| {
        lanes::plugin(sandbox, "deidentify", &settings, grants.clone(), &cohort).await
    };
    let here = runtime.block_on(load(&sandbox))?;
    let apart = runtime.block_on(load(&apart))?;
    bench.transform(&format!("{name}: deidentify"), [&here, &apart])
}

/// Makes a stage for the file of that number.
type Make<'a> = Box<dyn Fn(usize) -> anyhow::Result<Box<dyn Stage>> + 'a>;

struct Bench<'a> {
    runtime: &'a Runtime,
    files: &'a [File],
    batches: &'a [Vec<Batch>],
    rounds: usize,
}

impl Bench<'_> {
    fn filter(
        &self,
        title: &str,
        [here, apart]: [&Plugin; 2],
        cohort: &Arc<PatientSet>,
    ) -> anyhow::Result<()> {
        let facts: Vec<Prepared> =
            self.batches.iter().map(|of| native::facts(of, cohort)).collect();
        let native: Make<'_> = Box::new(|at| {
            let prepared = facts.get(at).cloned().unwrap_or_default();
            Ok(Box::new(NativeFilter::new(Arc::clone(cohort), prepared)?))
        });
        let closure: Make<'_> = Box::new(|_| Ok(Box::new(Closure(Arc::clone(cohort)))));
        self.compare(
            title,
            &[
                ("native", native),
                ("sandboxed", sandboxed(here)),
                ("in a process of its own", sandboxed(apart)),
                ("native closure", closure),
            ],
        )
    }

    fn transform(&self, title: &str, [here, apart]: [&Plugin; 2]) -> anyhow::Result<()> {
        let bodies: Vec<Prepared> =
            self.batches.iter().map(|of| native::bodies(of)).collect();
        let native: Make<'_> = Box::new(|at| {
            let prepared = bodies.get(at).cloned().unwrap_or_default();
            Ok(Box::new(NativeTransform::new(prepared)?))
        });
        self.compare(
            title,
            &[
                ("native", native),
                ("sandboxed", sandboxed(here)),
                ("in a process of its own", sandboxed(apart)),
            ],
        )
    }

    /// The stages on the whole path, then alone.
    fn compare<const N: usize>(
        &self,
        title: &str,
        makes: &[(&str, Make<'_>); N],
    ) -> anyhow::Result<()> {
        self.agree(makes)?;
        let bytes = self.files.iter().map(|file| file.bytes.len() as u64).sum();
        let mut whole: Vec<Contestant<'_>> = makes
            .iter()
            .map(|(name, make)| Contestant::new(*name, || self.travel(make)))
            .collect();
        let series = take_turns(self.rounds, &mut whole)?;
        println!("{}", rounds::table(&format!("{title}, whole path"), bytes, &series));
        apart_to_here(&series);
        let mut alone = Vec::new();
        for (name, make) in makes {
            let mut stages: Vec<Box<dyn Stage>> =
                (0..self.files.len()).map(make).collect::<anyhow::Result<_>>()?;
            alone.push(Contestant::new(*name, move || self.judge(&mut stages)));
        }
        let series = take_turns(self.rounds, &mut alone)?;
        println!("{}", rounds::table(&format!("{title}, stage alone"), bytes, &series));
        apart_to_here(&series);
        let records: usize = self.batches.iter().flatten().map(Batch::len).sum();
        let calls: usize = self.batches.iter().map(Vec::len).sum();
        for one in &series {
            println!(
                "{:<34} {:>9.1} us a call, {:.1} ns a record",
                one.name,
                one.median() * 1e6 / calls as f64,
                one.median() * 1e9 / records as f64
            );
        }
        Ok(())
    }

    /// A comparison is worth nothing when the sides do not do the same.
    fn agree(&self, makes: &[(&str, Make<'_>)]) -> anyhow::Result<()> {
        let mut first = None;
        for (name, make) in makes.iter().take(3) {
            let mut left = Vec::new();
            for (at, file) in self.files.iter().enumerate() {
                let tally =
                    self.runtime.block_on(lanes::travel(file, vec![make(at)?]))?.total();
                left.push((tally.read, tally.delivered, tally.delivered_bytes));
            }
            let expected = first.get_or_insert_with(|| left.clone());
            ensure!(*expected == left, "`{name}` delivers something else");
        }
        Ok(())
    }

    fn travel(&self, make: &Make<'_>) -> anyhow::Result<()> {
        for (at, file) in self.files.iter().enumerate() {
            self.runtime.block_on(lanes::travel(file, vec![make(at)?]))?;
        }
        Ok(())
    }

    fn judge(&self, stages: &mut [Box<dyn Stage>]) -> anyhow::Result<()> {
        for (stage, batches) in stages.iter_mut().zip(self.batches) {
            for batch in batches {
                std::hint::black_box(self.runtime.block_on(stage.judge(batch))?);
            }
        }
        Ok(())
    }
}

/// What a process of its own costs beside the sandbox, which both have.
fn apart_to_here(series: &[Series]) {
    if let [_, here, apart, ..] = series {
        println!("{} : {} = {:.3}", apart.name, here.name, apart.ratio(here));
    }
}

fn sandboxed<'a>(plugin: &Plugin) -> Make<'a> {
    let plugin = plugin.clone();
    Box::new(move |_| Ok(Box::new(PluginStage::new(plugin.clone()))))
}
