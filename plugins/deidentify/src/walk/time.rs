//! Dates: moved by their patient's offset, or cut to the year.

use super::{Dates, Fate, Place, Walk};
use crate::{
    date::{self, Shape},
    plan::Hashed,
    tree::{Kind, Span},
};

impl<'s> Walk<'_, 's> {
    /// A text that no rule names: changed when it looks like a date.
    pub(super) fn date(&mut self, at: usize, place: Place<'s>) -> Fate {
        // Nearly every text: no date begins with anything but a digit or an escape.
        let first = self.tree.raw(at).as_bytes().get(1).copied().unwrap_or_default();
        if !first.is_ascii_digit() && first != b'\\' {
            return Fate::Stays;
        }
        let Some(text) = self.tree.text(at) else { return Fate::Goes };
        match date::read(&text) {
            None => Fate::Stays,
            Some(shape) => self.moved(self.span(at), shape, place),
        }
    }

    /// A value that a rule calls a date: goes when it is none.
    pub(super) fn strict_date(&mut self, at: usize, place: Place<'s>) -> Fate {
        let Some(text) = self.tree.text(at) else { return Fate::Goes };
        match date::read(&text) {
            None => Fate::Goes,
            Some(shape) => self.moved(self.span(at), shape, place),
        }
    }

    fn moved(&mut self, span: Span, shape: Shape<'_>, place: Place<'s>) -> Fate {
        match (shape, place.dates, place.patient) {
            (Shape::Impossible, ..) => return Fate::Goes,
            (Shape::Year { .. }, ..) | (_, Dates::Keep, _) => {}
            (Shape::Month { year, .. }, ..) => self.year(span, year, ""),
            (Shape::Day { days, tail }, Dates::Shift, Some(patient))
                if date::is_shiftable(days, self.policy.shift_days) =>
            {
                let hashed = Hashed::Shifted { days, patient };
                let tail = [tail, "\""].concat();
                self.plan.splice(span, &["\""], hashed, &tail);
            }
            (Shape::Day { days, tail }, ..) => {
                self.year(span, date::from_days(days).year, tail);
            }
        }
        Fate::Stays
    }

    /// Leaves the year. A value with a time must keep one to be a dateTime or an instant: it
    /// becomes the year's first moment, UTC.
    fn year(&mut self, span: Span, year: i32, tail: &str) {
        let year = format!("\"{year:04}");
        let tail = if tail.is_empty() { "\"" } else { "-01-01T00:00:00Z\"" };
        self.plan.splice(span, &[&year], Hashed::Nothing, tail);
    }

    /// A birth date, or another date that a rule takes for one.
    pub(super) fn birth(&mut self, at: usize, place: Place<'s>) -> Fate {
        let Some(text) = self.tree.text(at) else { return Fate::Goes };
        let Some(shape) = date::read(&text) else { return Fate::Goes };
        let reference = self.policy.as_of.or_else(|| self.newest(place.resource));
        let age = reference.and_then(|day| date::age(shape, day));
        let mark = match age {
            Some(..=89) => return self.moved(self.span(at), shape, place),
            Some(_) => OVER_89,
            None => MASKED,
        };
        let name = self.tree.name(at);
        if name.is_empty() {
            return Fate::Goes;
        }
        let lead = ["\"_", name, "\":{\"extension\":[", mark, "]}"];
        self.plan.splice(self.whole(at), &lead, Hashed::Nothing, "");
        Fate::Stays
    }

    /// The newest date of a resource, birth dates aside.
    fn newest(&self, resource: usize) -> Option<i32> {
        let tree = self.tree;
        let texts = tree
            .within(resource)
            .filter(|at| tree.kind(*at) == Kind::String && !is_birth(tree.name(*at)));
        texts.filter_map(|at| date::latest(date_of(&tree.text(at)?)?)).max()
    }
}

/// Whether an element's date is one's birth.
pub(super) fn is_birth(name: &str) -> bool {
    matches!(name, "birthDate" | "bornDate")
}

/// Years alone are too often codes to say what day it is.
fn date_of(text: &str) -> Option<Shape<'_>> {
    date::read(text).filter(|shape| !matches!(shape, Shape::Year { .. }))
}

/// Says that there was a value, and no more.
const MASKED: &str = concat!(
    r#"{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","#,
    r#""valueCode":"masked"}"#
);

/// The same, and that the age is 90 or more. The URL is `AGE_EXTENSION`.
const OVER_89: &str = concat!(
    r#"{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","#,
    r#""valueCode":"masked"},"#,
    r#"{"url":"urn:bulkhead:deidentify:age","valueAge":{"value":90,"comparator":">=","#,
    r#""unit":"a","system":"http://unitsofmeasure.org","code":"a"}}"#
);
