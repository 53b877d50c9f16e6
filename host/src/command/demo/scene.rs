//! The demonstration's folder: keys, cohort, configuration, and which day it is.

use std::{
    fmt::Write as _,
    io::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use base64::Engine as _;
use bulkhead_bulk::{Algorithm, SigningKey};
use bulkhead_model::Secret;
use bulkhead_sample_server::{
    Auth, Client, Data, Error as ServerError, MadeUp, Options, RandomBytes, RealClock,
    Running, Script, Server,
};
use bulkhead_sandbox::Package;
use serde::{Deserialize, Serialize};

use crate::{clock, failure::Failure};

const CLIENT_ID: &str = "bulkhead-demo";
const SEED: u64 = 20_260_105;
const PLUGINS: [&str; 3] = ["cohort_filter", "deidentify", "files_sink"];

/// What must not change between two runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct State {
    patients: u32,
    seed: u64,
    port: u16,
    /// Rounds of the script that were exported.
    rounds_done: u32,
}

/// The demonstration's folder.
pub(super) struct Scene {
    dir: PathBuf,
    state: State,
    /// The last round that an earlier run exported; `None` before the first.
    before: Option<u32>,
}

impl Scene {
    /// Makes the folder, or finds it as an earlier run left it.
    pub(super) fn set(dir: &Path, plugins: &Path, patients: u32) -> anyhow::Result<Self> {
        for name in PLUGINS {
            let path = plugins.join(format!("{name}.wasm"));
            if !path.is_file() {
                let what = format!("there is no plugin at {}", path.display());
                let hint = "`cargo xtask demo` builds the plugins first; if they are \
                            elsewhere, name their folder with `--plugins DIR`";
                return Err(Failure::refused(what).hint(hint).into());
            }
        }
        make_private_dir(dir)?;
        let file = dir.join("demo.json");
        if let Ok(text) = fs_err::read_to_string(&file) {
            let state: State = serde_json::from_str(&text).with_context(|| {
                format!(
                    "reading {}: delete {} to begin anew",
                    file.display(),
                    dir.display()
                )
            })?;
            let before = state.rounds_done.checked_sub(1);
            return Ok(Self { dir: dir.to_owned(), state, before });
        }
        let state = State { patients, seed: SEED, port: free_port()?, rounds_done: 0 };
        let scene = Self { dir: dir.to_owned(), state, before: None };
        let key = SigningKey::generate(Algorithm::Es384)?;
        write_private(&scene.dir.join("client.pem"), key.to_pem()?.expose())?;
        let mut secret = [0; 32];
        clock::random(&mut secret);
        let text = base64::engine::general_purpose::STANDARD.encode(secret);
        write_private(&scene.dir.join("research.key"), text.as_bytes())?;
        scene.write_members()?;
        scene.save()?;
        Ok(scene)
    }

    /// The round that this run exports.
    pub(super) fn round(&self) -> u32 {
        self.before.map_or(0, |before| before + 1)
    }

    /// The round that the last run exported.
    pub(super) fn before(&self) -> Option<u32> {
        self.before
    }

    /// The server's own account of what it holds and changes.
    pub(super) fn script(&self) -> Script {
        Script::new(self.state.patients, self.state.seed)
    }

    pub(super) fn config_path(&self) -> PathBuf {
        self.dir.join("bulkhead.toml")
    }

    pub(super) fn introduction(&self) -> String {
        let day = match self.before {
            None => "This is the first run: a full system-level $export.".to_owned(),
            Some(before) => format!(
                "This is day {} on the server: since day {before} it has changed, created and \
                 deleted resources. The export is incremental.",
                self.round()
            ),
        };
        format!(
            "Bulkhead demo: {} made-up patients, half of them in the cohort `study`.\n\
             Everything lies in {}; nothing leaves this machine.\n{day}",
            self.state.patients,
            self.dir.display()
        )
    }

    /// Starts the sample server at the port of the first run.
    pub(super) async fn start_server(&self) -> anyhow::Result<Running> {
        let pem = fs_err::read(self.dir.join("client.pem"))?;
        let key = SigningKey::parse(&Secret::new(pem))?;
        let client = Client::from_jwks(CLIENT_ID, &key.public_jwks().to_string())?;
        let data = Data::MadeUp(MadeUp {
            patients: self.state.patients,
            seed: self.state.seed,
            rounds: self.round(),
        });
        let clock = RealClock::new(clock::now);
        let mut options = Options::new(data, clock, RandomBytes::new(clock::random));
        options.addr = SocketAddr::from(([127, 0, 0, 1], self.state.port));
        options.auth = Auth::Clients(vec![client]);
        Server::start(options).await.map_err(|error| match error {
            ServerError::Bind { .. } => Failure::refused(format!(
                "port {} of this machine is taken",
                self.state.port
            ))
            .hint(format!(
                "end the other program, or delete {} to begin anew",
                self.dir.display()
            ))
            .into(),
            other => anyhow::Error::new(other).context("starting the sample server"),
        })
    }

    /// Writes the configuration that an operator would write.
    pub(super) fn write_config(
        &self,
        server: &Running,
        plugins: &Path,
    ) -> anyhow::Result<()> {
        let types: Vec<String> = self
            .script()
            .ids(self.round())
            .keys()
            .map(|name| format!("\"{name}\""))
            .collect();
        let mut text = format!(
            "# Written by `bulkhead demo`; rewritten at every run.\n\
             [source]\n\
             name = \"demo\"                  # what the watermarks belong to\n\
             base-url = \"{}\"\n\
             level = \"system\"\n\
             types = [{}]\n\n\
             [source.auth]\n\
             client-id = \"{CLIENT_ID}\"\n\
             key = {{ file = \"client.pem\" }}\n\n\
             [cohorts.study]\n\
             from = {{ csv = \"members.csv\", column = \"patient_id\" }}\n\n\
             [keys.research]\n\
             file = \"research.key\"\n\n\
             [stores.lake]\n\
             url = \"out\"\n",
            server.base_url,
            types.join(", ")
        );
        let grants = [
            "{ cohorts = [\"study\"] }",
            "{ bodies = true, keys = [\"research\"] }",
            "{ stores = [\"lake\"] }",
        ];
        for (name, grants) in PLUGINS.iter().zip(grants) {
            let path = fs_err::canonicalize(plugins.join(format!("{name}.wasm")))?;
            let package = Package::read(&path)?;
            let section = name.replace('_', "-");
            let path = path.display().to_string();
            // Writing to a String does not fail.
            let _ = write!(
                text,
                "\n[plugins.{section}]\npath = {path:?}\nsha256 = \"{}\"\ngrants = {grants}\n",
                package.sha256()
            );
        }
        text.push_str(
            "\n[[chain]]\n\
             name = \"research\"\n\
             stages = [\n  \
               { plugin = \"cohort-filter\", config = { cohort = \"study\", mode = \"primary\" } },\n  \
               { plugin = \"deidentify\", config = { key = \"research\" } },\n\
             ]\n\
             sink = { plugin = \"files-sink\", config = { store = \"lake\", compression = \"gzip\" } }\n",
        );
        fs_err::write(self.config_path(), text)?;
        Ok(())
    }

    /// The next run plays the next day.
    pub(super) fn finish_round(&self) -> anyhow::Result<()> {
        let state = State { rounds_done: self.round() + 1, ..self.state.clone() };
        Self { state, dir: self.dir.clone(), before: None }.save()
    }

    pub(super) fn what_next(&self) -> String {
        let dir = self.dir.display();
        format!(
            "What to try next:\n  \
             the same command again                      the next day: an incremental export\n  \
             bulkhead status -c {dir}/bulkhead.toml      past exports and watermarks\n  \
             bulkhead check -c {dir}/bulkhead.toml       what each plugin asks and gets\n  \
             {dir}/bulkhead.toml                         the configuration, to read: each demo writes it anew, and \
             its server ends with it\n  \
             rm -r {dir}                                 begin anew\n\
             (`bulkhead` is target/release/bulkhead in a checkout.)"
        )
    }

    /// Every second patient, as a study would list them.
    fn write_members(&self) -> anyhow::Result<()> {
        let ids = self.script().ids(0);
        let patients = ids.iter().find(|(name, _)| name.as_str() == "Patient");
        let mut text = "patient_id\n".to_owned();
        for id in patients.into_iter().flat_map(|(_, ids)| ids).step_by(2) {
            text.push_str(id);
            text.push('\n');
        }
        write_private(&self.dir.join("members.csv"), text.as_bytes())
    }

    fn save(&self) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(&self.state)?;
        write_private(&self.dir.join("demo.json"), text.as_bytes())
    }
}

/// A port that is free now. The demonstration keeps it, because a server's address is part
/// of what its references mean.
fn free_port() -> anyhow::Result<u16> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    Ok(listener.local_addr()?.port())
}

fn make_private_dir(dir: &Path) -> anyhow::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(dir).with_context(|| format!("making {}", dir.display()))
}

fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    // Temporary files are 0600; renaming keeps that, and a crash leaves the old file.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}
