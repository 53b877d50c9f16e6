//! What a destination holds after all exports, and what it should hold.

use std::collections::BTreeSet;

use super::{Sample, Setup, Site, Walk};

/// What is at the destination after all exports: later ones add, replace and take back.
pub(crate) fn held(site: &Site) -> BTreeSet<String> {
    let mut held = BTreeSet::new();
    for export in site.delivered("") {
        held.extend(export.keys());
        held = held.difference(&export.deleted).cloned().collect();
    }
    held
}

/// What the cohort should have, by another way: an export of everything, and a walk over it.
pub(crate) fn wanted(
    server: &Sample,
    types: &[&str],
    members: &[String],
) -> BTreeSet<String> {
    let mut setup = Setup::new(&server.base, types);
    setup.chains = vec![("everything", String::new(), "")];
    let site = Site::with(&setup, members);
    site.run().expect(0);
    let walk = Walk {
        members: members.iter().cloned().collect(),
        base: server.base.as_str().trim_end_matches('/').to_owned(),
    };
    let mut wanted = BTreeSet::new();
    for export in site.delivered("") {
        for (kind, lines) in &export.lines {
            for line in lines.iter().filter(|line| walk.keeps(line)) {
                let line: serde_json::Value = serde_json::from_slice(line).unwrap();
                wanted.insert(format!("{kind}/{}", line["id"].as_str().unwrap()));
            }
        }
    }
    wanted
}
