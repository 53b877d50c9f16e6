use std::io::Cursor;

use minisign::KeyPair;
use serde_json::{Value, json};

use super::*;
use crate::config;

fn manifest() -> Value {
    json!({
        "bulkhead": 1, "name": "x", "version": "1", "role": "transform",
        "capabilities": [{ "interface": "bodies", "why": "to read" }],
        "rejects": [{ "code": "no", "meaning": "it is not" }],
        "metrics": ["rows"],
    })
}

fn ask(manifest: &mut Value, interface: &str) {
    let asked = json!({ "interface": interface, "why": "to work" });
    manifest["capabilities"].as_array_mut().unwrap().push(asked);
}

fn bytes(manifest: &Value, fields: &str) -> Vec<u8> {
    let imports = manifest["capabilities"].as_array().unwrap().iter().map(|asked| {
        let interface = asked["interface"].as_str().unwrap();
        format!(r#"(import "bulkhead:plugin/{interface}@0.1.0" (instance))"#)
    });
    let imports: String = imports.collect();
    let component = format!("(component {imports} (core module {fields}))");
    let package = Package::from_bytes(wat::parse_str(component).unwrap()).unwrap();
    package.with_manifest(&manifest.to_string()).unwrap().bytes().to_vec()
}

/// The difference between two files, each with its signature.
fn between(
    old: (&[u8], Option<&[u8]>),
    new: (&[u8], Option<&[u8]>),
    keys: &[String],
) -> Diff {
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str, (bytes, signature): (&[u8], Option<&[u8]>)| {
        let path = folder.path().join(name);
        fs_err::write(&path, bytes).unwrap();
        if let Some(signature) = signature {
            fs_err::write(config::beside(&path), signature).unwrap();
        }
        let trusted = Trusted::read(keys, None, &path).unwrap();
        Version::read(&path, &trusted).unwrap()
    };
    Diff::between(&read("old.wasm", old), &read("new.wasm", new))
}

fn listed(changes: &[Change]) -> Vec<String> {
    changes.iter().map(ToString::to_string).collect()
}

#[test]
fn what_a_new_version_may_more_is_told_and_what_it_may_less() {
    type Edit = fn(&mut Value);
    let cases: [(&str, Edit, &[&str], &[&str]); 10] = [
        ("the same", |_| (), &[], &[]),
        (
            "another interface",
            |of| ask(of, "clock"),
            &["import `clock`", "capability `clock`"],
            &[],
        ),
        (
            "an interface less",
            |of| of["capabilities"] = json!([]),
            &[],
            &["import `bodies`", "capability `bodies`"],
        ),
        (
            "fields",
            |of| {
                ask(of, "projection");
                of["fields"] = json!(["id", "name.family"]);
            },
            &[
                "import `projection`",
                "capability `projection`",
                "field `id`",
                "field `name.family`",
            ],
            &[],
        ),
        ("a stream", |of| of["streams"] = json!(["view/a"]), &["stream `view/a`"], &[]),
        ("an event", |of| of["events"] = json!(["e"]), &["event `e`"], &[]),
        (
            "another metric",
            |of| of["metrics"] = json!(["lines"]),
            &["metric `lines`"],
            &["metric `rows`"],
        ),
        (
            "another code",
            |of| of["rejects"][0]["code"] = json!("never"),
            &["reject `never`"],
            &["reject `no`"],
        ),
        (
            "another role",
            |of| of["role"] = json!("sink"),
            &["role: transform → sink"],
            &[],
        ),
        ("other words", |of| of["description"] = json!("It does."), &[], &[]),
    ];
    let old = bytes(&manifest(), "");
    for (name, edit, widened, narrowed) in cases {
        let mut manifest = manifest();
        edit(&mut manifest);
        let diff = between((&old, None), (&bytes(&manifest, ""), None), &[]);
        assert_eq!(listed(&diff.widened), widened, "case: {name}");
        assert_eq!(listed(&diff.narrowed), narrowed, "case: {name}");
        assert_eq!(diff.same_bytes, name == "the same", "case: {name}");
    }
}

#[test]
fn more_memory_is_more_and_words_are_words() {
    let old = bytes(&manifest(), "(memory 1)");
    let mut after = manifest();
    after["version"] = json!("2");
    after["capabilities"][0]["why"] = json!("to change");
    after["rejects"][0]["meaning"] = json!("it was not");
    after["settings"] = json!({ "type": "object" });
    let new = bytes(&after, "(memory 2) (func $f) (start $f)");
    let diff = between((&old, None), (&new, None), &[]);
    assert_eq!(listed(&diff.widened), ["memory: 65.5 kB → 131.1 kB"]);
    let changed = listed(&diff.changed);
    let changed: Vec<&str> = changed
        .iter()
        .map(String::as_str)
        .filter(|line| !line.starts_with("size"))
        .collect();
    let expected = [
        "version: 1 → 2",
        "settings",
        "start: 0 → 1",
        "why `bodies`: to read → to change",
        "meaning `no`: it is not → it was not",
    ];
    assert_eq!(changed, expected);
    let back = between((&new, None), (&old, None), &[]);
    assert_eq!(listed(&back.widened), Vec::<String>::new());
    assert_eq!(listed(&back.narrowed), ["memory: 131.1 kB → 65.5 kB"]);
}

/// Attacks: 49.
#[test]
fn another_signer_is_a_wider_power() {
    let [team, other] =
        [(); 2].map(|()| KeyPair::generate_unencrypted_keypair().unwrap());
    let (old, new) = (bytes(&manifest(), ""), bytes(&manifest(), "(func)"));
    let sign = |key: &KeyPair, bytes: &[u8]| {
        let signed = minisign::sign(None, &key.sk, Cursor::new(bytes), Some("x"), None);
        signed.unwrap().to_bytes()
    };
    let both = [team.pk.to_base64(), other.pk.to_base64()];
    let by = |key: &KeyPair, bytes: &[u8]| Some(sign(key, bytes));
    // case, signature of the old, of the new, trusted keys, wider, narrower
    let cases = [
        ("nobody", None, None, &[][..], 0, 0),
        ("the same", by(&team, &old), by(&team, &new), &both, 0, 0),
        ("the same, not checked", by(&team, &old), by(&team, &new), &[], 0, 0),
        ("another", by(&team, &old), by(&other, &new), &both, 1, 0),
        ("another, not checked", by(&team, &old), by(&other, &new), &[], 1, 0),
        ("nobody any more", by(&team, &old), None, &both, 1, 0),
        ("somebody", None, by(&team, &new), &both, 0, 1),
        ("not over these bytes", by(&team, &old), by(&team, &old), &both, 1, 0),
    ];
    for (name, before, after, keys, widened, narrowed) in cases {
        let diff = between((&old, before.as_deref()), (&new, after.as_deref()), keys);
        assert_eq!(diff.widened.len(), widened, "case: {name}: {:?}", diff.widened);
        assert_eq!(diff.narrowed.len(), narrowed, "case: {name}: {:?}", diff.narrowed);
    }
}

#[test]
fn its_json_has_every_member_always() {
    let old = bytes(&manifest(), "");
    let diff = between((&old, None), (&old, None), &[]);
    let json = serde_json::to_value(&diff).unwrap();
    let members: Vec<&String> = json.as_object().unwrap().keys().collect();
    let expected =
        ["changed", "format", "narrowed", "new", "old", "same-bytes", "widened"];
    let mut members: Vec<&str> = members.into_iter().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(members, expected);
    assert!(diff.to_string().ends_with("it may nothing that the old one may not\n"));
}
