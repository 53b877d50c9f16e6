//! A crash at any moment leaves the same files as no crash at all.

use std::collections::BTreeMap;

use bulkhead_plugin::{
    artifacts::{Digest, Writer},
    testing::{Records, Stored},
};
use proptest::prelude::*;

use super::*;

type Files = BTreeMap<String, Stored>;

/// A host that crashes where the test says so.
struct Run<'a> {
    settings: &'a Value,
    batches: &'a [Records],
    stage: Stage,
    sink: FilesSink,
    /// What the host knows to be durable.
    known: Option<Checkpoint>,
}

impl<'a> Run<'a> {
    fn new(settings: &'a Value, batches: &'a [Records]) -> Self {
        let stage = stage();
        let mut sink = sink(&stage, settings);
        begin(&mut sink, 0, None);
        Self { settings, batches, stage, sink, known: None }
    }

    /// Plugin and host go; the store stays as `files`.
    fn crash(&mut self, files: &Files) {
        self.stage = stage();
        for (name, part) in files {
            let mut writer =
                Writer::create(STORE, name, part.compression, Digest::None).unwrap();
            writer.write(&part.bytes).unwrap();
            writer.commit().unwrap();
        }
        self.sink = sink(&self.stage, self.settings);
        begin(&mut self.sink, 0, self.known.clone());
    }

    fn files(&self) -> Files {
        self.stage.stored(STORE)
    }

    /// Hands over one batch. The host has not heard the answer yet.
    fn deliver(&mut self, batch: usize) -> Option<Checkpoint> {
        self.sink.deliver(&self.batches[batch].batch()).unwrap().durable
    }

    /// The batches that are not known to be durable.
    fn rest(&self) -> std::ops::Range<usize> {
        let through = self.known.as_ref().map_or(0, |known| known.durable_through);
        let is_durable = |batch: &&Records| batch.batch().seqs()[0] <= through;
        self.batches.iter().take_while(is_durable).count()..self.batches.len()
    }

    /// Delivers what is left, ends the file and the export.
    fn finish(mut self) -> (Files, Vec<u8>) {
        for batch in self.rest() {
            self.known = self.deliver(batch).or(self.known);
        }
        let token = self.sink.flush().unwrap().token;
        self.sink.close(CloseReason::EndOfFile).unwrap();
        conclude(&mut self.sink, &[(0, token.clone())]);
        (self.files(), token)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn a_crash_anywhere_leaves_the_files_of_an_undisturbed_run(
        batches in batches(),
        part_size in 1_u64..400,
        part_rows in proptest::option::of(1_u64..8),
    ) {
        let settings = json!({ "part-size": part_size, "part-rows": part_rows });
        let expected = Run::new(&settings, &batches).finish();
        assert_holds_every_record_once(&expected.0, &batches);

        for crash in 0..=batches.len() {
            // What lies in the store when the answer to call number `crash` is lost: any of the
            // parts that the call committed, the others not.
            let (before, after) = around(&settings, &batches, crash);
            let fresh: Vec<&String> =
                after.keys().filter(|name| !before.contains_key(*name)).collect();
            for survivors in 0..=fresh.len() {
                for from_the_end in [false, true] {
                    let mut run = Run::new(&settings, &batches);
                    for batch in 0..crash {
                        run.known = run.deliver(batch).or(run.known);
                    }
                    let skipped = if from_the_end { fresh.len() - survivors } else { 0 };
                    let mut files = before.clone();
                    for name in fresh.iter().skip(skipped).take(survivors) {
                        files.insert((*name).clone(), after[*name].clone());
                    }
                    run.crash(&files);
                    prop_assert_eq!(&run.finish(), &expected);
                }
            }
        }
    }
}

/// The store before and after call number `crash`: a delivery, or at last the flush.
fn around(settings: &Value, batches: &[Records], crash: usize) -> (Files, Files) {
    let mut run = Run::new(settings, batches);
    for batch in 0..crash {
        run.deliver(batch);
    }
    let before = run.files();
    if crash < batches.len() {
        run.deliver(crash);
    } else {
        run.sink.flush().unwrap();
    }
    (before, run.files())
}

fn assert_holds_every_record_once(files: &Files, batches: &[Records]) {
    let parts = files.iter().filter(|(name, _)| *name != "e1/manifest.json");
    let lines = parts.map(|(_, part)| lines_of(part));
    assert_eq!(lines.sum::<usize>(), batches.iter().map(Records::len).sum::<usize>());

    // What the manifest says is what lies there, part by part.
    let manifest: Value =
        serde_json::from_slice(&files["e1/manifest.json"].bytes).unwrap();
    let streams = manifest["extension"]["streams"].as_array();
    let lists = [manifest["output"].as_array(), manifest["deleted"].as_array(), streams];
    let items: Vec<&Value> = lists.into_iter().flatten().flatten().collect();
    assert_eq!(items.len(), files.len() - 1);
    for item in items {
        let name = format!("e1/{}", item["url"].as_str().unwrap());
        let lines = lines_of(&files[&name]);
        assert_eq!(item["count"], json!(lines), "{name}");
    }
}

fn lines_of(part: &Stored) -> usize {
    part.bytes.split_inclusive(|byte| *byte == b'\n').count()
}

/// Up to six batches of up to five records of mixed kinds; some records share a source line.
fn batches() -> impl Strategy<Value = Vec<Records>> {
    let record = (0..3_usize, 0..4_usize, 0..60_usize, any::<bool>());
    let batch = prop::collection::vec(record, 1..6);
    prop::collection::vec(batch, 1..7).prop_map(|batches| {
        let mut seq = 0;
        let mut number = 0;
        let mut records = |batch: Vec<(usize, usize, usize, bool)>| {
            let mut cases = Vec::new();
            for (kind, what, filling, is_next) in batch {
                // A line is never cut by the end of a batch.
                seq += u64::from(is_next || cases.is_empty());
                number += 1;
                let kind = ["Patient", "Observation", "view/visits"][kind];
                let id = format!("{number}{}", "x".repeat(filling));
                cases.push(match what {
                    0 => Case::deleted(kind, &id).seq(seq),
                    1 => Case::retracted(kind, &id).seq(seq),
                    _ => {
                        let body = json!({ "resourceType": kind, "id": id });
                        Case::resource(&body.to_string()).seq(seq)
                    }
                });
            }
            Records::new(cases)
        };
        batches.into_iter().map(&mut records).collect()
    })
}
