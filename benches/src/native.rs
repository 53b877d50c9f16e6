//! The same stages without a sandbox: what the boundary is measured against.
//!
//! The first-party plugins' own code, compiled for this machine, behind the same trait. Its
//! columns are prepared before the clock starts, so that what a native stage is charged for
//! is what a native stage would do. Built as the program is (16 code units, overflow checks),
//! while a component is built with link-time optimisation and without them.

use std::{hint::black_box, sync::Arc};

use anyhow::anyhow;
use bulkhead_model::{
    PatientSet,
    compartment::{self, Class},
};
use bulkhead_pipeline::{Batch, Change, Reject, RejectClass, Stage, StageError, Verdict};
use bulkhead_plugin::{
    Action, Filter as _, Membership, Problems, Rejection, Transform as _,
    testing::{self, Case, Records},
};
use bytes::Bytes;
use cohort_filter::CohortFilter;
use deidentify::Deidentify;
use futures::{FutureExt, future::BoxFuture};

use crate::lanes::{COHORT, KEY, KEY_BYTES};

/// The settings of `cohort-filter`.
pub fn filter_settings() -> serde_json::Value {
    serde_json::json!({ "cohort": COHORT })
}

/// The settings of `deidentify`.
pub fn transform_settings() -> serde_json::Value {
    serde_json::json!({ "key": KEY })
}

/// Batches with the columns that a native stage is handed, in the order they will come.
pub type Prepared = Arc<Vec<Records>>;

/// The records of each batch as facts of membership alone.
pub fn facts(batches: &[Batch], cohort: &PatientSet) -> Prepared {
    let of = |batch: &Batch| {
        let cases = batch.records().iter().zip(memberships(batch, cohort));
        let case = |(record, of): (&bulkhead_pipeline::Record, Membership)| {
            let kind = batch.kind_name(record);
            Case::resource(&format!(r#"{{"resourceType":"{kind}"}}"#)).membership(of)
        };
        Records::new(cases.map(case))
    };
    Arc::new(batches.iter().map(of).collect())
}

/// The records of each batch with their bodies.
pub fn bodies(batches: &[Batch]) -> Prepared {
    let case = |record: &bulkhead_pipeline::Record| {
        Case::resource(&String::from_utf8_lossy(&record.body))
    };
    let of = |batch: &Batch| Records::new(batch.records().iter().map(case));
    Arc::new(batches.iter().map(of).collect())
}

/// `cohort-filter`, native: memberships are computed for every batch as the host does it.
pub struct NativeFilter {
    filter: CohortFilter,
    cohort: Arc<PatientSet>,
    prepared: Prepared,
    next: usize,
}

impl NativeFilter {
    /// For batches that come in the order of `prepared`.
    ///
    /// # Errors
    ///
    /// When the settings are refused.
    pub fn new(cohort: Arc<PatientSet>, prepared: Prepared) -> anyhow::Result<Self> {
        let settings = filter_settings().to_string();
        let filter = testing::Stage::new().filter(&settings).map_err(refused)?;
        Ok(Self { filter, cohort, prepared, next: 0 })
    }

    fn verdicts(&mut self, batch: &Batch) -> Option<Vec<Verdict>> {
        for membership in memberships(batch, &self.cohort) {
            black_box(membership);
        }
        let records = self.prepared.get(self.next % self.prepared.len().max(1))?;
        self.next += 1;
        let decision = self.filter.evaluate(&records.batch()).ok()?;
        let kept = |at: usize| {
            if decision.keep.contains(at) { Verdict::Keep } else { Verdict::Drop }
        };
        let mut verdicts: Vec<Verdict> = (0..batch.len()).map(kept).collect();
        reject(&mut verdicts, decision.rejects)?;
        Some(verdicts)
    }
}

impl Stage for NativeFilter {
    fn name(&self) -> &'static str {
        "cohort_filter"
    }

    fn judge<'a>(
        &'a mut self,
        batch: &'a Batch,
    ) -> BoxFuture<'a, Result<Vec<Verdict>, StageError>> {
        let verdicts = self.verdicts(batch);
        std::future::ready(verdicts.ok_or_else(|| gave_up(self.name()))).boxed()
    }
}

/// The least that a native filter can do: memberships, and a rule written as a closure.
pub struct Closure(pub Arc<PatientSet>);

impl Stage for Closure {
    fn name(&self) -> &'static str {
        "closure"
    }

    fn judge<'a>(
        &'a mut self,
        batch: &'a Batch,
    ) -> BoxFuture<'a, Result<Vec<Verdict>, StageError>> {
        let keeps = |of: Membership| {
            !of.patient_bearing() || of.primary_is_member() || of.members > 0
        };
        let verdict =
            |of: Membership| if keeps(of) { Verdict::Keep } else { Verdict::Drop };
        let verdicts = memberships(batch, &self.0).map(verdict).collect();
        std::future::ready(Ok(verdicts)).boxed()
    }
}

/// `deidentify`, native, with the same keyed hash.
pub struct NativeTransform {
    transform: Deidentify,
    prepared: Prepared,
    next: usize,
}

impl NativeTransform {
    /// For batches that come in the order of `prepared`.
    ///
    /// # Errors
    ///
    /// When the settings are refused.
    pub fn new(prepared: Prepared) -> anyhow::Result<Self> {
        let stage = testing::Stage::new().key(KEY, KEY_BYTES);
        let settings = transform_settings().to_string();
        let transform = stage.transform(&settings).map_err(refused)?;
        Ok(Self { transform, prepared, next: 0 })
    }

    fn verdicts(&mut self, len: usize) -> Option<Vec<Verdict>> {
        let records = self.prepared.get(self.next % self.prepared.len().max(1))?;
        self.next += 1;
        let changes = self.transform.apply(&records.batch()).ok()?;
        let mut verdicts = vec![Verdict::Keep; len];
        for edit in changes.edits {
            *verdicts.get_mut(edit.index as usize)? = match edit.action {
                Action::Drop => Verdict::Drop,
                Action::Replace(body) => Verdict::Replace(Bytes::from(body)),
                Action::Emit(_) => return None,
            };
        }
        reject(&mut verdicts, changes.rejects)?;
        Some(verdicts)
    }
}

impl Stage for NativeTransform {
    fn name(&self) -> &'static str {
        "deidentify"
    }

    fn judge<'a>(
        &'a mut self,
        batch: &'a Batch,
    ) -> BoxFuture<'a, Result<Vec<Verdict>, StageError>> {
        let verdicts = self.verdicts(batch.len());
        std::future::ready(verdicts.ok_or_else(|| gave_up(self.name()))).boxed()
    }
}

fn reject(verdicts: &mut [Verdict], rejects: Vec<Rejection>) -> Option<()> {
    for rejection in rejects {
        let verdict = verdicts.get_mut(rejection.index as usize)?;
        *verdict = Verdict::Reject(Reject::new(RejectClass::Policy, rejection.code));
    }
    Some(())
}

fn gave_up(stage: &str) -> StageError {
    StageError::Fatal { stage: stage.to_owned(), code: "gave-up".to_owned() }
}

fn refused(problems: Problems) -> anyhow::Error {
    let messages: Vec<String> =
        problems.into_iter().map(|problem| format!("{problem:?}")).collect();
    anyhow!("the settings are refused: {}", messages.join("; "))
}

/// What the host computes of every record for a filter.
fn memberships<'a>(
    batch: &'a Batch,
    cohort: &'a PatientSet,
) -> impl Iterator<Item = Membership> + 'a {
    let of_kind: Vec<u8> = batch.kinds().names().map(kind_flags).collect();
    batch.records().iter().map(move |record| {
        let patients = &record.envelope.patients;
        let of = patients.membership(cohort);
        let flag = |bit: u8, is_set: bool| if is_set { bit } else { 0 };
        let bits = of_kind.get(usize::from(record.kind)).copied().unwrap_or_default()
            | flag(Membership::PRIMARY_IS_MEMBER, of.primary_is_member)
            | flag(Membership::PRIMARY_NAMED, !patients.primary.is_empty())
            | flag(Membership::PRIMARY_UNRESOLVED, patients.primary_unresolved)
            | flag(Membership::UNRESOLVED, patients.unresolved)
            | flag(Membership::KEY_ONLY, record.change != Change::Upsert);
        let count = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
        Membership::of(
            count(patients.linked.len()),
            count(of.members),
            count(of.outsiders),
        )
        .with_flags(bits)
    })
}

fn kind_flags(kind: &str) -> u8 {
    let bearing = match compartment::class(kind) {
        Class::Compartment | Class::Linked | Class::Unknown => {
            Membership::PATIENT_BEARING
        }
        Class::Shared => 0,
    };
    let has_primary = kind == "Patient"
        || compartment::linkage(kind).is_some_and(|linkage| linkage.primary.is_some());
    bearing | if has_primary { Membership::PRIMARY_PATH } else { 0 }
}
