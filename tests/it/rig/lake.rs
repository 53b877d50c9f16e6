//! What lies in a store, read by way of the manifests, as a user of the files would.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    path::Path,
};

use serde_json::Value;

/// One export as delivered.
#[derive(Debug)]
pub(crate) struct Delivered {
    /// The export's id.
    pub(crate) id: String,
    /// Lines by type, without their ends.
    pub(crate) lines: BTreeMap<String, Vec<Vec<u8>>>,
    /// `Type/id` of what the server deleted.
    pub(crate) deleted: BTreeSet<String>,
}

impl Delivered {
    /// `Type/id` of all lines.
    pub(crate) fn keys(&self) -> BTreeSet<String> {
        let all = self.lines.iter().flat_map(|(kind, lines)| {
            lines.iter().map(move |line| {
                let line: Value = serde_json::from_slice(line).unwrap();
                assert_eq!(line["resourceType"], kind.as_str());
                format!("{kind}/{}", line["id"].as_str().unwrap())
            })
        });
        all.collect()
    }

    /// Lines of all types.
    pub(crate) fn count(&self) -> usize {
        self.lines.values().map(Vec::len).sum()
    }
}

/// All exports that have a manifest, oldest first. Every file must hold as many lines as its
/// manifest says.
pub(crate) fn exports(folder: &Path) -> Vec<Delivered> {
    let mut names: Vec<String> = fs_err::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| folder.join(name).join("manifest.json").is_file())
        .collect();
    names.sort();
    names.into_iter().map(|id| export(&folder.join(&id), id)).collect()
}

fn export(folder: &Path, id: String) -> Delivered {
    let text = fs_err::read(folder.join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&text).unwrap();
    let mut lines: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    for file in manifest["output"].as_array().unwrap() {
        let kind = file["type"].as_str().unwrap().to_owned();
        lines.entry(kind).or_default().extend(lines_of(folder, file));
    }
    let mut deleted = BTreeSet::new();
    for file in manifest["deleted"].as_array().into_iter().flatten() {
        for line in lines_of(folder, file) {
            let bundle: Value = serde_json::from_slice(&line).unwrap();
            for entry in bundle["entry"].as_array().unwrap() {
                assert_eq!(entry["request"]["method"], "DELETE");
                deleted.insert(entry["request"]["url"].as_str().unwrap().to_owned());
            }
        }
    }
    Delivered { id, lines, deleted }
}

fn lines_of(folder: &Path, file: &Value) -> Vec<Vec<u8>> {
    let url = file["url"].as_str().unwrap();
    let bytes = fs_err::read(folder.join(url)).unwrap();
    let is_gzip = Path::new(url).extension() == Some("gz".as_ref());
    let bytes = if is_gzip { gunzip(&bytes) } else { bytes };
    let lines: Vec<Vec<u8>> =
        bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    assert_eq!(file["count"].as_u64(), Some(lines.len() as u64), "{url}");
    let without_end = |line: Vec<u8>| line.strip_suffix(b"\n").unwrap().to_vec();
    lines.into_iter().map(without_end).collect()
}

pub(super) fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
    plain
}

/// Every file below a folder by its path; the first folder below, an export's id, is
/// written `EXPORT`.
pub(crate) fn tree(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![(folder.to_owned(), String::new())];
    while let Some((at, name)) = folders.pop() {
        for entry in fs_err::read_dir(&at).unwrap() {
            let entry = entry.unwrap();
            let own = entry.file_name().into_string().unwrap();
            let is_folder = entry.file_type().unwrap().is_dir();
            let is_export = name.is_empty() && is_folder && !own.starts_with('.');
            let own = if is_export { "EXPORT".to_owned() } else { own };
            let path = if name.is_empty() { own } else { format!("{name}/{own}") };
            if is_folder {
                folders.push((entry.path(), path));
            } else {
                let there = files.insert(path, fs_err::read(entry.path()).unwrap());
                assert_eq!(there, None, "two exports in one store");
            }
        }
    }
    files
}
