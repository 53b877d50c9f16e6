//! Plugins compiled once for all tests: compiling takes longer than most runs.

use std::{os::unix::fs::PermissionsExt, path::Path, sync::OnceLock};

use super::{Fake, Setup, Site};

type Files = Vec<(String, Vec<u8>)>;

/// Gives a state folder what a first run would have compiled, for its owner alone.
pub(super) fn warm(state: &Path) {
    static FILES: OnceLock<Files> = OnceLock::new();
    let compiled = state.join("compiled");
    fs_err::create_dir_all(&compiled).unwrap();
    for folder in [state, &compiled] {
        fs_err::set_permissions(folder, PermissionsExt::from_mode(0o700)).unwrap();
    }
    for (name, bytes) in FILES.get_or_init(compile) {
        let path = state.join(name);
        fs_err::write(&path, bytes).unwrap();
        fs_err::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    }
}

/// Runs a chain of all plugins over a server that has nothing.
fn compile() -> Files {
    let server = Fake::export(Vec::new(), false);
    let mut setup = Setup::new(&server.base(), ["Patient"]);
    setup.chains = vec![("all", Setup::filter_and_deidentify(), "")];
    let site = Site::cold(&setup, &["m".to_owned()]);
    site.run().expect(0);
    let state = site.path(".bulkhead");
    let mut names = vec!["compiled.key".to_owned()];
    for entry in fs_err::read_dir(state.join("compiled")).unwrap() {
        names.push(format!(
            "compiled/{}",
            entry.unwrap().file_name().into_string().unwrap()
        ));
    }
    assert_eq!(names.len(), 4, "{names:?}");
    let read = |name: String| (name.clone(), fs_err::read(state.join(&name)).unwrap());
    names.into_iter().map(read).collect()
}
