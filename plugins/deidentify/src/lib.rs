//! Removes or replaces what names people in FHIR resources: pseudonyms for ids, one date
//! shift a patient, names and addresses and free text by rule.
//!
//! A transform that asks for `bodies` and `keyed-hash` and nothing else: it has no network,
//! no file, no clock and no randomness, and the key of its pseudonyms stays with the host.
//! What it cannot read it rejects; it passes nothing on that it did not look at.
//!
//! A batch takes two steps with one host call between them: plan every record, have the new
//! values hashed, write every record that changes. What no rule touches leaves byte for byte.
//!
//! Source: HIPAA Safe Harbor (45 CFR 164.514(b)(2)) for what the preset names, FHIR R4 for
//! where it is found. It assists; it makes no record de-identified by itself (README).

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by panicking"))]

mod date;
mod hashes;
mod plan;
mod preset;
mod reference;
mod rule;
mod settings;
#[cfg(test)]
mod tests;
mod tree;
mod walk;

use std::ops::Range;

use bulkhead_plugin::{
    Action as Outcome, Batch, Changes, Edit, Manifest, PluginError, Problems,
    RejectClass, Rejection, Role, Transform,
};

use hashes::Hashes;
use plan::Plan;
use settings::Policy;
pub use settings::{Action, Ids, Preset, Rule, Settings};
use tree::{Node, Tree};
use walk::Refusal;

/// The stage.
#[derive(Debug)]
pub struct Deidentify {
    policy: Policy,
    hashes: Hashes,
    plan: Plan,
    nodes: Vec<Node>,
}

impl Transform for Deidentify {
    type Settings = Settings;

    fn manifest() -> Manifest {
        let manifest = Manifest::new::<Settings>(
            "deidentify",
            env!("CARGO_PKG_VERSION"),
            Role::Transform,
        )
        .describe(
            "Pseudonymises ids, shifts dates by patient, and removes what names people.",
        )
        .ask("bodies", "reads and rewrites every resource")
        .ask("keyed-hash", "pseudonyms and date shifts under a key it never sees");
        REFUSALS.iter().fold(manifest, |manifest, refusal| {
            manifest.reject(refusal.code(), refusal.meaning())
        })
    }

    fn new(settings: Settings) -> Result<Self, Problems> {
        let policy = Policy::try_from(settings)?;
        let hashes = Hashes::new(policy.key.clone());
        Ok(Self { policy, hashes, plan: Plan::default(), nodes: Vec::new() })
    }

    fn apply(&mut self, batch: &Batch<'_>) -> Result<Changes, PluginError> {
        let bodies = batch.bodies();
        self.plan.clear();
        self.hashes.make_room();
        let mut changes = Changes::default();
        let mut planned: Vec<(u32, &str, Range<usize>)> = Vec::new();
        for (index, body) in bodies.iter().enumerate() {
            let mark = self.plan.mark();
            match self.plan_body(body) {
                Ok(source) => {
                    let splices = self.plan.since(mark);
                    if !splices.is_empty() {
                        // A batch never holds 2^32 records; a wrong index is refused.
                        let index = u32::try_from(index).unwrap_or(u32::MAX);
                        planned.push((index, source, splices));
                    }
                }
                Err(refusal) => {
                    self.plan.rewind(mark);
                    let rejection =
                        Rejection::new(index, refusal.class(), refusal.code());
                    changes.rejects.push(rejection);
                }
            }
        }
        self.hashes.settle()?;
        changes.edits.reserve_exact(planned.len());
        for (index, source, splices) in planned {
            let body = self
                .plan
                .write(source, splices, &self.hashes, self.policy.shift_days)
                .ok_or_else(|| {
                    PluginError::fatal("plan-broken", "a plan does not fit")
                })?;
            changes.edits.push(Edit { index, action: Outcome::Replace(body) });
        }
        Ok(changes)
    }
}

impl Deidentify {
    fn plan_body<'s>(&mut self, body: &'s [u8]) -> Result<&'s str, Refusal> {
        let source = std::str::from_utf8(body).map_err(|_| Refusal::NotJson)?;
        let tree = Tree::read(source, std::mem::take(&mut self.nodes))?;
        let planned =
            walk::plan_record(&tree, &self.policy, &mut self.plan, &mut self.hashes);
        self.nodes = tree.into_nodes();
        planned.map(|()| source)
    }
}

impl Refusal {
    fn class(self) -> RejectClass {
        match self {
            Self::EscapedName
            | Self::NoResourceType
            | Self::NotJson
            | Self::RepeatedType
            | Self::TooDeep => RejectClass::Malformed,
            Self::ModifierExtension => RejectClass::Policy,
        }
    }

    fn code(self) -> &'static str {
        match self {
            Self::EscapedName => "escaped-name",
            Self::ModifierExtension => "modifier-extension",
            Self::NoResourceType => "no-resource-type",
            Self::NotJson => "not-json",
            Self::RepeatedType => "repeated-type",
            Self::TooDeep => "too-deep",
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Self::EscapedName => {
                "an element name is written with an escape, which rules could miss"
            }
            Self::ModifierExtension => {
                "it has a modifier extension that is not known; keep it by its URL with \
                 `keep-extensions` if what it says names no one"
            }
            Self::NoResourceType => "it, or a resource in it, has no resource type",
            Self::NotJson => "it is not one JSON object in UTF-8",
            Self::RepeatedType => "it has two resource types in one object",
            Self::TooDeep => "it is nested deeper than 128 levels",
        }
    }
}

const REFUSALS: [Refusal; 6] = [
    Refusal::EscapedName,
    Refusal::ModifierExtension,
    Refusal::NoResourceType,
    Refusal::NotJson,
    Refusal::RepeatedType,
    Refusal::TooDeep,
];

bulkhead_plugin::export!(transform Deidentify);
