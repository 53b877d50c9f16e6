//! `[state]`: where what is remembered lies.

use super::*;

#[test]
fn the_state_folder_is_never_the_configurations_by_an_oversight() {
    let empty = "14: `state.path` is empty: name a folder of its own for what is remembered, or \
                 leave the line out for `.bulkhead`";
    let cases = [
        ("left out", "", Ok("site/.bulkhead")),
        ("beside the configuration", "path = \"state\"", Ok("site/state")),
        ("elsewhere", "path = \"/var/lib/bulkhead\"", Ok("/var/lib/bulkhead")),
        ("nothing", "path = \"\"", Err(empty)),
        ("blanks", "path = \" \\t\"", Err(empty)),
        ("no text", "path = 7", Err("14: `state.path` must be text")),
        (
            "a misspelt key, which would leave it where it was",
            "paht = \"/var/lib/bulkhead\"",
            Err("14: unknown key `state.paht`: did you mean `path`?"),
        ),
    ];
    for (name, line, expected) in cases {
        let found = parse(&WHOLE.replace("path = \"state\"", line));
        let found = found.map(|config| config.state);
        match expected {
            Ok(path) => assert_eq!(found, Ok(PathBuf::from(path)), "case: {name}"),
            Err(said) => assert_eq!(found, Err(vec![said.to_owned()]), "case: {name}"),
        }
    }
}
