//! A folder of NDJSON files as data: indexed at the start, streamed from disk, served byte
//! for byte.
//!
//! Reads `*.ndjson` and `*.jsonl`, plain or `.gz`, in the order of their names; the type is
//! read from the lines. Gzip files are unpacked into unnamed temporary files that vanish with
//! the process. `log.ndjson` is passed over: exporters write their own log under that name.
//! Blank lines belong to the resource before them.

mod scan;

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use bulkhead_model::{Instant, ResourceType};

use crate::{
    error::Error,
    peek::References,
    store::{BaseBuilder, Row, Store},
};
use scan::Scan;

/// What becomes of a line that is no FHIR resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// It is served untouched among the lines of its file's type.
    Lenient,
    /// The server does not start and names file and line.
    Strict,
}

/// A folder of NDJSON files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// The folder.
    pub path: PathBuf,
    /// What becomes of a line that is no resource.
    pub strictness: Strictness,
    /// The FHIR base that the files were exported from: absolute references below it count
    /// as references between the files.
    pub origin: Option<String>,
}

impl Folder {
    /// A folder whose lines must all be resources.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), strictness: Strictness::Strict, origin: None }
    }

    pub(super) fn load(&self, base_url: &str, start: Instant) -> Result<Store, Error> {
        let files = self.files()?;
        let origins = || [base_url.to_owned()].into_iter().chain(self.origin.clone());
        let scans = scan_all(&files, self.strictness, &References::new(origins()))?;
        let mut store = Store::new(origins());
        let mut builders: BTreeMap<ResourceType, BaseBuilder> = BTreeMap::new();
        // A line without a time must be older than any watermark that a client can hold.
        let missing = start.minus(Duration::from_hours(24));
        for scan in scans {
            for line in &scan.lines {
                let Some(resource_type) = scan.types.get(line.resource_type) else {
                    continue;
                };
                let patients = store.intern(&line.patients)?;
                builders.entry(resource_type.clone()).or_default().push(&Row {
                    id: &line.id,
                    updated: line.updated.unwrap_or(missing),
                    source: &scan.source,
                    offset: line.offset,
                    length: line.length,
                    patients: &patients,
                })?;
            }
        }
        for (resource_type, builder) in builders {
            store.set_base(resource_type, builder.build()?);
        }
        store.follow_provenance()?;
        Ok(store)
    }

    /// The files to serve, by name.
    fn files(&self) -> Result<Vec<PathBuf>, Error> {
        let failed = |source| Error::Read { path: self.path.clone(), source };
        let mut files = Vec::new();
        for entry in fs_err::read_dir(&self.path).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.is_file() && is_ndjson(&path) {
                files.push(path);
            }
        }
        files.sort();
        if files.is_empty() {
            return Err(Error::EmptyFolder { path: self.path.clone() });
        }
        Ok(files)
    }
}

fn is_ndjson(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return false;
    };
    let plain = name.strip_suffix(".gz").unwrap_or(name);
    let kind = Path::new(plain).extension().and_then(|kind| kind.to_str());
    !name.starts_with('.')
        && plain != "log.ndjson"
        && matches!(kind, Some("ndjson" | "jsonl"))
}

/// Scans the files on all cores; the scans come in the order of the files.
fn scan_all(
    files: &[PathBuf],
    strictness: Strictness,
    references: &References,
) -> Result<Vec<Scan>, Error> {
    let next = AtomicUsize::new(0);
    let workers =
        thread::available_parallelism().map_or(1, NonZeroUsize::get).min(files.len());
    let work = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(path) = files.get(at) else { return Ok(done) };
            done.push((at, scan::file(path, strictness, references)?));
        }
    };
    let mut scans = thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let mut scans = Vec::new();
        for worker in workers {
            match worker.join() {
                Ok(done) => scans.extend(done?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok::<_, Error>(scans)
    })?;
    scans.sort_by_key(|(at, _)| *at);
    Ok(scans.into_iter().map(|(_, scan)| scan).collect())
}
