//! Patient data as a type: what cannot be printed cannot leak.

use std::fmt;

/// Protected health information. Has no `Display`, no `Serialize`, and a `Debug` that shows
/// nothing, so that no log line, error text or report can carry it by accident.
///
/// The way out is [`Phi::expose`], which a reviewer can search for.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Phi<T>(T);

impl<T> Phi<T> {
    /// Marks `value` as patient data.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Gives the value. Every call is a place where patient data is used on purpose.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// Gives the value away.
    pub fn into_exposed(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for Phi<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Phi(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_nothing_of_what_it_holds() {
        let shown = format!("{:?}", Phi::new("Jane Roe 1970-01-01"));
        assert_eq!(shown, "Phi(..)");
    }
}
