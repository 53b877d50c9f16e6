//! The identity of a patient, as far as a cohort needs it.

use xxhash_rust::xxh3::xxh3_128;

/// Stands for one patient id of the server: its 128-bit XXH3.
///
/// Cohorts of millions fit in memory and no id lies about in clear. Two of ten million ids
/// collide with a probability below 10⁻²⁴; a server that forges ids can as well name the
/// other patient outright, so a keyed hash would gain nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PatientKey(u128);

impl PatientKey {
    /// Of the logical id, without `Patient/`.
    pub fn of(id: &str) -> Self {
        Self(xxh3_128(id.as_bytes()))
    }
}

/// A set of patients, frozen. 16 bytes a patient.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PatientSet(Box<[PatientKey]>);

impl PatientSet {
    /// Whether `patient` is in the set.
    pub fn contains(&self, patient: PatientKey) -> bool {
        self.0.binary_search(&patient).is_ok()
    }

    /// How many patients there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A fingerprint of the set: the same for the same patients in any order.
    pub fn fingerprint(&self) -> String {
        let bytes: Vec<u8> = self.0.iter().flat_map(|key| key.0.to_be_bytes()).collect();
        format!("{:032x}", xxh3_128(&bytes))
    }
}

impl FromIterator<PatientKey> for PatientSet {
    fn from_iter<I: IntoIterator<Item = PatientKey>>(keys: I) -> Self {
        let mut keys: Vec<PatientKey> = keys.into_iter().collect();
        keys.sort_unstable();
        keys.dedup();
        Self(keys.into_boxed_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_each_patient_once_in_any_order() {
        let of = |ids: &[&str]| {
            ids.iter().map(|id| PatientKey::of(id)).collect::<PatientSet>()
        };
        let set = of(&["1", "2", "1"]);
        assert_eq!(set.len(), 2);
        assert!(set.contains(PatientKey::of("2")));
        assert!(!set.contains(PatientKey::of("3")));
        assert_eq!(set.fingerprint(), of(&["2", "1"]).fingerprint());
    }
}
