//! What stands behind the capability modules in a native test, per thread.

use std::{cell::RefCell, collections::BTreeMap};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::{
    artifacts::{ArtifactError, Compression},
    outbound_http::{HttpError, Response},
    testing::Sent,
};

/// An artifact as committed: its compression and its bytes before compression.
pub(crate) type Artifact = (Compression, Vec<u8>);

/// What a destination answers.
pub(crate) type Answer = Box<dyn FnMut(&Sent) -> Result<Response, HttpError>>;

#[derive(Default)]
pub(crate) struct World {
    pub(crate) destinations: BTreeMap<String, Answer>,
    pub(crate) sent: Vec<Sent>,
    pub(crate) keys: BTreeMap<String, Vec<u8>>,
    pub(crate) stores: Vec<String>,
    pub(crate) artifacts: BTreeMap<(String, String), Artifact>,
    pub(crate) state: BTreeMap<String, Vec<u8>>,
    pub(crate) events: Vec<String>,
    pub(crate) counts: BTreeMap<String, u64>,
    pub(crate) clock_ms: u64,
}

thread_local! {
    static WORLD: RefCell<World> = RefCell::default();
}

pub(crate) fn with<R>(act: impl FnOnce(&mut World) -> R) -> R {
    WORLD.with_borrow_mut(act)
}

pub(crate) fn hmac(key: &str, values: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
    let key = with(|world| world.keys.get(key).cloned())?;
    let keyed = Hmac::<Sha256>::new_from_slice(&key).ok()?;
    let of = |value: &Vec<u8>| {
        let mut keyed = keyed.clone();
        keyed.update(value);
        keyed.finalize().into_bytes().to_vec()
    };
    Some(values.iter().map(of).collect())
}

pub(crate) fn sha256(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}

pub(crate) fn clock_ms() -> u64 {
    with(|world| world.clock_ms)
}

/// Not random: a test wants the same bytes each time.
pub(crate) fn random(len: u32) -> Vec<u8> {
    (0..len.min(4096))
        .map(|index| u8::try_from(index % 251).unwrap_or_default())
        .collect()
}

pub(crate) fn state_get(key: &str) -> Option<Vec<u8>> {
    with(|world| world.state.get(key).cloned())
}

pub(crate) fn state_set(key: &str, value: &[u8]) {
    with(|world| world.state.insert(key.to_owned(), value.to_vec()));
}

pub(crate) fn state_delete(key: &str) {
    with(|world| world.state.remove(key));
}

pub(crate) fn event(code: &str) {
    with(|world| world.events.push(code.to_owned()));
}

pub(crate) fn count(metric: &str, delta: u64) {
    with(|world| *world.counts.entry(metric.to_owned()).or_default() += delta);
}

/// The answer is made with nothing borrowed, so that it may look at the world.
pub(crate) fn send(sent: Sent) -> Result<Response, HttpError> {
    let taken = with(|world| world.destinations.remove(&sent.destination));
    let Some(mut answer) = taken else { return Err(HttpError::UnknownDestination) };
    let answered = answer(&sent);
    with(|world| {
        world.destinations.insert(sent.destination.clone(), answer);
        world.sent.push(sent);
    });
    answered
}

pub(crate) fn check_store(store: &str) -> Result<(), ArtifactError> {
    let is_granted = with(|world| world.stores.iter().any(|granted| granted == store));
    if is_granted { Ok(()) } else { Err(ArtifactError::UnknownStore) }
}

pub(crate) fn publish(store: &str, name: &str, compression: Compression, bytes: Vec<u8>) {
    let at = (store.to_owned(), name.to_owned());
    with(|world| world.artifacts.insert(at, (compression, bytes)));
}
