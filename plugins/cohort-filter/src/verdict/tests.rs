//! The README's table against the code, over every combination of facts and settings.

use super::*;

type Applies = fn(&Facts) -> bool;
type Outcome = fn(&Facts) -> Verdict;

/// One record and the settings that it is judged by.
struct Facts {
    settings: Settings,
    of: Membership,
    change: Change,
}

impl Facts {
    fn outsider(&self) -> bool {
        self.of.outsiders > 0 || self.of.patients > self.of.members
    }

    fn unresolved(&self) -> bool {
        self.of.unresolved() || self.of.primary_unresolved()
    }

    fn is_deletion(&self) -> bool {
        self.of.key_only() && self.change != Change::Retract
    }

    fn strict(&self) -> bool {
        let mode = self.settings.mode;
        mode == Mode::All || mode == Mode::Primary && !self.of.primary_path()
    }

    fn by_primary(&self) -> bool {
        self.settings.mode == Mode::Primary && self.of.primary_path()
    }

    fn primary_member(&self) -> bool {
        self.of.primary_is_member() && self.of.members > 0
    }

    fn by(treatment: Treatment, reason: Reason) -> Verdict {
        match treatment {
            Treatment::Drop => Verdict::Drop,
            Treatment::Keep => Verdict::Keep,
            Treatment::Quarantine => Verdict::Reject(reason),
        }
    }

    fn passage(passage: Passage) -> Verdict {
        if passage == Passage::Keep { Verdict::Keep } else { Verdict::Drop }
    }

    fn by_unresolved(&self) -> Verdict {
        Self::by(self.settings.unresolved, Reason::UnresolvedPatient)
    }

    fn by_no_patient(&self) -> Verdict {
        match (Self::by(self.settings.no_patient, Reason::NoPatient), self.outsider()) {
            (Verdict::Keep, true) => Verdict::Reject(Reason::NoPatient),
            (verdict, _) => verdict,
        }
    }

    fn then_outsiders(&self, verdict: Verdict) -> Verdict {
        if verdict == Verdict::Keep && self.outsider() {
            Self::by(self.settings.outsiders, Reason::Outsiders)
        } else {
            verdict
        }
    }
}

/// First match wins. The text is the first cell of the row in the README.
#[rustfmt::skip]
const TABLE: &[(&str, Applies, Outcome)] = &[
    ("shared type, `shared = \"drop\"`", |f| !f.of.patient_bearing() && f.settings.shared == Passage::Drop, |_| Verdict::Drop),
    ("shared type, names an outsider", |f| !f.of.patient_bearing() && f.outsider(), |f| Facts::by(f.settings.shared_outsiders, Reason::SharedOutsiders)),
    ("shared type, unresolved reference", |f| !f.of.patient_bearing() && f.unresolved(), Facts::by_unresolved),
    ("shared type, nothing of this", |f| !f.of.patient_bearing(), |_| Verdict::Keep),
    ("retraction", |f| f.of.key_only() && !f.is_deletion(), |f| Facts::passage(f.settings.deletions)),
    ("deletion, the key is a member's", |f| f.is_deletion() && f.of.members > 0 && !f.outsider(), |_| Verdict::Keep),
    ("deletion, the key is an outsider's", |f| f.is_deletion() && f.outsider(), |_| Verdict::Drop),
    ("deletion, the key tells nobody", Facts::is_deletion, |f| Facts::passage(f.settings.deletions)),
    ("`all`: names an outsider", |f| f.strict() && f.outsider(), |_| Verdict::Drop),
    ("`all`: unresolved reference", |f| f.strict() && f.unresolved(), Facts::by_unresolved),
    ("`all`: names members only", |f| f.strict() && f.of.members > 0, |_| Verdict::Keep),
    ("`all`: names nobody", Facts::strict, Facts::by_no_patient),
    ("`primary`: someone there is no member", |f| f.by_primary() && f.of.primary_named() && !f.primary_member(), |_| Verdict::Drop),
    ("`primary`: members there, and an unresolved one", |f| f.by_primary() && f.primary_member() && f.of.primary_unresolved(), |f| f.then_outsiders(f.by_unresolved())),
    ("`primary`: members there", |f| f.by_primary() && f.primary_member(), |f| f.then_outsiders(Verdict::Keep)),
    ("`primary`: nobody there, unresolved reference", |f| f.by_primary() && f.unresolved(), |f| f.then_outsiders(f.by_unresolved())),
    ("`primary`: nobody there", Facts::by_primary, Facts::by_no_patient),
    ("`any`: names a member", |f| f.of.members > 0, |f| f.then_outsiders(Verdict::Keep)),
    ("`any`: no known member, unresolved reference", Facts::unresolved, |f| f.then_outsiders(f.by_unresolved())),
    ("`any`: names outsiders only", |f| f.of.patients > 0, |_| Verdict::Drop),
    ("`any`: names nobody", |_| true, Facts::by_no_patient),
];

/// Items: 115, 129, S10.
#[test]
fn decides_as_the_table_says_for_every_combination() {
    let mut hits = vec![0_u64; TABLE.len()];
    for_every_combination(|facts| {
        let row = TABLE.iter().position(|(_, applies, _)| applies(facts));
        let row = row.unwrap_or_else(|| panic!("the last row applies to all"));
        hits[row] += 1;
        let (name, _, outcome) = TABLE[row];
        let verdict = judge(&facts.settings, facts.of, facts.change);
        assert_eq!(
            verdict,
            outcome(facts),
            "row: {name}, {:?} {:?} by {:?}",
            facts.of,
            facts.change,
            facts.settings
        );
    });
    for ((name, _, _), hits) in TABLE.iter().zip(hits) {
        assert!(hits > 0, "row `{name}` is never reached");
    }
}

#[test]
fn the_readme_has_every_row() {
    let readme = include_str!("../../README.md");
    let mut rest = readme;
    for (name, _, _) in TABLE {
        let at = rest.find(&format!("| {name} |")).unwrap_or_else(|| {
            panic!("row `{name}` is not in the README, or not in this order");
        });
        rest = &rest[at + 1..];
    }
}

/// Items: 129, S10.
#[test]
fn never_keeps_what_no_member_is_in_unless_a_setting_says_so() {
    for_every_combination(|facts| {
        let Facts { settings, of, change } = facts;
        if judge(settings, *of, *change) != Verdict::Keep || of.members > 0 {
            return;
        }
        let shared = !of.patient_bearing() && settings.shared == Passage::Keep;
        let is_said = if facts.outsider() && !of.key_only() {
            // Only two words let an outsider's record pass of which no member is known.
            shared && settings.shared_outsiders == Treatment::Keep
                || of.patient_bearing()
                    && facts.unresolved()
                    && settings.unresolved == Treatment::Keep
                    && settings.outsiders == Treatment::Keep
        } else {
            shared
                || of.key_only() && settings.deletions == Passage::Keep
                || facts.unresolved() && settings.unresolved == Treatment::Keep
                || !facts.unresolved() && settings.no_patient == Treatment::Keep
        };
        assert!(is_said, "{of:?} {change:?} by {settings:?}");
    });
}

#[test]
fn keeps_only_members_when_every_setting_is_strict() {
    for_every_combination(|facts| {
        let Facts { settings, of, change } = facts;
        let is_strict = settings.no_patient != Treatment::Keep
            && settings.unresolved != Treatment::Keep
            && settings.shared == Passage::Drop
            && settings.outsiders != Treatment::Keep
            && settings.deletions == Passage::Drop;
        if is_strict && judge(settings, *of, *change) == Verdict::Keep {
            assert!(of.members > 0 && !facts.outsider(), "{of:?} by {settings:?}");
        }
    });
}

#[test]
fn rejects_only_for_the_reason_that_a_setting_names() {
    for_every_combination(|facts| {
        let Facts { settings, of, change } = facts;
        let Verdict::Reject(reason) = judge(settings, *of, *change) else { return };
        let treatment = match reason {
            Reason::NoPatient if facts.outsider() => {
                assert_ne!(
                    settings.no_patient,
                    Treatment::Drop,
                    "{of:?} by {settings:?}"
                );
                return;
            }
            Reason::NoPatient => settings.no_patient,
            Reason::Outsiders => settings.outsiders,
            Reason::SharedOutsiders => settings.shared_outsiders,
            Reason::UnresolvedPatient => settings.unresolved,
        };
        assert_eq!(treatment, Treatment::Quarantine, "{of:?} by {settings:?}");
    });
}

/// All flags, counts to two, all changes, all settings: contradictory facts included.
fn for_every_combination(mut check: impl FnMut(&Facts)) {
    let settings = every_settings();
    for flags in 0_u8..1 << 7 {
        for counts in 0_u16..3 * 3 * 2 {
            let of =
                Membership::of(counts % 3, counts / 3 % 3, counts / 9).with_flags(flags);
            for change in [Change::Upsert, Change::Delete, Change::Retract] {
                // Without a key alone the change decides nothing; one of them suffices.
                if !of.key_only() && change != Change::Upsert {
                    continue;
                }
                for settings in &settings {
                    check(&Facts { settings: settings.clone(), of, change });
                }
            }
        }
    }
}

fn every_settings() -> Vec<Settings> {
    const TREATMENTS: [Treatment; 3] =
        [Treatment::Drop, Treatment::Keep, Treatment::Quarantine];
    const PASSAGES: [Passage; 2] = [Passage::Drop, Passage::Keep];
    let mut all = Vec::new();
    for mode in [Mode::All, Mode::Any, Mode::Primary] {
        for no_patient in TREATMENTS {
            for unresolved in TREATMENTS {
                for shared in PASSAGES {
                    for shared_outsiders in TREATMENTS {
                        for outsiders in TREATMENTS {
                            for deletions in PASSAGES {
                                all.push(Settings {
                                    cohort: String::new(),
                                    mode,
                                    no_patient,
                                    unresolved,
                                    shared,
                                    shared_outsiders,
                                    outsiders,
                                    deletions,
                                });
                            }
                        }
                    }
                }
            }
        }
    }
    all
}
