//! What `[source]` and `[source.auth]` refuse, in the words in which an operator reads it.

use super::*;

/// What is said of `lines` in the place of what stands in `[source.auth]`, which begins in line 9.
fn said_of_auth(lines: &str) -> Vec<String> {
    let auth = "client-id = \"bulkhead\"\nkey = { file = \"key.pem\" }\nscope = \"\"";
    assert!(WHOLE.contains(auth));
    parse(&WHOLE.replace(auth, lines)).err().unwrap_or_default()
}

/// What is said of one more line in `[source]`, which is line 5.
fn said_of(line: &str) -> Vec<String> {
    parse(&WHOLE.replace("types =", &format!("{line}\ntypes =")))
        .err()
        .unwrap_or_default()
}

#[test]
fn one_way_to_sign_in_is_named_and_what_belongs_to_another_is_told_by_name() {
    let bearer = "bearer = { env = \"T\" }\n";
    let client = "client-id = \"me\"\n";
    let key = "client-id = \"me\"\nkey = { file = \"k\" }\n";
    let secret = "client-id = \"me\"\nclient-secret = { env = \"S\" }\n";
    let two = |line: usize, key: &str, other: &str| {
        format!("{line}: `source.auth` has a `{key}` and a `{other}`: leave one out")
    };
    let form = "must be `{ file = \"…\" }` or `{ env = \"…\" }`";
    // name, what stands there, what is said
    let cases = [
        ("a token", bearer.to_owned(), vec![]),
        ("a key", key.to_owned(), vec![]),
        ("a secret", secret.to_owned(), vec![]),
        (
            "a token and a key",
            format!("{bearer}key = {{ file = \"k\" }}"),
            vec![two(10, "key", "bearer")],
        ),
        (
            "a token and a secret",
            format!("{bearer}client-secret = {{ env = \"S\" }}"),
            vec![two(10, "client-secret", "bearer")],
        ),
        (
            "a token and all of a client",
            format!("{bearer}client-id = \"me\"\nscope = \"\"\nkid = \"1\""),
            vec![
                two(10, "client-id", "bearer"),
                two(11, "scope", "bearer"),
                two(12, "kid", "bearer"),
            ],
        ),
        (
            "a key and a secret",
            format!("{key}client-secret = {{ env = \"S\" }}"),
            vec![two(10, "key", "client-secret")],
        ),
        (
            "a key and the place of a secret",
            format!("{key}client-secret-in = \"body\""),
            vec![two(11, "client-secret-in", "key")],
        ),
        (
            "a secret and the id of a key",
            format!("{secret}kid = \"1\""),
            vec![two(11, "kid", "client-secret")],
        ),
        (
            "a secret and the address of keys",
            format!("{secret}jwks-url = \"https://me.example/jwks\""),
            vec![two(11, "jwks-url", "client-secret")],
        ),
        (
            "neither",
            client.to_owned(),
            vec![
                "8: `[source.auth]` has neither a `key` nor a `client-secret`: write the one that \
                 is registered with the server"
                    .to_owned(),
            ],
        ),
        (
            "nobody",
            "key = { file = \"k\" }".to_owned(),
            vec![
                "8: `source.auth.client-id` is missing: write `source.auth.client-id = \"…\"` (as \
                 registered with the server)"
                    .to_owned(),
            ],
        ),
        (
            "a token in clear",
            "bearer = \"hunter2\"".to_owned(),
            vec![format!("9: `source.auth.bearer` {form}")],
        ),
        (
            "a key in clear",
            format!("{client}key = \"hunter2\""),
            vec![format!("10: `source.auth.key` {form}")],
        ),
        (
            "a secret in clear",
            format!("{client}client-secret = \"hunter2\""),
            vec![format!("10: `source.auth.client-secret` {form}")],
        ),
    ];
    for (name, lines, expected) in cases {
        assert_eq!(said_of_auth(&lines), expected, "case: {name}");
    }
}

#[test]
fn the_servers_other_addresses_are_plain_and_what_is_not_is_not_shown() {
    let why = "must be an address, as https://ehr.example.org/, without user, password, `?` or `#`";
    let cases = [
        ("plain", "https://in.example/r4", true),
        ("plain, in clear text, with a port", "http://fhir:8080/", true),
        ("no address", "hunter2", false),
        ("of another sort", "ftp://hunter2.example/", false),
        ("a user", "https://hunter2@in.example/", false),
        ("a password", "https://me:hunter2@in.example/", false),
        ("a query", "https://in.example/?key=hunter2", false),
        ("a fragment", "https://in.example/#hunter2", false),
    ];
    for (name, text, is_plain) in cases {
        let plain = "https://other.example/";
        let settings = [
            (
                format!("base-aliases = [\"{plain}\", \"{text}\"]"),
                "number 2 of `source.base-aliases`",
            ),
            (
                format!("rewrite = {{ from = \"{text}\", to = \"{plain}\" }}"),
                "`source.rewrite.from`",
            ),
            (
                format!(
                    "rewrite = {{ from = \"http://other.example/\", to = \"{text}\" }}"
                ),
                "`source.rewrite.to`",
            ),
        ];
        for (line, setting) in settings {
            let expected =
                if is_plain { Vec::new() } else { vec![format!("5: {setting} {why}")] };
            assert_eq!(said_of(&line), expected, "case: {name}: {setting}");
        }
    }
}

#[test]
fn a_rewrite_has_both_ends_and_leads_to_what_is_right_and_safe() {
    let cases = [
        (
            "no beginning",
            "rewrite = { to = \"https://ehr.example/\" }",
            "5: `source.rewrite.from` is missing: write `source.rewrite.from = \"…\"` (what \
             addresses begin with, for example http://fhir:8080/)",
        ),
        (
            "no end",
            "rewrite = { from = \"http://fhir:8080/\" }",
            "5: `source.rewrite.to` is missing: write `source.rewrite.to = \"…\"` (what they \
             should begin with)",
        ),
        (
            "of the base itself",
            "rewrite = { from = \"https://ehr.example/\", to = \"https://other.example/\" }",
            "5: `source.rewrite.from` is what `source.base-url` begins with: write the right \
             address as `source.base-url`",
        ),
        (
            "to clear text",
            "rewrite = { from = \"https://fhir/\", to = \"http://ehr.example/\" }",
            "5: `source.rewrite` must not lead from https to clear text",
        ),
        (
            "a third end",
            "rewrite = { from = \"http://a/\", to = \"https://b.example/\", form = \"x\" }",
            "5: unknown key `source.rewrite.form`: did you mean `from`?",
        ),
        ("no table", "rewrite = \"http://a/\"", "5: `source.rewrite` must be a table"),
    ];
    for (name, line, expected) in cases {
        assert_eq!(said_of(line), [expected], "case: {name}");
    }
}

#[test]
fn a_type_of_the_command_line_is_one_that_is_asked_for() {
    let listed = parse(WHOLE).unwrap().source;
    let types = "types = [\"Patient\", \"Observation\"]\n";
    assert!(WHOLE.contains(types));
    let open = parse(&WHOLE.replace(types, "")).unwrap().source;
    let cases = [
        ("one that is listed", &listed, "Observation", true),
        ("another", &listed, "Device", false),
        ("all together", &listed, "*", true),
        ("any where the server decides", &open, "Device", true),
    ];
    for (name, source, kind, expected) in cases {
        let kind = omission(kind).unwrap();
        let refused = source.expect(&kind, "--type").err();
        assert_eq!(refused.is_none(), expected, "case: {name}");
        if let Some(refused) = refused {
            assert_eq!(refused.what, "`Device` of --type is not among `source.types`");
            assert_eq!(refused.hint.as_deref(), Some("they are Patient, Observation"));
        }
    }
}
