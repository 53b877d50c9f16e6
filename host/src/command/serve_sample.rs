//! `bulkhead serve-sample`: a Bulk Data server on this machine, to rehearse against.
//!
//! Owns which address is listened on and what is said about it; the server itself is
//! `bulkhead_sample_server`. It speaks plain HTTP, so it stays on this machine unless it is
//! told otherwise.

use std::{
    io::Write,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroU64,
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context;
use bulkhead_net::Origin;
use bulkhead_sample_server::{
    Auth, Client, Data, Folder, MadeUp, Options, RandomBytes, RealClock, Scenario,
    Server, Strictness, scenario::Profile,
};
use clap::ValueEnum;
use url::Url;

use crate::{clock, failure::Failure};

/// Serves made-up patients, or a folder of NDJSON files, with Bulk Data $export.
///
/// A server to rehearse a configuration against: discovery, sign-in, the three kinds of
/// export, polling, files, deletions. It serves until Ctrl-C. It has no TLS and is meant for
/// this machine and for synthetic data only.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bulkhead serve-sample
  bulkhead serve-sample --patients 10000 --seed 7 --port 0
  bulkhead serve-sample --data synthea/output/fhir --gzip always
  bulkhead keys generate --out key.pem > jwks.json
  bulkhead serve-sample --auth backend-services --client-id me --jwks jwks.json
  bulkhead serve-sample --profile hapi-like
  bulkhead serve-sample --scenario faults.toml

The same numbers always make the same patients. `--round 3` shows them after three rounds of
changes and deletions: export at round 0, serve again with a higher round, and export what is
new. A scenario makes the server misbehave; docs/rehearsing.md says how one is written.")]
pub(crate) struct ServeSample {
    /// Serves the NDJSON files of this folder (plain or .gz) instead of made-up patients.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["patients", "seed", "round"])]
    data: Option<PathBuf>,

    /// Serves lines of the folder that are no FHIR resources too, instead of refusing to start.
    #[arg(long, requires = "data")]
    lenient: bool,

    /// How many patients to make up.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    patients: u32,

    /// What makes these patients differ from others.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// How many rounds of change have passed; one is one day.
    #[arg(long, value_name = "N", default_value_t = 0)]
    round: u32,

    /// Where to listen.
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080))
    )]
    bind: SocketAddr,

    /// Listens on another port than the one in --bind; 0 takes a free one.
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,

    /// Lets --bind name an address that other machines can reach. For synthetic data only.
    #[arg(long)]
    allow_remote: bool,

    /// The address that clients use, when a proxy stands before the server.
    #[arg(long, value_name = "URL")]
    public_origin: Option<Url>,

    /// Who may export.
    #[arg(long, value_enum, default_value_t)]
    auth: SignIn,

    /// The client that may sign in.
    #[arg(long, value_name = "ID", required_if_eq("auth", "backend-services"))]
    client_id: Option<String>,

    /// Its public JWK Set, as `bulkhead keys` prints it.
    #[arg(long, value_name = "FILE", required_if_eq("auth", "backend-services"))]
    jwks: Option<PathBuf>,

    /// When files are sent compressed; `auto`: when the client asks [default: auto].
    #[arg(long, value_enum)]
    gzip: Option<Gzip>,

    /// The most resources in one file [default: 10000].
    #[arg(long, value_name = "N")]
    resources_per_file: Option<NonZeroU64>,

    /// Misbehaves as this file orders: faults, modes, changes of the data.
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,

    /// Behaves as a known kind of server: conformant, epic-like, hapi-like, inferno,
    /// smart-reference.
    #[arg(long, value_name = "NAME", conflicts_with = "scenario", value_parser = profile)]
    profile: Option<Profile>,
}

/// Reads the name of a profile.
fn profile(name: &str) -> Result<Profile, String> {
    Profile::named(name).ok_or_else(|| {
        let names = Profile::ALL.map(Profile::name).join(", ");
        format!("there is no such profile; want one of {names}")
    })
}

/// Who may export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum SignIn {
    /// One client, by SMART Backend Services.
    BackendServices,
    /// Anybody.
    #[default]
    None,
}

/// When files are sent compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Gzip {
    /// Always, asked for or not.
    Always,
    /// When the client asks.
    Auto,
    /// Never.
    Never,
}

impl ServeSample {
    /// Serves until a signal comes; exits 2 when it may not listen where it should.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let options = self.options()?;
        let running =
            Server::start(options).await.context("starting the sample server")?;
        let told = self.told(&running.base_url, &running.token_url);
        {
            let mut out = std::io::stdout().lock();
            out.write_all(told.as_bytes())?;
            out.flush()?;
        }
        if !is_local(running.addr.ip()) {
            let mut err = std::io::stderr().lock();
            writeln!(
                err,
                "warning: other machines can reach this server, and it speaks without TLS: \
                 serve synthetic data only"
            )?;
        }
        stopped().await?;
        running.shutdown().await;
        Ok(ExitCode::SUCCESS)
    }

    fn options(&self) -> anyhow::Result<Options> {
        let addr = self.addr()?;
        let options = Options::new(
            self.source(),
            RealClock::new(clock::now),
            RandomBytes::new(clock::random),
        );
        let mut scenario = self.ordered()?;
        // What is said here wins over what the scenario says.
        let settings = &mut scenario.behaviour;
        let gzip = self.gzip.map(|gzip| match gzip {
            Gzip::Always => bulkhead_sample_server::Gzip::Always,
            Gzip::Auto => bulkhead_sample_server::Gzip::Auto,
            Gzip::Never => bulkhead_sample_server::Gzip::Never,
        });
        settings.gzip = gzip.or(settings.gzip);
        settings.resources_per_file =
            self.resources_per_file.or(settings.resources_per_file);
        let public_origin = self.public_origin.clone();
        Ok(Options { addr, public_origin, auth: self.auth()?, scenario, ..options })
    }

    /// How the server misbehaves.
    fn ordered(&self) -> anyhow::Result<Scenario> {
        if let Some(profile) = self.profile {
            return Scenario::profile(profile).context("reading the profile");
        }
        let Some(path) = &self.scenario else { return Ok(Scenario::default()) };
        let text = fs_err::read_to_string(path).map_err(|error| {
            Failure::refused(format!("reading the scenario: {error}"))
        })?;
        match Scenario::parse(&text) {
            Ok(scenario) => Ok(scenario),
            Err(bulkhead_sample_server::Error::Scenario { problems }) => {
                let list = problems.join("\n  ");
                let what = format!("{} cannot be played:\n  {list}", path.display());
                Err(Failure::refused(what)
                    .hint("docs/rehearsing.md has every key in a table")
                    .into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Where to listen: on this machine alone, unless that was waived.
    fn addr(&self) -> Result<SocketAddr, Failure> {
        let mut addr = self.bind;
        addr.set_port(self.port.unwrap_or(addr.port()));
        if is_local(addr.ip()) || self.allow_remote {
            return Ok(addr);
        }
        let what =
            format!("other machines could reach {addr}, and this server has no TLS");
        Err(Failure::refused(what).hint(
            "listen on 127.0.0.1; or, with synthetic data only, add --allow-remote",
        ))
    }

    fn source(&self) -> Data {
        match &self.data {
            Some(path) => {
                let strictness =
                    if self.lenient { Strictness::Lenient } else { Strictness::Strict };
                Data::Folder(Folder { strictness, ..Folder::new(path) })
            }
            None => Data::MadeUp(MadeUp {
                patients: self.patients,
                seed: self.seed,
                rounds: self.round,
            }),
        }
    }

    fn auth(&self) -> anyhow::Result<Auth> {
        match (self.auth, &self.client_id, &self.jwks) {
            (SignIn::None, None, None) => Ok(Auth::Open),
            (SignIn::BackendServices, Some(id), Some(jwks)) => {
                let text = fs_err::read_to_string(jwks).map_err(|error| {
                    Failure::refused(format!("reading the keys: {error}"))
                })?;
                let client = Client::from_jwks(id, &text).map_err(|error| {
                    tracing::debug!(%error, "the keys cannot be read");
                    Failure::refused(format!("{} is no JWK Set", jwks.display()))
                        .hint("`bulkhead keys jwks KEY` prints the one of a private key")
                })?;
                Ok(Auth::Clients(vec![client]))
            }
            (SignIn::None, ..) => {
                let what = "a client is named, but anybody may export";
                Err(Failure::refused(what).hint("add --auth backend-services").into())
            }
            (SignIn::BackendServices, ..) => {
                let what = "signing in needs a client and its keys";
                Err(Failure::refused(what)
                    .hint("add --client-id ID and --jwks FILE")
                    .into())
            }
        }
    }

    /// What a person needs to know: where it is, what it serves, how to point at it.
    fn told(&self, base: &Url, token: &Url) -> String {
        let serves = match &self.data {
            Some(path) => format!("the NDJSON files of {}", path.display()),
            None => format!(
                "{} made-up patients (seed {}, round {})",
                self.patients, self.seed, self.round
            ),
        };
        let sign_in = match (self.auth, &self.client_id) {
            (SignIn::BackendServices, Some(id)) => {
                format!("client {id}, backend services")
            }
            (SignIn::BackendServices, None) | (SignIn::None, _) => {
                "none: whoever reaches this address may export".to_owned()
            }
        };
        let misbehaves = match (&self.scenario, self.profile) {
            (Some(path), _) => format!("misbehaves     as {} orders\n", path.display()),
            (None, Some(profile)) => {
                format!("behaves        as profile {}\n", profile.name())
            }
            (None, None) => String::new(),
        };
        format!(
            "FHIR base URL  {base}\ntoken URL      {token}\nserves         {serves}\n\
             sign-in        {sign_in}\n{misbehaves}\nIn bulkhead.toml:\n\n{}\nCtrl-C stops it.\n",
            self.snippet(base)
        )
    }

    /// The configuration that points at this server.
    fn snippet(&self, base: &Url) -> String {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        let mut lines = vec![
            "[source]".to_owned(),
            format!("base-url = {}", quoted(base.as_str())),
            "level = \"system\"".to_owned(),
        ];
        if let Some(origin) = Origin::of(base)
            && base.scheme() == "http"
            && !origin.is_loopback()
        {
            lines.push(format!("insecure-origins = [{}]", quoted(&origin.to_string())));
        }
        if let (SignIn::BackendServices, Some(id)) = (self.auth, &self.client_id) {
            lines.extend([
                String::new(),
                "[source.auth]".to_owned(),
                format!("client-id = {}", quoted(id)),
                "key = { file = \"bulkhead-key.pem\" }   # the private key of the client"
                    .to_owned(),
            ]);
        }
        lines.push(String::new());
        lines.join("\n")
    }
}

fn is_local(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Waits for Ctrl-C, or for the signal with which supervisors stop a program.
async fn stopped() -> anyhow::Result<()> {
    let waiting = "waiting for a signal";
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminated = signal(SignalKind::terminate()).context(waiting)?;
        tokio::select! {
            pressed = tokio::signal::ctrl_c() => pressed.context(waiting),
            _ = terminated.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await.context(waiting)
}

#[cfg(test)]
mod tests;
