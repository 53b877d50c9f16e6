use super::*;
use crate::bindings::{
    filter::exports::bulkhead::plugin::filter::Decision,
    sink::exports::bulkhead::plugin::sink as sinks,
    transform::exports::bulkhead::plugin::transform::{
        Action, Changes, Edit, Output as Row,
    },
};

const LEN: usize = 3;

/// Attacks: 17.
#[test]
fn a_filter_keeps_drops_and_rejects_each_record_once() {
    use types::Positions::{All, Bits, None};
    use wire::reject;

    let (keep, drop) = (Verdict::Keep, Verdict::Drop);
    let no = || Verdict::Reject(Reject::new(RejectClass::Policy, "no"));
    let cases = [
        ("all", All, vec![], Some(vec![keep.clone(), keep.clone(), keep.clone()])),
        ("none", None, vec![], Some(vec![drop.clone(), drop.clone(), drop.clone()])),
        (
            "a set",
            Bits(vec![0b101]),
            vec![],
            Some(vec![keep.clone(), drop.clone(), keep.clone()]),
        ),
        (
            "a set and a reject",
            Bits(vec![0b001]),
            vec![reject(2, "no")],
            Some(vec![keep, drop.clone(), no()]),
        ),
        (
            "rejects of everything",
            None,
            vec![reject(0, "no"), reject(1, "no"), reject(2, "no")],
            Some(vec![no(), no(), no()]),
        ),
        ("a word too few", Bits(vec![]), vec![], Option::None),
        ("a word too many", Bits(vec![0, 0]), vec![], Option::None),
        ("a bit beyond the last", Bits(vec![0b1000]), vec![], Option::None),
        ("a reject that is kept", All, vec![reject(0, "no")], Option::None),
        (
            "a reject of one kept in a set",
            Bits(vec![1]),
            vec![reject(0, "no")],
            Option::None,
        ),
        ("the same twice", None, vec![reject(1, "no"), reject(1, "no")], Option::None),
        ("rejects that fall", None, vec![reject(1, "no"), reject(0, "no")], Option::None),
        ("a reject out of range", None, vec![reject(3, "no")], Option::None),
        ("a reject far out of range", None, vec![reject(u32::MAX, "no")], Option::None),
        ("a code not declared", None, vec![reject(0, "maybe")], Option::None),
        ("no code", None, vec![reject(0, "")], Option::None),
    ];
    for (name, keep, rejects, expected) in cases {
        let judged = decision(Decision { keep, rejects }, LEN, &manifest());
        assert_eq!(judged.ok(), expected, "case: {name}");
    }
    let empty = decision(Decision { keep: All, rejects: vec![] }, 0, &manifest());
    assert_eq!(empty.ok(), Some(vec![]), "a batch without records");
}

/// Attacks: 17.
#[test]
fn a_transform_edits_each_record_once() {
    use wire::{edit, reject, row};

    let rows = || Action::Emit(vec![row(None), row(Some("view/visits"))]);
    let body = || Bytes::from_static(b"{}");
    let emitted = Verdict::Emit(vec![
        Output { stream: None, body: body() },
        Output { stream: Some("view/visits".to_owned()), body: body() },
    ]);
    let keep = || Verdict::Keep;
    let no = Verdict::Reject(Reject::new(RejectClass::Policy, "no"));
    let cases = [
        ("nothing", vec![], vec![], Some(vec![keep(), keep(), keep()])),
        (
            "a drop, a body, rows",
            vec![
                edit(0, Action::Drop),
                edit(1, Action::Replace(b"{}".to_vec())),
                edit(2, rows()),
            ],
            vec![],
            Some(vec![Verdict::Drop, Verdict::Replace(body()), emitted]),
        ),
        (
            "an edit and a reject",
            vec![edit(2, Action::Drop)],
            vec![reject(0, "no")],
            Some(vec![no, keep(), Verdict::Drop]),
        ),
        (
            "the same twice",
            vec![edit(1, Action::Drop), edit(1, Action::Drop)],
            vec![],
            None,
        ),
        (
            "edits that fall",
            vec![edit(1, Action::Drop), edit(0, Action::Drop)],
            vec![],
            None,
        ),
        ("an edit out of range", vec![edit(3, Action::Drop)], vec![], None),
        ("edited and rejected", vec![edit(1, Action::Drop)], vec![reject(1, "no")], None),
        ("a reject out of range", vec![], vec![reject(3, "no")], None),
        ("a code not declared", vec![], vec![reject(0, "maybe")], None),
        (
            "a stream not declared",
            vec![edit(0, Action::Emit(vec![row(Some("view/other"))]))],
            vec![],
            None,
        ),
        (
            "a stream like a type",
            vec![edit(0, Action::Emit(vec![row(Some("Patient"))]))],
            vec![],
            None,
        ),
    ];
    for (name, edits, rejects, expected) in cases {
        let judged = changes(Changes { edits, rejects }, LEN, &manifest());
        assert_eq!(judged.ok(), expected, "case: {name}");
    }
}

/// Attacks: 17, 20.
#[test]
fn a_sink_accepts_or_rejects_and_its_token_is_small() {
    use types::Positions::{All, Bits, None};
    use wire::reject;

    let at = |len| sinks::Checkpoint { durable_through: 7, token: vec![0; len] };
    let cases = [
        ("all", All, vec![], Option::None, true),
        (
            "a set and a reject",
            Bits(vec![0b011]),
            vec![reject(2, "no")],
            Option::None,
            true,
        ),
        ("some neither", None, vec![reject(2, "no")], Option::None, true),
        ("durable", All, vec![], Some(at(LARGEST_TOKEN)), true),
        ("a token too large", All, vec![], Some(at(LARGEST_TOKEN + 1)), false),
        (
            "accepted and rejected",
            Bits(vec![1]),
            vec![reject(0, "no")],
            Option::None,
            false,
        ),
        ("a bit beyond the last", Bits(vec![0b1000]), vec![], Option::None, false),
        ("a reject out of range", None, vec![reject(3, "no")], Option::None, false),
        ("a code not declared", None, vec![reject(0, "maybe")], Option::None, false),
    ];
    for (name, accepted, rejects, durable, is_fine) in cases {
        let wit = sinks::Receipt { accepted, rejects, durable };
        assert_eq!(receipt(wit, LEN, &manifest()).is_ok(), is_fine, "case: {name}");
    }
    assert!(checkpoint(at(LARGEST_TOKEN + 1)).is_err(), "a flush");
    let expected = Checkpoint { durable_through: 7, token: vec![0; 2] };
    assert_eq!(checkpoint(at(2)).ok(), Some(expected));
}

#[test]
fn codes_are_of_one_form() {
    let cases: [(&str, &str, bool); 11] = [
        ("letters", "no", true),
        ("digits first", "4xx", true),
        ("dots and dashes", "a.b-c", true),
        ("the longest", &"a".repeat(64), true),
        ("too long", &"a".repeat(65), false),
        ("nothing", "", false),
        ("a dash first", "-a", false),
        ("upper case", "No", false),
        ("a space", "Jane Roe", false),
        ("a line end", "a\nb", false),
        ("not ASCII", "ä", false),
    ];
    for (name, code, expected) in cases {
        assert_eq!(is_code(code), expected, "case: {name}");
    }
}

/// Attacks: 42.
#[test]
fn a_complaint_carries_a_code_and_no_words() {
    let failure = |code: &str| types::Failure {
        code: code.to_owned(),
        message: "Jane Roe, born 1970".to_owned(),
    };
    let fatal = |code: &str| types::PluginError::Fatal(failure(code));
    let retry = |after_ms| {
        types::PluginError::Retryable(types::Retry { failure: failure("busy"), after_ms })
    };
    let cases = [
        ("fatal", fatal("full"), ("full", None, false)),
        ("words for a code", fatal("Jane Roe"), ("unspeakable", None, false)),
        ("again", retry(None), ("busy", None, true)),
        ("again later", retry(Some(50)), ("busy", Some(Duration::from_millis(50)), true)),
    ];
    for (name, wit, expected) in cases {
        let told = match complaint(wit) {
            Complaint::Fatal(code) => (code, None, false),
            Complaint::Retryable(code, after, _) => (code, after, true),
        };
        let (code, after, again) = expected;
        assert_eq!(told, (code.to_owned(), after, again), "case: {name}");
    }
}

/// Attacks: 14, 42.
#[test]
fn the_words_of_a_complaint_are_cut_between_two_characters() {
    let said = |message: String| {
        let failure = types::Failure { code: "busy".to_owned(), message };
        match complaint(types::PluginError::Retryable(types::Retry {
            failure,
            after_ms: None,
        })) {
            Complaint::Retryable(_, _, said) => said,
            Complaint::Fatal(code) => panic!("{code}"),
        }
    };
    assert_eq!(said("Jane Roe".to_owned()), "Jane Roe");
    let long = format!("x{}", "ä".repeat(LONGEST_MESSAGE));
    assert_eq!(said(long.clone()), long[..LONGEST_MESSAGE - 1]);
}

/// Attacks: 42, 43.
#[test]
fn problems_with_settings_are_cut_and_cleaned() {
    let problem = lifecycle::ConfigProblem {
        pointer: "/a\u{1b}[2J".to_owned(),
        code: "x".repeat(LONGEST_WORDS + 1),
        message: "\u{202e}no\n".to_owned(),
    };
    let problems = config_problems(vec![problem; MOST_PROBLEMS + 1]);
    assert_eq!(problems.len(), MOST_PROBLEMS);
    let expected = ConfigProblem {
        pointer: "/a[2J".to_owned(),
        code: "x".repeat(LONGEST_WORDS),
        message: "no".to_owned(),
    };
    assert_eq!(problems.first(), Some(&expected));
}

/// What a guest sends, in few words.
mod wire {
    use super::*;

    pub(super) fn reject(index: u32, code: &str) -> types::Rejection {
        types::Rejection {
            index,
            class: types::RejectClass::Policy,
            code: code.to_owned(),
        }
    }

    pub(super) fn edit(index: u32, action: Action) -> Edit {
        Edit { index, action }
    }

    pub(super) fn row(stream: Option<&str>) -> Row {
        Row { stream: stream.map(str::to_owned), body: b"{}".to_vec() }
    }
}

fn manifest() -> Manifest {
    let json = r#"{
        "bulkhead": 1, "name": "x", "version": "1", "role": "filter",
        "streams": ["view/visits"], "rejects": [{ "code": "no", "meaning": "it says no" }]
    }"#;
    serde_json::from_str(json).unwrap()
}
