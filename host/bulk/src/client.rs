//! The client of one source.
//!
//! A thin shell: what to send and how to judge answers lies in the pure modules. The steps
//! of an export are in `kickoff`, `job` and `file`; the one way requests leave in `door`.

mod address;
mod answer;
mod discover;
mod door;
mod everything;
mod file;
mod job;
mod kickoff;
mod read;
mod remark;

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use bulkhead_model::Instant;
use url::Url;

use crate::{
    capability::Capability,
    error::Error,
    safe_headers::SafeHeaders,
    scope::GrantedScope,
    settings::{Settings, Version},
    smart::Smart,
    surroundings::Surroundings,
};

use door::Door;
pub use job::Job;

/// Speaks Bulk Data export and SMART Backend Services with one server.
pub struct Client {
    settings: Settings,
    /// The FHIR base with a slash at its end, so that paths join below it.
    base: Url,
    /// Shared with downloads under way, which ask for the rest of a file through it.
    door: Arc<Door>,
    surroundings: Surroundings,
    /// What the server said of itself last. Never held across an await.
    known: Mutex<Option<Server>>,
}

/// What a server says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The capability statement.
    pub capability: Capability,
    /// The SMART configuration, when there is one.
    pub smart: Option<Smart>,
    /// The server's time before anything was asked for, in whole seconds, cut off: a lower
    /// bound of the next transaction time. `None` when it sends no `Date`.
    pub date: Option<Instant>,
}

/// How a job goes, after each poll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What the server says, cleaned; for display only.
    pub text: Option<String>,
    /// Whether the server said that the job runs; a failed poll says nothing.
    pub running: bool,
    /// How long the job has been polled.
    pub elapsed: std::time::Duration,
    /// How long until the next poll.
    pub next_poll: std::time::Duration,
    /// How many manifest pages are complete.
    pub pages: u32,
    /// What may be shown of the answer's headers; none when there was no answer.
    pub headers: SafeHeaders,
    /// Its HTTP status.
    pub status: Option<u16>,
}

/// What became of a cancellation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// The server took it.
    Accepted,
    /// The server does not know the job any more.
    AlreadyGone,
}

impl Client {
    /// Sets the client up; nothing is sent.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] when the base URL cannot be one.
    pub fn new(
        settings: Settings,
        net: bulkhead_net::Client,
        surroundings: Surroundings,
    ) -> Result<Self, Error> {
        let mut base = settings.base.clone();
        if bulkhead_net::Origin::of(&base).is_none() {
            return Err(Error::Settings {
                reason: "the base url is neither http nor https",
            });
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(Error::Settings {
                reason: "the base url has a query or a fragment",
            });
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(Error::Settings { reason: "the base url has credentials in it" });
        }
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let door = Arc::new(Door::new(&settings, net, surroundings.clone()));
        Ok(Self { settings, base, door, surroundings, known: Mutex::default() })
    }

    /// The scope of the last token; `None` when none was issued to us yet.
    pub fn granted_scope(&self) -> Option<GrantedScope> {
        self.door.granted_scope()
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The edition to speak at a level.
    fn version(&self, server: &Server, level: &bulkhead_model::Level) -> Version {
        match self.settings.version {
            Version::Auto => server.capability.version(level),
            chosen @ (Version::V1 | Version::V2 | Version::V3 | Version::V4) => chosen,
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base", &bulkhead_model::SafeUrl::of(&self.base))
            .finish_non_exhaustive()
    }
}
