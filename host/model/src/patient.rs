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

    /// As bytes; they sort as the keys do.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// From what [`PatientKey::to_bytes`] gave.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

/// A set of patients, frozen. 20 to 24 bytes a patient.
///
/// Asked several times for every resource. Keys are hashes, so their leading bits spread them
/// evenly over as many buckets as there are patients: a look-up reads one bucket of about one
/// key, where a binary search among a million reads twenty places of memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatientSet {
    /// Rising.
    keys: Box<[PatientKey]>,
    /// Where each bucket begins, and where the last one ends. A power of two, and one.
    starts: Box<[u32]>,
    /// How far a key is shifted to give its bucket.
    shift: u32,
}

impl Default for PatientSet {
    fn default() -> Self {
        Self::from_iter([])
    }
}

impl PatientSet {
    /// Whether `patient` is in the set.
    pub fn contains(&self, patient: PatientKey) -> bool {
        let bucket = bucket(patient, self.shift);
        let at = |index: usize| self.starts.get(index).map_or(0, |start| *start as usize);
        let keys = self.keys.get(at(bucket)..at(bucket + 1)).unwrap_or_default();
        keys.contains(&patient)
    }

    /// Reads what [`PatientSet::contains`] will read of these, all at once: a look-up waits for
    /// memory twice, and look-ups one after the other wait one after the other. Nothing but time
    /// depends on it.
    pub fn look_ahead(&self, patients: impl Iterator<Item = PatientKey>) {
        let mut read = 0;
        for patient in patients {
            let start = self.starts.get(bucket(patient, self.shift)).copied();
            let key = self.keys.get(start.unwrap_or(0) as usize);
            read ^= key.map_or(0, |key| key.0);
        }
        std::hint::black_box(read);
    }

    /// How many patients there are.
    pub const fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The patients, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = PatientKey> {
        self.keys.iter().copied()
    }

    /// A fingerprint of the set: the same for the same patients in any order.
    pub fn fingerprint(&self) -> String {
        let bytes: Vec<u8> =
            self.keys.iter().flat_map(|key| key.0.to_be_bytes()).collect();
        format!("{:032x}", xxh3_128(&bytes))
    }
}

impl FromIterator<PatientKey> for PatientSet {
    fn from_iter<I: IntoIterator<Item = PatientKey>>(keys: I) -> Self {
        let mut keys: Vec<PatientKey> = keys.into_iter().collect();
        keys.sort_unstable();
        keys.dedup();
        // Beyond 2³² patients the rest of them would not be found, so none are let in; that is
        // half the people there are.
        keys.truncate(u32::MAX as usize);
        let bits = keys.len().next_power_of_two().trailing_zeros();
        let shift = 128 - bits;
        let mut starts = Vec::with_capacity((1 << bits) + 1);
        let mut next = 0_u32;
        for wanted in 0..1_usize << bits {
            starts.push(next);
            let left = keys.get(next as usize..).unwrap_or_default();
            let here = left.iter().take_while(|key| bucket(**key, shift) == wanted);
            next += u32::try_from(here.count()).unwrap_or(0);
        }
        starts.push(next);
        Self { keys: keys.into_boxed_slice(), starts: starts.into_boxed_slice(), shift }
    }
}

/// The leading bits of a key.
fn bucket(key: PatientKey, shift: u32) -> usize {
    // One bucket: the shift is over the whole width.
    usize::try_from(key.0.checked_shr(shift).unwrap_or(0)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_as_bytes_and_keep_their_order() {
        let keys: Vec<PatientKey> = ["1", "2", "3"].map(PatientKey::of).into();
        let mut sorted = keys.clone();
        sorted.sort_unstable();
        let mut bytes: Vec<[u8; 16]> = keys.iter().map(|key| key.to_bytes()).collect();
        bytes.sort_unstable();
        let again: Vec<PatientKey> =
            bytes.into_iter().map(PatientKey::from_bytes).collect();
        assert_eq!(again, sorted);
        let set: PatientSet = keys.into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<PatientKey>>(), sorted);
    }

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

    #[test]
    fn finds_all_and_nobody_else_at_any_size() {
        for size in [0, 1, 2, 3, 4, 5, 255, 256, 257, 10_000] {
            let key = |number: u32| PatientKey::of(&format!("patient-{number}"));
            let set: PatientSet = (0..size).map(key).collect();
            assert_eq!(set.len(), size as usize);
            assert!((0..size).all(|number| set.contains(key(number))), "size: {size}");
            let strangers = (size..size + 1000).map(key);
            assert_eq!(
                strangers.filter(|key| set.contains(*key)).count(),
                0,
                "size: {size}"
            );
            for edge in [PatientKey(0), PatientKey(u128::MAX)] {
                assert!(!set.contains(edge), "size: {size}");
                let with: PatientSet = (0..size).map(key).chain([edge]).collect();
                assert!(with.contains(edge), "size: {size}");
            }
        }
    }
}
