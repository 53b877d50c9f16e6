//! What each act does to a value. What an act does not know how to change, goes.

use super::{Dates, Fate, Gap, Place, Step, Walk, time};
use crate::{plan::Hashed, preset, rule::Act, tree::Kind};

impl<'s> Walk<'_, 's> {
    /// A member that a rule names.
    pub(super) fn act(
        &mut self,
        act: Act,
        at: usize,
        gap: Gap,
        place: Place<'s>,
    ) -> Step {
        let kind = self.tree.kind(at);
        match act {
            Act::Keep => self.value(at, gap, Place { dates: Dates::Keep, ..place }),
            Act::Pseudonym => self.pseudonyms(at, gap, place),
            Act::RedactText => self.redact_text(at, gap, place),
            Act::Remove => Ok(Fate::Goes),
            Act::Age
            | Act::FullUrl
            | Act::Location
            | Act::Redact
            | Act::Shift
            | Act::Year
            | Act::Zip3
                if kind == Kind::Array =>
            {
                self.each(at, gap, &mut |walk, item| {
                    walk.act(act, item, Gap::Closed, place)
                })
            }
            Act::Age => self.age(at, Place { dates: or_shift(place.dates), ..place }),
            Act::FullUrl => Ok(self.full_url(at)),
            Act::Location => Ok(self.location(at)),
            Act::Redact => Ok(self.redact(at)),
            Act::Shift => self.dates(at, Place { dates: Dates::Shift, ..place }),
            Act::Year => self.dates(at, Place { dates: Dates::Year, ..place }),
            Act::Zip3 => Ok(self.zip3(at)),
        }
    }

    /// The `_sibling` of a member that a rule names: what it says is of the old value.
    pub(super) fn sibling(
        &mut self,
        act: Act,
        at: usize,
        gap: Gap,
        place: Place<'s>,
    ) -> Step {
        match act {
            Act::Keep => self.value(at, gap, place),
            Act::Age
            | Act::FullUrl
            | Act::Location
            | Act::Pseudonym
            | Act::Redact
            | Act::RedactText
            | Act::Remove
            | Act::Shift
            | Act::Year
            | Act::Zip3 => Ok(Fate::Goes),
        }
    }

    /// Texts become pseudonyms, Identifiers keep their system.
    pub(super) fn pseudonyms(&mut self, at: usize, gap: Gap, place: Place<'s>) -> Step {
        match self.tree.kind(at) {
            Kind::Array => self.each(at, gap, &mut |walk, item| {
                walk.pseudonyms(item, Gap::Closed, place)
            }),
            Kind::Literal | Kind::Number => Ok(Fate::Goes),
            Kind::Object
                if self.tree.member(at, "value").is_none() && self.is_reference(at) =>
            {
                self.members(at, place)
            }
            Kind::Object => self.identifier(at),
            Kind::Resource => self.value(at, gap, place),
            Kind::String => Ok(self.pseudonym(at, &["value:"])),
        }
    }

    /// Keeps the system; the value becomes a pseudonym within it.
    fn identifier(&mut self, at: usize) -> Step {
        let system = self.tree.member_text(at, "system").unwrap_or_default();
        self.each(at, Gap::Closed, &mut |walk, member| match walk.tree.name(member) {
            "system" if walk.tree.kind(member) == Kind::String => Ok(Fate::Stays),
            "value" => Ok(walk.pseudonym(member, &["identifier:", &system, "|"])),
            _ => Ok(Fate::Goes),
        })
    }

    fn pseudonym(&mut self, at: usize, domain: &[&str]) -> Fate {
        let Some(text) = self.tree.text(at) else { return Fate::Goes };
        let slot = self.hashes.slot(&[domain, &[&*text]].concat());
        self.plan.splice(self.span(at), &["\""], Hashed::Hex(slot), "\"");
        Fate::Stays
    }

    fn redact(&mut self, at: usize) -> Fate {
        match self.tree.kind(at) {
            Kind::Array
            | Kind::Literal
            | Kind::Number
            | Kind::Object
            | Kind::Resource => Fate::Goes,
            Kind::String => {
                self.plan.splice(self.span(at), &[REDACTED], Hashed::Nothing, "");
                Fate::Stays
            }
        }
    }

    fn redact_text(&mut self, at: usize, gap: Gap, place: Place<'s>) -> Step {
        match self.tree.kind(at) {
            Kind::Array => self.each(at, gap, &mut |walk, item| {
                walk.redact_text(item, Gap::Closed, place)
            }),
            Kind::Literal | Kind::Number | Kind::Object | Kind::Resource => {
                self.value(at, gap, place)
            }
            Kind::String => Ok(self.redact(at)),
        }
    }

    /// A date, or the dates inside an object.
    fn dates(&mut self, at: usize, place: Place<'s>) -> Step {
        match self.tree.kind(at) {
            Kind::Array | Kind::Object | Kind::Resource => {
                self.value(at, Gap::Closed, place)
            }
            Kind::Literal | Kind::Number => Ok(Fate::Goes),
            // A year would tell an age over 89 as well as a day does.
            Kind::String if self.is_preset() && time::is_birth(self.tree.name(at)) => {
                Ok(self.birth(at, place))
            }
            Kind::String => Ok(self.strict_date(at, place)),
        }
    }

    /// A birth date, an age as a number, a Quantity or a Range.
    fn age(&mut self, at: usize, place: Place<'s>) -> Step {
        let tree = self.tree;
        match tree.kind(at) {
            Kind::Array | Kind::Literal | Kind::Resource => Ok(Fate::Goes),
            Kind::Number => {
                if is_over_89(tree.raw(at), "a") {
                    self.plan.splice(self.span(at), &["90"], Hashed::Nothing, "");
                }
                Ok(Fate::Stays)
            }
            Kind::Object => {
                let bounds = ["low", "high"].map(|name| tree.member(at, name));
                let mut bounds = bounds.into_iter().flatten().peekable();
                if bounds.peek().is_some() {
                    let is_over = bounds.any(|bound| self.is_old(bound));
                    return if is_over {
                        Ok(Fate::Goes)
                    } else {
                        self.members(at, place)
                    };
                }
                if self.is_old(at) {
                    self.plan.splice(self.span(at), &[NINETY], Hashed::Nothing, "");
                    return Ok(Fate::Stays);
                }
                self.members(at, place)
            }
            Kind::String => Ok(self.birth(at, place)),
        }
    }

    /// Whether a Quantity is an age over 89.
    fn is_old(&self, at: usize) -> bool {
        let tree = self.tree;
        let unit = tree.member_text(at, "code").or_else(|| tree.member_text(at, "unit"));
        tree.member(at, "value")
            .is_some_and(|value| is_over_89(tree.raw(value), &unit.unwrap_or_default()))
    }

    fn zip3(&mut self, at: usize) -> Fate {
        let Some(text) = self.tree.text(at) else { return Fate::Goes };
        let is_zip = |prefix: &&str| prefix.bytes().all(|byte| byte.is_ascii_digit());
        // Codes of other countries can be as precise as a house.
        let Some(prefix) = text.get(..3).filter(is_zip) else { return Fate::Goes };
        let is_sparse = preset::is_sparse_zip3(prefix)
            || self.policy.sparse_zip3.iter().any(|sparse| sparse == prefix);
        let prefix = if is_sparse { "000" } else { prefix };
        self.plan.splice(self.span(at), &["\"", prefix, "\""], Hashed::Nothing, "");
        Fate::Stays
    }
}

/// A birth date moves even where dates are kept: a rule named it.
fn or_shift(dates: Dates) -> Dates {
    match dates {
        Dates::Keep | Dates::Shift => Dates::Shift,
        Dates::Year => Dates::Year,
    }
}

/// Whether so many of a unit are 90 years or more. What is no number or of no known unit
/// counts as years, and as too many.
fn is_over_89(number: &str, unit: &str) -> bool {
    let in_a_year = match unit {
        "mo" | "month" | "months" => 12.0,
        "wk" | "week" | "weeks" => 52.0,
        "d" | "day" | "days" => 365.0,
        "h" | "hour" | "hours" => 8_760.0,
        "min" | "minute" | "minutes" => 525_600.0,
        _ => 1.0,
    };
    number.parse::<f64>().map_or(true, |number| number >= 90.0 * in_a_year)
}

const REDACTED: &str = "\"[redacted]\"";

/// 90 years or more, as HIPAA's "single category of age 90 or older".
const NINETY: &str = concat!(
    r#"{"value":90,"comparator":">=","unit":"a","#,
    r#""system":"http://unitsofmeasure.org","code":"a"}"#
);
