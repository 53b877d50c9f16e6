//! A client's manners, judged from the request log: what the Inferno client tests ask, and
//! what keeps a token safe.
//!
//! A request that a fault struck is no evidence against the client.
//!
//! Source: Inferno bulk data client test kit; Bulk Data IG, "Bulk Data Export Operation
//! Request Flow"; SMART App Launch 2.2, "Backend Services".

use std::{collections::BTreeMap, time::Duration};

use crate::request_log::{Bearer, LoggedRequest, Origin};

/// A rule of good manners.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// Nothing of a job is asked for once it was deleted.
    AfterDelete,
    /// A kick-off has `Prefer: respond-async` and accepts FHIR JSON.
    KickoffHeaders,
    /// A file is asked for with gzip allowed.
    NoGzip,
    /// `_since` is an instant with a zone, and its `+` is encoded.
    Since,
    /// No token goes to another origin.
    TokenElsewhere,
    /// No request for a token is refused.
    TokenRefused,
    /// A token is one that the server gave out.
    TokenUnknown,
    /// A poll keeps to the `Retry-After` before it.
    TooSoon,
}

/// A breach of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lapse {
    /// The rule.
    pub rule: Rule,
    /// Which request of the log, from 0.
    pub request: usize,
    /// Its path.
    pub path: String,
}

/// All breaches of the rules, in the order of the requests.
pub fn lapses(log: &[LoggedRequest]) -> Vec<Lapse> {
    let mut lapses = Vec::new();
    let mut deleted: Vec<&str> = Vec::new();
    let mut busy_until: BTreeMap<&str, Duration> = BTreeMap::new();
    for (at, request) in log.iter().enumerate() {
        let path = request.path.as_str();
        let mut tell = |rule| {
            lapses.push(Lapse { rule, request: at, path: path.to_owned() });
        };
        if request.origin == Origin::Elsewhere && request.authorized {
            tell(Rule::TokenElsewhere);
        }
        if request.bearer == Bearer::Unknown {
            tell(Rule::TokenUnknown);
        }
        if path == "/auth/token" && request.status >= 400 && request.struck.is_empty() {
            tell(Rule::TokenRefused);
        }
        if is_kickoff(path) {
            if !has_kickoff_headers(request) {
                tell(Rule::KickoffHeaders);
            }
            if !is_since_sound(&request.query) {
                tell(Rule::Since);
            }
        }
        let Some((job, rest)) = job(path) else { continue };
        let is_page = rest.starts_with("page/");
        if deleted.contains(&job) && request.method != "DELETE" {
            tell(Rule::AfterDelete);
        }
        if request.method == "DELETE" {
            deleted.push(job);
        } else if rest.is_empty() || is_page {
            if busy_until.get(path).is_some_and(|until| request.took_at < *until) {
                tell(Rule::TooSoon);
            }
            match request.retry_after {
                Some(seconds) => {
                    let wait = Duration::from_secs(seconds.min(MOST_WAIT));
                    busy_until.insert(path, request.took_at.saturating_add(wait));
                }
                None => {
                    busy_until.remove(path);
                }
            }
        } else {
            let encodings = request.accept_encoding.as_deref().unwrap_or_default();
            if !encodings.contains("gzip") {
                tell(Rule::NoGzip);
            }
        }
    }
    lapses
}

fn is_kickoff(path: &str) -> bool {
    path.ends_with("/$export") || path.to_ascii_lowercase().ends_with("/%24export")
}

fn has_kickoff_headers(request: &LoggedRequest) -> bool {
    let prefer = request.prefer.as_deref().unwrap_or_default();
    let accept = request.accept.as_deref().unwrap_or_default();
    prefer.contains("respond-async") && accept.contains("application/fhir+json")
}

/// The job of a status, page or file path, and what follows it.
fn job(path: &str) -> Option<(&str, &str)> {
    let rest =
        path.strip_prefix("/fhir/bulk/").or_else(|| path.strip_prefix("/storage/"))?;
    Some(rest.split_once('/').unwrap_or((rest, "")))
}

/// Whether every `_since` of a query reads as an instant once decoded: a bare `+` has become
/// a space by then.
fn is_since_sound(query: &str) -> bool {
    url::form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| name == "_since")
        .all(|(_, value)| value.parse::<bulkhead_model::Instant>().is_ok())
}

/// A client need not believe a longer wait than this, half an hour.
const MOST_WAIT: u64 = 1_800;
