//! `cohorts`: whose a record is, answered from the envelope alone.

use bulkhead_model::{
    PatientSet,
    compartment::{self, Class},
};
use bulkhead_pipeline::{Batch, Change, Record};
use wasmtime::{Result, component::Resource};

use crate::{bindings::wit::cohorts, context::Context};

/// Records whose patients are looked up together.
const AHEAD: usize = 64;

const PRIMARY_IS_MEMBER: u8 = 1;
const PRIMARY_NAMED: u8 = 1 << 1;
const PRIMARY_PATH: u8 = 1 << 2;
const PRIMARY_UNRESOLVED: u8 = 1 << 3;
const UNRESOLVED: u8 = 1 << 4;
const PATIENT_BEARING: u8 = 1 << 5;
const KEY_ONLY: u8 = 1 << 6;

impl cohorts::Host for Context {
    fn test(
        &mut self,
        of: Resource<Batch>,
        cohort: String,
    ) -> Result<Result<cohorts::Memberships, cohorts::CohortError>> {
        if !self.grants.cohorts.contains(&cohort) {
            self.uses.refuse("cohorts");
            return Ok(Err(cohorts::CohortError::NotGranted));
        }
        let Some(members) = self.resources.cohorts.get(&cohort) else {
            return Ok(Err(cohorts::CohortError::UnknownCohort));
        };
        self.uses.count("cohorts", &cohort, 0);
        let work = self.work();
        let found = memberships(self.table.get(&of)?, members);
        self.worked(&work);
        Ok(Ok(found))
    }
}

/// Membership of every record, in columns.
pub(crate) fn memberships(batch: &Batch, cohort: &PatientSet) -> cohorts::Memberships {
    let of_kind: Vec<u8> = batch.kinds().names().map(kind_flags).collect();
    let len = batch.len();
    let mut columns = cohorts::Memberships {
        patients: Vec::with_capacity(len),
        members: Vec::with_capacity(len),
        outsiders: Vec::with_capacity(len),
        flags: Vec::with_capacity(len),
    };
    for records in batch.records().chunks(AHEAD) {
        let linked = records.iter().flat_map(|record| &record.envelope.patients.linked);
        cohort.look_ahead(linked.copied());
        for record in records {
            let patients = &record.envelope.patients;
            let membership = patients.membership(cohort);
            columns.patients.push(saturated(patients.linked.len()));
            columns.members.push(saturated(membership.members));
            columns.outsiders.push(saturated(membership.outsiders));
            let kind = of_kind.get(usize::from(record.kind)).copied();
            let is_member = flag(PRIMARY_IS_MEMBER, membership.primary_is_member);
            let flags =
                kind.unwrap_or(PATIENT_BEARING) | is_member | record_flags(record);
            columns.flags.push(flags);
        }
    }
    columns
}

fn kind_flags(kind: &str) -> u8 {
    let bearing = match compartment::class(kind) {
        Class::Compartment | Class::Linked | Class::Unknown => PATIENT_BEARING,
        Class::Shared => 0,
    };
    let has_primary = kind == "Patient"
        || compartment::linkage(kind).is_some_and(|linkage| linkage.primary.is_some());
    bearing | if has_primary { PRIMARY_PATH } else { 0 }
}

fn record_flags(record: &Record) -> u8 {
    let patients = &record.envelope.patients;
    flag(PRIMARY_NAMED, !patients.primary.is_empty())
        | flag(PRIMARY_UNRESOLVED, patients.primary_unresolved)
        | flag(UNRESOLVED, patients.unresolved)
        | flag(KEY_ONLY, record.change != Change::Upsert)
}

const fn flag(bit: u8, is_set: bool) -> u8 {
    if is_set { bit } else { 0 }
}

fn saturated(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}
