//! What must be delivered, counted by others: a plain walk over JSON trees here, and the same
//! in Python, against real files where they are at hand and made-up ones where not.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

use bulkhead_sample_server::Data;
use serde_json::{Value, json};
use url::Url;

use crate::rig::{Program, Sample, Setup, Site, Walk, get, read_folder, sha256};

type Lines = BTreeMap<String, Vec<Vec<u8>>>;

/// Runs the program over its own sample server and compares every byte.
fn count(name: &str, data: &Path) {
    let site = Site::new();
    let args = ["serve-sample", "--auth", "none", "--port", "0", "--data"];
    let server = Program::new(site.folder()).args(args).args([data]).start();
    let told = server.wait_for("FHIR base URL");
    let base: Url = told.split_whitespace().last().unwrap().parse().unwrap();
    let all = read_folder(data);
    assert!(!all.is_empty(), "case: {name}");
    let mut walk = Walk {
        members: BTreeSet::new(),
        base: base.as_str().trim_end_matches('/').into(),
    };
    walk.members = three_owners(&walk, &all);
    let members: Vec<String> = walk.members.iter().cloned().collect();
    let setup = Setup::new(&base, all.keys());
    let folder = Site::with(&setup, &members);
    folder.run().expect(0);
    let delivered = folder.delivered("");
    assert_eq!(delivered.len(), 1, "case: {name}");

    let mut expected: Lines = all
        .iter()
        .map(|(kind, lines)| {
            let kept = lines.iter().filter(|line| walk.keeps(line)).cloned();
            (kind.clone(), kept.collect::<Vec<_>>())
        })
        .filter(|(_, lines)| !lines.is_empty())
        .collect();
    let mut found = delivered[0].lines.clone();
    found.values_mut().chain(expected.values_mut()).for_each(|lines| lines.sort());
    assert_eq!(counts(&found), counts(&expected), "case: {name}");
    assert!(found == expected, "case: {name}: as many lines, but not the same");
    assert!(expected.values().map(Vec::len).sum::<usize>() > 10, "case: {name}");
    let read: usize = all.values().map(Vec::len).sum();
    let tally = folder.report(&delivered[0].id)["tally"].clone();
    let reported: u64 =
        tally.as_object().unwrap().values().map(|of| of["read"].as_u64().unwrap()).sum();
    assert_eq!(reported, read as u64, "case: {name}");

    let digests: BTreeMap<&String, Value> = found
        .iter()
        .map(|(kind, lines)| {
            let digest = sha256(&lines.join(&b'\n'));
            (kind, json!({"lines": lines.len(), "sha256": digest}))
        })
        .collect();
    if let Some(told) = count_in_python(data, &folder.path("members.csv"), &walk.base) {
        assert_eq!(told, json!(digests), "case: {name}");
    }
    server.signal("INT");
    server.finish().expect(0);
}

fn counts(lines: &Lines) -> BTreeMap<&String, usize> {
    lines.iter().map(|(kind, lines)| (kind, lines.len())).collect()
}

/// Three patients who own something beside themselves: the first, the middle, the last.
fn three_owners(walk: &Walk, all: &Lines) -> BTreeSet<String> {
    let mut owners = BTreeSet::new();
    for (kind, lines) in all.iter().filter(|(kind, _)| *kind != "Patient") {
        for line in lines {
            let resource: Value = serde_json::from_slice(line).unwrap();
            assert_eq!(resource["resourceType"], kind.as_str());
            if let crate::rig::Owner::Patient(id) = walk.owner(&resource) {
                owners.insert(id);
            }
        }
    }
    let owners: Vec<String> = owners.into_iter().collect();
    let last = owners.len() - 1;
    [0, last / 2, last].into_iter().map(|at| owners[at].clone()).collect()
}

/// The same count by `independent_count.py`; `None` where there is no Python.
fn count_in_python(data: &Path, members: &Path, base: &str) -> Option<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("independent_count.py");
    let mut command = Command::new("python3");
    command.arg(script).arg(data).arg(members).arg(base);
    match command.output() {
        Ok(told) => {
            let why = String::from_utf8_lossy(&told.stderr).into_owned();
            assert!(told.status.success(), "{why}");
            Some(serde_json::from_slice(&told.stdout).unwrap())
        }
        Err(error) => {
            eprintln!("the count in Python was skipped: {error}");
            None
        }
    }
}

#[test]
fn delivers_exactly_the_cohort_of_real_files_where_they_are_at_hand() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let data = root.join("../shared/data");
    for name in ["synthea-10", "cms-bcda"] {
        let folder = data.join(name);
        if folder.is_dir() {
            count(name, &folder.canonicalize().unwrap());
        } else {
            eprintln!("{} is not there: skipped", folder.display());
        }
    }
}

/// Items: 94, 129.
#[test]
fn delivers_exactly_the_cohort_of_made_up_files() {
    let data = tempfile::tempdir().unwrap();
    let server = Sample::start(Data::made_up(30, 3), |_| {});
    let types =
        ["Condition", "Device", "Encounter", "Observation", "Patient", "Practitioner"];
    let target = format!("/fhir/$export?_type={}", types.join(","));
    let accept = "Accept: application/fhir+json\r\nPrefer: respond-async\r\n";
    let (head, _) = get(server.addr, &target, accept);
    let status = head
        .lines()
        .find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-location").then_some(value)
        })
        .unwrap();
    let path = |url: &str| url.parse::<Url>().unwrap().path().to_owned();
    let (_, manifest) = get(server.addr, &path(status), "");
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    for (index, file) in manifest["output"].as_array().unwrap().iter().enumerate() {
        let (_, lines) = get(server.addr, &path(file["url"].as_str().unwrap()), "");
        fs_err::write(data.path().join(format!("{index}.ndjson")), lines).unwrap();
    }
    count("made up", data.path());
}
