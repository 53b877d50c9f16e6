//! What makes a plugin unloadable, whatever an operator grants it.

use bulkhead_sandbox::{Denied, Manifest, Package, Role};

use super::{interface, text::plain};

/// Every reason why no grant could make `package` load; none when it can.
pub(super) fn faults(package: &Package, manifest: &Manifest) -> Vec<String> {
    let role = manifest.role;
    let mut faults = Vec::new();
    if manifest.name.trim().is_empty() {
        faults.push("the manifest gives no name".to_owned());
    }
    let foreign = package.foreign_imports().map(|name| Denied::Foreign(plain(name)));
    let imports = package.interfaces().filter_map(|name| refused(name, role, manifest));
    faults.extend(foreign.chain(imports).map(|denied| denied.to_string()));
    for asked in &manifest.capabilities {
        let is_imported = package.interfaces().any(|name| name == asked.interface);
        if !is_imported && !role.interfaces().contains(&asked.interface.as_str()) {
            let interface = plain(&asked.interface);
            faults.push(Denied::WrongRole { interface, role: role.as_str() }.to_string());
        }
    }
    faults
}

fn refused(name: &str, role: Role, manifest: &Manifest) -> Option<Denied> {
    let named = plain(name);
    if !role.interfaces().contains(&name) {
        Some(Denied::WrongRole { interface: named, role: role.as_str() })
    } else if !interface::is_provided(name) {
        Some(Denied::NotProvided(named))
    } else if !manifest.asks(name) {
        Some(Denied::NotAsked(named))
    } else {
        None
    }
}

/// What is no fault and yet worth a look: a plugin that asks for more than it uses.
pub(super) fn remarks(package: &Package, manifest: &Manifest) -> Vec<String> {
    let unused = manifest
        .capabilities
        .iter()
        .filter(|asked| !package.interfaces().any(|name| name == asked.interface))
        .map(|asked| {
            let interface = plain(&asked.interface);
            format!("it asks for `{interface}`, but does not import it: it needs no such grant")
        });
    let fields =
        (!manifest.fields.is_empty() && !manifest.asks("projection")).then(|| {
            "it lists fields, but does not ask for `projection`: it cannot read them"
                .to_owned()
        });
    unused.chain(fields).collect()
}
