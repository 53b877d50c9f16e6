//! Canaries in every secret, body and id, a hostile plugin in the chain, every level of the log:
//! and then a search through all that the program said and wrote.

use bulkhead_guest_builder::{Guest, all};
use bulkhead_sandbox::Package;
use bulkhead_tests::{look, walk};
use serde_json::json;

use crate::rig::{Fake, Served, Setup, Site, sha256};

/// The guest that attacks nobody: its chain delivers, and all commands are tried after it.
const LAST: &str = "keeps";
/// In every body.
const BODY: &str = "CANARY-BODY-7f3a";
/// A patient of the cohort, whose id the ledger of resources holds.
const MEMBER: &str = "CANARY-MEMBER-2e88";
/// A patient who is not in the cohort.
const STRANGER: &str = "CANARY-STRANGER-6b10";
/// A key for pseudonyms, in a file.
const KEY: &str = "CANARY-KEY-51b0-of-32-bytes-or-more";
/// The access token.
const TOKEN: &str = "CANARY-TOKEN-90aa";

/// Attacks: 41, 42, 43.
#[test]
fn no_canary_leaves_through_what_the_program_says_or_writes() {
    let mut guests: Vec<Guest> = all()
        .into_iter()
        .filter(|guest| guest.about == "talk" && guest.head.role != "sink")
        .collect();
    assert!(guests.len() > 5, "there are guests that talk");
    guests.push(Guest::made(LAST, "filter", &[], "", ""));
    for guest in guests {
        let site = site(&guest);
        let server = server();
        site.edit("bulkhead.toml", "http://127.0.0.1:1/fhir", server.base().as_str());
        let run = site
            .program(&["run"])
            .env("BULKHEAD_LOG", "trace")
            .env("TMPDIR", site.path("tmp"))
            .run();
        let name = &guest.name;
        assert!(matches!(run.code, Some(0 | 1 | 3)), "{name}: {}", run.err);
        assert!(run.err.contains("TRACE"), "{name}: the log is at its most talkative");
        let mut said = vec![("run", run)];
        let is_last = name == LAST;
        let more = [
            ("status", vec!["status"]),
            ("status --json", vec!["status", "--json"]),
            ("why", vec!["status", "--why", "Observation"]),
            ("check", vec!["check"]),
            ("inspect", vec!["plugin", "inspect", "attacker.wasm"]),
            ("inspect --json", vec!["plugin", "inspect", "--json", "attacker.wasm"]),
        ];
        for (words, args) in more.into_iter().filter(|_| is_last) {
            said.push((words, site.program(&args).env("TMPDIR", site.path("tmp")).run()));
        }
        let mut found = Vec::new();
        for (words, ended) in &said {
            look(words, ended.out.as_bytes(), &ALL, &mut found);
            look(words, ended.err.as_bytes(), &ALL, &mut found);
        }
        walk(site.folder(), &mut |path, bytes| {
            let within = path.strip_prefix(site.folder()).unwrap().display().to_string();
            let own = ["members.csv", "research.key", TOKEN_FILE, "out/"];
            if own.iter().any(|own| within.starts_with(own)) {
                return;
            }
            // It holds the ids of what was delivered, in clear: docs/threat-model.md says so.
            let but_ids = [BODY, STRANGER, KEY, TOKEN];
            let is_ledger = within.starts_with(".bulkhead/delivered");
            let sought: &[&str] = if is_ledger { &but_ids } else { &ALL };
            look(&within, bytes, sought, &mut found);
        });
        assert_eq!(found, Vec::<String>::new(), "{name} got something out");
        // Only the cohort is delivered, under whichever ids the chain left it.
        let (mut delivered, mut bodies) = (Vec::<String>::new(), Vec::<String>::new());
        walk(&site.path("out"), &mut |path, bytes| {
            let place = path.display().to_string();
            look(&place, bytes, &[STRANGER, KEY, TOKEN], &mut delivered);
            look(&place, bytes, &[BODY], &mut bodies);
        });
        assert!(!is_last || !bodies.is_empty(), "the cohort's bodies are delivered");
        assert_eq!(delivered, Vec::<String>::new(), "{name} delivered it");
    }
}

const ALL: [&str; 5] = [BODY, MEMBER, STRANGER, KEY, TOKEN];

/// One resource of the cohort, one of a stranger, and lines that cannot be read.
fn server() -> Fake {
    let line = |id: &str, patient: &str| {
        json!({
            "resourceType": "Observation",
            "id": id,
            "subject": { "reference": format!("Patient/{patient}") },
            "note": [{ "text": BODY }],
        })
        .to_string()
    };
    let lines = [
        line("o1", MEMBER),
        line("o2", STRANGER),
        format!(
            "{{\"resourceType\":\"Observation\",\"id\":\"{STRANGER}\",\"note\":\"{BODY}"
        ),
        format!(
            "{{\"resourceType\":\"Patient\",\"id\":\"{STRANGER}\",\"x\":\"{BODY}\"}}"
        ),
        line("o3", MEMBER),
    ];
    Fake::export(vec![Served::new("Observation", lines.join("\n"))], true)
}

/// A chain of cohort filter, attacker, files.
fn site(guest: &Guest) -> Site {
    let mut setup =
        Setup::new(&"http://127.0.0.1:1/fhir".parse().unwrap(), ["Observation"]);
    setup.source = format!("[source.auth]\nbearer = {{ file = \"{TOKEN_FILE}\" }}\n");
    setup.chains = vec![(
        "research",
        format!("{}, {{ plugin = \"attacker\" }}", Setup::filter()),
        "",
    )];
    let package = Package::from_bytes(guest.component()).unwrap();
    let package = package.with_manifest(&guest.manifest().to_string()).unwrap();
    let grants: Vec<String> = guest
        .head
        .asks
        .iter()
        .map(|asked| match asked.as_str() {
            "cohorts" => "cohorts = [\"study\"]".to_owned(),
            "keyed-hash" => "keys = [\"research\"]".to_owned(),
            other => format!("{other} = true"),
        })
        .collect();
    setup.tables = format!(
        "[plugins.attacker]\npath = \"attacker.wasm\"\nsha256 = \"{}\"\ngrants = {{ {} }}\n\
         limits = {{ cpu = \"50ms\" }}\n",
        sha256(package.bytes()),
        grants.join(", ")
    );
    let site = Site::with(&setup, &[MEMBER.to_owned()]);
    site.write("attacker.wasm", package.bytes());
    site.write("research.key", KEY);
    site.write(TOKEN_FILE, TOKEN);
    fs_err::create_dir(site.path("tmp")).unwrap();
    site
}

const TOKEN_FILE: &str = "token";
