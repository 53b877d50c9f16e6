//! What the server holds: per type an immutable base and the changes since, cut into
//! snapshots at no cost.
//!
//! A job keeps the [`Snapshot`] of its kick-off; later changes copy the small overlay, never
//! the base. The store hands out times so that nothing changed after a cut carries a time
//! that the cut's transaction time already covers.
//!
//! Source: Bulk Data IG, "transactionTime".

mod history;
mod source;
mod stamp;
mod table;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use bulkhead_model::{Instant, ResourceType};
use serde_json::Value;

pub(crate) use source::Source;
pub(crate) use stamp::restamp;
pub(crate) use table::{Base, BaseBuilder, Line, Put, Row, State, Table};

use history::History;
use table::Kept;

use crate::{
    error::Error,
    peek::{Head, References, body},
    scenario::When,
};

/// Patient ids by number; lines refer to patients by number to stay small.
#[derive(Clone, Default)]
pub(crate) struct Patients {
    numbers: HashMap<Box<str>, u32>,
}

impl Patients {
    /// The number of `id`, if any resource ever pointed at it.
    pub(crate) fn number(&self, id: &str) -> Option<u32> {
        self.numbers.get(id).copied()
    }

    fn intern(&mut self, id: &str) -> Result<u32, Error> {
        if let Some(number) = self.number(id) {
            return Ok(number);
        }
        let number = u32::try_from(self.numbers.len()).map_err(|_| Error::IndexFull)?;
        self.numbers.insert(id.into(), number);
        Ok(number)
    }
}

/// The store at one moment. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Snapshot {
    pub(crate) tables: BTreeMap<ResourceType, Table>,
    pub(crate) patients: Arc<Patients>,
    pub(crate) references: Arc<References>,
}

impl Snapshot {
    /// The current state of one resource.
    pub(crate) fn find(&self, resource_type: &str, id: &str) -> Option<State<'_>> {
        self.tables.get(&resource_type.parse::<ResourceType>().ok()?)?.find(id)
    }

    /// The patients whose compartments hold the resource `id`, with the two-hop rule: a
    /// Provenance belongs to the patients of what it is about.
    fn owners(&self, head: &Head, line: &[u8]) -> BTreeSet<Box<str>> {
        let mut owners = BTreeSet::new();
        if head.resource_type == "Patient" {
            owners.insert(head.id.as_str().into());
        }
        for (resource_type, id) in self.references.of(&head.resource_type, line) {
            if resource_type == "Patient" {
                owners.insert(id.into());
            }
        }
        owners
    }

    /// The numbers of the patients behind what a Provenance line is about.
    fn target_owners(&self, line: &[u8]) -> BTreeSet<u32> {
        let targets = self.references.of("Provenance", line);
        targets
            .iter()
            .filter_map(|(resource_type, id)| self.find(resource_type, id))
            .flat_map(|state| state.patients().to_vec())
            .collect()
    }
}

/// The mutable store.
pub(crate) struct Store {
    now: Snapshot,
    latest: Instant,
    history: Option<History>,
    hidden: Vec<Hidden>,
}

/// A resource that cannot be seen until a moment.
struct Hidden {
    resource_type: ResourceType,
    id: String,
    kept: Kept,
    until: When,
}

impl Store {
    /// An empty store that takes references below `origins` for its own.
    pub(crate) fn new(origins: impl IntoIterator<Item = String>) -> Self {
        Self {
            now: Snapshot {
                tables: BTreeMap::new(),
                patients: Arc::default(),
                references: Arc::new(References::new(origins)),
            },
            latest: Instant::from_unix_ms(i64::MIN),
            history: None,
            hidden: Vec::new(),
        }
    }

    /// Adds the base of one type; `rows` name patients by id.
    pub(crate) fn intern(&mut self, ids: &[String]) -> Result<Vec<u32>, Error> {
        let patients = Arc::make_mut(&mut self.now.patients);
        ids.iter().map(|id| patients.intern(id)).collect()
    }

    /// Sets the base of one type.
    pub(crate) fn set_base(&mut self, resource_type: ResourceType, base: Base) {
        self.now.tables.insert(resource_type, Table::new(base));
    }

    /// Adds to every Provenance of the base the patients of what it is about.
    pub(crate) fn follow_provenance(&mut self) -> Result<(), Error> {
        let Ok(provenance) = "Provenance".parse::<ResourceType>() else { return Ok(()) };
        let Some(table) = self.now.tables.get(&provenance) else { return Ok(()) };
        let mut owners = Vec::new();
        for line in table.lines() {
            let bytes = line
                .read()
                .map_err(|source| Error::Read { path: "Provenance".into(), source })?;
            let mut all = self.now.target_owners(&bytes);
            all.extend(line.patients);
            owners.push(all.into_iter().collect::<Vec<u32>>());
        }
        let replaced = table.base().with_patients(&owners)?;
        self.set_base(provenance, replaced);
        Ok(())
    }

    /// The store as it is.
    pub(crate) fn snapshot(&self) -> &Snapshot {
        &self.now
    }

    /// The store as it is, with its transaction time: nothing in it is newer by this
    /// server's own stamps, and nothing changed later is stamped with it or before it.
    pub(crate) fn cut(&mut self, now: Instant) -> (Instant, Snapshot) {
        self.latest = self.latest.max(now);
        (self.latest, self.now.clone())
    }

    /// Creates or replaces a resource, stamped with a new version and time.
    pub(crate) fn put(&mut self, json: &str, now: Instant) -> Result<Instant, Error> {
        let head = Head::read(json.as_bytes())
            .map_err(|_| Error::Put { reason: "not JSON with a `resourceType`" })?;
        if !is_id(&head.id) {
            return Err(Error::Put { reason: "no valid `id`" });
        }
        let before = self.version(&head);
        let at = self.tick(now);
        let line = restamp(json, before.saturating_add(1), at)
            .ok_or(Error::Put { reason: "`meta` is not an object" })?;
        self.put_line(line, at)?;
        Ok(at)
    }

    /// The same, stamped with a time that may be long over.
    pub(crate) fn put_at(&mut self, json: &str, at: Instant) -> Result<(), Error> {
        let head = Head::read(json.as_bytes())
            .map_err(|_| Error::Put { reason: "not JSON with a `resourceType`" })?;
        let version = self.version(&head).saturating_add(1);
        let line = restamp(json, version, at)
            .ok_or(Error::Put { reason: "`meta` is not an object" })?;
        let latest = self.latest;
        self.put_line(line, at)?;
        // The store's own time goes on as if this had been there all along.
        self.latest = latest;
        Ok(())
    }

    /// Changes a resource and leaves its version and time.
    pub(crate) fn edit(
        &mut self,
        resource_type: &str,
        id: &str,
        change: impl FnOnce(&mut Value),
    ) -> Result<(), Error> {
        let (mut value, updated) = match self.now.find(resource_type, id) {
            Some(State::Live(line)) => {
                let bytes = line.read().map_err(|source| Error::Read {
                    path: resource_type.into(),
                    source,
                })?;
                let value: Value = serde_json::from_slice(body(&bytes))
                    .map_err(|_| Error::Put { reason: "not JSON" })?;
                (value, line.updated)
            }
            Some(State::Deleted(_)) | None => return Err(MISSING),
        };
        change(&mut value);
        self.put_line(value.to_string(), updated)
    }

    /// Makes a resource as if it never was, until a moment or for good.
    pub(crate) fn hide(
        &mut self,
        resource_type: &str,
        id: &str,
        until: Option<When>,
    ) -> Result<(), Error> {
        let resource_type: ResourceType = resource_type.parse().map_err(|_| MISSING)?;
        let table = self.now.tables.get_mut(&resource_type).ok_or(MISSING)?;
        let kept = table.hide(id).ok_or(MISSING)?;
        if let Some(until) = until {
            self.hidden.push(Hidden { resource_type, id: id.to_owned(), kept, until });
        }
        self.record();
        Ok(())
    }

    /// Shows what was hidden until this moment.
    pub(crate) fn reveal(&mut self, when: When) {
        let (due, kept) = std::mem::take(&mut self.hidden)
            .into_iter()
            .partition(|hidden| hidden.until == when);
        self.hidden = kept;
        let due: Vec<Hidden> = due;
        for Hidden { resource_type, id, kept, .. } in due {
            self.now.tables.entry(resource_type).or_default().reveal(&id, kept);
            self.record();
        }
    }

    /// Keeps from now on what the store was.
    pub(crate) fn keep_history(&mut self) {
        self.history = Some(History::new(self.latest, self.now.clone()));
    }

    fn record(&mut self) {
        if let Some(history) = &mut self.history {
            history.push(self.latest, self.now.clone());
        }
    }

    /// The store at a time, or as it is when no history is kept.
    pub(crate) fn as_of(&self, at: Instant) -> Snapshot {
        let then = self.history.as_ref().and_then(|history| history.as_of(at));
        then.unwrap_or(&self.now).clone()
    }

    /// Makes the store again what it was.
    pub(crate) fn restore(&mut self, at: Instant) -> Result<(), Error> {
        if self.history.is_none() {
            return Err(Error::Put { reason: "no history is kept without a scenario" });
        }
        self.now = self.as_of(at);
        self.record();
        Ok(())
    }

    /// Creates or replaces a resource by a line that carries its stamp already.
    pub(crate) fn put_line(
        &mut self,
        mut line: String,
        at: Instant,
    ) -> Result<(), Error> {
        let head = Head::read(line.as_bytes())
            .map_err(|_| Error::Put { reason: "not JSON with a `resourceType`" })?;
        let resource_type: ResourceType = head
            .resource_type
            .parse()
            .map_err(|_| Error::Put { reason: "`resourceType` is not a type" })?;
        let owners = self.now.owners(&head, line.as_bytes());
        let mut numbers = BTreeSet::new();
        for owner in &owners {
            numbers.insert(Arc::make_mut(&mut self.now.patients).intern(owner)?);
        }
        if head.resource_type == "Provenance" {
            numbers.extend(self.now.target_owners(line.as_bytes()));
        }
        line.push('\n');
        let put = Put {
            source: Arc::new(Source::memory(line.into())),
            updated: at,
            version: head.version().unwrap_or(1),
            patients: numbers.into_iter().collect(),
        };
        self.latest = self.latest.max(at);
        self.now.tables.entry(resource_type).or_default().put(&head.id, put);
        self.record();
        Ok(())
    }

    /// Deletes a resource; `None` when there is none.
    pub(crate) fn delete(
        &mut self,
        resource_type: &str,
        id: &str,
        now: Instant,
    ) -> Option<Instant> {
        let at = match self.now.find(resource_type, id)? {
            State::Live(_) => self.tick(now),
            State::Deleted(_) => return None,
        };
        self.delete_at(resource_type, id, at)
    }

    /// Deletes a resource at a given time; `None` when there is none.
    pub(crate) fn delete_at(
        &mut self,
        resource_type: &str,
        id: &str,
        at: Instant,
    ) -> Option<Instant> {
        let resource_type: ResourceType = resource_type.parse().ok()?;
        self.latest = self.latest.max(at);
        let is_gone = self.now.tables.get_mut(&resource_type)?.delete(id, at);
        self.record();
        is_gone.then_some(at)
    }

    /// The version before a put: 0 when the resource never was.
    fn version(&self, head: &Head) -> u32 {
        match self.now.find(&head.resource_type, &head.id) {
            Some(State::Live(line)) => line.version.unwrap_or_else(|| {
                let read =
                    line.read().ok().and_then(|bytes| Head::read(body(&bytes)).ok());
                read.and_then(|head| head.version()).unwrap_or(1)
            }),
            Some(State::Deleted(tombstone)) => tombstone.version,
            None => 0,
        }
    }

    /// A time for a change: now, but after every cut and change before.
    fn tick(&mut self, now: Instant) -> Instant {
        let after = self.latest.plus(Duration::from_millis(1));
        self.latest = if now > self.latest { now } else { after };
        self.latest
    }
}

/// Whether `id` is a FHIR id: 1 to 64 letters, digits, `-` and `.`.
fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
}

const MISSING: Error = Error::Put { reason: "there is no such resource" };
