//! Made-up patients: a small world that is the same for the same numbers on every machine,
//! and rounds of change that are known beforehand.
//!
//! Nothing is stored: a resource is a function of (seed, kind, owner, number, version), so
//! that a script can say what changes without holding the world.

mod catalogue;
mod clinical;
mod money;
mod person;
mod script;
mod shared;
mod work;
mod world;

use std::sync::Arc;

use bulkhead_model::{Instant, ResourceType};

pub use script::{Changes, Difference, Script};

use crate::{
    error::Error,
    peek::References,
    store::{BaseBuilder, Row, Source, Store},
};
use world::{Kind, World};

/// Made-up patients after some rounds of change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeUp {
    /// How many patients there are before the first round.
    pub patients: u32,
    /// What makes this world differ from others of the same size.
    pub seed: u64,
    /// How many rounds of change have passed; one is one virtual day.
    pub rounds: u32,
}

impl MadeUp {
    /// A minute after the last round, by the virtual clock.
    pub(super) fn start(&self) -> Instant {
        Script::time_of(self.rounds).plus(std::time::Duration::from_mins(1))
    }

    pub(super) fn load(&self, base_url: &str) -> Result<Store, Error> {
        let world = World::new(self.patients, self.seed, base_url);
        let references = References::new([base_url.to_owned()]);
        let mut store = Store::new([base_url.to_owned()]);
        for kind in Kind::ALL {
            load_kind(&mut store, &world, *kind, &references)?;
        }
        store.follow_provenance()?;
        let script = Script::new(self.patients, self.seed);
        for round in 1..=self.rounds {
            apply(&mut store, &script, base_url, round)?;
        }
        Ok(store)
    }
}

/// Loads the base of one type.
fn load_kind(
    store: &mut Store,
    world: &World,
    kind: Kind,
    references: &References,
) -> Result<(), Error> {
    struct Placed {
        id: String,
        updated: Instant,
        offset: u64,
        length: u32,
        patients: Vec<u32>,
    }
    let mut text = String::new();
    let mut placed = Vec::new();
    for item in world.base_items(kind) {
        let stamp = world.born(item);
        let offset = text.len() as u64;
        let line = world.render(item, stamp);
        let mut patients: Vec<String> = references
            .of(kind.name(), line.as_bytes())
            .into_iter()
            .filter_map(|(target, id)| (target == "Patient").then_some(id))
            .collect();
        if kind == Kind::Patient {
            patients.push(world.id(item));
        }
        patients.sort();
        patients.dedup();
        text.push_str(&line);
        text.push('\n');
        placed.push(Placed {
            id: world.id(item),
            updated: stamp.updated,
            offset,
            length: u32::try_from(line.len() + 1).map_err(|_| Error::IndexFull)?,
            patients: store.intern(&patients)?,
        });
    }
    if placed.is_empty() {
        return Ok(());
    }
    let source = Arc::new(Source::memory(text.into()));
    let mut builder = BaseBuilder::default();
    for row in &placed {
        builder.push(&Row {
            id: &row.id,
            updated: row.updated,
            source: &source,
            offset: row.offset,
            length: row.length,
            patients: &row.patients,
        })?;
    }
    let resource_type: ResourceType =
        kind.name().parse().map_err(|_| Error::IndexFull)?;
    store.set_base(resource_type, builder.build()?);
    Ok(())
}

/// Plays one round of change on a store that has seen all rounds before it.
pub(crate) fn apply(
    store: &mut Store,
    script: &Script,
    base_url: &str,
    round: u32,
) -> Result<(), Error> {
    let world = script.world(base_url);
    let changes = script.round(round);
    for item in changes.created.iter().chain(&changes.updated) {
        let stamp = script.stamp(*item, round);
        store.put_line(world.render(*item, stamp), stamp.updated)?;
    }
    for item in &changes.deleted {
        let at = script.change_time(*item, round);
        store.delete_at(item.kind.name(), &world.id(*item), at);
    }
    Ok(())
}
