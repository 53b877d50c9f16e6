//! Where an attack takes place: a sandbox, a neighbour, what an operator has.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use bulkhead_egress::{Store, Stores, http::Destinations};
use bulkhead_ledger::{Ledger, StateQuota};
use bulkhead_model::{ByteSize, Instant, PatientKey, PatientSet, Secret};
use bulkhead_ndjson::{Bases, Block, Framer, FramerLimits};
use bulkhead_pipeline::{
    Chain, ChainLimits, FileKind, Intake, Lane, LaneLimits, Pause, Sink, Stage,
};
use bulkhead_sandbox::{
    Cache, Children, Grants, Isolation, Limits, Package, Plugin, PluginSink, PluginStage,
    Resources, Sandbox, StateStore,
};
use bulkhead_tests::{plugin, program, walk};
use futures::FutureExt as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{canary, network::Network};

/// A folder's files with their bytes.
pub(crate) type Tree = BTreeMap<String, Vec<u8>>;

/// Where an attack takes place.
pub(crate) struct Ground {
    folder: TempDir,
    /// Where the neighbour lives.
    sandbox: Sandbox,
    /// Where guests of attackers live.
    pub(crate) isolation: Isolation,
    ledger: Ledger,
    filter: Plugin,
    transform: Plugin,
    sink: Package,
    /// What the neighbour delivers when nobody attacks.
    pub(crate) undisturbed: Tree,
    pub(crate) network: Network,
    log: Log,
}

impl Ground {
    /// Folders that begin so are stores.
    pub(crate) const STORE: &'static str = "store-";
    /// The folder of the ledger.
    pub(crate) const LEDGER: &'static str = "state";

    /// With a neighbour that has run once, undisturbed, and attackers whose guests live so.
    pub(crate) async fn new(isolation: Isolation) -> Self {
        let log = Log::begin();
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join(Self::LEDGER);
        fs_err::create_dir(&state).unwrap();
        plant(folder.path());
        // Shared by all tests, so that the neighbour is compiled once.
        let compiled = Self::compiled();
        let cache = Cache::open(&compiled, &compiled.with_extension("key"));
        let sandbox = Sandbox::new(Some(cache.unwrap())).unwrap();
        let ledger = Ledger::open(state.join("ledger.db")).unwrap();
        let quota = StateQuota::default();
        ledger.state_set(NEIGHBOUR, "key", canary::STATE.as_bytes(), &quota).unwrap();
        let limits = Limits::default();
        let resources =
            Resources { cohorts: cohorts(), ..resources(Stores::default(), None) }
                .with_key("research", &Secret::new(canary::KEY));
        let load = async |file: &str, settings: Value, grants: Value| {
            let package = Package::read(&plugin(file)).unwrap();
            let grants: Grants = serde_json::from_value(grants).unwrap();
            let resources = resources.clone();
            Plugin::load(&sandbox, &package, file, &settings, grants, limits, resources)
                .await
                .unwrap()
        };
        let filter = load(
            "cohort_filter",
            json!({ "cohort": "study", "mode": "primary", "no-patient": "drop",
                "unresolved": "drop" }),
            json!({ "cohorts": ["study"] }),
        )
        .await;
        let transform = load(
            "deidentify",
            json!({ "key": "research" }),
            json!({ "bodies": true, "keys": ["research"] }),
        )
        .await;
        let sink = Package::read(&plugin("files_sink")).unwrap();
        let undisturbed = Tree::new();
        let network = Network::new().await;
        let mut ground = Self {
            folder,
            sandbox,
            isolation,
            ledger,
            filter,
            transform,
            sink,
            undisturbed,
            network,
            log,
        };
        ground.undisturbed = ground.neighbour("first").await;
        ground
    }

    /// The folder of compiled code.
    pub(crate) fn compiled() -> PathBuf {
        Path::new(env!("CARGO_TARGET_TMPDIR")).join("isolation-compiled")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What was logged since the last time.
    pub(crate) fn logged(&self) -> String {
        self.log.take()
    }

    /// The neighbour's whole work, and what it delivered.
    pub(crate) async fn neighbour(&self, run: &str) -> Tree {
        let path = self.path(&format!("{}{run}", Self::STORE));
        let store = Store::open("lake", path.to_str().unwrap(), "neighbour").unwrap();
        let stores = Stores::from_iter([Arc::new(store)]);
        let sink = Plugin::load(
            &self.sandbox,
            &self.sink,
            "files",
            &json!({ "store": "lake" }),
            serde_json::from_value(json!({ "stores": ["lake"] })).unwrap(),
            Limits::default(),
            resources(stores, None),
        )
        .await
        .unwrap();
        let stages: Vec<Box<dyn Stage>> = vec![
            Box::new(PluginStage::new(self.filter.clone())),
            Box::new(PluginStage::new(self.transform.clone())),
        ];
        let sink = Box::new(PluginSink::new(sink, "e1".to_owned(), 0));
        let mut lane = lane(stages, sink);
        lane.open().await.unwrap();
        for block in neighbours() {
            lane.take(&block).await.unwrap();
            // Between blocks a lane waits for the network: others get their turn.
            tokio::task::yield_now().await;
        }
        let advance = lane.finish().await.unwrap();
        assert!(advance.tally.balances());
        assert_eq!(advance.tally.total().delivered, 200, "every second of 400");
        tree(&path)
    }

    /// Where guests of attackers live. They are compiled in children, as the program does it.
    pub(crate) fn attackers(&self) -> Sandbox {
        attackers(self.sandbox.clone(), self.isolation)
    }

    /// The store of an attacker.
    pub(crate) fn store(&self, name: &str) -> PathBuf {
        self.path(&format!("{}of-{name}", Self::STORE))
    }

    /// Why what is not an attacker's is not as it was.
    pub(crate) fn damage(&self) -> Option<&'static str> {
        let theirs = Tree::from([(THEIRS.to_owned(), THEIRS.as_bytes().to_vec())]);
        let kept = self.ledger.state_get(NEIGHBOUR, "key").unwrap();
        if tree(&self.path(OUTSIDE)) != theirs {
            return Some("a file outside its store");
        }
        (kept.as_deref() != Some(canary::STATE.as_bytes())).then_some("another's state")
    }

    /// What the operator has and may grant an attacker.
    pub(crate) fn resources(&self, name: &str) -> Resources {
        let path = self.store(name);
        plant_links(&path, &self.path(OUTSIDE));
        let store = Store::open("lake", path.to_str().unwrap(), "attacker").unwrap();
        let state = StateStore {
            ledger: self.ledger.clone(),
            namespace: format!("attack/{name}"),
            quota: StateQuota { namespace_bytes: 4 << 10, ..StateQuota::default() },
        };
        let resources = Resources {
            cohorts: cohorts(),
            destinations: self.network.destinations.clone(),
            ..resources(Stores::from_iter([Arc::new(store)]), Some(state))
        };
        let key = Secret::new(canary::KEY);
        resources.with_key("research", &key).with_key("neighbours-key", &key)
    }
}

/// Who keeps state beside the attacker.
const NEIGHBOUR: &str = "neighbour";

/// A folder that no store reaches, and the file in it.
const OUTSIDE: &str = "outside";
const THEIRS: &str = "theirs";

/// Names that begin so lie in the store of every attacker before it comes.
pub(crate) const PLANTED: &str = "planted-";

fn plant(folder: &Path) {
    let outside = folder.join(OUTSIDE);
    fs_err::create_dir(&outside).unwrap();
    fs_err::write(outside.join(THEIRS), THEIRS).unwrap();
}

/// Links out of a store, as somebody else on this machine may have planted them.
fn plant_links(store: &Path, outside: &Path) {
    if store.exists() {
        return;
    }
    fs_err::create_dir(store).unwrap();
    let at = |name: &str| store.join(format!("{PLANTED}{name}"));
    fs_err::hard_link(outside.join(THEIRS), at("hard")).unwrap();
    #[cfg(unix)]
    {
        use fs_err::os::unix::fs::symlink;
        symlink(outside, at("folder")).unwrap();
        symlink(outside.join(THEIRS), at("file")).unwrap();
    }
}

/// `sandbox` as attackers have it.
pub(crate) fn attackers(sandbox: Sandbox, isolation: Isolation) -> Sandbox {
    let children = Children::of_program(program(), &["guest"]).unwrap();
    sandbox.with_children(children).isolating(isolation)
}

/// Every file below `folder`.
pub(crate) fn tree(folder: &Path) -> Tree {
    let mut tree = Tree::new();
    walk(folder, &mut |file, bytes| {
        let name = file.strip_prefix(folder).unwrap().display().to_string();
        tree.insert(name, bytes.to_vec());
    });
    tree
}

/// Limits that are reached in milliseconds. The wall is far off, so that a busy machine does
/// not decide a test.
pub(crate) fn tight() -> Limits {
    Limits {
        memory: ByteSize::mib(1),
        table_elements: 100,
        call: Duration::from_secs(20),
        cpu: Duration::from_millis(60),
        return_bytes: ByteSize::from_bytes(96 << 10),
        handles: 8,
        ..Limits::default()
    }
}

/// A lane over one file of outputs.
pub(crate) fn lane(stages: Vec<Box<dyn Stage>>, sink: Box<dyn Sink>) -> Lane {
    let pause: Pause = Arc::new(|_| tokio::task::yield_now().boxed());
    let chain = Chain::new(stages, ChainLimits::default(), Arc::clone(&pause));
    let intake = Intake::new(0, FileKind::Output(None), Bases::default());
    Lane::new(intake, chain, sink, LaneLimits::default(), pause)
}

/// The attacked records, of one patient of the cohort: two blocks of two.
pub(crate) fn records() -> Vec<Block> {
    let line = |at| {
        json!({
            "resourceType": "Observation",
            "id": format!("{}-{at}", canary::RECORD),
            "subject": { "reference": format!("Patient/{}", canary::PATIENT) },
            "note": [{ "text": canary::BODY }],
        })
    };
    blocks((0..4).map(line), 2)
}

fn neighbours() -> Vec<Block> {
    let line = |at: usize| {
        let patient = format!("neighbour-{}", at % 10);
        json!({
            "resourceType": "Observation",
            "id": format!("o{at}"),
            "subject": { "reference": format!("Patient/{patient}") },
            "effectiveDateTime": format!("2026-03-{:02}", 1 + at % 28),
            "valueString": format!("{} {at}", canary::NEIGHBOUR),
        })
    };
    blocks((0..400).map(line), 100)
}

pub(crate) fn blocks(
    lines: impl Iterator<Item = Value>,
    block_lines: usize,
) -> Vec<Block> {
    let mut framer = Framer::new(FramerLimits { block_lines, ..FramerLimits::default() });
    for line in lines {
        framer.push(format!("{line}\n").into());
    }
    let mut blocks: Vec<Block> = std::iter::from_fn(|| framer.next_block()).collect();
    blocks.extend(framer.finish().0);
    blocks
}

/// Cohort `study`: five of the neighbour's ten patients, and the attacked one. The same under
/// a name that no attacker was granted.
fn cohorts() -> BTreeMap<String, Arc<PatientSet>> {
    let own = (0..5).map(|at| format!("neighbour-{at}"));
    let ids = own.chain([canary::PATIENT.to_owned()]);
    let set: PatientSet = ids.map(|id| PatientKey::of(&id)).collect();
    let set = Arc::new(set);
    BTreeMap::from([
        ("study".to_owned(), Arc::clone(&set)),
        ("neighbours".to_owned(), set),
    ])
}

pub(crate) fn resources(stores: Stores, state: Option<StateStore>) -> Resources {
    Resources {
        cohorts: BTreeMap::new(),
        keys: BTreeMap::new(),
        stores,
        destinations: Destinations::default(),
        state,
        now: Arc::new(|| Instant::from_unix_ms(0)),
        random: Arc::new(|bytes| bytes.fill(7)),
        deterministic: None,
    }
}

/// Everything that this thread logs, at every level.
struct Log {
    written: Arc<Mutex<Vec<u8>>>,
    _guard: tracing::subscriber::DefaultGuard,
}

impl Log {
    fn begin() -> Self {
        use tracing_subscriber::util::SubscriberInitExt as _;
        let written = Arc::new(Mutex::new(Vec::new()));
        let writer = Arc::clone(&written);
        let guard = tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
            .with_ansi(false)
            .with_writer(move || Into(Arc::clone(&writer)))
            .finish()
            .set_default();
        Self { written, _guard: guard }
    }

    fn take(&self) -> String {
        let bytes = std::mem::take(&mut *self.written.lock().unwrap());
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

struct Into(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Into {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
