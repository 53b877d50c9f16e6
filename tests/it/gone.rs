//! What an export of everything no longer has: believed to be gone only of a server that has been
//! seen to answer by id.

use crate::rig::{Exported, Fake, Served, Setup, Site};

fn patients(ids: &[&str]) -> Served {
    let line = |id: &&str| format!("{{\"resourceType\":\"Patient\",\"id\":\"{id}\"}}\n");
    Served::new("Patient", ids.iter().map(line).collect::<String>())
}

/// Items: S7.
#[test]
fn a_server_that_knows_nothing_but_exports_is_no_witness_of_a_deletion() {
    let cases =
        [("reads nothing", None, 0), ("reads what is there", Some("Patient/m"), 1)];
    for (name, read, deleted) in cases {
        let (server, exported) =
            Fake::exporting(Exported::new(vec![patients(&["m", "n"])]));
        let setup = Setup::new(&server.base(), ["Patient"]);
        let site = Site::with(&setup, &["m".to_owned(), "n".to_owned()]);
        site.run().expect(0);
        {
            let mut exported = exported.lock().unwrap();
            exported.files = vec![patients(&["m"])];
            // Any JSON will do for a resource that is read.
            exported.totals.extend(read.map(|path| (path, 1)));
        }
        let ended = site.program(&["run", "--full"]).run().expect(0);
        let told = ended.err.contains("the server may know nothing but exports");
        assert_eq!(told, deleted == 0, "case: {name}: {}", ended.err);
        let asked = |path: &str| server.seen().iter().any(|seen| seen.path == path);
        assert!(asked("/fhir/Patient/m"), "case: {name}: the witness");
        assert_eq!(asked("/fhir/Patient/n"), deleted == 1, "case: {name}");
    }
}
