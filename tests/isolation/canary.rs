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

const ALL: [&str; 6] = [BODY, RECORD, PATIENT, KEY, TOKEN, NEIGHBOUR];

/// Where canaries were found: in what was logged, in what was said, in any file below the
/// ground but the stores that were granted.
pub(crate) fn search(ground: &Ground, logged: &str, said: &str) -> Vec<String> {
    let mut found = Vec::new();
    look("the log", logged.as_bytes(), &ALL, &mut found);
    look("what was said", said.as_bytes(), &ALL, &mut found);
    walk(&Ground::compiled(), &mut |path, bytes| {
        look(&path.display().to_string(), bytes, &ALL, &mut found);
    });
    walk(&ground.path(""), &mut |path, bytes| {
        let is_store = path
            .components()
            .any(|part| part.as_os_str().to_string_lossy().starts_with(Ground::STORE));
        if !is_store {
            look(&path.display().to_string(), bytes, &ALL, &mut found);
        }
    });
    found
}
