//! Compiling in a child: what a component may make the compiler do, and what children that
//! lie achieve.

use std::time::Duration;

use bulkhead_guest_builder::Bomb;
use bulkhead_model::ByteSize;
use bulkhead_pipeline::{Stage as _, Verdict};
use bulkhead_sandbox::{
    Cache, Children, Error, Isolation, Limits, Package, Plugin, PluginStage, Role,
    Sandbox,
};
use serde_json::json;

use crate::guest::{Ground, Guest, batch, children};

/// Far more than any limit below, for busy machines: who needs it never ends.
const FOR_EVER: Duration = Duration::from_mins(2);

/// Attacks: 11.
#[tokio::test]
async fn a_compile_bomb_is_refused_in_its_bounds() {
    // name, what there is too much of, a time limit, a memory limit, what it says
    const TIME: &str = "`limits.compile` of";
    const MEMORY: &str = "`limits.compile-memory` of";
    type Case = (&'static str, Bomb, u64, u64, &'static [&'static str]);
    let cases: [Case; 6] = [
        ("functions without end", Bomb::Functions(100_000), 500, 2048, &[TIME]),
        (
            "functions without end and memory",
            Bomb::Functions(100_000),
            120_000,
            48,
            &[MEMORY],
        ),
        ("one giant function", Bomb::Giant(1_500_000), 500, 1024, &[TIME, MEMORY]),
        (
            "a function over the format's limit",
            Bomb::Giant(6_000_000),
            60_000,
            1024,
            &["body size"],
        ),
        ("a million locals", Bomb::Locals(1_000_000), 60_000, 1024, &["too many locals"]),
        // They cost next to nothing: it is no plugin, for the rest.
        (
            "data segments",
            Bomb::Segments(32_768),
            60_000,
            1024,
            &["bulkhead:plugin/lifecycle"],
        ),
    ];
    let sandbox = Sandbox::new(None).unwrap().with_children(children());
    for (name, bomb, ms, mib, expected) in cases {
        let package = Package::from_bytes(bomb.component()).unwrap();
        let limits = Limits {
            compile: Duration::from_millis(ms),
            compile_memory: ByteSize::mib(mib),
            ..Limits::default()
        };
        let refused = tokio::time::timeout(FOR_EVER, load(&sandbox, package, limits));
        let error = refused.await.expect(name).err().expect(name);
        let error = anyhow(&error);
        let is_said = expected.iter().any(|words| error.contains(words));
        assert!(is_said, "case: {name}: {error}");
        // Neighbours load as ever.
        let next = Guest::new(Role::Filter).load(&sandbox, Ground::bare("next")).await;
        assert!(next.is_ok(), "after: {name}: {:?}", next.err());
    }
}

#[tokio::test]
async fn code_of_a_child_runs_and_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let cache = || {
        let (code, key) = (dir.path().join("code"), dir.path().join("key"));
        Some(Cache::open(&code, &key).unwrap())
    };
    let nobody = || Children::of_program("/nobody/here", &[]).unwrap();
    let cases = [
        ("without cache or child", None, nobody(), false),
        ("first", cache(), children(), true),
        ("from the cache, which starts no child", cache(), nobody(), true),
    ];
    for (name, cache, children, is_fine) in cases {
        let sandbox = Sandbox::new(cache).unwrap().with_children(children);
        let loaded = Guest::new(Role::Filter).load(&sandbox, Ground::bare("a")).await;
        match loaded {
            Ok(plugin) => {
                assert!(is_fine, "case: {name}");
                let judged = PluginStage::new(plugin).judge(&batch(2)).await;
                assert_eq!(judged, Ok(vec![Verdict::Keep; 2]), "case: {name}");
            }
            Err(Error::Child { .. }) => assert!(!is_fine, "case: {name}"),
            Err(error) => panic!("case: {name}: {error:?}"),
        }
    }
}

/// Attacks: 11.
#[tokio::test]
async fn a_child_that_lies_is_not_believed() {
    let cases = [
        ("leaves", "exit 0", false),
        ("sends a frame of 4 GiB", r"printf '\377\377\377\377' >&0", false),
        ("sends half a frame", r"printf '\5\0\0\0ab' >&0", false),
        ("sends what is no answer", r"printf '\1\0\0\0\7' >&0", false),
        ("sends code longer than its frame", r"printf '\5\0\0\0\1\377\0\0\0' >&0", false),
        ("sends nothing", "exec sleep 600", true),
    ];
    for (name, script, is_late) in cases {
        let liar = Children::of_program("/bin/sh", &["-c", script, "sh"]).unwrap();
        let sandbox = Sandbox::new(None).unwrap().with_children(liar);
        let mut ground = Ground::bare("a");
        ground.limits.compile = Duration::from_secs(if is_late { 1 } else { 60 });
        match Guest::new(Role::Filter).load(&sandbox, ground).await.err() {
            Some(Error::Child { .. }) => assert!(!is_late, "case: {name}"),
            Some(Error::CompileBound { .. }) => assert!(is_late, "case: {name}"),
            other => panic!("case: {name}: {other:?}"),
        }
    }
}

/// Attacks: 43.
#[tokio::test]
async fn what_a_compiler_says_is_cleaned() {
    // No wall is missing, and `Err("a\u{1b}[2J")`.
    let script =
        r"printf '\16\0\0\0\0\0\0\0\0\5\0\0\0a\033[2J' >&0; exec cat > /dev/null";
    let liar = Children::of_program("/bin/sh", &["-c", script, "sh"]).unwrap();
    let sandbox = Sandbox::new(None).unwrap().with_children(liar);
    match Guest::new(Role::Filter).load(&sandbox, Ground::bare("a")).await.err() {
        Some(Error::Compile { source }) => assert_eq!(source.to_string(), "a[2J"),
        other => panic!("{other:?}"),
    }
}

/// Attacks: 11.
#[tokio::test]
async fn a_compiler_without_walls_is_refused_where_all_walls_are_asked_for() {
    // It lacks `seccomp`, and has something against the component.
    let script = r"printf '\26\0\0\0\1\0\0\0\7\0\0\0seccomp\0\2\0\0\0no' >&0; exec cat > /dev/null";
    for (isolation, is_refused) in
        [(Isolation::InProcess, false), (Isolation::Process, true)]
    {
        let bare = Children::of_program("/bin/sh", &["-c", script, "sh"]).unwrap();
        let sandbox = Sandbox::new(None).unwrap().with_children(bare);
        let loaded = Guest::new(Role::Filter)
            .load(&sandbox.isolating(isolation), Ground::bare("a"))
            .await;
        match loaded.err() {
            Some(Error::Walls { missing }) => {
                assert!(is_refused && missing == "seccomp", "{isolation:?}: {missing}");
            }
            Some(Error::Compile { .. }) => assert!(!is_refused, "{isolation:?}"),
            other => panic!("{isolation:?}: {other:?}"),
        }
    }
}

async fn load(
    sandbox: &Sandbox,
    package: Package,
    limits: Limits,
) -> Result<Plugin, Error> {
    let manifest =
        json!({ "bulkhead": 1, "name": "x", "version": "1", "role": "filter" });
    let package = package.with_manifest(&manifest.to_string()).unwrap();
    let Ground { stage, grants, resources, .. } = Ground::bare("bomb");
    Plugin::load(sandbox, &package, stage, &json!({}), grants, limits, resources).await
}

/// An error with its causes.
fn anyhow(error: &Error) -> String {
    use std::error::Error as _;
    let cause = error.source().map(|cause| format!(": {cause:#}"));
    format!("{error}{}", cause.unwrap_or_default())
}
