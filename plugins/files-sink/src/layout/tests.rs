//! Layouts, good and bad, and the names that follow from them.

use super::*;

#[test]
fn says_everything_that_is_wrong_with_a_layout() {
    // name, layout, words that each problem must hold, in order
    let cases: &[(&str, &str, &[&str])] = &[
        ("the default", "{export}/{kind}/", &[]),
        ("hive style", "fhir/type={kind}/export={export}/", &[]),
        ("one folder", "{export}/", &[]),
        ("no slash at the end", "{export}/{kind}", &["end it with `/`"]),
        ("no export", "{kind}/", &["lacks `{export}`"]),
        ("export twice", "{export}/{export}/", &["twice"]),
        ("kind twice", "{export}/{kind}/{kind}/", &["twice"]),
        ("unknown placeholder", "{export}/{date}/", &["unknown placeholder"]),
        ("brace alone", "{export}/x}/", &["unknown placeholder"]),
        ("absolute", "/{export}/", &["no folder's name"]),
        ("double slash", "{export}//", &["no folder's name"]),
        ("climbs", "../{export}/", &["no folder's name"]),
        ("hidden", "{export}/.x/", &["no folder's name"]),
        ("space", "{export}/a b/", &["no folder's name"]),
        ("back slash", "{export}\\{kind}/", &["no folder's name", "both placeholders"]),
        ("both in one segment", "{export}-{kind}/", &["both placeholders"]),
        ("reserved", "{export}/deleted/", &["own use"]),
        ("reserved too", "{export}/retracted/", &["own use"]),
        ("empty", "", &["end it with `/`", "lacks `{export}`", "no folder's name"]),
    ];
    for (name, layout, expected) in cases {
        let wrong = Layout::parse(layout).err().unwrap_or_default();
        assert_eq!(wrong.len(), expected.len(), "case: {name}: {wrong:?}");
        for (wrong, expected) in wrong.iter().zip(*expected) {
            assert!(wrong.contains(expected), "case: {name}: {wrong}");
        }
    }
}

#[test]
fn names_parts_and_the_exports_home() {
    // name, layout, home, data, deleted, retracted
    let cases = [
        (
            "the default",
            "{export}/{kind}/",
            "e1/",
            "e1/view/visits/00007-00002",
            "e1/deleted/view/visits-00007-00002",
            "e1/retracted/view/visits-00007-00002",
        ),
        (
            "without kind",
            "a/x{export}/b/",
            "a/xe1/",
            "a/xe1/b/view/visits-00007-00002",
            "a/xe1/deleted/view/visits-00007-00002",
            "a/xe1/retracted/view/visits-00007-00002",
        ),
        (
            "kind in front",
            "fhir/type={kind}/{export}/p/",
            "fhir/e1/",
            "fhir/type=view/visits/e1/p/00007-00002",
            "fhir/e1/deleted/view/visits-00007-00002",
            "fhir/e1/retracted/view/visits-00007-00002",
        ),
    ];
    for (name, layout, home, data, deleted, retracted) in cases {
        let layout = Layout::parse(layout).unwrap();
        let part = |shelf| {
            layout.part("e1", 7, &Series { kind: "view/visits".to_owned(), shelf }, 2)
        };
        let names = [Shelf::Data, Shelf::Deleted, Shelf::Retracted].map(part);
        assert_eq!(layout.home("e1"), home, "case: {name}");
        assert_eq!(names, [data, deleted, retracted], "case: {name}");
    }
}

#[test]
fn lets_only_names_into_names() {
    let cases = [
        ("a resource type", "Patient", true),
        ("a stream", "view/visits", true),
        ("reserved further down", "view/deleted", true),
        ("reserved", "deleted/Patient", false),
        ("climbs", "view/../../x", false),
        ("dot in front", ".Patient", false),
        ("absolute", "/Patient", false),
        ("slash at the end", "view/", false),
        ("nothing", "", false),
        ("equals sign", "type=x", false),
        ("space", "a b", false),
        ("beyond ASCII", "Pätient", false),
        ("NUL", "a\0b", false),
    ];
    for (name, kind, expected) in cases {
        assert_eq!(check_kind(kind).is_ok(), expected, "case: {name}");
    }
    for (name, export, expected) in [
        ("an id", "20260131T100000Z-1", true),
        ("two segments", "a/b", false),
        ("parent", "..", false),
        ("nothing", "", false),
    ] {
        assert_eq!(check_export_id(export).is_ok(), expected, "case: {name}");
    }
}
