//! The search for strings that must not get out.

use std::{io::ErrorKind, path::Path};

/// Adds to `found` which of `sought` is in `bytes`, plain or as hexadecimal.
pub fn look(place: &str, bytes: &[u8], sought: &[&str], found: &mut Vec<String>) {
    for canary in sought {
        let digits = canary.bytes().map(|byte| format!("{byte:02x}"));
        let hex = digits.collect::<Vec<_>>().concat();
        for form in [*canary, hex.as_str()] {
            if memchr::memmem::find(bytes, form.as_bytes()).is_some() {
                found.push(format!("{canary} in {place}"));
            }
        }
    }
}

/// Shows every file below `folder` with its bytes, in order of names.
///
/// # Panics
///
/// When one cannot be read that did not just go away.
pub fn walk(folder: &Path, see: &mut dyn FnMut(&Path, &[u8])) {
    for path in crate::guest::entries(folder) {
        if path.is_dir() {
            walk(&path, see);
            continue;
        }
        match fs_err::read(&path) {
            Ok(bytes) => see(&path, &bytes),
            // Somebody was just writing it, and has given it its right name.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => crate::fail::fail(&error.to_string()),
        }
    }
}
