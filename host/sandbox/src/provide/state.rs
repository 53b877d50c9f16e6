//! `state`: small durable values of one stage, kept in the ledger under its own namespace.

use bulkhead_ledger::Error as LedgerError;
use bulkhead_pipeline::Limit;
use wasmtime::Result;

use crate::{
    bindings::wit::state::{self, StateError},
    context::{Context, StateStore},
};

impl state::Host for Context {
    async fn get(&mut self, key: String) -> Result<Result<Option<Vec<u8>>, StateError>> {
        let got = self
            .with_state(0, move |store| store.ledger.state_get(&store.namespace, &key))
            .await?;
        let bytes = got.as_ref().ok().and_then(Option::as_ref).map_or(0, Vec::len);
        self.uses.add_bytes("state", "", bytes as u64);
        Ok(got)
    }

    async fn set(
        &mut self,
        key: String,
        value: Vec<u8>,
    ) -> Result<Result<(), StateError>> {
        self.with_state(value.len(), move |store| {
            store.ledger.state_set(&store.namespace, &key, &value, &store.quota)
        })
        .await
    }

    async fn delete(&mut self, key: String) -> Result<Result<(), StateError>> {
        self.with_state(0, move |store| store.ledger.state_delete(&store.namespace, &key))
            .await
    }
}

impl Context {
    /// Acts on the stage's state, to which `bytes` are given.
    async fn with_state<R: Send + 'static>(
        &mut self,
        bytes: usize,
        act: impl FnOnce(&StateStore) -> Result<R, LedgerError> + Send + 'static,
    ) -> Result<Result<R, StateError>> {
        let Some(store) = self.resources.state.clone() else {
            self.uses.refuse("state");
            return Ok(Err(StateError::Unavailable));
        };
        self.uses.count("state", "", bytes);
        let turn = self.shared.turn_at_state().await;
        let act = move || {
            let done = act(&store);
            drop(turn);
            done
        };
        let done = tokio::task::spawn_blocking(act).await?;
        Ok(done.map_err(|error| {
            if let LedgerError::Quota { .. } = error {
                self.used_up(Limit::StateBytes);
                StateError::Quota
            } else if let LedgerError::TooLarge { what, .. } = error {
                // A key that is too long is the guest's mistake: no setting allows it.
                if what == "state value" {
                    self.used_up(Limit::StateValueBytes);
                }
                StateError::TooLarge
            } else {
                self.metrics.count("state-unavailable", 1);
                if self.shared.is_news("state-unavailable", "") {
                    tracing::warn!(stage = %self.stage, %error, "plugin state failed");
                }
                StateError::Unavailable
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bulkhead_ledger::{Ledger, StateQuota};

    use super::*;
    use crate::{Limits, Resources, bindings::wit::state::Host as _};

    /// Attacks: 28, 40.
    #[test]
    fn a_write_that_was_given_up_comes_before_later_ones_or_never() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(dir.path().join("ledger.db")).unwrap();
        let mut context = Context::of_nobody(&Limits::default());
        context.resources = Arc::new(Resources {
            state: Some(StateStore {
                ledger: ledger.clone(),
                namespace: "a".to_owned(),
                quota: StateQuota::default(),
            }),
            ..context.resources.at_start()
        });
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            // An earlier call's thread is still at work.
            let busy = context.shared.turn_at_state().await;
            tokio::select! {
                biased;
                _ = context.set("k".to_owned(), b"old".to_vec()) => panic!("out of turn"),
                () = std::future::ready(()) => {}
            }
            drop(busy);
        });
        // Waits for the threads that are still at work.
        drop(runtime);
        assert_eq!(ledger.state_get("a", "k").unwrap(), None, "it never came");
    }
}
