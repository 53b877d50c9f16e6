//! The state folder: of the user who runs the program, and for nobody else to write to.
//!
//! What lies in it is trusted: compiled code and the key to it, what was delivered, the audit
//! log. Whoever can put files there could put others in their place.

use std::path::Path;

use crate::{config::apart, failure::Failure};

/// Makes the state folder (0700) when it is not there, and looks whose it is.
///
/// # Errors
///
/// A [`Failure`] when it is another user's, or others may write to it.
pub(super) fn own(state: &Path) -> anyhow::Result<()> {
    make(state).map_err(|error| {
        let what = format!("making the state folder {}: {error}", state.display());
        let hint = "name a folder that can be made as `state.path`, or make it";
        Failure::refused(what).hint(hint)
    })?;
    look(state)
}

/// Looks whose the state folder is, when it is there.
///
/// # Errors
///
/// A [`Failure`] when it is another user's, or others may write to it.
pub(crate) fn look(state: &Path) -> anyhow::Result<()> {
    if !state.exists() {
        return Ok(());
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let found = fs_err::metadata(state)?;
        let us = rustix::process::geteuid().as_raw();
        let shown = state.display();
        if found.uid() != us {
            let what = format!("the state folder {shown} belongs to another user");
            let hint = format!(
                "`chown` it to the user who runs bulkhead, with all that is in it, or name a \
                 folder of its own as `state.path` (it is user {}'s, and this is user {us})",
                found.uid()
            );
            return Err(Failure::refused(what).hint(hint).into());
        }
        if found.mode() & OTHERS_WRITE != 0 {
            let what = format!("others may write to the state folder {shown}");
            let hint = format!("`chmod 700 {shown}`: who writes there decides what runs");
            return Err(Failure::refused(what).hint(hint).into());
        }
    }
    Ok(())
}

/// What forbids to write to the folder of a store, as far as it shows before one tries.
pub(crate) fn flaw_of_store(address: &str) -> Option<String> {
    let folder = apart::folder(address)?;
    let found = fs_err::metadata(&folder).ok()?;
    if !found.is_dir() {
        return Some(format!("{} is no folder", folder.display()));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        if found.mode() & ANYBODY_WRITES != 0 {
            let shown = folder.display();
            return Some(format!(
                "anybody may write to {shown}, and could change what was delivered: \
                 `chmod o-w {shown}`"
            ));
        }
    }
    None
}

#[cfg(unix)]
const OTHERS_WRITE: u32 = 0o022;

/// A group that may write to a store is the operator's choice.
#[cfg(unix)]
const ANYBODY_WRITES: u32 = 0o002;

fn make(state: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(state)
}

#[cfg(all(test, unix))]
mod tests {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt as _};

    use super::*;

    #[test]
    fn a_store_that_cannot_be_trusted_is_told_before_a_run() {
        let ground = tempfile::tempdir().unwrap();
        let store = ground.path().join("out");
        let address = store.to_str().unwrap();
        assert_eq!(flaw_of_store(address), None, "it is made by the run");
        fs_err::create_dir(&store).unwrap();
        for (mode, expected) in [(0o755, None), (0o775, None), (0o777, Some("chmod o-w"))]
        {
            fs_err::set_permissions(&store, Permissions::from_mode(mode)).unwrap();
            let flaw = flaw_of_store(address);
            assert_eq!(flaw.is_some(), expected.is_some(), "{mode:o}: {flaw:?}");
            assert!(expected.is_none_or(|text| flaw.unwrap().contains(text)));
        }
        let file = ground.path().join("file");
        fs_err::write(&file, "").unwrap();
        let flaw = flaw_of_store(&format!("file://{}", file.display())).unwrap();
        assert!(flaw.contains("is no folder"), "{flaw}");
    }

    /// Attacks: 48.
    #[test]
    fn a_state_folder_is_ours_and_nobody_else_writes_to_it() {
        let ground = tempfile::tempdir().unwrap();
        let state = ground.path().join("deep/state");
        own(&state).unwrap();
        let mode = |path: &Path| fs_err::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&state) & 0o777, 0o700, "made for its owner alone");
        let cases = [
            ("read by others", 0o755, None),
            ("written by a group", 0o770, Some("chmod 700")),
            ("written by all, with the sticky bit", 0o1777, Some("chmod 700")),
        ];
        for (name, mode, expected) in cases {
            fs_err::set_permissions(&state, Permissions::from_mode(mode)).unwrap();
            let said = own(&state).err().map(|error| {
                let failure = error.downcast::<Failure>().unwrap();
                failure.hint.unwrap_or_default()
            });
            assert_eq!(said.is_some(), expected.is_some(), "case: {name}");
            let said = said.unwrap_or_default();
            assert!(said.contains(expected.unwrap_or_default()), "case: {name}: {said}");
        }
        if rustix::process::geteuid().is_root() {
            fs_err::set_permissions(&state, Permissions::from_mode(0o700)).unwrap();
            std::os::unix::fs::chown(&state, Some(12_345), None).unwrap();
            let said = own(&state).unwrap_err().to_string();
            assert!(said.contains("belongs to another user"), "{said}");
        }
    }
}
