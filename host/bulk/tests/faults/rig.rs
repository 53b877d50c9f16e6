//! Runs one export against one server: what a patient caller of the client does.
//!
//! Source of its manners: Bulk Data IG, "Bulk Data Export Operation Request Flow".

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicU8, Ordering},
    },
    time::Duration,
};

use bulkhead_bulk::{
    Accepted, Algorithm, Auth, BackendServices, Cancelled, Client, Download, Error,
    GrantedScope, Job, Manifest, OutputFile, PollLimits, Settings, SigningKey,
    Surroundings,
};
use bulkhead_net::Config;
use bulkhead_sample_server::{
    AssertionClock, Auth as ServerAuth, Behaviour, Client as Known, Control, Data, Lapse,
    LoggedRequest, Options, RandomBytes, RealClock, Running, Server, Struck,
};
use futures::TryStreamExt;
use serde_json::Value;

use crate::row::{End, Row, Why, name};

/// Waits that a test can bear.
pub(crate) const POLL: PollLimits = PollLimits {
    floor: Duration::from_millis(1),
    ceiling: Duration::from_millis(3),
    first: Duration::from_millis(1),
    backoff_cap: Duration::from_millis(2),
    job_timeout: Duration::from_hours(1),
    failures: 10,
    failure_time: Duration::from_millis(5),
    doubts: 3,
};

/// How often the caller tries what may pass.
const TRIES: u32 = 3;

/// What an export came to.
pub(crate) struct Seen {
    pub(crate) end: End,
    /// What the client says of the failure, in full.
    pub(crate) told: Option<String>,
    pub(crate) accepted: Option<Accepted>,
    pub(crate) manifest: Option<Manifest>,
    pub(crate) cancelled: Option<Result<Cancelled, String>>,
    pub(crate) scope: Option<GrantedScope>,
    /// All lines of output, in the order of the manifest.
    pub(crate) lines: Vec<u8>,
    /// Whether every file said that it is NDJSON.
    pub(crate) labelled: bool,
    pub(crate) struck: Vec<Struck>,
    pub(crate) lapses: Vec<Lapse>,
    pub(crate) log: Vec<LoggedRequest>,
}

impl Seen {
    /// How many requests were made of a path with this end.
    pub(crate) fn asked(&self, method: &str, path: &str) -> usize {
        let is = |one: &&LoggedRequest| one.method == method && one.path.ends_with(path);
        self.log.iter().filter(is).count()
    }

    /// How many access tokens were given out.
    pub(crate) fn tokens(&self) -> usize {
        let is = |one: &&LoggedRequest| one.path == "/auth/token" && one.status == 200;
        self.log.iter().filter(is).count()
    }

    /// Whether the manifest came with a warning of this name.
    pub(crate) fn warned(&self, warning: &str) -> bool {
        self.manifest.iter().flat_map(|manifest| &manifest.warnings).any(|one| {
            let text = format!("{one:?}");
            text.starts_with(warning)
        })
    }

    /// How many files of output there were.
    pub(crate) fn files(&self) -> usize {
        self.manifest.as_ref().map_or(0, |manifest| manifest.output.len())
    }

    /// How many pages there were.
    pub(crate) fn pages(&self) -> u32 {
        self.manifest.as_ref().map_or(0, |manifest| manifest.pages)
    }
}

/// A server that knows one client, and the client.
pub(crate) struct Stage {
    pub(crate) server: Running,
    pub(crate) client: Client,
}

impl Stage {
    pub(crate) async fn set(row: &Row) -> Self {
        let key = SigningKey::generate(Algorithm::Es384).unwrap();
        let jwks = key.public_jwks().to_string();
        let mut known = Known::from_jwks("me", &jwks).unwrap();
        if let Some(types) = &row.types {
            known = known.with_types(types.iter().map(|name| name.parse().unwrap()));
        }
        let counter = Mutex::new(0_u64);
        let random = RandomBytes::new(move |buffer| {
            let mut counter = counter.lock().unwrap();
            for bytes in buffer.chunks_mut(8) {
                *counter += 1;
                bytes.copy_from_slice(&counter.to_be_bytes()[..bytes.len()]);
            }
        });
        let now = bulkhead_model::Instant::from_unix_ms(1_790_000_000_000);
        let clock = RealClock::new(move || now);
        let mut options = Options::new(Data::made_up(6, 7), clock, random);
        options.auth = ServerAuth::Clients(vec![known]);
        options.behaviour = Behaviour {
            retry_after: Duration::ZERO,
            resources_per_file: 10.try_into().unwrap(),
            assertion_clock: AssertionClock::Virtual,
            ..Behaviour::default()
        };
        (row.behave)(&mut options.behaviour);
        options.scenario = row.scenario.clone();
        options.stopwatch = row.stopwatch.clone();
        let server = Server::start(options).await.unwrap();
        let client = client(row, key, &server.control, &server.base_url);
        Self { server, client }
    }
}

/// A client whose clock began with the server's and moves a little with each look at it.
fn client(row: &Row, key: SigningKey, control: &Control, base: &url::Url) -> Client {
    let mut settings = Settings {
        auth: Auth::BackendServices(BackendServices {
            client_id: "me".to_owned(),
            keys: vec![Arc::new(key)],
            token_url: None,
            scope: None,
        }),
        poll: POLL,
        ..Settings::new(base.clone())
    };
    (row.set)(&mut settings);
    let mut config = Config {
        trusted_origins: settings.operator_origins(),
        longest_patience: Duration::from_millis(2),
        ..Config::default()
    };
    (row.net)(&mut config);
    let start = control.now().unix_ms();
    let (looks, draws) = (AtomicI64::new(0), AtomicU8::new(0));
    let surroundings = Surroundings {
        clock: Arc::new(move || {
            let passed = looks.fetch_add(100, Ordering::Relaxed);
            bulkhead_model::Instant::from_unix_ms(start + passed)
        }),
        random: Arc::new(move |bytes: &mut [u8]| {
            bytes.fill(draws.fetch_add(1, Ordering::Relaxed));
        }),
    };
    Client::new(settings, bulkhead_net::Client::new(config).unwrap(), surroundings)
        .unwrap()
}

/// Runs a row.
pub(crate) async fn run(row: Row) -> Seen {
    let Stage { server, client } = Stage::set(&row).await;
    let mut export = Export::new(&client, &row);
    let end = match export.all().await {
        Ok(()) => export.judge(&truth(&server.control, &row)),
        Err(error) => {
            export.told = Some(format!("{error} {error:?}"));
            End::Error(name(&error))
        }
    };
    if let Some(accepted) = &export.accepted {
        let cancelled = client.cancel(&accepted.status_url).await;
        export.cancelled = Some(cancelled.map_err(|error| name(&error)));
    }
    let control = &server.control;
    let Export { told, accepted, manifest, cancelled, lines, labelled, .. } = export;
    let seen = Seen {
        end,
        told,
        accepted,
        manifest,
        cancelled,
        scope: client.granted_scope(),
        lines,
        labelled,
        struck: control.struck(),
        lapses: control.lapses(),
        log: control.requests(),
    };
    drop(server);
    seen
}

/// What the server holds of the types asked for.
fn truth(control: &Control, row: &Row) -> BTreeMap<String, u32> {
    let wanted = |name: &bulkhead_model::ResourceType| {
        row.kickoff.types.is_empty() || row.kickoff.types.contains(name)
    };
    let ids = control.ids().into_iter().filter(|(name, _)| wanted(name));
    ids.flat_map(|(name, ids)| ids.into_iter().map(move |id| (format!("{name}/{id}"), 1)))
        .collect()
}

struct Export<'a> {
    client: &'a Client,
    row: &'a Row,
    told: Option<String>,
    accepted: Option<Accepted>,
    manifest: Option<Manifest>,
    cancelled: Option<Result<Cancelled, String>>,
    doubt: Option<Why>,
    lines: Vec<u8>,
    /// What the lines are, by type and id.
    names: BTreeMap<String, u32>,
    labelled: bool,
}

impl<'a> Export<'a> {
    fn new(client: &'a Client, row: &'a Row) -> Self {
        Self {
            client,
            row,
            told: None,
            accepted: None,
            manifest: None,
            cancelled: None,
            doubt: None,
            lines: Vec::new(),
            names: BTreeMap::new(),
            labelled: true,
        }
    }

    async fn all(&mut self) -> Result<(), Error> {
        let client = self.client;
        let found = client.discover().await?;
        let kickoff = &self.row.kickoff;
        let accepted = patiently(|| client.kickoff(&found, kickoff)).await?;
        let job = Job {
            status_url: accepted.status_url.clone(),
            started: None,
            status_source: accepted.status_source,
        };
        self.accepted = Some(accepted);
        let manifest = client.wait_for(&job, |_| {}).await?;
        self.manifest = Some(manifest.clone());
        for file in &manifest.output {
            let (lines, is_proven) = self.file(&job, &manifest, file).await?;
            let count = count(&lines);
            if file.count.is_some_and(|stated| stated != count) {
                self.doubt.get_or_insert(Why::Count);
            } else if file.count.is_none() && !is_proven {
                self.doubt.get_or_insert(Why::Unproven);
            }
            name_all(&lines, &mut self.names);
            self.lines.extend_from_slice(&lines);
        }
        for file in manifest.deleted.iter().chain(&manifest.outcome) {
            self.file(&job, &manifest, file).await?;
        }
        Ok(())
    }

    /// Fetches a file: again when that may help, by a fresh link when the link is dead.
    async fn file(
        &mut self,
        job: &Job,
        manifest: &Manifest,
        file: &OutputFile,
    ) -> Result<(Vec<u8>, bool), Error> {
        let client = self.client;
        let error = match patiently(|| fetch(client, manifest, file)).await {
            Ok(fetched) => return Ok(self.keep(fetched)),
            Err(error) => error,
        };
        if !error.is_expired_link() {
            return Err(error);
        }
        let fresh = client.manifest_again(&job.status_url).await?;
        let Some(file) = fresh.renewed(file) else { return Err(error) };
        let fetched = patiently(|| fetch(client, &fresh, file)).await?;
        Ok(self.keep(fetched))
    }

    fn keep(&mut self, fetched: Fetched) -> (Vec<u8>, bool) {
        self.labelled &= fetched.labelled;
        (fetched.bytes, fetched.proven)
    }

    fn judge(&self, truth: &BTreeMap<String, u32>) -> End {
        let manifest = self.manifest.as_ref().unwrap();
        if manifest.warnings.iter().any(bulkhead_bulk::Warning::holds_watermarks) {
            return End::Incomplete(Why::Pages);
        }
        if let Some(why) = self.doubt {
            return End::Incomplete(why);
        }
        if &self.names == truth { End::Complete } else { End::AsSent }
    }
}

struct Fetched {
    bytes: Vec<u8>,
    proven: bool,
    labelled: bool,
}

async fn fetch(
    client: &Client,
    manifest: &Manifest,
    file: &OutputFile,
) -> Result<Fetched, Error> {
    let mut download: Download = client.download(manifest, file).await?;
    let mut bytes = Vec::new();
    while let Some(chunk) = download.try_next().await? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(Fetched {
        bytes,
        proven: download.is_proven_whole(),
        labelled: download.is_labelled_ndjson,
    })
}

/// Tries again what may pass.
async fn patiently<T, F: Future<Output = Result<T, Error>>>(
    mut attempt: impl FnMut() -> F,
) -> Result<T, Error> {
    let mut tries = 1;
    loop {
        match attempt().await {
            Err(error) if error.is_transient() && tries < TRIES => tries += 1,
            result => return result,
        }
    }
}

/// What only the header of a block says.
const HEADER: &[u8] = b"\"resourceType\":\"Parameters\"";

/// How many lines hold something.
fn count(lines: &[u8]) -> u64 {
    let filled = solid(lines).count();
    u64::try_from(filled).unwrap()
}

/// The lines that hold a resource, without the marks of the shapes that NDJSON may have and
/// without the headers of blocks.
fn solid(lines: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = lines.split(|byte| *byte == b'\n');
    lines
        .map(|line| line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii())
        .filter(|line| !line.is_empty())
        .filter(|line| !line.windows(HEADER.len()).any(|part| part == HEADER))
}

/// Adds what the lines are, by type and id.
fn name_all(lines: &[u8], names: &mut BTreeMap<String, u32>) {
    for line in solid(lines) {
        let name = match serde_json::from_slice::<Value>(line) {
            Ok(resource) => {
                let text = |name: &str| resource[name].as_str().unwrap_or("?").to_owned();
                format!("{}/{}", text("resourceType"), text("id"))
            }
            Err(_) => "unreadable".to_owned(),
        };
        *names.entry(name).or_default() += 1;
    }
}
