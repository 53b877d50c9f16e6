use serde_json::json;

use super::*;

fn metadata(crate_types: &[&str]) -> Metadata {
    serde_json::from_value(json!({
        "packages": [
            { "id": "b", "name": "other", "manifest_path": "/w/b/Cargo.toml", "targets": [] },
            { "id": "a", "name": "my-filter", "manifest_path": "/w/a/Cargo.toml", "targets": [
                { "name": "tool", "crate_types": ["bin"] },
                { "name": "my-filter", "crate_types": crate_types },
            ] },
        ],
        "target_directory": "/w/target",
        "workspace_root": "/w",
    }))
    .unwrap()
}

fn found() -> Crate {
    let manifest = PathBuf::from("/w/a/Cargo.toml");
    Crate::of(metadata(&["cdylib", "rlib"]), manifest, Profile::Guest).unwrap()
}

#[test]
fn finds_the_crate_and_names_its_file() {
    let expected = Crate {
        name: "my-filter".to_owned(),
        target_dir: "/w/target".into(),
        library: "my_filter".to_owned(),
        id: "a".to_owned(),
        manifest: "/w/a/Cargo.toml".into(),
        workspace: "/w".into(),
        profile: Profile::Guest,
    };
    assert_eq!(found(), expected);
}

#[test]
fn refuses_what_cannot_be_a_plugin() {
    let cases = [
        ("a workspace", "/w/Cargo.toml", "/w/Cargo.toml is a workspace, not a crate"),
        ("a program", "/w/a/Cargo.toml", "/w/a/Cargo.toml has no library"),
    ];
    for (name, manifest, expected) in cases {
        let refused = Crate::of(metadata(&["bin"]), manifest.into(), Profile::Release);
        assert_eq!(refused.unwrap_err().to_string(), expected, "case: {name}");
    }
}

#[test]
fn finds_the_module_among_cargos_messages() {
    let artifact = |package: &str, kind: &str, files: &[&str]| {
        json!({
            "reason": "compiler-artifact", "package_id": package, "filenames": files,
            "target": { "name": "x", "crate_types": [kind] },
        })
        .to_string()
    };
    let lines = [
        artifact("b", "cdylib", &["/t/b.wasm"]),
        "words of a build script".to_owned(),
        json!({ "reason": "build-script-executed", "package_id": "a" }).to_string(),
        artifact("a", "bin", &["/t/tool.wasm"]),
        artifact("a", "cdylib", &["/t/a.d", "/t/a.wasm"]),
        json!({ "reason": "build-finished", "success": true }).to_string(),
    ];
    let module = found().module(lines.join("\n").as_bytes());
    assert_eq!(module, Some(PathBuf::from("/t/a.wasm")));
    assert_eq!(found().module(b""), None);
}

#[test]
fn uses_the_workspaces_own_profile_for_guests() {
    let cases = [
        ("defined", "[profile.guest]\ninherits = \"release\"", Profile::Guest),
        ("not defined", "[profile.release]\nlto = true", Profile::Release),
        ("no profiles", "[package]\nname = \"x\"", Profile::Release),
    ];
    for (name, manifest, expected) in cases {
        assert_eq!(profile(manifest), expected, "case: {name}");
    }
}

#[test]
fn no_folder_of_this_machine_is_left_in_the_module() {
    let flags = flags(Path::new("/home/me/a \"b\""), Some(Path::new("/home/me/.cargo")));
    let parsed: toml::Table = flags.parse().unwrap();
    let flags: Vec<&str> = parsed["target"][TARGET]["rustflags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|flag| flag.as_str().unwrap())
        .collect();
    let expected = [
        "--remap-path-prefix",
        "/home/me/a \"b\"=/plugin",
        "--remap-path-prefix",
        "/home/me/.cargo=/cargo",
    ];
    assert_eq!(flags, expected);
}
