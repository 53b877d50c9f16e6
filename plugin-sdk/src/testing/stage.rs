//! One configured plugin with what an operator would grant it.

use std::{collections::BTreeMap, fmt};

use crate::{
    Filter, Problems, Sink, Transform,
    artifacts::Compression,
    export::settings_of,
    outbound_http::{HttpError, Request, Response},
    testing::world,
};

/// What an operator would grant. Making one empties the thread's stores, state and counters.
#[derive(Debug)]
pub struct Stage(());

/// An artifact as committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// What the host would have done to the bytes.
    pub compression: Compression,
    /// The bytes before compression.
    pub bytes: Vec<u8>,
}

/// A request as a destination got it.
#[derive(Clone, PartialEq, Eq)]
pub struct Sent {
    /// The destination's name.
    pub destination: String,
    /// What was asked.
    pub request: Request,
    /// The body, records already written out.
    pub body: Vec<u8>,
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sent")
            .field("destination", &self.destination)
            .field("request", &self.request)
            .field("body", &String::from_utf8_lossy(&self.body))
            .finish()
    }
}

impl Stage {
    /// A stage with no grants.
    #[expect(clippy::new_without_default, reason = "it resets the thread's world")]
    pub fn new() -> Self {
        world::with(|world| *world = world::World::default());
        Self(())
    }

    /// Grants the key `name`.
    #[must_use]
    pub fn key(self, name: &str, key: &[u8]) -> Self {
        world::with(|world| world.keys.insert(name.to_owned(), key.to_vec()));
        self
    }

    /// Grants the store `name`.
    #[must_use]
    pub fn store(self, name: &str) -> Self {
        world::with(|world| world.stores.push(name.to_owned()));
        self
    }

    /// Grants the destination `name`, which answers every request by `answer`.
    #[must_use]
    pub fn destination(
        self,
        name: &str,
        answer: impl FnMut(&Sent) -> Result<Response, HttpError> + 'static,
    ) -> Self {
        world::with(|world| world.destinations.insert(name.to_owned(), Box::new(answer)));
        self
    }

    /// Every request that a destination got so far, in order.
    pub fn sent(&self) -> Vec<Sent> {
        world::with(|world| world.sent.clone())
    }

    /// Configures a filter with settings as JSON text.
    ///
    /// # Errors
    ///
    /// Every problem with the settings.
    pub fn filter<T: Filter>(&self, settings: &str) -> Result<T, Problems> {
        T::new(settings_of(settings)?)
    }

    /// Configures a transform with settings as JSON text.
    ///
    /// # Errors
    ///
    /// Every problem with the settings.
    pub fn transform<T: Transform>(&self, settings: &str) -> Result<T, Problems> {
        T::new(settings_of(settings)?)
    }

    /// Configures a sink with settings as JSON text.
    ///
    /// # Errors
    ///
    /// Every problem with the settings.
    pub fn sink<T: Sink>(&self, settings: &str) -> Result<T, Problems> {
        T::new(settings_of(settings)?)
    }

    /// Everything committed to `store` so far, by name.
    pub fn stored(&self, store: &str) -> BTreeMap<String, Stored> {
        world::with(|world| {
            let committed = world.artifacts.iter().filter(|((of, _), _)| of == store);
            committed
                .map(|((_, name), (compression, bytes))| {
                    (
                        name.clone(),
                        Stored { compression: *compression, bytes: bytes.clone() },
                    )
                })
                .collect()
        })
    }

    /// How often each counter was raised, in sum.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        world::with(|world| world.counts.clone())
    }

    /// The codes of events so far.
    pub fn events(&self) -> Vec<String> {
        world::with(|world| world.events.clone())
    }
}
