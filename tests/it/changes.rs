//! What makes delivered data incomparable begins anew with a full export, and says why.

use bulkhead_sample_server::Data;

use crate::rig::{Sample, Setup, Site};

/// What an operator changes.
type Change<'a> = &'a dyn Fn(&Site);

/// Items: S5.
#[test]
fn a_change_of_what_decides_makes_the_next_export_a_full_one_that_says_why() {
    let server = Sample::start(Data::made_up(10, 1), |_| {});
    let ids = server.ids("Patient");
    let cases: [(&str, Change<'_>); 3] = [
        ("settings", &|site| {
            site.edit("bulkhead.toml", "mode = \"primary\"", "mode = \"any\"");
        }),
        ("another stage", &|site| {
            let deidentify =
                "{ plugin = \"deidentify\", config = { key = \"research\" } }";
            site.edit(
                "bulkhead.toml",
                "stages = [",
                &format!("stages = [{deidentify}, "),
            );
        }),
        ("the level", &|site| {
            site.edit("bulkhead.toml", "[source]", "[source]\nlevel = \"patient\"");
        }),
    ];
    for (name, change) in cases {
        let site = Site::with(&Setup::new(&server.base, ["Patient"]), &ids[..3]);
        let first = site.run().expect(0);
        let why = "full, because no complete export of these types is in the ledger";
        assert!(first.err.contains(why), "case: {name}: {}", first.err);
        let second = site.run().expect(0);
        assert!(second.err.contains(": incremental, because "), "case: {name}");
        change(&site);
        let third = site.run().expect(0);
        let why = "full, because the server, a plugin, its settings or a cohort changed since \
                   the last export of this chain";
        assert!(third.err.contains(why), "case: {name}: {}", third.err);
        let fourth = site.run().expect(0);
        assert!(fourth.err.contains(": incremental, because "), "case: {name}");
        let asked = site.program(&["run", "--full"]).run().expect(0);
        let why = "full, because a full export was asked for";
        assert!(asked.err.contains(why), "case: {name}: {}", asked.err);
    }
}
