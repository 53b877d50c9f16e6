//! Whose a record is, as the host found it, so that a filter needs no body.

/// Why a cohort could not be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CohortError {
    /// The operator did not grant this cohort to the plugin.
    NotGranted,
    /// The configuration has no cohort of this name.
    UnknownCohort,
}

/// Columns of equal length, one entry a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memberships {
    pub(crate) patients: Vec<u16>,
    pub(crate) members: Vec<u16>,
    pub(crate) outsiders: Vec<u16>,
    pub(crate) flags: Vec<u8>,
}

impl Memberships {
    /// From columns; they are cut to the shortest.
    pub fn from_columns(
        patients: Vec<u16>,
        members: Vec<u16>,
        outsiders: Vec<u16>,
        flags: Vec<u8>,
    ) -> Self {
        Self { patients, members, outsiders, flags }
    }

    /// One entry a record, in order.
    pub fn iter(&self) -> impl Iterator<Item = Membership> + '_ {
        let counts = self.patients.iter().zip(&self.members).zip(&self.outsiders);
        counts.zip(&self.flags).map(|(((patients, members), outsiders), flags)| {
            Membership {
                patients: *patients,
                members: *members,
                outsiders: *outsiders,
                flags: *flags,
            }
        })
    }
}

/// What is known of one record's patients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    /// Distinct patients along the Patient-compartment paths and the known paths beside them.
    pub patients: u16,
    /// How many of those are in the cohort.
    pub members: u16,
    /// Distinct patients named anywhere in the record who are not in the cohort.
    pub outsiders: u16,
    flags: u8,
}

impl Membership {
    /// For tests: counts, and no flag set.
    pub const fn of(patients: u16, members: u16, outsiders: u16) -> Self {
        Self { patients, members, outsiders, flags: 0 }
    }

    /// For tests: the same with the flags of `bits` set (see `cohorts.membership` in the WIT).
    #[must_use]
    pub const fn with_flags(self, bits: u8) -> Self {
        Self { flags: self.flags | bits, ..self }
    }

    /// Flag bits: see [`Membership::primary_is_member`] and its neighbours.
    pub const PRIMARY_IS_MEMBER: u8 = 1;
    /// See [`Membership::primary_named`].
    pub const PRIMARY_NAMED: u8 = 1 << 1;
    /// See [`Membership::primary_path`].
    pub const PRIMARY_PATH: u8 = 1 << 2;
    /// See [`Membership::primary_unresolved`].
    pub const PRIMARY_UNRESOLVED: u8 = 1 << 3;
    /// See [`Membership::unresolved`].
    pub const UNRESOLVED: u8 = 1 << 4;
    /// See [`Membership::patient_bearing`].
    pub const PATIENT_BEARING: u8 = 1 << 5;
    /// See [`Membership::key_only`].
    pub const KEY_ONLY: u8 = 1 << 6;

    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) const fn bits(self) -> u8 {
        self.flags
    }

    /// There is a patient at the primary path, and every patient there is in the cohort.
    pub const fn primary_is_member(self) -> bool {
        self.flags & Self::PRIMARY_IS_MEMBER != 0
    }

    /// There is a patient at the primary path.
    pub const fn primary_named(self) -> bool {
        self.flags & Self::PRIMARY_NAMED != 0
    }

    /// The type has a primary path at all (Group, Provenance, Appointment have none).
    pub const fn primary_path(self) -> bool {
        self.flags & Self::PRIMARY_PATH != 0
    }

    /// A reference at the primary path could not be resolved to a patient of this server.
    pub const fn primary_unresolved(self) -> bool {
        self.flags & Self::PRIMARY_UNRESOLVED != 0
    }

    /// A reference at any path could not be resolved to a patient of this server.
    pub const fn unresolved(self) -> bool {
        self.flags & Self::UNRESOLVED != 0
    }

    /// The type can carry patient data.
    pub const fn patient_bearing(self) -> bool {
        self.flags & Self::PATIENT_BEARING != 0
    }

    /// Only the record's key is known: a deletion or a retraction.
    pub const fn key_only(self) -> bool {
        self.flags & Self::KEY_ONLY != 0
    }
}
