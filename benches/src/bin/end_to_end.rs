//! A whole export against `curl` that fetches the same files, and how much memory it takes.
//!
//! `bench-end-to-end [PATIENTS] [ROUNDS]`; 27,000 patients are 1 GB, 3 rounds. Server, client
//! and disk share the machine, in every contestant alike. `curl` is given the URLs of a
//! finished export and fetches them one after the other; `bulkhead run` kicks off, polls,
//! filters, writes, hashes and syncs. Every round begins with what it writes removed and the
//! disk synced.

#![expect(clippy::disallowed_methods, reason = "measuring is reading clocks")]
#![expect(clippy::print_stdout, reason = "a measurement tells its numbers there")]

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use bulkhead_benches::{
    children::{self, Server, Took, bulkhead, curl, parallel_curl},
    data,
    rounds::{self, median},
};

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let patients = arguments.next().map_or(Ok(27_000), |text| text.parse())?;
    let rounds = arguments.next().map_or(Ok(3), |text| text.parse())?;
    println!("{}", rounds::load());
    let small: u32 = patients / 4;
    for patients in [small, patients] {
        measure(patients, rounds)?;
    }
    println!("{}", rounds::load());
    Ok(())
}

fn measure(patients: u32, rounds: usize) -> anyhow::Result<()> {
    let source = data::made_up(patients)?;
    let files = data::files(&source)?;
    let types: BTreeSet<String> =
        files.iter().map(|file| file.resource_type.to_string()).collect();
    let bytes: u64 = files.iter().map(|file| file.bytes.len() as u64).sum();
    let ids = data::patients(&files)?;
    drop(files);
    let server = Server::start(&["--data", &source.to_string_lossy()])?;
    let urls = server.export()?;
    let work = tempfile::tempdir_in(data::home())?;
    let all = Site::new(work.path(), "all", &server, &types, &ids, Memory::Off)?;
    let half: Vec<String> = ids.iter().step_by(2).cloned().collect();
    let half = Site::new(work.path(), "half", &server, &types, &half, Memory::Off)?;
    let kept = Site::new(work.path(), "kept", &server, &types, &ids, Memory::On)?;
    // Compiled plugins are kept between runs; the first run pays for them, by itself.
    let (cold, _) = all.run()?;
    half.run()?;
    kept.run()?;
    let fetched = work.path().join("curl");

    let names = [
        "curl",
        "curl, 4 at once",
        "curl, then sync",
        "run, keeps all",
        "run, drops half",
        "run, remembers",
    ];
    let mut took: Vec<Vec<Took>> = vec![Vec::new(); names.len()];
    let (mut of_all, mut of_half, mut of_kept) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        for turn in 0..names.len() {
            let at = (round + turn) % names.len();
            empty(&fetched)?;
            empty(&all.out())?;
            empty(&half.out())?;
            empty(&kept.out())?;
            kept.forget()?;
            sync()?;
            let one = match at {
                0 => curl(&fetched, &urls)?,
                1 => parallel_curl(&fetched, &urls)?,
                2 => {
                    let fetching = curl(&fetched, &urls)?;
                    let syncing = Instant::now();
                    sync()?;
                    let wall = fetching.wall + syncing.elapsed().as_secs_f64();
                    Took { wall, ..fetching }
                }
                3 => all.timed(&mut of_all)?,
                4 => half.timed(&mut of_half)?,
                _ => kept.timed(&mut of_kept)?,
            };
            if let Some(series) = took.get_mut(at) {
                series.push(one);
            }
        }
    }
    print!("{}", table(bytes, &names, &took));
    for (name, streamed) in names.iter().skip(3).zip([&of_all, &of_half, &of_kept]) {
        println!(
            "{name:<18} {:>7.2} s of it from the manifest to the report",
            median(streamed)
        );
    }
    println!(
        "first run, plugins compiled: {:.2} s, {:.2} s on processors, {:.0} MiB",
        cold.wall,
        cold.processor,
        cold.peak_memory as f64 / f64::from(1 << 20)
    );
    Ok(())
}

fn table(bytes: u64, names: &[&str], took: &[Vec<Took>]) -> String {
    let mut text = format!("\n{:.0} MB\n", bytes as f64 / 1e6);
    // Writing to a String does not fail.
    let _ = writeln!(
        text,
        "{:<18} {:>9} {:>7} {:>7} {:>7} {:>7} {:>9}",
        "", "median s", "min s", "ratio", "MB/s", "cpu s", "peak MiB"
    );
    let walls = |took: &[Took]| took.iter().map(|one| one.wall).collect::<Vec<_>>();
    let baseline = took.first().map(|took| walls(took)).unwrap_or_default();
    for (name, took) in names.iter().zip(took) {
        let wall = walls(took);
        let ratios: Vec<f64> =
            wall.iter().zip(&baseline).map(|(of, to)| of / to).collect();
        let processor: Vec<f64> = took.iter().map(|one| one.processor).collect();
        let peak = took.iter().map(|one| one.peak_memory).max().unwrap_or(0);
        let _ = writeln!(
            text,
            "{name:<18} {:>9.2} {:>7.2} {:>7.2} {:>7.0} {:>7.2} {:>9.0}",
            median(&wall),
            wall.iter().copied().fold(f64::INFINITY, f64::min),
            median(&ratios),
            bytes as f64 / 1e6 / median(&wall),
            median(&processor),
            peak as f64 / f64::from(1 << 20)
        );
    }
    text
}

fn empty(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        fs_err::remove_dir_all(folder)?;
    }
    Ok(fs_err::create_dir_all(folder)?)
}

fn sync() -> anyhow::Result<()> {
    children::run(&mut Command::new("sync")).map(|_| ())
}

/// Whether a run remembers of each resource what it delivered.
#[derive(Clone, Copy)]
enum Memory {
    Off,
    On,
}

impl Memory {
    const fn word(self) -> &'static str {
        match self {
            Self::Off => "nothing",
            Self::On => "resources",
        }
    }
}

/// One configuration with a folder of its own.
struct Site {
    folder: PathBuf,
}

impl Site {
    fn new(
        work: &Path,
        name: &str,
        server: &Server,
        types: &BTreeSet<String>,
        members: &[String],
        memory: Memory,
    ) -> anyhow::Result<Self> {
        let folder = work.join(name);
        fs_err::create_dir_all(folder.join("out"))?;
        fs_err::write(
            folder.join("members.csv"),
            format!("patient_id\n{}\n", members.join("\n")),
        )?;
        let types: Vec<String> = types.iter().map(|name| format!("{name:?}")).collect();
        let plugins = fs_err::canonicalize(data::target().join("plugins"))?;
        let plugin = |name: &str| plugins.join(name).display().to_string();
        let text = format!(
            r#"[source]
name = "bench"
base-url = "{}"
level = "system"
types = [{}]

[sync]
remember = "{}"
probe = "off"

[cohorts.study]
from = {{ csv = "members.csv", column = "patient_id" }}

[stores.lake]
url = "out"

[plugins.cohort-filter]
path = {:?}
grants = {{ cohorts = ["study"] }}

[plugins.files-sink]
path = {:?}
grants = {{ stores = ["lake"] }}

[[chain]]
name = "bench"
stages = [{{ plugin = "cohort-filter", config = {{ cohort = "study", no-patient = "keep" }} }}]
sink = {{ plugin = "files-sink", config = {{ store = "lake", compression = "none" }} }}
"#,
            server.base_url,
            types.join(", "),
            memory.word(),
            plugin("cohort_filter.wasm"),
            plugin("files_sink.wasm"),
        );
        fs_err::write(folder.join("bulkhead.toml"), text)?;
        Ok(Self { folder })
    }

    /// Forgets what was delivered: every round delivers everything for the first time.
    fn forget(&self) -> anyhow::Result<()> {
        let delivered = self.folder.join(".bulkhead/delivered");
        if delivered.exists() {
            fs_err::remove_dir_all(delivered)?;
        }
        Ok(())
    }

    fn out(&self) -> PathBuf {
        self.folder.join("out")
    }

    /// A full export of everything.
    fn run(&self) -> anyhow::Result<(Took, f64)> {
        let mut command = bulkhead()?;
        command
            .current_dir(&self.folder)
            .args(["run", "--dev", "--full", "--json"])
            .stderr(Stdio::null());
        children::run_from(&mut command, "\"event\":\"files\"")
    }

    /// The same, noting how long the files themselves took.
    fn timed(&self, streamed: &mut Vec<f64>) -> anyhow::Result<Took> {
        let (took, files) = self.run()?;
        streamed.push(files);
        Ok(took)
    }
}
