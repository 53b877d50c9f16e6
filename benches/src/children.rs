//! Programs that a measurement runs: the sample server, `bulkhead run`, `curl`.
//!
//! Every child is ended by its own handle. What a child took is read from `/proc` every few
//! milliseconds; what it takes after the last look (well below one percent) is missed.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};

use crate::data::target;

/// How often a child is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// The longest that the server may take to load its data and to prepare an export.
const PATIENCE: Duration = Duration::from_mins(5);

/// What a child took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Took {
    /// Seconds on the clock, from start to end.
    pub wall: f64,
    /// Seconds on processors, user and system.
    pub processor: f64,
    /// The most memory it held at once, in bytes.
    pub peak_memory: u64,
}

/// Runs a command to its end.
///
/// # Errors
///
/// When it cannot be started or fails.
pub fn run(command: &mut Command) -> anyhow::Result<Took> {
    let started = Instant::now();
    let child = command.spawn().with_context(|| format!("starting {command:?}"))?;
    see_off(child, started).with_context(|| format!("running {command:?}"))
}

/// The same, and how many seconds passed between the first line of its output that holds
/// `mark` and its end.
///
/// # Errors
///
/// As [`run`]; and when no line holds the mark.
pub fn run_from(
    command: &mut Command,
    mark: &'static str,
) -> anyhow::Result<(Took, f64)> {
    let started = Instant::now();
    command.stdout(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("starting {command:?}"))?;
    let told = child.stdout.take().context("a child without output")?;
    let reading = thread::spawn(move || {
        let mut seen = None;
        for line in BufReader::new(told).lines().map_while(Result::ok) {
            if seen.is_none() && line.contains(mark) {
                seen = Some(Instant::now());
            }
        }
        seen
    });
    let took = see_off(child, started).with_context(|| format!("running {command:?}"))?;
    let seen = reading.join().ok().flatten();
    let seen = seen.with_context(|| format!("no line with {mark}"))?;
    let before = seen.duration_since(started).as_secs_f64();
    Ok((took, took.wall - before))
}

fn see_off(mut child: Child, started: Instant) -> anyhow::Result<Took> {
    let mut took = Took::default();
    let status = loop {
        took.look(child.id());
        if let Some(status) = child.try_wait()? {
            break status;
        }
        thread::sleep(LOOK);
    };
    took.wall = started.elapsed().as_secs_f64();
    ensure!(status.success(), "it ended with {status}");
    Ok(took)
}

impl Took {
    fn look(&mut self, pid: u32) {
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}"));
        if let Ok(status) = read("status") {
            self.peak_memory = self.peak_memory.max(peak(&status).unwrap_or(0));
        }
        if let Ok(stat) = read("stat") {
            self.processor = self.processor.max(ticks(&stat).unwrap_or(0) as f64 / 100.0);
        }
    }
}

/// `VmHWM` of `/proc/PID/status`, in bytes.
fn peak(status: &str) -> Option<u64> {
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes << 10)
}

/// `utime` and `stime` of `/proc/PID/stat`, in hundredths of a second.
fn ticks(stat: &str) -> Option<u64> {
    // The name in parentheses may hold blanks; the numbers after it do not.
    let mut numbers = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = numbers.next()?.parse().ok()?;
    let system: u64 = numbers.next()?.parse().ok()?;
    Some(user + system)
}

/// The program that was built with the benches.
///
/// # Errors
///
/// When it was not built.
pub fn bulkhead() -> anyhow::Result<Command> {
    let path = target().join("release/bulkhead");
    ensure!(
        path.is_file(),
        "build the program first: `cargo build --release --workspace --bins`"
    );
    Ok(Command::new(path))
}

/// A sample server of this machine; ended when dropped.
pub struct Server {
    child: Child,
    /// The FHIR base URL, without a slash at its end.
    pub base_url: String,
}

impl Server {
    /// Starts `bulkhead serve-sample` with `arguments`, at a free port, without compression.
    ///
    /// # Errors
    ///
    /// When it does not come up.
    pub fn start(arguments: &[&str]) -> anyhow::Result<Self> {
        // Ready at the first poll: what is measured is the client, not how long a server takes.
        let scenario = target().join("bench-server.toml");
        fs_err::write(&scenario, "[behaviour]\nready-after-polls = 0\n")?;
        let scenario = scenario.display().to_string();
        let mut child = bulkhead()?
            .args(["serve-sample", "--port", "0", "--auth", "none", "--gzip", "never"])
            .args(["--resources-per-file", "50000", "--scenario", &scenario])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("starting the sample server")?;
        let told = child.stdout.take().context("the sample server has no output")?;
        let mut server = Self { child, base_url: String::new() };
        for line in BufReader::new(told).lines() {
            let line = line?;
            if let Some(url) = line.strip_prefix("FHIR base URL") {
                url.trim().trim_end_matches('/').clone_into(&mut server.base_url);
            }
            if line.starts_with("Ctrl-C") {
                return Ok(server);
            }
        }
        bail!("the sample server did not come up")
    }

    /// Exports everything; gives the URLs of the files.
    ///
    /// # Errors
    ///
    /// When the server refuses or takes too long.
    pub fn export(&self) -> anyhow::Result<Vec<String>> {
        let asked = Command::new("curl")
            .args(["-sS", "-f", "-o", "/dev/null", "-w", "%header{content-location}"])
            .args(["-H", "Accept: application/fhir+json", "-H", "Prefer: respond-async"])
            .arg(format!("{}/$export", self.base_url))
            .output()
            .context("running curl")?;
        ensure!(asked.status.success(), "the kick-off failed");
        let status_url = String::from_utf8(asked.stdout)?;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let polled = Command::new("curl")
                .args(["-sS", "-f", "-w", "\n%{http_code}", &status_url])
                .output()?;
            ensure!(polled.status.success(), "a status request failed");
            let text = String::from_utf8(polled.stdout)?;
            let (body, code) = text.rsplit_once('\n').unwrap_or_default();
            if code == "200" {
                return urls(body);
            }
            thread::sleep(Duration::from_millis(200));
        }
        bail!("the sample server prepared the export for too long")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already; there is nothing to be done about any other failure.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn urls(manifest: &str) -> anyhow::Result<Vec<String>> {
    let manifest: serde_json::Value = serde_json::from_str(manifest)?;
    let output = manifest.get("output").and_then(|output| output.as_array());
    let url = |file: &serde_json::Value| Some(file.get("url")?.as_str()?.to_owned());
    Ok(output.context("a manifest without output")?.iter().filter_map(url).collect())
}

/// Fetches `urls` into `folder`, one after the other over one connection.
///
/// # Errors
///
/// When a file cannot be had.
pub fn curl(folder: &Path, urls: &[String]) -> anyhow::Result<Took> {
    let mut command = Command::new("curl");
    command.current_dir(folder).args(["-sS", "-f", "--remote-name-all"]).args(urls);
    run(&mut command)
}

/// The same with as many connections as `bulkhead run` uses at first.
///
/// # Errors
///
/// When a file cannot be had.
pub fn parallel_curl(folder: &Path, urls: &[String]) -> anyhow::Result<Took> {
    let mut command = Command::new("curl");
    command
        .current_dir(folder)
        .args([
            "-sS",
            "-f",
            "--no-progress-meter",
            "--parallel",
            "--parallel-max",
            "4",
            "--remote-name-all",
        ])
        .args(urls);
    run(&mut command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_system_says_of_a_process() {
        assert_eq!(peak("Name:\tx\nVmHWM:\t  12 kB\n"), Some(12 << 10));
        let stat = "7 (a b) c) S 1 7 7 0 -1 0 1 2 3 4 250 50 0 0 20";
        assert_eq!(ticks(stat), Some(300));
        assert_eq!(ticks("7"), None);
    }

    #[test]
    fn takes_the_urls_out_of_a_manifest() {
        let manifest = r#"{"output":[{"type":"Patient","url":"http://h/1"}]}"#;
        assert_eq!(urls(manifest).unwrap(), ["http://h/1"]);
        assert!(urls("{}").is_err());
    }
}
