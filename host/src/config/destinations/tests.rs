use toml::de::DeTable;

use super::*;
use crate::config::Problems;

fn parse(table: &str) -> Result<DestinationConfig, Vec<String>> {
    let text = format!("[destinations.dwh]\n{table}");
    let problems = Problems::new(Path::new("site/bulkhead.toml"), &text);
    let parsed = DeTable::parse(&text).unwrap();
    let root = Reader::root(&parsed, &problems);
    let mut found = read(&root, Path::new("site"));
    root.finish();
    if problems.is_empty() {
        return Ok(found.remove("dwh").unwrap());
    }
    let shown = |problem: crate::config::Problem| {
        format!("{}: {}", problem.line, problem.message)
    };
    Err(problems.list().into_iter().map(shown).collect())
}

#[test]
fn reads_a_destination_and_what_is_safe_where_nothing_is_said() {
    let plain = parse("url = \"https://wh.example.org/fhir/\"").unwrap();
    assert_eq!(plain.address(), "https://wh.example.org/fhir");
    assert_eq!(plain.methods(), "POST");
    assert_eq!(plain.headers(), ["idempotency-key"], "the contract has a field for it");
    assert!(plain.rules.headers.is_empty() && plain.allow.is_empty());
    assert_eq!(plain.limits, DestinationLimits::default());
    assert!(matches!(plain.auth, DestinationAuth::None));

    let whole = parse(
        r#"url = "https://wh.internal:8443/v1/"
path-prefix = "/ingest"
methods = ["PUT", "POST"]
headers = ["Content-Type"]
allow-cidr = ["10.20.0.0/16"]
auth = { client-credentials = { token-url = "https://id.example.org/token", client-id = "me", client-secret = { env = "S" }, scope = "x" } }
identity = { file = "me.pem" }
roots = ["ca.pem"]
concurrency = 2
timeout = "5s"
request-bytes = "1MiB"
response-bytes = "1kB"
"#,
    )
    .unwrap();
    assert_eq!(
        whole.definition(),
        "https://wh.internal:8443/v1/ingest POST, PUT content-type as client `me` of \
         https://id.example.org/token"
    );
    assert_eq!(whole.limits.concurrency.get(), 2);
    assert_eq!(whole.limits.timeout.as_secs(), 5);
    assert_eq!(
        (whole.limits.request_bytes, whole.limits.response_bytes),
        (1 << 20, 1_000)
    );
    assert_eq!(whole.roots, [Path::new("site/ca.pem")]);
    assert_eq!(whole.identity, Some(SecretSource::File("site/me.pem".into())));
}

#[test]
fn names_every_problem_with_its_line() {
    // name, what follows `url = …`, what it says
    let good = "url = \"https://wh.example.org/\"\n";
    let cases = [
        ("no URL", String::new(), "1: `destinations.dwh.url` is missing: write"),
        ("no URL at all", "url = \"wh\"".into(), "2: `destinations.dwh.url` is no URL"),
        (
            "clear text",
            "url = \"http://wh.example.org/\"".into(),
            "2: `destinations.dwh.url`: clear text, and the host is not this machine; write `https`",
        ),
        (
            "clear text to a listed network",
            "url = \"http://10.0.0.1/\"\nallow-cidr = [\"10.0.0.0/8\"]".into(),
            "2: `destinations.dwh.url`: clear text",
        ),
        (
            "this machine, not listed",
            "url = \"http://127.0.0.1/\"".into(),
            "2: `destinations.dwh.url`: its address is of a private or reserved network that is \
             not allowed; list its network in `allow-cidr`",
        ),
        (
            "a private address",
            "url = \"https://0xa000001/\"".into(),
            "2: `destinations.dwh.url`: its address is of a private",
        ),
        (
            "a password",
            "url = \"https://me:hunter2@h/\"".into(),
            "2: `destinations.dwh.url`: a URL with a user, password",
        ),
        (
            "a prefix without slash",
            format!("{good}path-prefix = \"in\""),
            "3: `destinations.dwh.path-prefix` = \"in\" below the URL's path has no slash",
        ),
        (
            "a prefix that climbs",
            format!("{good}path-prefix = \"/../x\""),
            "3: `destinations.dwh.path-prefix` = \"/../x\" below the URL's path has a segment of \
             dots",
        ),
        (
            "a method of nobody",
            format!("{good}methods = [\"post\"]"),
            "3: `post` in `destinations.dwh.methods`: write \"DELETE\", \"GET\"",
        ),
        (
            "no method",
            format!("{good}methods = []"),
            "3: `destinations.dwh.methods` is empty",
        ),
        (
            "a header of the host's",
            format!("{good}headers = [\"Authorization\"]"),
            "3: `Authorization` in `destinations.dwh.headers` is the host's alone",
        ),
        (
            "a header that is none",
            format!("{good}headers = [\":authority\"]"),
            "3: `:authority` in `destinations.dwh.headers` is not the name of a header",
        ),
        (
            "a range that is none",
            format!("{good}allow-cidr = [\"10.0.0.0\"]"),
            "3: `10.0.0.0` in `destinations.dwh.allow-cidr` is not a range",
        ),
        (
            "a range with too many bits",
            format!("{good}allow-cidr = [\"10.0.0.1/8\"]"),
            "3: `10.0.0.1/8` in `destinations.dwh.allow-cidr` is not where a range begins: write \
             `10.0.0.0/8`",
        ),
        (
            "everything",
            format!("{good}allow-cidr = [\"0.0.0.0/0\"]"),
            "3: `0.0.0.0/0` in `destinations.dwh.allow-cidr` is too wide",
        ),
        (
            "a secret in clear",
            format!("{good}auth = {{ bearer = \"hunter2\" }}"),
            "3: `destinations.dwh.auth` names one of `bearer",
        ),
        (
            "two ways to sign in",
            format!(
                "{good}auth = {{ bearer = {{ env = \"T\" }}, basic = {{ user = \"u\", password = \
                 {{ env = \"P\" }} }} }}"
            ),
            "3: `destinations.dwh.auth` names one of",
        ),
        (
            "a password in clear",
            format!(
                "{good}auth = {{ basic = {{ user = \"u\", password = \"hunter2\" }} }}"
            ),
            "3: `destinations.dwh.auth.basic.password` must be",
        ),
        (
            "a token endpoint in clear text",
            format!(
                "{good}auth = {{ client-credentials = {{ token-url = \"http://id/\", client-id = \
                 \"me\", client-secret = {{ env = \"S\" }} }} }}"
            ),
            "3: `destinations.dwh.auth.client-credentials.token-url`: clear text",
        ),
        (
            "an identity in clear",
            format!("{good}identity = \"-----BEGIN\""),
            "3: `destinations.dwh.identity` must be",
        ),
        (
            "no time",
            format!("{good}timeout = \"0s\""),
            "3: `destinations.dwh.timeout` must be longer than nothing",
        ),
        (
            "a misspelt key",
            format!("{good}allow-cdir = []"),
            "3: unknown key `destinations.dwh.allow-cdir`: did you mean `allow-cidr`?",
        ),
    ];
    for (name, table, expected) in cases {
        let problems = parse(&table).unwrap_err();
        assert!(
            problems.len() == 1 && problems[0].starts_with(expected),
            "case: {name}: {problems:?}"
        );
        assert!(!problems.concat().contains("hunter2"), "case: {name}: {problems:?}");
    }
}

#[test]
fn clear_text_needs_this_machine_or_the_operators_word() {
    let cases = [
        "url = \"http://localhost:8080/\"\nallow-cidr = [\"127.0.0.0/8\"]",
        "url = \"http://127.0.0.1:8080/\"\nallow-cidr = [\"127.0.0.0/8\"]",
        "url = \"http://wh.example.org/\"\ninsecure = true",
    ];
    for table in cases {
        assert!(parse(table).is_ok(), "case: {table}");
    }
}

#[test]
fn only_where_data_goes_and_as_whose_begins_anew() {
    let of = |more: &str| {
        parse(&format!("url = \"https://wh.example.org/\"\n{more}")).unwrap().definition()
    };
    let plain = of("");
    for same in ["timeout = \"5s\"", "concurrency = 1", "allow-cidr = [\"10.0.0.0/8\"]"] {
        assert_eq!(of(same), plain, "case: {same}");
    }
    for other in [
        "path-prefix = \"/x\"",
        "methods = [\"PUT\"]",
        "headers = [\"prefer\"]",
        "auth = { basic = { user = \"u\", password = { env = \"P\" } } }",
    ] {
        assert_ne!(of(other), plain, "case: {other}");
    }
}
