//! The audit log: what is written down of runs and of what operators override, and whether
//! tampering shows. The page that an auditor files is `survey`.

mod survey;

use std::{process::Command, time::Duration};

use bulkhead_sample_server::{Data, Ready};
use serde_json::{Value, json};

use crate::rig::{Sample, Setup, Site, sha256};

const LOG: &str = ".bulkhead/audit.ndjson";

fn lines(site: &Site) -> Vec<Value> {
    site.read(LOG).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn events(site: &Site) -> Vec<String> {
    lines(site).iter().map(|line| line["event"].as_str().unwrap().to_owned()).collect()
}

/// The hash of the log's last line, as `sha256sum` would say.
fn head(site: &Site) -> String {
    sha256(site.read(LOG).lines().next_back().unwrap().as_bytes())
}

/// `bulkhead audit --json`, given further arguments.
fn audit(site: &Site, args: &[&str], code: i32) -> Value {
    let all = [&["audit", "--json"], args].concat();
    serde_json::from_str(&site.program(&all).run().expect(code).out).unwrap()
}

fn server() -> Sample {
    Sample::start(Data::made_up(8, 1), |_| {})
}

/// A chain with all three plugins, run once.
fn ran(server: &Sample) -> Site {
    let mut setup = Setup::new(&server.base, ["Observation", "Patient"]);
    setup.chains = vec![("research", Setup::filter_and_deidentify(), "")];
    let site = Site::with(&setup, &server.ids("Patient")[..4]);
    site.run().expect(0);
    site
}

#[test]
fn what_is_in_force_is_written_before_a_run_and_what_came_of_it_after() {
    let server = server();
    let site = ran(&server);
    assert_eq!(events(&site), ["run-started", "run-ended"]);
    let lines = lines(&site);
    let started = &lines[0]["payload"];
    assert_eq!(started["configuration"], sha256(site.read("bulkhead.toml").as_bytes()));
    assert_eq!(started["cohorts"]["study"]["patients"], 4);
    assert_eq!(started["chain"], "research");
    let stages = started["stages"].as_array().unwrap();
    let names: Vec<&Value> = stages.iter().map(|stage| &stage["plugin"]).collect();
    assert_eq!(names, ["cohort-filter", "deidentify", "files-sink"]);
    assert_eq!(stages[2]["grants"]["stores"], json!(["lake"]));
    assert_eq!(stages[2]["pinned"], true);
    assert_eq!(stages[2]["limits"]["memory"], 64 << 20);
    assert_eq!(stages[2]["limits"]["restarts"], 256);
    assert_eq!(stages[2]["isolation"], "in-process");
    assert_eq!(started["deterministic"], Value::Null);
    assert!(site.read("bulkhead.toml").contains(stages[2]["sha256"].as_str().unwrap()));
    let ended = &lines[1]["payload"];
    assert_eq!((&ended["outcome"], &ended["started"]), (&json!("complete"), &json!(1)));
    assert_eq!(ended["deaths"], json!({}));
    let delivered = &site.delivered("")[0];
    assert_eq!(ended["counts"][0]["export"], delivered.id);
    assert_eq!(ended["counts"][0]["delivered"], delivered.count());

    // The head is told wherever operators look, so that they can keep it elsewhere.
    let head = head(&site);
    assert_eq!(site.status()["audit"], json!({ "seq": 2, "hash": head }));
    let again = site.run().expect(0);
    assert!(again.out.contains("Audit log ends at line 4: "), "{}", again.out);
    let verified =
        site.program(&["audit", "verify", "--head", &head]).run().expect(0).out;
    assert!(verified.contains("The head that you gave is line 2"), "{verified}");
    let told = site.program(&["audit", "log", "--since", "1d"]).run().expect(0).out;
    assert!(told.contains("sink `files-sink`: plugin `files-sink`"), "{told}");
    let none = ["audit", "log", "--since", "2100-01-01T00:00:00Z"];
    assert_eq!(site.program(&none).run().expect(0).out, "");
}

#[test]
fn the_log_can_be_checked_with_nothing_but_sha256sum_and_jq() {
    let server = server();
    let site = ran(&server);
    let page = site.path("page.html");
    site.program(&["audit", "--html", page.to_str().unwrap()]).run().expect(0);
    // The commands are those of the page, with `grep` where a machine has no `jq`.
    let page = site.read("page.html").replace("&quot;", "\"").replace("&#39;", "'");
    let page = page.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    let script = page.split_once("<pre><code>").unwrap().1;
    let script = script.split_once("</code></pre>").unwrap().0;
    let stand_in = r#"command -v jq >/dev/null || jq() {
        case "$2" in
            .previous) grep -o '"previous":"[^"]*"' | tail -n 1 | cut -d'"' -f4;;
            .seq) grep -o '^{"seq":[0-9]*' | cut -d: -f2;;
        esac
    }"#;
    let check = || {
        let mut shell = Command::new("bash");
        shell.args(["-c", &format!("{stand_in}\n{script}")]);
        let out = shell.current_dir(site.path(".bulkhead")).output().unwrap();
        String::from_utf8(out.stdout).unwrap()
    };
    assert_eq!(check().trim(), head(&site));
    site.edit(LOG, "research", "harmless");
    let found = check();
    assert!(found.starts_with("broken before line 2\n"), "{found}");
}

#[test]
fn what_operators_override_and_change_is_written_down() {
    let server = server();
    let site = ran(&server);
    let mut expected = vec!["run-started", "run-ended"];
    let accept =
        ["run", "--accept-omission", "Patient", "--reason", "agreed with the site"];
    // what is done, its exit code, what is written
    let cases: [(&[&str], &[&str]); 4] = [
        (&["run", "--dev"], &["override", "run-started", "run-ended"]),
        (&["run", "--full"], &["override", "run-started", "run-ended"]),
        (&["resync", "--type", "Patient"], &["override", "run-started", "run-ended"]),
        (&accept, &["override", "run-started", "run-ended"]),
    ];
    for (args, written) in cases {
        site.program(args).run().expect(0);
        expected.extend(written);
        assert_eq!(events(&site), expected, "case: {args:?}");
    }
    let whats: Vec<Value> = lines(&site)
        .iter()
        .filter(|line| line["event"] == "override")
        .map(|line| line["payload"].clone())
        .collect();
    assert_eq!(whats[0]["what"], "dev");
    assert_eq!(
        (&whats[1]["what"], &whats[1]["of"]),
        (&json!("ask-again"), &json!("everything"))
    );
    assert_eq!(whats[2]["of"], json!(["Patient"]));
    assert_eq!(whats[3]["reason"], "agreed with the site");

    // A changed setting is named by its path, without its value.
    site.edit(
        "bulkhead.toml",
        "name = \"research\"",
        "name = \"research\"\non-fault = \"advance\"",
    );
    site.run().expect(0);
    let changed =
        lines(&site).into_iter().find(|line| line["event"] == "configuration-changed");
    let changed = changed.unwrap()["payload"].clone();
    assert_eq!(changed["added"], json!(["chain[research].on-fault"]));
    assert_eq!((&changed["changed"], &changed["removed"]), (&json!([]), &json!([])));

    // Another plugin under the same name, and one that is granted too little.
    let pins: Vec<String> = site
        .read("bulkhead.toml")
        .lines()
        .filter_map(|line| Some(line.strip_prefix("sha256 = \"")?[..64].to_owned()))
        .collect();
    site.edit("bulkhead.toml", &pins[0], &"0".repeat(64));
    site.run().expect(2);
    site.edit("bulkhead.toml", &"0".repeat(64), &pins[0]);
    site.edit(
        "bulkhead.toml",
        "{ stores = [\"lake\"] }",
        "{ stores = [\"lake\"], random = true }",
    );
    site.run().expect(2);
    let refused: Vec<Value> = lines(&site)
        .into_iter()
        .filter(|line| line["event"] == "load-refused")
        .map(|line| line["payload"].clone())
        .collect();
    assert_eq!(
        (&refused[0]["why"], &refused[0]["found"]),
        (&json!("digest"), &json!(pins[0]))
    );
    assert_eq!(refused[1]["denied"], json!([{ "unneeded": "random" }]));
    site.program(&["audit", "verify"]).run().expect(0);
}

#[test]
fn a_cancelled_and_a_killed_run_leave_their_lines() {
    let server = Sample::start(Data::made_up(5, 1), |options| {
        options.behaviour.ready = Ready::After(Duration::from_hours(1));
    });
    let setup = Setup::new(&server.base, ["Patient"]);
    let site = Site::with(&setup, &server.ids("Patient"));
    let waiting = site.program(&["run"]).start();
    waiting.wait_for("waiting for the server to prepare the export");
    waiting.signal("TERM");
    waiting.finish().expect(5);
    let waiting = site.program(&["run"]).start();
    waiting.wait_for("waiting for the server to prepare the export");
    assert!(waiting.kill_after(Duration::ZERO).is_killed);
    site.program(&["cancel"]).run().expect(0);
    let lines = lines(&site);
    assert_eq!(events(&site), ["run-started", "run-ended", "run-started", "override"]);
    assert_eq!(lines[1]["payload"]["outcome"], "stopped");
    assert_eq!(lines[1]["payload"]["blame"], "operator");
    assert_eq!(lines[3]["payload"]["what"], "cancel");
    assert_eq!(lines[3]["payload"]["chain"], "research");
    site.program(&["audit", "verify"]).run().expect(0);
}

#[test]
fn tampering_shows_at_once_and_for_ever() {
    type Tamper = fn(&str) -> String;
    let line = |text: &str, at: usize| text.lines().nth(at).unwrap().to_owned() + "\n";
    let cases: [(&str, Tamper, &str); 7] = [
        (
            "edit",
            |text| text.replacen("research", "harmless", 1),
            "line 2 does not follow",
        ),
        (
            "edit the last",
            |text| {
                let (first, last) = text.trim_end().rsplit_once('\n').unwrap();
                format!("{first}\n{}\n", last.replace("complete", "incomplete"))
            },
            "its last lines were taken away or edited",
        ),
        (
            "delete",
            |text| text.split_once('\n').unwrap().1.to_owned(),
            "line 1 is number 2, where number 1 should be: lines are missing before it",
        ),
        (
            "cut the last line",
            |text| text.split_inclusive('\n').take(3).collect(),
            "its last lines were taken away or edited",
        ),
        (
            "swap",
            |text| {
                let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
                lines.swap(1, 2);
                lines.concat()
            },
            "line 2 is number 3, where number 2 should be",
        ),
        (
            "insert",
            |text| {
                let (first, rest) = text.split_once('\n').unwrap();
                format!("{first}\n{}\n{rest}", first.replace("run-started", "run-ended"))
            },
            "line 2 is number 1, where number 2 should be: lines are doubled",
        ),
        ("remove all", |_| String::new(), "its last lines were taken away or edited"),
    ];
    let server = server();
    let site = ran(&server);
    site.run().expect(0);
    let whole = site.read(LOG);
    let ledger = fs_err::read(site.path(".bulkhead/ledger.db")).unwrap();
    let known = sha256(line(&whole, 1).trim_end().as_bytes());
    for (name, tamper, told) in cases {
        site.write(LOG, tamper(&whole));
        // With the ledger of then: an earlier case has gone on with it.
        for suffix in ["-wal", "-shm"] {
            let _ =
                fs_err::remove_file(site.path(&format!(".bulkhead/ledger.db{suffix}")));
        }
        site.write(".bulkhead/ledger.db", &ledger);
        let found = site.program(&["audit", "verify"]).run().expect(1).out;
        assert!(found.contains(told), "case: {name}: {found}");
        assert!(found.contains("NOT WHOLE"), "case: {name}");
        let survey = audit(&site, &["--fail-on", "high"], 3);
        assert_eq!(survey["findings"][0]["code"], "log-broken", "case: {name}");
        // What follows does not cover it up.
        site.run().expect(0);
        site.program(&["audit", "verify"]).run().expect(1);
    }
    // A copy is checked without ledger and configuration; a head shows what was cut off.
    site.write("copy.ndjson", line(&whole, 0));
    let copy = |args: &[&str], code| {
        let all = [&["audit", "verify", "copy.ndjson"], args].concat();
        site.program(&all).run().expect(code).out
    };
    copy(&[], 0);
    assert!(copy(&["--head", &known], 1).contains("no line has the hash"));
    site.write("copy.ndjson", format!("{}{}", line(&whole, 0), &line(&whole, 1)[..40]));
    assert!(copy(&[], 3).contains("has no end (40 bytes)"));
    copy(&["--head", "f00"], 2);
}

#[test]
fn a_line_that_a_crash_cut_short_is_repaired_by_the_next_run() {
    let server = server();
    let site = ran(&server);
    site.write(LOG, site.read(LOG) + "{\"seq\":3,\"time\":\"20");
    site.program(&["audit", "verify"]).run().expect(3);
    site.run().expect(0);
    let expected =
        ["run-started", "run-ended", "log-repaired", "run-started", "run-ended"];
    assert_eq!(events(&site), expected);
    site.program(&["audit", "verify"]).run().expect(0);
}
