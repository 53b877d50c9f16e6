//! Strings that must not get out, and the search for them.

use bulkhead_tests::{look, walk};

use crate::ground::Ground;

/// In every body of the attacked file.
pub(crate) const BODY: &str = "CANARY-BODY-7f3a";
/// The id of every record of the attacked file begins so.
pub(crate) const RECORD: &str = "CANARY-RECORD-9c1d";
/// The id of the patient of the attacked file.
pub(crate) const PATIENT: &str = "CANARY-PATIENT-2e88";
/// The key that the operator granted nobody but the neighbour.
pub(crate) const KEY: &str = "CANARY-KEY-51b0-of-32-bytes-or-more";
/// The credential of the destination that was granted.
pub(crate) const TOKEN: &str = "CANARY-TOKEN-90aa";
/// In every body of the neighbour.
pub(crate) const NEIGHBOUR: &str = "CANARY-NEIGHBOUR-e4f7";
/// What the neighbour keeps as state.
pub(crate) const STATE: &str = "CANARY-STATE-b3d2";
/// What guests would like to stand in the log, or to be looked up. It stands in their own code.
pub(crate) const FORGED: &str = "canary-forged-6c0e";

const ALL: [&str; 7] = [BODY, RECORD, PATIENT, KEY, TOKEN, NEIGHBOUR, STATE];

/// Where canaries were found: in what was logged, in what was said, in any file below the
/// ground but the stores that were granted, and the ledger where what is kept as state lies.
pub(crate) fn search(ground: &Ground, logged: &str, said: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (place, text) in [("the log", logged), ("what was said", said)] {
        look(place, text.as_bytes(), &ALL, &mut found);
        look(place, text.as_bytes(), &[FORGED], &mut found);
    }
    walk(&Ground::compiled(), &mut |path, bytes| {
        look(&path.display().to_string(), bytes, &ALL, &mut found);
    });
    walk(&ground.path(""), &mut |path, bytes| {
        let lies_in = |start: &str| {
            let named = |part: std::path::Component<'_>| {
                part.as_os_str().to_string_lossy().starts_with(start)
            };
            path.components().any(named)
        };
        let sought: Vec<&str> = ALL
            .into_iter()
            .filter(|canary| *canary != STATE || !lies_in(Ground::LEDGER))
            .collect();
        if !lies_in(Ground::STORE) {
            look(&path.display().to_string(), bytes, &sought, &mut found);
        }
    });
    found
}
