//! What is sealed, for whom, and what never is.

use std::path::{Path, PathBuf};

use bulkhead_egress::{Identities, Vault};
use bulkhead_model::Secret;
use serde_json::{Value, json};

use crate::rig::{Ended, Fake, Served, Setup, Site};

/// A key pair of the tests, and of nothing else.
pub(super) const PUBLIC: &str =
    "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";
const PRIVATE: &str =
    "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";
/// Somebody else's.
const OTHER: &str =
    "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";

/// What `deidentify` refuses by its rule, until `keep-extensions` names it.
pub(super) const MODIFIER: &str =
    "\"modifierExtension\":[{\"url\":\"http://x/y\",\"valueBoolean\":true}]";

/// What `deidentify` refuses as a fault, whatever its settings.
pub(super) const FAULT: &str = "\"st\\u0061tus\":\"final\"";

/// A cohort filter that quarantines what it cannot tell.
pub(super) const FILTER: &str = "{ plugin = \"cohort-filter\", config = { cohort = \
    \"study\", mode = \"primary\", no-patient = \"drop\", unresolved = \"quarantine\" } }";

pub(super) fn patient(id: &str, more: &str) -> String {
    format!("{{\"resourceType\":\"Patient\",\"id\":\"{id}\"{}}}", with(more))
}

/// An Observation of a patient, with the canary of its id.
pub(super) fn observation(id: &str, patient: &str, more: &str) -> String {
    format!(
        "{{\"resourceType\":\"Observation\",\"id\":\"{id}\",\"subject\":{{\"reference\":\
         \"Patient/{patient}\"}},\"note\":[{{\"text\":\"CANARY-{id}\"}}]{}}}",
        with(more)
    )
}

fn with(more: &str) -> String {
    if more.is_empty() { String::new() } else { format!(",{more}") }
}

pub(super) fn files(lines: &[String]) -> Vec<Served> {
    vec![
        Served::new("Patient", patient("m", "") + "\n"),
        Served::new("Observation", lines.join("\n") + "\n"),
    ]
}

/// A site with this chain and sealed quarantine, for the patient `m`.
pub(super) fn site(server: &Fake, stages: &str, tables: &str) -> Site {
    let mut setup = Setup::new(&server.base(), ["Patient", "Observation"]);
    setup.tables = format!("[quarantine]\nrecipients = [\"{PUBLIC}\"]\n{tables}");
    setup.chains = vec![("research", stages.to_owned(), "")];
    let site = Site::with(&setup, &["m".to_owned()]);
    site.write("key.txt", format!("# of the tests\n{PRIVATE}\n"));
    site.write("other.txt", OTHER);
    site
}

pub(super) fn stages() -> String {
    format!(
        "{FILTER}, {{ plugin = \"deidentify\", config = {{ key = \"research\", ids = \"keep\" }} }}"
    )
}

/// `bulkhead quarantine …` to its end.
pub(super) fn quarantine(site: &Site, args: &[&str]) -> Ended {
    site.program(&["quarantine"]).args(args).run()
}

/// `bulkhead quarantine list --json`.
pub(super) fn list(site: &Site) -> Vec<Value> {
    let ended = quarantine(site, &["list", "--json"]).expect(0);
    ended.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Stage, code and fate of every entry.
pub(super) fn fates(site: &Site) -> Vec<(String, String, String)> {
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap().to_owned();
    let fate =
        |entry: &Value| (text(entry, "stage"), text(entry, "code"), text(entry, "body"));
    let mut all: Vec<_> = list(site).iter().map(fate).collect();
    all.sort();
    all
}

/// Every body in every sealed file, whether an entry names it or not.
pub(super) fn unsealed(site: &Site) -> Vec<String> {
    let path = site.path(".bulkhead/quarantine");
    if !path.is_dir() {
        return Vec::new();
    }
    let vault = Vault::look_at(&path, Vec::new(), 0).unwrap();
    let identities = Identities::parse(&Secret::new(PRIVATE)).unwrap();
    let mut bodies = Vec::new();
    for export in vault.exports().unwrap() {
        for name in vault.files(&export).unwrap() {
            let mut sealed = vault.unseal(&export, &name, &identities).unwrap();
            while let Some((_, body)) = sealed.next_record().unwrap() {
                bodies.push(String::from_utf8(body.to_vec()).unwrap());
            }
        }
    }
    bodies.sort();
    bodies
}

/// Files below `folder` that hold `needle` in clear.
pub(super) fn holding(folder: &Path, needle: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in fs_err::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = fs_err::read(&path).unwrap();
                let is_there =
                    bytes.windows(needle.len()).any(|window| window == needle.as_bytes());
                if is_there {
                    found.push(path);
                }
            }
        }
    }
    found
}

/// Attacks: 41, 42.
#[test]
fn only_what_passed_every_filter_is_sealed_and_nothing_lies_in_clear() {
    let unresolved = "{\"resourceType\":\"Observation\",\"id\":\"unresolved\",\"subject\":\
        {\"reference\":\"#x\"},\"note\":[{\"text\":\"CANARY-unresolved\"}]}";
    let lines = [
        observation("delivered", "m", ""),
        "{\"resourceType\":\"Observation\",\"id\":\"CANARY-malformed".to_owned(),
        observation("outsider", "other", ""),
        observation("poison-outsider", "other", MODIFIER),
        observation("fault-outsider", "other", FAULT),
        unresolved.to_owned(),
        observation("poison", "m", MODIFIER),
        observation("fault", "m", FAULT),
    ];
    let server = Fake::export(files(&lines), false);
    let site = site(&server, &stages(), "");
    let ran = site.program(&["--log", "trace", "run"]).run().expect(3);
    assert!(
        ran.out.contains("  2 bodies sealed: `bulkhead quarantine list"),
        "{}",
        ran.out
    );
    assert!(
        ran.out.contains("  2 bodies not kept: no filter had let them pass"),
        "{}",
        ran.out
    );

    let sealed = [lines[7].clone(), lines[6].clone()];
    assert_eq!(unsealed(&site), sealed, "as they came to the stage that refused them");
    let fate = |stage: &str, code: &str, fate: &str| {
        (stage.to_owned(), code.to_owned(), fate.to_owned())
    };
    assert_eq!(
        fates(&site),
        [
            fate("cohort-filter", "unresolved-patient", "rule"),
            fate("deidentify", "escaped-name", "sealed"),
            fate("deidentify", "modifier-extension", "sealed"),
            fate("read", "not-json", "rule"),
        ]
    );

    // Words of the program, and all it keeps: nothing of any body is there in clear.
    assert_eq!(holding(&site.path(".bulkhead"), "CANARY"), Vec::<PathBuf>::new());
    let listed = quarantine(&site, &["list"]).expect(0);
    let said = [&ran.out, &ran.err, &listed.out, &listed.err];
    assert!(said.iter().all(|text| !text.contains("CANARY")), "{said:?}");
    // And the search itself finds what is in clear.
    assert!(!holding(site.folder(), PUBLIC).is_empty());
    assert!(site.delivered("")[0].keys().contains("Observation/delivered"));
    let modes = mode(&site.path(".bulkhead/quarantine"));
    assert_eq!(modes, 0o700);
    let status = site.status();
    assert_eq!(status["quarantine"], json!({"entries": 4, "sealed": 2}));

    // In a chain without a filter nobody is outside: the same search sees them.
    let both = stages();
    let (_, deidentify) = both.split_once("}, ").unwrap();
    let open = self::site(&server, deidentify, "");
    open.run().expect(3);
    assert_eq!(unsealed(&open), [7, 4, 6, 3].map(|line: usize| lines[line].clone()));
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    fs_err::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Attacks: 41.
#[test]
fn a_body_is_shown_to_its_key_alone_and_only_when_asked_for() {
    let line = observation("poison", "m", MODIFIER);
    let server = Fake::export(files(std::slice::from_ref(&line)), false);
    let site = site(&server, &stages(), "");
    site.run().expect(0);
    let entry = list(&site)[0]["entry"].as_str().unwrap().to_owned();

    let facts = quarantine(&site, &["show", &entry]).expect(0);
    assert!(facts.out.contains("refused by `deidentify`: policy"), "{}", facts.out);
    assert!(facts.out.contains("  body: sealed"), "{}", facts.out);
    let opened = quarantine(&site, &["show", &entry, "--identity", "key.txt"]).expect(0);
    let told = format!("a body of {} bytes", line.len());
    assert!(opened.out.contains(&told), "{}", opened.out);
    assert!(!opened.out.contains("CANARY"), "{}", opened.out);
    let args = ["show", &entry, "--identity", "key.txt", "--json"];
    let opened = quarantine(&site, &args).expect(0);
    assert!(!opened.out.contains("CANARY"), "{}", opened.out);
    let args = ["show", &entry, "--identity", "key.txt", "--body"];
    let body = quarantine(&site, &args).expect(0);
    assert_eq!(body.out, line + "\n");

    // name, arguments, what is said
    let cases: [(&str, Vec<&str>, &str); 5] = [
        (
            "another key",
            vec!["show", &entry, "--identity", "other.txt", "--body"],
            "none of these identities opens",
        ),
        (
            "no key",
            vec!["show", &entry, "--identity", "members.csv", "--body"],
            "is no file of identities",
        ),
        ("no identity", vec!["show", &entry, "--body"], "--identity"),
        (
            "no such entry",
            vec!["show", "20260101T000000Z/9/9"],
            "there is no entry 20260101T000000Z/9/9",
        ),
        (
            "a replay with another key",
            vec!["replay", "--identity", "other.txt"],
            "these identities do not open what is to be replayed",
        ),
    ];
    for (name, args, expected) in cases {
        let ended = quarantine(&site, &args).expect(2);
        assert!(ended.err.contains(expected), "case: {name}: {}", ended.err);
        assert!(!ended.err.contains("CANARY"), "case: {name}: {}", ended.err);
        assert_eq!(ended.out, "", "case: {name}");
    }
}

#[test]
fn without_room_positions_are_kept_and_the_export_goes_on() {
    // Of three such bodies one fits into a file of 2,000 bytes.
    let more = format!("{MODIFIER},\"comment\":\"{}\"", "x".repeat(600));
    let lines = ["a", "b", "c"].map(|id| observation(id, "m", &more));
    let server = Fake::export(files(&lines), false);
    let site = site(&server, &stages(), "max-bytes = \"2kB\"\n");
    let ran = site.run().expect(0);
    assert!(ran.out.contains("1 body sealed"), "{}", ran.out);
    assert!(
        ran.out.contains("! 2 bodies not kept: sealed files take `quarantine.max-bytes`"),
        "{}",
        ran.out
    );
    assert_eq!(unsealed(&site), [lines[0].clone()]);
    let kept: Vec<String> = fates(&site).into_iter().map(|(_, _, fate)| fate).collect();
    assert_eq!(kept, ["full", "full", "sealed"]);
}

#[test]
fn without_recipients_nothing_is_kept_and_check_says_so() {
    let server = Fake::export(files(&[observation("a", "m", MODIFIER)]), false);
    let site = site(&server, &stages(), "");
    let checked = site.program(&["check"]).run().expect(0);
    let sealed_to = format!("quarantine: bodies are sealed to {PUBLIC}; at most 1");
    assert!(checked.out.contains(&sealed_to), "{}", checked.out);
    assert!(
        checked
            .out
            .contains("bodies that `deidentify` or a later stage refuses are sealed"),
        "{}",
        checked.out
    );
    site.edit("bulkhead.toml", &format!("recipients = [\"{PUBLIC}\"]"), "");
    let checked = site.program(&["check"]).run().expect(0);
    assert!(checked.out.contains("no body is kept without"), "{}", checked.out);
    site.run().expect(0);
    assert!(!site.path(".bulkhead/quarantine").exists());
    let kept: Vec<String> = fates(&site).into_iter().map(|(_, _, fate)| fate).collect();
    assert_eq!(kept, ["off"]);
}

/// Attacks: 41.
#[test]
fn a_private_key_in_the_configuration_is_refused_and_not_shown() {
    let server = Fake::export(files(&[]), false);
    let site = site(&server, &stages(), "");
    site.edit("bulkhead.toml", PUBLIC, PRIVATE);
    let ended = site.program(&["check"]).run().expect(2);
    assert!(ended.err.contains("number 1 of `quarantine.recipients` is a private key"));
    assert!(!ended.err.contains("SECRET"), "{}", ended.err);
}

#[test]
fn a_purge_removes_entries_and_bodies_for_good() {
    let server = Fake::export(files(&[observation("a", "m", MODIFIER)]), false);
    let site = site(&server, &stages(), "");
    site.run().expect(0);
    let asked = quarantine(&site, &["purge"]).expect(2);
    assert_eq!(
        asked.out,
        "This would remove 1 record, 1 of them with a sealed body. Say `--yes` to do it.\n"
    );
    quarantine(&site, &["purge", "--older-than", "1d", "--yes"]).expect(0);
    assert_eq!((list(&site).len(), unsealed(&site).len()), (1, 1), "it is younger");
    let purged = quarantine(&site, &["purge", "--yes", "--json"]).expect(0);
    let purged: Value = serde_json::from_str(&purged.out).unwrap();
    assert_eq!(purged, json!({"entries": 1, "sealed": 1, "files": 1, "done": true}));
    assert_eq!((list(&site).len(), unsealed(&site).len()), (0, 0));
    let log = site.read(".bulkhead/audit.ndjson");
    let told = log.lines().filter(|line| line.contains("purge-quarantine"));
    assert_eq!(told.count(), 2, "each stands in the audit log");
    assert_eq!(fs_err::read_dir(site.path(".bulkhead/quarantine")).unwrap().count(), 0);
    let nothing = quarantine(&site, &["replay", "--identity", "key.txt"]).expect(0);
    assert_eq!(nothing.out, "There is nothing to replay.\n");
}
