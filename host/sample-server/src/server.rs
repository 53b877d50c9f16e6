//! Starts the server, hands every request to its handler, and stops.
//!
//! Owns the order of things for one request: length, route, token, answer, `Date`, log.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::to_bytes,
    extract::{Request, State as Shared},
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use bulkhead_model::{Instant, SafeUrl};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use url::Url;

use crate::{
    auth::{self, Auth, Caller},
    behaviour::Behaviour,
    clock::{Clock, RealClock},
    control::Control,
    data::Data,
    error::Error,
    export, metadata,
    outcome::Refusal,
    request_log::{LoggedRequest, RequestLog, joined},
    rest,
    route::{NoRoute, Route},
    state::{State, Urls},
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
    /// The handle into the server.
    pub control: Control,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
    patience: Duration,
}

impl Server {
    /// Loads the data, listens, and serves in the background.
    ///
    /// # Errors
    ///
    /// [`Error::Bind`] when the address is taken, [`Error::PublicOrigin`] when the public
    /// origin is none, and what loading the data says: [`Error::Read`], [`Error::Line`],
    /// [`Error::EmptyFolder`], [`Error::UntypedFile`], [`Error::IndexFull`].
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
        } = options;
        let listener = TcpListener::bind(addr)
            .await
            .map_err(|source| Error::Bind { addr, source })?;
        let addr =
            listener.local_addr().map_err(|source| Error::Bind { addr, source })?;
        let (base_url, token_url) = urls(addr, public_origin)?;
        let urls = Urls { base: base_url.to_string(), token: token_url.to_string() };
        let clock = Clock::new(clock, start.or_else(|| data.start()));
        let now = clock.now();
        let loading = {
            let (data, base) = (data.clone(), urls.base.clone());
            tokio::task::spawn_blocking(move || data.load(&base, now))
        };
        let store = match loading.await {
            Ok(loaded) => loaded?,
            Err(stopped) => match stopped.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(cancelled) => {
                    let source = std::io::Error::other(cancelled);
                    return Err(Error::Read { path: "data".into(), source });
                }
            },
        };
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
            issued: Mutex::default(),
            jobs: Mutex::new(export::Jobs::new(limits.jobs)),
            log: Mutex::new(RequestLog::new(limits.logged_requests)),
            store: Mutex::new(store),
            round: Mutex::new(round),
        });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&state));
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(async move {
            let served = axum::serve(listener, router).with_graceful_shutdown(async {
                // A dropped sender means the same: whoever ran the server is gone.
                let _ = stopped.await;
            });
            if let Err(error) = served.await {
                tracing::error!(%error, "the sample server stopped");
            }
        });
        tracing::info!(%addr, "sample server started");
        let (control, patience) = (Control(state), limits.shutdown);
        Ok(Running { base_url, token_url, addr, control, stop, serving, patience })
    }
}

impl Running {
    /// Stops listening, lets downloads under way end, and cuts what lasts longer than
    /// [`Limits::shutdown`].
    pub async fn shutdown(self) {
        let Self { stop, mut serving, patience, .. } = self;
        // It fails only when the server has stopped by itself.
        let _ = stop.send(());
        if tokio::time::timeout(patience, &mut serving).await.is_err() {
            serving.abort();
        }
    }
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

/// Answers any request.
async fn answer(Shared(state): Shared<Arc<State>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let now = state.clock.now();
    let mut logged = LoggedRequest::of(now, &parts.method, &parts.uri, &parts.headers);
    let length = parts.uri.path().len() + parts.uri.query().map_or(0, str::len);
    let mut response = if length > state.limits.url_bytes {
        Refusal::new(StatusCode::URI_TOO_LONG, "too-long", "the URL is too long")
            .response()
    } else if let Ok(body) = to_bytes(body, state.limits.body_bytes).await {
        let shared = Arc::clone(&state);
        let work = move || dispatch(&shared, &parts, &body);
        // Handlers read lines from disk and write out trees: not on the runtime.
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            Refusal::new(status, "exception", "the handler failed").response()
        })
    } else {
        let text = "the body is too large or broke off";
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too-long", text).response()
    };
    if let Ok(date) = HeaderValue::try_from(export::http_date(state.clock.now())) {
        response.headers_mut().insert(header::DATE, date);
    }
    logged.status = response.status().as_u16();
    state.log().push(logged);
    response
}

/// Finds the handler, checks the token, and calls it.
fn dispatch(state: &State, parts: &Parts, body: &[u8]) -> Response {
    let route = match Route::of(&parts.method, parts.uri.path()) {
        Ok(route) => route,
        Err(NoRoute::Method(allowed)) => {
            let status = StatusCode::METHOD_NOT_ALLOWED;
            let mut response =
                Refusal::new(status, "not-supported", "the method is not allowed")
                    .response();
            response
                .headers_mut()
                .insert(header::ALLOW, HeaderValue::from_static(allowed));
            return response;
        }
        Err(NoRoute::Path) => {
            return Refusal::not_found("there is nothing here").response();
        }
    };
    let authorization = joined(&parts.headers, "authorization");
    let caller = if route.is_protected() {
        match auth::caller(state, authorization.as_deref()) {
            Ok(caller) => caller,
            Err(challenge) => return *challenge,
        }
    } else {
        Caller::nobody()
    };
    handle(state, route, caller, parts, body).unwrap_or_else(|refusal| refusal.response())
}

fn handle(
    state: &State,
    route: Route,
    caller: Caller,
    parts: &Parts,
    body: &[u8],
) -> Result<Response, Refusal> {
    let query = parts.uri.query().unwrap_or_default();
    match route {
        Route::Cancel { job } => export::cancel(state, &caller, &job),
        Route::File { job, file } => {
            export::download(state, &caller, &job, &file, &parts.headers)
        }
        Route::Kickoff(level) => {
            let Parts { method, uri, headers, .. } = parts;
            let request = export::Request { method, uri, headers, body };
            export::kickoff(state, caller, level, &request)
        }
        Route::Metadata => Ok(metadata::metadata(state)),
        Route::Read { resource_type, id } => {
            rest::read(state, &caller, &resource_type, &id)
        }
        Route::Search { resource_type } => {
            rest::search(state, &caller, &resource_type, query)
        }
        Route::SmartConfiguration => metadata::smart_configuration(state),
        Route::Status { job } => export::status(state, &caller, &job),
        Route::Token => {
            let content_type = joined(&parts.headers, "content-type");
            Ok(auth::token(state, content_type.as_deref(), body))
        }
    }
}
