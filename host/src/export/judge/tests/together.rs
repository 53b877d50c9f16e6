//! Verdicts of all types together, tolerances, and doubtful manifests.

use super::*;

#[test]
fn a_count_may_exceed_what_came_by_the_tolerance_and_no_more() {
    for (came, counted, is_tolerated) in [
        (0, 1, false),
        (9, 10, false),
        (10, 11, true),
        (100, 110, true),
        (100, 111, false),
    ] {
        assert_eq!(
            counted <= tolerated(came, 10),
            is_tolerated,
            "case: {came} {counted}"
        );
    }
}

/// Items: 45, 72.
#[test]
fn when_no_type_is_named_all_of_them_together_have_a_verdict() {
    let all = || Case { asked: Vec::new(), ..Case::new() };
    let none = || Case { asked: Vec::new(), ..Case::absent() };
    let was_there = history(Baseline {
        full_count: Some(3),
        full_at: Some(at()),
        ..Baseline::default()
    });
    // name, case, all types together, whether Patient moves
    let cases = [
        ("some came", all(), Verdict::Complete, Some(true)),
        (
            "nothing but errors",
            Case { outcomes: issue("", "error exception"), ..none() },
            Verdict::ServerErrors(2),
            None,
        ),
        (
            "an error of one type",
            Case { outcomes: issue("Basic", "error exception"), ..all() },
            Verdict::ServerErrors(2),
            Some(true),
        ),
        ("nothing", none(), Verdict::Unconfirmed, None),
        (
            "a scope of single types",
            Case { met: scope("system/Patient.rs"), ..all() },
            Verdict::PartlyGranted,
            Some(true),
        ),
        (
            "a scope of nothing",
            Case { met: scope(""), ..none() },
            Verdict::NotGranted,
            None,
        ),
        (
            "a scope of all",
            Case { met: scope("system/*.rs"), ..all() },
            Verdict::Complete,
            Some(true),
        ),
        (
            "one that was there",
            Case { history: was_there, ..none() },
            Verdict::Unconfirmed,
            Some(false),
        ),
        (
            "one that the server counts",
            Case { probes: probed(Probe::Counted(7)), ..none() },
            Verdict::Unconfirmed,
            Some(false),
        ),
        (
            "files of no type",
            Case { files: vec![file(None, None, 1)], ..all() },
            Verdict::Complete,
            Some(true),
        ),
    ];
    for (name, case, together, patient) in cases {
        let verdicts = case.verdicts();
        assert_eq!(verdicts["Resource"], together, "case: {name}");
        let moves = verdicts.get("Patient").map(Verdict::moves_the_watermark);
        assert_eq!(moves, patient, "case: {name}");
    }
}

/// Items: 70, 78, 88, 90.
#[test]
fn a_manifest_that_could_be_anything_is_in_doubt() {
    use Warning::{AccessUnstated, OrganizedDiffers, OutputMissing, TimeUnreadable};
    let read = |warnings: &[Warning]| {
        let json = serde_json::json!({
            "transaction_time": null, "access": "unstated", "output": [], "deleted": [],
            "outcome": [], "expires": null, "organized_by": null, "output_format": null,
            "extension": null, "pages": 1, "warnings": warnings,
        });
        doubt(&serde_json::from_value::<Manifest>(json).unwrap()).is_some()
    };
    let missing = Warning::PagesIncomplete { page: 1, reason: "gone".to_owned() };
    let cases = [
        ("nothing odd", &[][..], false),
        ("no output, but a time", &[OutputMissing], false),
        ("neither", &[OutputMissing, TimeUnreadable], true),
        ("no time, no access, no file", &[TimeUnreadable, AccessUnstated], true),
        ("no time", &[TimeUnreadable], false),
        ("pages of two shapes", &[OrganizedDiffers], true),
        ("a page that could not be had", &[missing], true),
    ];
    for (name, warnings, expected) in cases {
        assert_eq!(read(warnings), expected, "case: {name}");
    }
}
