//! Starts the server and stops it.
//!
//! What becomes of a request is `door`'s.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, extract::Extension};
use bulkhead_model::{Instant, SafeUrl};
use tokio::{
    net::TcpListener,
    sync::{oneshot, watch},
    task::JoinHandle,
};
use url::Url;

use crate::{
    auth::Auth,
    behaviour::Behaviour,
    clock::{Clock, RealClock, Stopwatch},
    control::Control,
    cues::Cues,
    data::Data,
    door,
    error::Error,
    export,
    request_log::{Origin, RequestLog},
    scenario::Scenario,
    state::{State, Urls},
    wire::{Tap, TapListener},
};

/// Draws random bytes. The app passes the system's source, a test passes its own.
#[derive(Clone)]
pub struct RandomBytes(Arc<Fill>);

type Fill = dyn Fn(&mut [u8]) + Send + Sync;

impl RandomBytes {
    /// From a function that fills a buffer. Access tokens and job ids are made of it, so
    /// outside of tests it must not be guessable.
    pub fn new(fill: impl Fn(&mut [u8]) + Send + Sync + 'static) -> Self {
        Self(Arc::new(fill))
    }

    pub(crate) fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.0)(&mut bytes);
        bytes
    }
}

impl fmt::Debug for RandomBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RandomBytes(..)")
    }
}

/// What the server keeps and takes at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Jobs kept at a time; a further kick-off is answered with 429. Default: 100.
    pub jobs: usize,
    /// Bytes of a request body. Default: 1 MiB, room for some ten thousand patients.
    pub body_bytes: usize,
    /// Bytes of a request's path and query. Default: 16 KiB.
    pub url_bytes: usize,
    /// Requests kept in the log. Default: 10,000.
    pub logged_requests: usize,
    /// Live access tokens, and assertions remembered against replay. Default: 10,000.
    pub tokens: usize,
    /// How long a shutdown waits for downloads under way. Default: 5 s.
    pub shutdown: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            jobs: 100,
            body_bytes: 1 << 20,
            url_bytes: 16 << 10,
            logged_requests: 10_000,
            tokens: 10_000,
            shutdown: Duration::from_secs(5),
        }
    }
}

/// How to run a server.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen. Default: 127.0.0.1, a free port.
    pub addr: SocketAddr,
    /// Scheme, host and port under which clients reach the server when a proxy stands
    /// before it, such as one that terminates TLS. Default: as listened on.
    pub public_origin: Option<Url>,
    /// What to serve.
    pub data: Data,
    /// Who may export. Default: anybody.
    pub auth: Auth,
    /// What a conformant server may choose.
    pub behaviour: Behaviour,
    /// What is kept and taken at most.
    pub limits: Limits,
    /// The real clock.
    pub clock: RealClock,
    /// When the virtual clock starts. Default: for made-up data a minute after its last
    /// round, for a folder the real time.
    pub start: Option<Instant>,
    /// The source of tokens and job ids.
    pub random: RandomBytes,
    /// How the server misbehaves. Default: it does not.
    pub scenario: Scenario,
    /// What tells the gaps between requests. Default: one that stands still.
    pub stopwatch: Stopwatch,
}

impl Options {
    /// An open server on a free local port.
    pub fn new(data: Data, clock: RealClock, random: RandomBytes) -> Self {
        Self {
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            public_origin: None,
            data,
            auth: Auth::Open,
            behaviour: Behaviour::default(),
            limits: Limits::default(),
            clock,
            start: None,
            random,
            scenario: Scenario::default(),
            stopwatch: Stopwatch::stopped(),
        }
    }
}

/// The sample server.
#[derive(Clone, Copy, Debug)]
pub struct Server;

/// A server that runs until it is shut down or dropped.
#[derive(Debug)]
pub struct Running {
    /// The FHIR base, without a slash at the end.
    pub base_url: Url,
    /// The token endpoint; also the `aud` of client assertions.
    pub token_url: Url,
    /// Where the server listens.
    pub addr: SocketAddr,
    /// The base at the second origin, when the scenario has one.
    pub elsewhere: Option<Url>,
    /// The handle into the server.
    pub control: Control,
    serving: Vec<Serving>,
    patience: Duration,
}

impl Server {
    /// Loads the data, listens, and serves in the background.
    ///
    /// # Errors
    ///
    /// [`Error::Bind`] when the address is taken, [`Error::PublicOrigin`] when the public
    /// origin is none, and what loading the data says: [`Error::Read`], [`Error::Line`],
    /// [`Error::EmptyFolder`], [`Error::UntypedFile`], [`Error::IndexFull`];
    /// [`Error::Scenario`] when the scenario cannot be played.
    pub async fn start(options: Options) -> Result<Running, Error> {
        let Options {
            addr,
            public_origin,
            data,
            auth,
            behaviour,
            limits,
            clock,
            start,
            random,
            scenario,
            stopwatch,
        } = options;
        let problems = scenario.problems();
        if !problems.is_empty() {
            return Err(Error::Scenario { problems });
        }
        let is_conformant = scenario == Scenario::default();
        let behaviour = scenario.behaviour.over(&behaviour);
        let (listener, addr) = listen(addr).await?;
        let (base_url, token_url) = urls(addr, public_origin)?;
        let (elsewhere, elsewhere_url) = if scenario.needs_elsewhere() {
            let (listener, addr) = listen(SocketAddr::new(addr.ip(), 0)).await?;
            let (base_url, _) = urls(addr, None)?;
            (Some(listener), Some(base_url))
        } else {
            (None, None)
        };
        let origin = |url: &Url| url.as_str().trim_end_matches("/fhir").to_owned();
        let urls = Urls {
            base: base_url.to_string(),
            token: token_url.to_string(),
            home: origin(&base_url),
            elsewhere: elsewhere_url.as_ref().map(origin).unwrap_or_default(),
        };
        let start = start.or_else(|| data.start()).unwrap_or_else(|| clock.now());
        let clock = Clock::new(clock, scenario.modes.skew.clock.of(start));
        let now = clock.now();
        let loading = {
            let (data, base) = (data.clone(), urls.base.clone());
            tokio::task::spawn_blocking(move || data.load(&base, now))
        };
        let mut store = match loading.await {
            Ok(loaded) => loaded?,
            Err(stopped) => match stopped.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(cancelled) => {
                    let source = std::io::Error::other(cancelled);
                    return Err(Error::Read { path: "data".into(), source });
                }
            },
        };
        if !is_conformant {
            store.keep_history();
        }
        let round = match &data {
            Data::Folder(_) => 0,
            Data::MadeUp(made_up) => made_up.rounds,
        };
        let state = Arc::new(State {
            auth,
            behaviour,
            clock,
            data,
            limits,
            random,
            urls,
            seed: scenario.seed,
            stopwatch,
            modes: Mutex::new(Arc::new(scenario.modes)),
            changes: Mutex::new(scenario.changes),
            cues: Mutex::new(Cues::new(scenario.faults)),
            strikes: watch::Sender::new(0),
            issued: Mutex::default(),
            jobs: Mutex::new(export::Jobs::new(limits.jobs)),
            log: Mutex::new(RequestLog::new(limits.logged_requests)),
            store: Mutex::new(store),
            round: Mutex::new(round),
        });
        let router = Router::new().fallback(door::answer).with_state(Arc::clone(&state));
        let mut serving = vec![serve(listener, &router, Origin::Home)];
        if let Some(listener) = elsewhere {
            serving.push(serve(listener, &router, Origin::Elsewhere));
        }
        tracing::info!(%addr, "sample server started");
        let (control, patience) = (Control(state), limits.shutdown);
        Ok(Running {
            base_url,
            token_url,
            addr,
            elsewhere: elsewhere_url,
            control,
            serving,
            patience,
        })
    }
}

impl Running {
    /// Stops listening, lets downloads under way end, and cuts what lasts longer than
    /// [`Limits::shutdown`]. Every gate opens.
    pub async fn shutdown(self) {
        let Self { serving, patience, control, .. } = self;
        control.0.cues().release_all();
        let mut ending = Vec::new();
        for Serving { stop, task } in serving {
            // It fails only when the server has stopped by itself.
            let _ = stop.send(());
            ending.push(task);
        }
        for mut task in ending {
            if tokio::time::timeout(patience, &mut task).await.is_err() {
                task.abort();
            }
        }
    }
}

/// A listener under way.
#[derive(Debug)]
struct Serving {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Serves one listener in the background.
fn serve(listener: TcpListener, router: &Router, origin: Origin) -> Serving {
    let service = router
        .clone()
        .layer(Extension(origin))
        .into_make_service_with_connect_info::<Tap>();
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(async move {
        let served =
            axum::serve(TapListener(listener), service).with_graceful_shutdown(async {
                // A dropped sender means the same: whoever ran the server is gone.
                let _ = stopped.await;
            });
        if let Err(error) = served.await {
            tracing::error!(%error, "the sample server stopped");
        }
    });
    Serving { stop, task }
}

/// Listens at an address, and says where that is.
async fn listen(addr: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let bound = |source| Error::Bind { addr, source };
    let listener = TcpListener::bind(addr).await.map_err(bound)?;
    let addr = listener.local_addr().map_err(bound)?;
    Ok((listener, addr))
}

fn urls(addr: SocketAddr, public_origin: Option<Url>) -> Result<(Url, Url), Error> {
    let refused = |url: &Url| Error::PublicOrigin { origin: SafeUrl::of(url) };
    let origin = match public_origin {
        Some(url) if matches!(url.scheme(), "http" | "https") && url.path() == "/" => url,
        Some(url) => return Err(refused(&url)),
        None => Url::parse(&format!("http://{addr}/")).map_err(|source| Error::Bind {
            addr,
            source: std::io::Error::other(source),
        })?,
    };
    match (origin.join("/fhir"), origin.join("/auth/token")) {
        (Ok(base), Ok(token)) => Ok((base, token)),
        (Err(_), _) | (_, Err(_)) => Err(refused(&origin)),
    }
}
