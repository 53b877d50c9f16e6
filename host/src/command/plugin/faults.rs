//! What makes a plugin unloadable, whatever an operator grants it.

use bulkhead_sandbox::{Anatomy, Manifest, Package, SectionPlace, beyond_grants};

use super::text::plain;

/// Every reason why no grant could make `package` load; none when it can.
pub(super) fn faults(package: &Package, manifest: &Manifest) -> Vec<String> {
    let no_name = manifest.name.trim().is_empty();
    let no_name = no_name.then(|| "the manifest gives no name".to_owned());
    let denied = beyond_grants(package, manifest);
    let denied = denied.iter().map(|denied| plain(&denied.to_string()));
    no_name.into_iter().chain(denied).collect()
}

/// What is no fault and yet worth a look: something was put behind what the build put last.
pub(super) fn remarks(anatomy: &Anatomy) -> Vec<String> {
    let behind: Vec<String> = anatomy
        .custom_sections
        .iter()
        .filter(|section| section.place == SectionPlace::BehindManifest)
        .map(|section| format!("`{}`", plain(&section.name)))
        .collect();
    if behind.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "custom sections were appended after it was built: {}. They do not run; a signature \
         made before does not count any more",
        behind.join(", ")
    )]
}
