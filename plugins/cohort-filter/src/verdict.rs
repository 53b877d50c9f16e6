//! The decision over one record: a pure function of settings and counts.
//!
//! Owns the decision table of the README, row by row, and the codes of refusal. Rule of
//! thumb: a doubt ends in quarantine unless a setting names that very doubt. The facts come
//! from the host; a membership that the counts contradict is not believed.

use bulkhead_plugin::{Change, Membership};

use crate::settings::{Mode, Passage, Settings, Treatment};

/// What becomes of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is not the cohort's.
    Drop,
    /// It passes.
    Keep,
    /// It goes to quarantine.
    Reject(Reason),
}

/// Why a record goes to quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    NoPatient,
    Outsiders,
    SharedOutsiders,
    UnresolvedPatient,
}

impl Reason {
    pub(crate) const ALL: [Self; 4] = [
        Self::NoPatient,
        Self::Outsiders,
        Self::SharedOutsiders,
        Self::UnresolvedPatient,
    ];

    /// The code that the manifest declares.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::NoPatient => "no-patient",
            Self::Outsiders => "outsiders",
            Self::SharedOutsiders => "shared-outsiders",
            Self::UnresolvedPatient => "unresolved-patient",
        }
    }

    /// What the code means and what an operator can do.
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::NoPatient => {
                "The record's type carries patient data, and it names no patient where `mode` \
                 looks. Set `no-patient` to `drop` or `keep` if that is normal for this source."
            }
            Self::Outsiders => {
                "The record is the cohort's and also mentions a patient outside it. Set \
                 `outsiders` to `keep` to let it pass, or redact such references beforehand."
            }
            Self::SharedOutsiders => {
                "The record's type should carry no patient data, yet it names a patient outside \
                 the cohort. Look at one; set `shared-outsiders` to `drop` or `keep` once known."
            }
            Self::UnresolvedPatient => {
                "Whether the record is the cohort's hinges on a reference that could not be \
                 resolved to a patient of this server. Name the server's other base URLs in the \
                 configuration, or set `unresolved` to `drop` or `keep`."
            }
        }
    }
}

/// Decides over one record. `change` matters only when `of` is known by its key alone.
pub(crate) fn judge(settings: &Settings, of: Membership, change: Change) -> Verdict {
    if !of.patient_bearing() {
        return shared(settings, of);
    }
    if of.key_only() {
        return key(settings, of, change);
    }
    match settings.mode {
        Mode::Any => any(settings, of),
        Mode::Primary if of.primary_path() => primary(settings, of),
        Mode::All | Mode::Primary => all(settings, of),
    }
}

/// A type that carries no patient data, unless this record does all the same.
fn shared(settings: &Settings, of: Membership) -> Verdict {
    match settings.shared {
        Passage::Drop => Verdict::Drop,
        Passage::Keep if names_outsider(of) => {
            treated(settings.shared_outsiders, Reason::SharedOutsiders)
        }
        Passage::Keep if is_unresolved(of) => unresolved(settings),
        Passage::Keep => Verdict::Keep,
    }
}

/// A deletion or a retraction: of a Patient the key says who it is, else it says nothing.
fn key(settings: &Settings, of: Membership, change: Change) -> Verdict {
    // Who has left the cohort is no member any more. To judge a retraction by membership
    // would leave at the destination just what it is there to take back.
    if change != Change::Retract {
        if names_outsider(of) {
            return Verdict::Drop;
        }
        if of.members > 0 {
            return Verdict::Keep;
        }
    }
    match settings.deletions {
        Passage::Drop => Verdict::Drop,
        Passage::Keep => Verdict::Keep,
    }
}

/// Every patient named must be a member.
fn all(settings: &Settings, of: Membership) -> Verdict {
    if names_outsider(of) {
        // Whoever the unresolved ones are, this one stays outside.
        Verdict::Drop
    } else if is_unresolved(of) {
        unresolved(settings)
    } else if of.members > 0 {
        Verdict::Keep
    } else {
        nobody(settings, of)
    }
}

/// One member suffices.
fn any(settings: &Settings, of: Membership) -> Verdict {
    if of.members > 0 {
        kept(settings, of)
    } else if is_unresolved(of) {
        kept_if(unresolved(settings), settings, of)
    } else if of.patients > 0 {
        Verdict::Drop
    } else {
        nobody(settings, of)
    }
}

/// The patient whom the record is about must be a member.
fn primary(settings: &Settings, of: Membership) -> Verdict {
    let is_member = of.primary_is_member() && of.members > 0;
    if of.primary_named() && !is_member {
        Verdict::Drop
    } else if is_member && !of.primary_unresolved() {
        kept(settings, of)
    } else if is_unresolved(of) {
        kept_if(unresolved(settings), settings, of)
    } else {
        nobody(settings, of)
    }
}

/// The record would be kept: does it also mention someone else?
fn kept(settings: &Settings, of: Membership) -> Verdict {
    if names_outsider(of) {
        treated(settings.outsiders, Reason::Outsiders)
    } else {
        Verdict::Keep
    }
}

fn kept_if(verdict: Verdict, settings: &Settings, of: Membership) -> Verdict {
    match verdict {
        Verdict::Keep => kept(settings, of),
        Verdict::Drop | Verdict::Reject(_) => verdict,
    }
}

/// No patient where the mode looks. To keep such a record is the operator's word on records
/// about nobody, and one that names an outsider somewhere is not about nobody.
fn nobody(settings: &Settings, of: Membership) -> Verdict {
    match settings.no_patient {
        Treatment::Keep if names_outsider(of) => Verdict::Reject(Reason::NoPatient),
        Treatment::Drop | Treatment::Keep | Treatment::Quarantine => {
            treated(settings.no_patient, Reason::NoPatient)
        }
    }
}

fn unresolved(settings: &Settings) -> Verdict {
    treated(settings.unresolved, Reason::UnresolvedPatient)
}

fn treated(treatment: Treatment, reason: Reason) -> Verdict {
    match treatment {
        Treatment::Drop => Verdict::Drop,
        Treatment::Keep => Verdict::Keep,
        Treatment::Quarantine => Verdict::Reject(reason),
    }
}

/// The first count says so off the known paths too, the second along them.
fn names_outsider(of: Membership) -> bool {
    of.outsiders > 0 || of.patients > of.members
}

fn is_unresolved(of: Membership) -> bool {
    of.unresolved() || of.primary_unresolved()
}

#[cfg(test)]
mod tests;
