//! An operator's folder: configuration, cohort, key, state, output. Gone after the test.

use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::Value;
use tempfile::TempDir;
use url::Url;

use super::{Ended, Program, exports, lake::Delivered, plugin, warm::warm};

/// The folder of one operator.
pub(crate) struct Site(TempDir);

/// What a configuration says beside plugins, cohort `study`, key `research` and store
/// `lake`, which are always there.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// The FHIR base.
    pub(crate) base: String,
    /// Further lines of `[source]`.
    pub(crate) source: String,
    /// Types to ask for; none for all.
    pub(crate) types: Vec<String>,
    /// Whole tables.
    pub(crate) tables: String,
    /// Chains: name, stages, further settings of the sink.
    pub(crate) chains: Vec<(&'static str, String, &'static str)>,
}

/// A cohort filter that never quarantines.
pub(crate) const FILTER: &str = "{ plugin = \"cohort-filter\", config = { cohort = \
    \"study\", mode = \"primary\", no-patient = \"drop\", unresolved = \"drop\" } }";

/// A de-identification that leaves ids alone.
pub(crate) const DEIDENTIFY: &str =
    "{ plugin = \"deidentify\", config = { key = \"research\", ids = \"keep\" } }";

impl Setup {
    /// One chain: cohort filter, then files.
    pub(crate) fn new<T: ToString>(
        base: &Url,
        types: impl IntoIterator<Item = T>,
    ) -> Self {
        Self {
            base: base.to_string(),
            source: String::new(),
            types: types.into_iter().map(|name| name.to_string()).collect(),
            tables: String::new(),
            chains: vec![("research", Self::filter(), "")],
        }
    }

    /// The cohort filter alone.
    pub(crate) fn filter() -> String {
        FILTER.to_owned()
    }

    /// The cohort filter, then the de-identification.
    pub(crate) fn filter_and_deidentify() -> String {
        format!("{FILTER}, {DEIDENTIFY}")
    }

    fn text(&self) -> String {
        let types: Vec<String> =
            self.types.iter().map(|name| format!("\"{name}\"")).collect();
        let types = if types.is_empty() {
            String::new()
        } else {
            format!("types = [{}]\n", types.join(", "))
        };
        let mut text = format!(
            "[source]\nbase-url = \"{}\"\n{types}{}\n\
             [cohorts.study]\nfrom = {{ csv = \"members.csv\", column = \"id\" }}\n\
             [keys.research]\nfile = \"research.key\"\n\
             [stores.lake]\nurl = \"out\"\n{}\n",
            self.base, self.source, self.tables
        );
        let plugins = [
            ("cohort-filter", "cohort_filter", "{ cohorts = [\"study\"] }"),
            ("deidentify", "deidentify", "{ bodies = true, keys = [\"research\"] }"),
            ("files-sink", "files_sink", "{ stores = [\"lake\"] }"),
        ];
        for (name, file, grants) in plugins {
            let path = plugin(file);
            let pin = sha256(&fs_err::read(&path).unwrap());
            text.push_str(&format!(
                "[plugins.{name}]\npath = {path:?}\nsha256 = \"{pin}\"\ngrants = {grants}\n"
            ));
        }
        for (name, stages, sink) in &self.chains {
            text.push_str(&format!(
                "[[chain]]\nname = \"{name}\"\nstages = [{stages}]\n\
                 sink = {{ plugin = \"files-sink\", config = {{ store = \"lake\"{sink} }} }}\n"
            ));
        }
        text
    }
}

impl Site {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A folder with this configuration and these members of the cohort, and with the
    /// plugins compiled as if there had been a run.
    pub(crate) fn with(setup: &Setup, members: &[String]) -> Self {
        let site = Self::cold(setup, members);
        warm(&site.path(".bulkhead"));
        site
    }

    /// The same before any run.
    pub(crate) fn cold(setup: &Setup, members: &[String]) -> Self {
        let site = Self::new();
        site.write("bulkhead.toml", setup.text());
        site.write("members.csv", format!("id\n{}\n", members.join("\n")));
        site.write("research.key", "a key of the tests, and of nothing else");
        site
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs_err::write(self.path(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs_err::read_to_string(self.path(name)).unwrap()
    }

    /// Replaces `from`, which must be there, in a file.
    #[track_caller]
    pub(crate) fn edit(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "`{from}` is not in {name}");
        self.write(name, text.replacen(from, to, 1));
    }

    /// A command line in this folder.
    pub(crate) fn program(&self, args: &[&str]) -> Program {
        Program::new(self.folder()).args(args)
    }

    /// `bulkhead run` to its end.
    pub(crate) fn run(&self) -> Ended {
        self.program(&["run"]).run()
    }

    /// `bulkhead status --json`.
    pub(crate) fn status(&self) -> Value {
        let ended = self.program(&["status", "--json"]).run().expect(0);
        serde_json::from_str(&ended.out).unwrap()
    }

    /// The report of an export.
    pub(crate) fn report(&self, export: &str) -> Value {
        let args = ["status", "--json", "--report", export];
        serde_json::from_str(&self.program(&args).run().expect(0).out).unwrap()
    }

    /// What was delivered, by export, in the store's folder `under`.
    pub(crate) fn delivered(&self, under: &str) -> Vec<Delivered> {
        exports(&self.path("out").join(under))
    }
}

/// As operators pin it.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in digest(&SHA256, bytes).as_ref() {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}
