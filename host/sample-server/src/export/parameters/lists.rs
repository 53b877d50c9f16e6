//! How lists may be written: with commas, by repetition, or either.
//!
//! Source: Bulk Data IG 1.0 to 4.0.0-ballot, "Query Parameters".

use crate::{
    outcome::Refusal,
    scenario::{Edition, Lists, Modes},
};

/// Whether the lists are written as this server takes them.
pub(super) fn check(
    parameters: &[(String, String)],
    modes: &Modes,
) -> Result<(), Refusal> {
    let lists = match modes.edition {
        Edition::V4 => Lists::NoComma,
        Edition::V1 | Edition::V2 | Edition::V3 => modes.lists,
    };
    let types = || parameters.iter().filter(|(name, _)| name == "_type");
    match lists {
        Lists::NoComma if types().any(|(_, value)| value.contains(',')) => {
            Err(Refusal::invalid("`_type` holds a comma: repeat the parameter"))
        }
        Lists::NoRepeat if types().count() > 1 => {
            Err(Refusal::invalid("`_type` is given twice: separate with commas"))
        }
        Lists::CommaOrRepeat | Lists::NoComma | Lists::NoRepeat => Ok(()),
    }
}
