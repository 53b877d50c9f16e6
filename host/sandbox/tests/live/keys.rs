//! Two keys open a capability: every interface, under every role, asked or not, imported or
//! not, granted or not. A plugin loads exactly when all three agree within its role.

use bulkhead_model::Secret;
use bulkhead_sandbox::{Denied, Error, Grants, Package, Plugin, Role, Sandbox};
use serde_json::{Value, json};

use crate::guest::{Ground, Guest};

/// One interface: its name, a function of it as a core module imports it, and its grant; none
/// where this host has no such grant.
struct Door {
    name: &'static str,
    import: &'static str,
    grant: Option<&'static str>,
}

macro_rules! door {
    ($name:literal, $function:literal, $type:literal, $grant:expr) => {
        Door {
            name: $name,
            import: concat!(
                "(import \"bulkhead:plugin/",
                $name,
                "@0.1.0\" \"",
                $function,
                "\" (func ",
                $type,
                "))"
            ),
            grant: $grant,
        }
    };
}

/// Every interface that takes a grant, or would.
const DOORS: [Door; 10] = [
    door!(
        "artifacts",
        "[resource-drop]writer",
        "(param i32)",
        Some(r#"{ "stores": ["lake"] }"#)
    ),
    door!("bodies", "read", "(param i32 i32 i32 i32)", Some(r#"{ "bodies": true }"#)),
    door!("clock", "wall-ms", "(result i64)", Some(r#"{ "clock": true }"#)),
    door!(
        "cohorts",
        "test",
        "(param i32 i32 i32 i32)",
        Some(r#"{ "cohorts": ["study"] }"#)
    ),
    door!(
        "keyed-hash",
        "hmac",
        "(param i32 i32 i32 i32 i32)",
        Some(r#"{ "keys": ["study"] }"#)
    ),
    door!(
        "outbound-http",
        "send",
        "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)",
        Some(r#"{ "destinations": ["warehouse"] }"#)
    ),
    door!(
        "projection",
        "text",
        "(param i32 i32 i32 i32)",
        Some(r#"{ "fields": ["id"] }"#)
    ),
    door!("random", "get", "(param i32 i32)", Some(r#"{ "random": true }"#)),
    door!("state", "get", "(param i32 i32 i32)", Some(r#"{ "state": true }"#)),
    door!("telemetry", "count", "(param i32 i32 i64)", Some(r#"{ "telemetry": true }"#)),
];

const ROLES: [Role; 3] = [Role::Filter, Role::Sink, Role::Transform];

impl Door {
    fn grants(&self) -> Grants {
        serde_json::from_str(self.grant.unwrap_or("{}")).unwrap()
    }

    /// Whether a plugin of this role can have it at all.
    fn is_for(&self, role: Role) -> bool {
        self.grant.is_some() && role.interfaces().contains(&self.name)
    }
}

/// A plugin that asks for and imports what is named. A role's own guest where its world knows
/// the imports, else a bare component.
fn package(role: Role, asked: &[&Door], imported: Option<&Door>) -> Package {
    let mut guest = Guest::new(role);
    guest.manifest["capabilities"] = asked
        .iter()
        .map(|door| json!({ "interface": door.name, "why": "to test" }))
        .collect();
    if asked.iter().any(|door| door.name == "projection") {
        guest.manifest["fields"] = json!(["id"]);
    }
    match imported {
        Some(door) if !door.is_for(role) => {
            let import = format!(
                r#"(component (import "bulkhead:plugin/{}@0.1.0" (instance)))"#,
                door.name
            );
            let bare = Package::from_bytes(wat::parse_str(import).unwrap()).unwrap();
            bare.with_manifest(&guest.manifest.to_string()).unwrap()
        }
        Some(door) => Guest { imports: door.import, ..guest }.package(),
        None => guest.package(),
    }
}

async fn load(
    sandbox: &Sandbox,
    package: &Package,
    grants: Grants,
) -> Result<Plugin, Error> {
    let Ground { stage, limits, resources, .. } = Ground::bare("a");
    let resources = resources.with_key("study", &Secret::new([1; 32]));
    Plugin::load(sandbox, package, stage, &Value::Null, grants, limits, resources).await
}

/// Attacks: 47.
#[tokio::test]
async fn loads_exactly_what_is_asked_imported_and_granted_within_the_role() {
    let sandbox = Sandbox::new(None).unwrap();
    let (mut tried, mut loaded) = (0, 0);
    for role in ROLES {
        for door in &DOORS {
            for keys in 0..8_u8 {
                let [asked, imported, granted] = [1, 2, 4].map(|key| keys & key > 0);
                if granted && door.grant.is_none() {
                    continue;
                }
                let asks: &[&Door] = if asked { &[door] } else { &[] };
                let package = package(role, asks, imported.then_some(door));
                let grants = if granted { door.grants() } else { Grants::default() };
                let found = load(&sandbox, &package, grants).await;
                let case = format!(
                    "{} {}: asked {asked}, imported {imported}, granted {granted}",
                    role.as_str(),
                    door.name
                );
                let is_shut = !asked && !imported && !granted;
                let is_open = asked && imported && granted && door.is_for(role);
                assert_eq!(found.is_ok(), is_shut || is_open, "case: {case}");
                match found.err() {
                    None => loaded += 1,
                    Some(Error::Denied { denied }) => {
                        let by_name = format!("`{}`", door.name);
                        let named = |denied: &Denied| {
                            denied.to_string().contains(&by_name)
                                || matches!(denied, Denied::FieldNotGranted(_))
                        };
                        assert!(denied.iter().all(named), "case: {case}: {denied:?}");
                    }
                    other => panic!("case: {case}: {other:?}"),
                }
                tried += 1;
            }
        }
    }
    // All shut, and all open where the role allows it.
    let doors =
        || ROLES.iter().flat_map(|role| DOORS.iter().map(move |door| (role, door)));
    let open = doors().filter(|(role, door)| door.is_for(**role)).count();
    let keys = |door: &Door| if door.grant.is_some() { 8 } else { 4 };
    assert_eq!(tried, doors().map(|(_, door)| keys(door)).sum::<usize>());
    assert_eq!(loaded, doors().count() + open);
    assert!(open > 15);
}

/// Attacks: 47.
#[tokio::test]
async fn a_key_opens_no_other_door() {
    let sandbox = Sandbox::new(None).unwrap();
    for role in ROLES {
        let own = DOORS.iter().filter(|door| door.is_for(role));
        let doors: Vec<&Door> = own.collect();
        for (one, other) in
            doors.iter().flat_map(|one| doors.iter().map(move |o| (one, o)))
        {
            if one.name == other.name {
                continue;
            }
            let case = format!("{}: {} for {}", role.as_str(), other.name, one.name);
            // Asks for and imports the one, and is granted the other.
            let own = package(role, &[one], Some(one));
            let swapped = load(&sandbox, &own, other.grants());
            assert_denied(swapped.await, &case, |denied| match denied {
                Denied::NotGranted { interface, .. } => interface == one.name,
                Denied::Unneeded(interface) => interface == other.name,
                Denied::FieldNotGranted(_) => one.name == "projection",
                Denied::FieldNotAsked(_)
                | Denied::Foreign(_)
                | Denied::NotAsked(_)
                | Denied::NotImported(_)
                | Denied::NotProvided(_)
                | Denied::WrongRole { .. } => false,
            });
            // Asks for and is granted the other, and imports the one.
            let posing = package(role, &[other], Some(one));
            let posed = load(&sandbox, &posing, other.grants());
            assert_denied(posed.await, &case, |denied| match denied {
                Denied::NotAsked(interface) => interface == one.name,
                Denied::NotImported(interface) => interface == other.name,
                Denied::FieldNotAsked(_)
                | Denied::FieldNotGranted(_)
                | Denied::Foreign(_)
                | Denied::NotGranted { .. }
                | Denied::NotProvided(_)
                | Denied::Unneeded(_)
                | Denied::WrongRole { .. } => false,
            });
        }
    }
}

fn assert_denied(
    loaded: Result<Plugin, Error>,
    case: &str,
    is_expected: impl Fn(&Denied) -> bool,
) {
    match loaded.err() {
        Some(Error::Denied { denied }) => {
            assert!(denied.len() >= 2, "case: {case}: {denied:?}");
            assert!(denied.iter().all(is_expected), "case: {case}: {denied:?}");
        }
        other => panic!("case: {case}: {other:?}"),
    }
}
