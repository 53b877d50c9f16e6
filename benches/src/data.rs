//! Made-up data on disk, and files in memory.
//!
//! Owns where the data lies (`target/bench-data`) and how it is made: the program's own
//! sample server makes it up, `curl` fetches it, once. Nothing here is about a real person.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use bulkhead_model::{PatientKey, PatientSet, ResourceType};
use bulkhead_ndjson::{Bases, Framer, FramerLimits, Line, Peek};
use bytes::Bytes;

use crate::children::{Server, curl};

/// One NDJSON file in memory.
pub struct File {
    /// The resource type of its lines.
    pub resource_type: ResourceType,
    /// All of it.
    pub bytes: Bytes,
}

/// The folder where measurements keep their things, below the workspace's `target`.
pub fn home() -> PathBuf {
    target().join("bench-data")
}

/// The workspace's `target`.
pub fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target")
}

/// A folder with the export of `patients` made-up patients; made when it is not there.
/// 1,000 patients are about 37 MB.
///
/// # Errors
///
/// When the sample server or `curl` cannot be run, or the disk is full.
pub fn made_up(patients: u32) -> anyhow::Result<PathBuf> {
    let folder = home().join(format!("made-up-{patients}"));
    if folder.is_dir() {
        return Ok(folder);
    }
    let part = home().join(format!("made-up-{patients}.part"));
    if part.exists() {
        fs_err::remove_dir_all(&part)?;
    }
    fs_err::create_dir_all(&part)?;
    let server = Server::start(&["--patients", &patients.to_string()])?;
    curl(&part, &server.export()?)?;
    // The folder is served at another address than it was made for; relative references
    // mean the same there.
    let own = format!("{}/", server.base_url);
    for entry in fs_err::read_dir(&part)? {
        let path = entry?.path();
        let text = fs_err::read_to_string(&path)?;
        if text.contains(&own) {
            fs_err::write(&path, text.replace(&own, ""))?;
        }
    }
    fs_err::rename(&part, &folder)?;
    Ok(folder)
}

/// All `*.ndjson` and `*.ndjson.gz` of a folder, by name. The type is the part of the name
/// before the extension that is a type: `3.Patient.ndjson`, `Patient.000.ndjson.gz`.
///
/// # Errors
///
/// When a file cannot be read or its name tells no type.
pub fn files(folder: &Path) -> anyhow::Result<Vec<File>> {
    let mut paths = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        let name = path.to_string_lossy();
        if name.ends_with(".ndjson") || name.ends_with(".ndjson.gz") {
            paths.push(path);
        }
    }
    paths.sort();
    paths.iter().map(|path| file(path)).collect()
}

fn file(path: &Path) -> anyhow::Result<File> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let resource_type = name
        .split('.')
        .find_map(|part| part.parse::<ResourceType>().ok())
        .with_context(|| format!("`{name}` tells no resource type"))?;
    let raw = fs_err::read(path)?;
    let bytes = if path.extension().is_some_and(|extension| extension == "gz") {
        let mut text = Vec::new();
        std::io::copy(&mut flate2::read::MultiGzDecoder::new(raw.as_slice()), &mut text)
            .with_context(|| format!("unpacking `{name}`"))?;
        text
    } else {
        raw
    };
    Ok(File { resource_type, bytes: bytes.into() })
}

/// Ids of all patients, in file order.
///
/// # Errors
///
/// When a line is no resource.
pub fn patients(files: &[File]) -> anyhow::Result<Vec<String>> {
    let mut ids = Vec::new();
    for file in files.iter().filter(|file| file.resource_type.as_str() == "Patient") {
        let peek = Peek::new(Some(&file.resource_type), Bases::default());
        for line in lines(&file.bytes) {
            let id = peek.read(&line)?.id.context("a patient without an id")?;
            let id = line.get(id.start as usize..id.end as usize).unwrap_or_default();
            ids.push(std::str::from_utf8(id)?.to_owned());
        }
    }
    if ids.is_empty() {
        bail!("no patient in the data");
    }
    Ok(ids)
}

/// Every `nth` of `ids`, as a cohort.
pub fn cohort(ids: &[String], nth: usize) -> PatientSet {
    ids.iter().step_by(nth).map(|id| PatientKey::of(id)).collect()
}

/// The lines of a file.
pub fn lines(bytes: &Bytes) -> Vec<Bytes> {
    let mut framer = Framer::new(FramerLimits {
        block_bytes: usize::MAX,
        block_lines: usize::MAX,
        ..FramerLimits::default()
    });
    framer.push(bytes.clone());
    let (block, _) = framer.finish();
    let Some(block) = block else { return Vec::new() };
    let whole = |line: &Line| match line {
        Line::TooLong { .. } => None,
        Line::Whole { span, .. } => Some(block.bytes.slice(span.clone())),
    };
    block.lines.iter().filter_map(whole).collect()
}
