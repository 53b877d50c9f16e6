//! A plugin of one's own, from an empty folder to a running chain.

use std::path::Path;

use bulkhead_sample_server::Data;
use serde_json::{Value, json};

use crate::rig::{Sample, Setup, Site, sha256};

const SOURCE: &str = r#"//! Keeps one type.

use bulkhead_plugin::{Batch, Decision, Filter, Manifest, PluginError, Problem, Problems, Role};

/// Keeps the records of one type and drops all others.
#[derive(Debug)]
pub struct OneType {
    kind: String,
}

/// Its settings.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// The type to keep.
    kind: String,
}

impl Filter for OneType {
    type Settings = Settings;

    fn manifest() -> Manifest {
        Manifest::new::<Settings>("one-type", "0.1.0", Role::Filter)
    }

    fn new(settings: Settings) -> Result<Self, Problems> {
        if settings.kind.is_empty() {
            return Err(vec![Problem::new("/kind", "kind-empty", "name a type")]);
        }
        Ok(Self { kind: settings.kind })
    }

    fn evaluate(&mut self, batch: &Batch<'_>) -> Result<Decision, PluginError> {
        let names = batch.kind_names();
        let is_kept = |kind: &u16| names.get(usize::from(*kind)) == Some(&self.kind);
        Ok(Decision::keep_where(batch.kinds().iter().map(is_kept)))
    }
}

bulkhead_plugin::export!(filter OneType);
"#;

fn crate_of(site: &Site, root: &Path) {
    let manifest = format!(
        "[package]\nname = \"one-type\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
         [lib]\ncrate-type = [\"cdylib\", \"rlib\"]\n\n\
         [dependencies]\nbulkhead-plugin = {{ path = {:?} }}\n\
         schemars = {{ version = \"1.2\", default-features = false, features = [\"derive\", \
         \"std\"] }}\nserde = {{ version = \"1\", features = [\"derive\"] }}\n\n\
         [profile.release]\npanic = \"abort\"\n\n[workspace]\n",
        root.join("plugin-sdk")
    );
    fs_err::create_dir_all(site.path("src")).unwrap();
    site.write("Cargo.toml", manifest);
    // The versions that the workspace has tested, and that are on this machine already.
    fs_err::copy(root.join("Cargo.lock"), site.path("Cargo.lock")).unwrap();
    site.write("src/lib.rs", SOURCE);
}

#[test]
fn a_plugin_of_ones_own_is_built_inspected_and_run() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let site = Site::new();
    crate_of(&site, root);
    // Kept between runs of the tests: only the first one compiles what it depends on.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugin-of-ones-own");
    let build = || {
        let program = site.program(&["plugin", "build", "--out", "built"]);
        program.env("CARGO_TARGET_DIR", &target).env("CARGO_NET_OFFLINE", "true").run()
    };
    build().expect(0);
    let plugin = site.path("built/one_type.wasm");
    let bytes = fs_err::read(&plugin).unwrap();
    build().expect(0);
    assert!(fs_err::read(&plugin).unwrap() == bytes, "a second build gave other bytes");

    let inspect = site.program(&["plugin", "inspect", "built/one_type.wasm", "--json"]);
    let told: Value = serde_json::from_str(&inspect.run().expect(0).out).unwrap();
    assert_eq!(told["sha256"], sha256(&bytes));
    assert_eq!(told["loadable"], true);
    assert_eq!(told["described"], "same");
    assert_eq!(told["faults"], json!([]));
    assert_eq!(told["manifest"]["name"], "one-type");
    assert_eq!(told["manifest"]["role"], "filter");
    let words =
        site.program(&["plugin", "inspect", "built/one_type.wasm"]).run().expect(0);
    assert!(words.out.contains(&sha256(&bytes)), "{}", words.out);

    let server = Sample::start(Data::made_up(8, 1), |_| {});
    let mut setup = Setup::new(&server.base, ["Condition", "Patient"]);
    setup.tables = format!(
        "[plugins.one-type]\npath = {plugin:?}\nsha256 = \"{}\"\n",
        sha256(&bytes)
    );
    setup.chains = vec![(
        "one",
        "{ plugin = \"one-type\", config = { kind = \"Patient\" } }".to_owned(),
        "",
    )];
    let folder = Site::with(&setup, &["m".to_owned()]);
    folder.run().expect(0);
    let delivered = folder.delivered("");
    let kinds: Vec<&String> = delivered[0].lines.keys().collect();
    assert_eq!(kinds, ["Patient"]);
    assert_eq!(delivered[0].count(), 8);
    let report = folder.report(&delivered[0].id);
    let conditions = server.ids("Condition").len();
    assert_eq!(report["tally"]["Condition"]["dropped"]["one-type"], conditions);

    // Its own check of its settings reaches the operator with the place.
    folder.edit("bulkhead.toml", "kind = \"Patient\"", "kind = \"\"");
    let refused = folder.run().expect(2);
    refused.says("  - /kind: name a type");
}
