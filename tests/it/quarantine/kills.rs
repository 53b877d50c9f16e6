//! Killed while it seals or replays, the next run goes on: no entry is lost, none comes twice.

use std::{collections::BTreeMap, time::Duration};

use super::sealed::{
    MODIFIER, fates, files, observation, quarantine, site, stages, unsealed,
};
use crate::rig::{Fake, Random, Site};

const LINES: usize = 1_000;

/// Kills of runs, and of replays, that must land.
const KILLS: u32 = 6;

/// More children than this mean that kills never land.
const CHILDREN: u32 = 400;

/// Every third one is refused, and is so long that bodies do not wait for a checkpoint.
fn lines() -> Vec<String> {
    let long = format!("{MODIFIER},\"comment\":\"{}\"", "x".repeat(30_000));
    let line = |number: usize| {
        let more = if number.is_multiple_of(3) { long.as_str() } else { "" };
        observation(&format!("o{number}"), "m", more)
    };
    (0..LINES).map(line).collect()
}

fn refused(lines: &[String]) -> Vec<String> {
    let mut refused: Vec<String> = lines.iter().step_by(3).cloned().collect();
    refused.sort();
    refused
}

fn small(server: &Fake) -> Site {
    let site = site(server, &stages(), "[limits]\nblock = \"256KiB\"\n");
    site.edit(
        "bulkhead.toml",
        "store = \"lake\"",
        "store = \"lake\", part-size = \"64KiB\"",
    );
    site
}

/// How long `args` takes when nobody disturbs it.
fn length(site: &Site, args: &[&str]) -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "how long a run takes can only be measured"
    )]
    let start = std::time::Instant::now();
    site.program(args).run().expect(0);
    u64::try_from(start.elapsed().as_micros()).unwrap()
}

/// Runs `args` to its end, however often it is killed. Gives how many kills landed.
fn killed_often(site: &Site, args: &[&str], length: u64, random: &mut Random) -> u32 {
    let mut kills = 0;
    for _ in 0..CHILDREN {
        let delay = Duration::from_micros(random.below(length));
        let ended = site.program(args).start().kill_after(delay);
        if !ended.is_killed {
            // 3: one that was killed on its way out is followed by another export, of which this
            // server, which does not know `_since`, brings everything.
            assert!(matches!(ended.code, Some(0 | 3)), "{ended:?}");
            return kills;
        }
        kills += 1;
        if kills >= 12 {
            let ended = site.program(args).run();
            assert!(matches!(ended.code, Some(0 | 3)), "{ended:?}");
            return kills;
        }
    }
    panic!("it never ended");
}

/// How often each Observation was delivered, over all exports.
fn delivered(site: &Site) -> BTreeMap<String, usize> {
    let mut all = BTreeMap::new();
    for export in site.delivered("") {
        for key in export.keys() {
            *all.entry(key).or_default() += 1;
        }
    }
    all.retain(|key: &String, _| key.starts_with("Observation/"));
    all
}

const REPLAY: [&str; 4] = ["quarantine", "replay", "--identity", "key.txt"];

#[test]
fn killed_at_random_moments_every_refusal_is_sealed_once_and_replayed_once() {
    let lines = lines();
    let server = Fake::export(files(&lines), false);
    let mend = |site: &Site| {
        let to = "ids = \"keep\", keep-extensions = [\"http://x/y\"]";
        site.edit("bulkhead.toml", "ids = \"keep\"", to);
    };
    let first = small(&server);
    let run = length(&first, &["run"]);
    assert_eq!(unsealed(&first), refused(&lines));
    mend(&first);
    let replay = length(&first, &REPLAY);
    assert_eq!(delivered(&first).len(), LINES);

    let seed = std::env::var("BULKHEAD_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or(20_261_126);
    eprintln!("BULKHEAD_SEED={seed}, a run takes {run} µs, a replay {replay} µs");
    let mut random = Random::new(seed);
    let (mut kills, mut rounds) = ([0, 0], 0);
    while kills.iter().any(|landed| *landed < KILLS) {
        rounds += 1;
        assert!(rounds < 25, "only {kills:?} kills landed");
        let site = small(&server);
        kills[0] += killed_often(&site, &["run"], run, &mut random);
        // A run that was killed on its way out has begun another export, which knows what the
        // first one delivered and refuses the rest again: by export, each is there once.
        let mut sealed = unsealed(&site);
        let exports = site.status()["quarantine"]["sealed"].as_u64().unwrap();
        assert_eq!(sealed.len() as u64, exports, "every sealed body has its entry");
        sealed.dedup();
        assert_eq!(sealed, refused(&lines), "BULKHEAD_SEED={seed}");
        mend(&site);
        kills[1] += killed_often(&site, &REPLAY, replay, &mut random);
        let replayed = quarantine(&site, &REPLAY[1..]).expect(0);
        assert_eq!(replayed.out, "There is nothing to replay.\n");
        let all = delivered(&site);
        assert_eq!(all.len(), LINES, "BULKHEAD_SEED={seed}");
        let twice: Vec<_> = all.iter().filter(|(_, times)| **times != 1).collect();
        assert!(twice.is_empty(), "{twice:?}, BULKHEAD_SEED={seed}");
        assert!(fates(&site).iter().all(|(_, _, fate)| fate == "replayed"));
        assert_eq!(unsealed(&site), Vec::<String>::new());
    }
    eprintln!("{kills:?} kills landed");
}
