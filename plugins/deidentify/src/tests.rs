//! Cases for the whole stage: settings in, bodies in, bodies out.
//!
//! Expected pseudonyms are computed from the same keyed hash as the stage is granted, by the
//! harness, not by the code under test.

mod ages;
mod elements;
mod links;
mod stage;
mod times;

use bulkhead_plugin::{
    Changes, PluginError, Rejection, Transform, keyed_hash,
    testing::{Case, Records, Stage},
};

use crate::{Action, Deidentify, plan};

/// The stage with the key granted and these further settings (JSON members).
pub(super) fn stage_with(settings: &str) -> Deidentify {
    let comma = if settings.is_empty() { "" } else { "," };
    let settings = format!(r#"{{"key":"study"{comma}{settings}}}"#);
    granted().transform(&settings).unwrap()
}

/// What the stage makes of one resource; the same text when it stays as it is.
pub(super) fn through(settings: &str, body: &str) -> String {
    let records = Records::new([Case::resource(body)]);
    let changes = stage_with(settings).apply(&records.batch()).unwrap();
    assert_eq!(changes.rejects, [], "rejected: {body}");
    bodies(&changes).pop().unwrap_or_else(|| body.to_owned())
}

/// Why the stage rejects one resource.
pub(super) fn rejects(settings: &str, body: &str) -> Vec<Rejection> {
    let records = Records::new([Case::resource(body)]);
    let changes = stage_with(settings).apply(&records.batch()).unwrap();
    assert_eq!(changes.edits, []);
    changes.rejects
}

pub(super) fn bodies(changes: &Changes) -> Vec<String> {
    let body = |edit: &bulkhead_plugin::Edit| match &edit.action {
        bulkhead_plugin::Action::Replace(body) => {
            String::from_utf8(body.clone()).unwrap()
        }
        other => panic!("unexpected {other:?}"),
    };
    changes.edits.iter().map(body).collect()
}

pub(super) fn granted() -> Stage {
    Stage::new().key("study", b"a key for tests")
}

/// The pseudonym of a value, as the README promises it.
pub(super) fn pseudonym(value: &str) -> String {
    let hash =
        keyed_hash::hmac("study", &[value.as_bytes().to_vec()]).unwrap().pop().unwrap();
    let first = hash.first_chunk().copied().unwrap();
    format!("{:032x}", u128::from_be_bytes(first))
}

pub(super) fn uuid(value: &str) -> String {
    let hex = pseudonym(value);
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

/// By how many days a patient's dates move.
pub(super) fn shift_of(patient: &str) -> i32 {
    let number =
        u128::from_str_radix(&pseudonym(&format!("shift:{patient}")), 16).unwrap();
    plan::offset(number, 50)
}

/// A date moved by a patient's offset.
pub(super) fn moved(date: &str, patient: &str) -> String {
    let Some(crate::date::Shape::Day { days, tail }) = crate::date::read(date) else {
        panic!("no date: {date}");
    };
    let day = crate::date::from_days(days + shift_of(patient));
    format!("{:04}-{:02}-{:02}{tail}", day.year, day.month, day.day)
}

/// Runs a table of `(name, settings, body, expected)`.
pub(super) fn check(cases: &[(&str, &str, &str, &str)]) {
    for (name, settings, body, expected) in cases {
        assert_eq!(through(settings, body), *expected, "case: {name}");
    }
}

/// Used by tables to be sure that every action has a case.
pub(super) fn name_of(action: Action) -> &'static str {
    match action {
        Action::Age => "age",
        Action::Keep => "keep",
        Action::Pseudonym => "pseudonym",
        Action::Redact => "redact",
        Action::Remove => "remove",
        Action::Shift => "shift",
        Action::Year => "year",
        Action::Zip3 => "zip3",
    }
}

pub(super) fn fatal_code(error: PluginError) -> String {
    match error {
        PluginError::Fatal(failure) => failure.code,
        PluginError::Retryable { failure, .. } => panic!("retryable: {}", failure.code),
    }
}
