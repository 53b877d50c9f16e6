//! `log.ndjson` in the state folder: what happened in every export, as other tools read it.
//!
//! What a line says is `bulkhead_bulk::LogEntry`'s; here is where lines go and how many are
//! kept. A log that cannot be written is a warning and ends no export: the ledger counts.
//!
//! Source: SMART `bulk-data-client`, "Bulk Data Export Log Items", `logVersion` 2.

use std::{
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use bulkhead_bulk::{LogEntry, LogEvent};
use bulkhead_ledger::ExportId;
use bulkhead_model::ByteSize;
use fs_err::File;
use serde::Deserialize;

use crate::clock;

/// The log of all exports of a state folder. Cheap to clone.
#[derive(Clone)]
pub(crate) struct ExportLog(Option<Arc<Mutex<Lines>>>);

struct Lines {
    path: PathBuf,
    /// A file that would grow beyond this becomes the one before.
    limit: u64,
    file: Option<(File, u64)>,
    /// It could not be written once: that is said once.
    is_broken: bool,
}

/// As much of a line as is read back.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    export_id: String,
    event_id: String,
    event_detail: Size,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Size {
    file_size: Option<u64>,
}

impl ExportLog {
    /// In the folder `state`, at most twice `limit` long; nothing is written without a limit.
    pub(crate) fn new(state: &Path, limit: Option<ByteSize>) -> Self {
        Self(limit.map(|limit| {
            let (path, limit) = (state.join("log.ndjson"), limit.bytes());
            Arc::new(Mutex::new(Lines { path, limit, file: None, is_broken: false }))
        }))
    }

    /// Writes one line, now.
    pub(crate) fn write(&self, export: &ExportId, event: LogEvent<'_>) {
        let Some(lines) = &self.0 else { return };
        let entry = LogEntry { export_id: export.as_str(), at: clock::now(), event };
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.is_broken {
            return;
        }
        if let Err(error) = lines.append(&entry.line()) {
            tracing::warn!(%error, "the export log cannot be written; the run goes on without it");
            lines.is_broken = true;
        }
    }

    /// The bytes of the files of an export, as far as lines of them are kept: also of those
    /// that an earlier process took.
    pub(crate) fn bytes_of(&self, export: &ExportId) -> u64 {
        let Some(lines) = &self.0 else { return 0 };
        let lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        let files = [before(&lines.path), lines.path.clone()].into_iter();
        let lines = files
            .filter_map(|path| File::open(path).ok())
            .flat_map(|file| BufReader::new(file).lines().map_while(Result::ok));
        lines
            .filter_map(|line| serde_json::from_str::<Told>(&line).ok())
            .filter(|told| {
                told.export_id == export.as_str() && told.event_id == "download_complete"
            })
            .filter_map(|told| told.event_detail.file_size)
            .sum()
    }
}

impl Lines {
    fn append(&mut self, line: &str) -> io::Result<()> {
        let line = format!("{line}\n");
        let len = u64::try_from(line.len()).unwrap_or(u64::MAX);
        let (mut file, mut size) = match self.file.take() {
            Some(open) => open,
            None => open(&self.path)?,
        };
        if size > 0 && size.saturating_add(len) > self.limit {
            drop(file);
            fs_err::rename(&self.path, before(&self.path))?;
            (file, size) = open(&self.path)?;
        }
        // In one piece: nothing of it waits in this process.
        file.write_all(line.as_bytes())?;
        self.file = Some((file, size.saturating_add(len)));
        Ok(())
    }
}

/// The file before this one. Tools that look for a log take the other name first.
fn before(path: &Path) -> PathBuf {
    path.with_file_name("log.1.ndjson")
}

/// Opens the log for its owner alone, and ends a line that was cut short. Gives its size too.
fn open(path: &Path) -> io::Result<(File, u64)> {
    use io::{Read as _, Seek as _};
    let mut options = fs_err::OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    {
        use fs_err::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    let size = file.metadata()?.len();
    if size == 0 {
        return Ok((file, 0));
    }
    let mut last = [0];
    file.seek(io::SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    if last == *b"\n" {
        return Ok((file, size));
    }
    file.write_all(b"\n")?;
    Ok((file, size.saturating_add(1)))
}

#[cfg(test)]
mod tests {
    use bulkhead_bulk::LogFailure;

    use super::*;

    fn id(name: &str) -> ExportId {
        name.parse().unwrap()
    }

    fn done(bytes: u64) -> LogEvent<'static> {
        static URL: std::sync::LazyLock<url::Url> =
            std::sync::LazyLock::new(|| "https://h/f?sig=secret".parse().unwrap());
        LogEvent::DownloadComplete { url: &URL, bytes, resources: Some(1) }
    }

    fn lines(path: &Path) -> usize {
        fs_err::read_to_string(path).unwrap_or_default().lines().count()
    }

    #[test]
    fn a_log_that_grows_too_long_becomes_the_one_before_and_no_line_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.ndjson");
        let failure = LogFailure { message: "x", ..LogFailure::default() };
        let one = {
            let log = ExportLog::new(folder.path(), Some(ByteSize::mib(1)));
            log.write(&id("e"), LogEvent::StatusError { failure });
            fs_err::metadata(&path).unwrap().len()
        };
        // name, limit, lines written after the first, lines in the log and in the one before
        let cases = [
            ("room for all", one * 9 / 2, 3, 4, 0),
            ("one too many", one * 9 / 2, 4, 1, 4),
            ("the one before is replaced", one * 5 / 2, 4, 1, 2),
            ("a line alone may be too long", 1, 2, 1, 1),
        ];
        for (name, limit, more, expected, kept) in cases {
            for old in [path.clone(), before(&path)] {
                let _ = fs_err::remove_file(old);
            }
            let log = ExportLog::new(folder.path(), Some(ByteSize::from_bytes(limit)));
            for _ in 0..=more {
                log.write(&id("e"), LogEvent::StatusError { failure });
            }
            let found = (lines(&path), lines(&before(&path)));
            assert_eq!(found, (expected, kept), "case: {name}");
            let text = fs_err::read_to_string(&path).unwrap();
            for line in text.lines() {
                serde_json::from_str::<serde_json::Value>(line).unwrap();
            }
        }
    }

    #[test]
    fn what_an_earlier_process_took_is_read_back_even_after_a_cut_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.ndjson");
        let new = || ExportLog::new(folder.path(), Some(ByteSize::mib(1)));
        new().write(&id("e1"), done(5));
        new().write(&id("e2"), done(100));
        let mut text = fs_err::read_to_string(&path).unwrap();
        assert!(!text.contains("secret"), "{text}");
        text.push_str("{\"exportId\":\"e1\",\"time");
        fs_err::write(&path, text).unwrap();
        let log = new();
        log.write(&id("e1"), done(7));
        assert_eq!((log.bytes_of(&id("e1")), log.bytes_of(&id("e2"))), (12, 100));
        assert_eq!(lines(&path), 4);
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_can_read_it_and_off_writes_nothing() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.ndjson");
        ExportLog::new(folder.path(), None).write(&id("e"), done(1));
        assert!(!path.exists());
        ExportLog::new(folder.path(), Some(ByteSize::mib(1))).write(&id("e"), done(1));
        let mode = fs_err::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
