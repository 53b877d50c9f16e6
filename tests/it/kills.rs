//! Killed at any moment, the next run goes on, and what is delivered in the end is the same
//! to the byte.

use std::time::Duration;

use bulkhead_sample_server::Data;
use serde_json::Value;

use crate::rig::{Random, Sample, Setup, Site, tree};

const KILLS: u32 = 50;

/// More children than this mean that kills never land.
const CHILDREN: u32 = 1_000;

fn setup(server: &Sample) -> Setup {
    let types = ["Condition", "Encounter", "Observation", "Patient", "Practitioner"];
    let mut setup = Setup::new(&server.base, types);
    setup.tables = "[limits]\nblock = \"8KiB\"\nfiles-in-flight = 2\n".to_owned();
    setup.chains = vec![(
        "research",
        Setup::filter_and_deidentify(),
        ", part-size = \"64KiB\", compression = \"gzip\"",
    )];
    setup
}

/// Everything that counts: the files, and the report's sums.
fn outcome(site: &Site) -> (std::collections::BTreeMap<String, Vec<u8>>, Value) {
    let files = tree(&site.path("out"));
    let scratch: Vec<&String> =
        files.keys().filter(|name| name.starts_with('.')).collect();
    assert!(scratch.is_empty(), "left behind: {scratch:?}");
    let exports = site.delivered("");
    assert_eq!(exports.len(), 1);
    (files, site.report(&exports[0].id)["tally"].clone())
}

/// Whether the ledger says that the export is done.
fn is_completed(site: &Site) -> bool {
    site.path("out").is_dir()
        && !site.delivered("").is_empty()
        && site.status()["exports"][0]["phase"] == "completed"
}

/// Items: 116.
/// Faults: F38.
#[test]
fn fifty_kills_at_random_moments_change_no_byte() {
    let server = Sample::start(Data::made_up(250, 11), |_| {});
    let setup = setup(&server);
    let members: Vec<String> = server.ids("Patient").into_iter().step_by(2).collect();
    let first = Site::with(&setup, &members);
    first.run().expect(0);
    let expected = outcome(&first);
    assert!(expected.0.len() > 15, "too few parts: {:?}", expected.0.keys());

    let site = Site::with(&setup, &members);
    #[expect(
        clippy::disallowed_methods,
        reason = "how long a run takes can only be measured"
    )]
    let start = std::time::Instant::now();
    site.run().expect(0);
    let length = start.elapsed();
    assert!(outcome(&site) == expected, "two undisturbed runs differ");

    let seed = std::env::var("BULKHEAD_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or(20_261_123);
    eprintln!("BULKHEAD_SEED={seed}, a run takes {length:?}");
    let mut random = Random::new(seed);
    let length = u64::try_from(length.as_micros()).unwrap();
    let (mut kills, mut children, mut completed, mut in_flight) = (0, 0, 0, 0);
    while kills < KILLS {
        let site = Site::with(&setup, &members);
        loop {
            children += 1;
            assert!(children < CHILDREN, "only {kills} kills landed");
            let delay = Duration::from_micros(random.below(length));
            let ended = site.program(&["run"]).start().kill_after(delay);
            if ended.is_killed {
                kills += 1;
                in_flight += u32::from(ended.err.contains("manifest: "));
                if is_completed(&site) {
                    // It died on its way out: another run would begin another export.
                    break;
                }
                continue;
            }
            let ended = ended.expect(0);
            assert!(ended.out.contains("The sums agree: "), "{}", ended.out);
            break;
        }
        completed += 1;
        assert!(outcome(&site) == expected, "after {kills} kills, BULKHEAD_SEED={seed}");
    }
    eprintln!("{kills} kills, {in_flight} among files, {completed} exports completed");
    assert!(in_flight >= KILLS / 5, "only {in_flight} kills landed among files");
}
