//! How guests die, by the word that the pipeline gets; and that a fresh one works.

use std::time::Duration;

use bulkhead_pipeline::{Crash, Limit, Stage as _, StageError, Verdict};
use bulkhead_sandbox::{Error, Grants, Limits, PluginStage, Role, Telemetry};
use serde_json::json;

use super::sandbox;
use crate::guest::{Ground, Guest, batch, tight};

const CPU: Crash = Crash::Limit(Limit::Cpu);
const MEMORY: Crash = Crash::Limit(Limit::Memory);
const RETURN_BYTES: Crash = Crash::Limit(Limit::ReturnBytes);

/// Code that runs when two records come, and what becomes of the guest then.
type Attack = (&'static str, &'static str, Crash);

/// Items: 128.
///
/// Attacks: 1, 3, 4, 5, 7, 9, 10, 13, 14, 15, 16, 17, 21, 22, 25, 26, 27.
#[tokio::test]
async fn an_attack_ends_the_guest_and_nothing_else() {
    let attacks: &[Attack] = &[
        ("spins", "(loop $l (br $l))", CPU),
        ("fills its memory for ever", FILLS, CPU),
        ("traps", "(unreachable)", Crash::Trap),
        ("recurses without end", "(call $deep)", Crash::Trap),
        ("grows until it may not, then traps", GROWS, MEMORY),
        (
            "grows a table until it may not, then traps",
            GROWS_TABLE,
            Crash::Limit(Limit::TableElements),
        ),
        ("returns a list beyond its memory", BEYOND, Crash::Trap),
        ("returns a list that is not aligned", MISALIGNED, Crash::Trap),
        ("returns more bytes than it may", RETURNS_MUCH, RETURN_BYTES),
        ("passes more bytes to the host than it may", PASSES_MUCH, RETURN_BYTES),
        ("rejects far more records than there are", REJECTS_MANY, RETURN_BYTES),
        ("rejects with one long text many times", REJECTS_LONGLY, RETURN_BYTES),
        ("returns a set of two words for two records", TWO_WORDS, Crash::Contract),
        ("returns a set with a bit beyond the last", HIGH_BIT, Crash::Contract),
        ("returns a set that is none of the three", NO_SET, Crash::Trap),
        ("rejects what it keeps", REJECTS_KEPT, Crash::Contract),
        ("rejects beyond the last record", REJECTS_BEYOND, Crash::Contract),
        ("rejects with a code that is not declared", REJECTS_STRANGELY, Crash::Contract),
        ("rejects with a code that is no text", REJECTS_NO_TEXT, Crash::Trap),
        ("uses a handle it made up", "(drop (call $len (i32.const 99)))", Crash::Trap),
        ("keeps its borrow", "(return (i32.const 1024))", Crash::Trap),
        ("gives its borrow back twice", "(call $drop (local.get $of))", Crash::Trap),
        ("spins while the host hands over", SPINS_IN_REALLOC, CPU),
        ("hands out memory it has not", BAD_REALLOC, Crash::Trap),
        ("spins after its answer", "(global.set $mood (i32.const 3))", CPU),
        ("traps after its answer", "(global.set $mood (i32.const 4))", Crash::Trap),
    ];
    let sandbox = sandbox();
    for (name, attack, expected) in attacks {
        let on_batch =
            format!("(if (i32.eq (local.get $len) (i32.const 2)) (then {attack}))");
        let guest = Guest {
            imports: IMPORTS,
            items: ITEMS,
            on_realloc: ON_REALLOC,
            ..Guest::filter(on_batch.leak())
        };
        let ground = Ground::bare("attacker").granting(telemetry());
        let plugin = guest.asking("telemetry").load(&sandbox, ground).await.unwrap();
        let mut stage = PluginStage::new(plugin);
        for round in 0..2 {
            let judged = stage.judge(&batch(2)).await;
            assert_eq!(judged, Err(crashed(*expected)), "case: {name}, round {round}");
            let judged = stage.judge(&batch(3)).await;
            assert_eq!(
                judged,
                Ok(vec![Verdict::Keep; 3]),
                "after: {name}, round {round}"
            );
        }
    }
}

/// Attacks: 9.
#[tokio::test]
async fn a_guest_has_a_quarter_of_a_mebibyte_of_stack() {
    // A frame keeps what is loaded before the call and used after it: 1,000 numbers of 8 bytes.
    let each = |code: fn(usize) -> String| (1..=1_000).map(code).collect::<String>();
    let kept =
        each(|n| format!("(local.set {n} (i64.load offset={} (i32.const 0)))", n * 8));
    let used = each(|n| {
        format!("(global.set $sum (i64.add (global.get $sum) (local.get {n})))")
    });
    let items = format!(
        "(global $sum (mut i64) (i64.const 0))
         (func $deep (param i32) (local {}) {kept}
           (if (local.get 0)
             (then (call $deep (i32.sub (local.get 0) (i32.const 1)))))
           {used})",
        "i64 ".repeat(1_000)
    );
    let items: &str = items.leak();
    let sandbox = sandbox();
    for (name, on_batch, expected) in [
        ("200,000 bytes", "(call $deep (i32.const 24))", Ok(vec![Verdict::Keep; 2])),
        (
            "328,000 bytes",
            "(call $deep (i32.const 40))",
            Err(StageError::Crashed { stage: "a".to_owned(), crash: Crash::Trap }),
        ),
    ] {
        let guest = Guest { items, ..Guest::filter(on_batch) };
        let plugin = guest.load(&sandbox, Ground::bare("a")).await.unwrap();
        let judged = PluginStage::new(plugin).judge(&batch(2)).await;
        assert_eq!(judged, expected, "case: {name}");
    }
}

#[tokio::test]
async fn a_refused_wish_for_memory_is_forgotten_with_the_call() {
    let on_batch = "(if (i32.eq (local.get $len) (i32.const 2))
        (then (drop (memory.grow (i32.const 1000)))))
      (if (i32.eq (local.get $len) (i32.const 1)) (then (unreachable)))";
    let sandbox = sandbox();
    let plugin = Guest::filter(on_batch).load(&sandbox, Ground::bare("a")).await.unwrap();
    let mut stage = PluginStage::new(plugin);
    assert_eq!(stage.judge(&batch(2)).await, Ok(vec![Verdict::Keep; 2]));
    assert_eq!(
        stage.judge(&batch(1)).await,
        Err(StageError::Crashed { stage: "a".to_owned(), crash: Crash::Trap })
    );
}

/// Attacks: 1, 12.
#[tokio::test]
async fn the_wall_clock_ends_what_the_processor_time_would_allow() {
    let on_batch = "(loop $l (br $l))";
    let limits = Limits {
        call: Duration::from_millis(50),
        cpu: Duration::from_mins(1),
        ..tight()
    };
    let sandbox = sandbox();
    let ground = Ground { limits, ..Ground::bare("attacker") };
    let plugin = Guest::filter(on_batch).load(&sandbox, ground).await.unwrap();
    let mut stage = PluginStage::new(plugin);
    for _ in 0..2 {
        assert_eq!(stage.judge(&batch(1)).await, Err(crashed(Crash::Limit(Limit::Call))));
    }
}

/// Attacks: 2, 7, 8.
#[tokio::test]
async fn a_guest_that_dies_while_it_is_loaded_is_not_loaded() {
    let guest = || Guest::new(Role::Filter);
    let spins = "(func $spins (loop $l (br $l))) (start $spins)";
    let cases = [
        ("spins at its start", Guest { items: spins, ..guest() }, CPU),
        ("spins in describe", Guest { on_describe: "(loop $l (br $l))", ..guest() }, CPU),
        (
            "traps in describe",
            Guest { on_describe: "unreachable", ..guest() },
            Crash::Trap,
        ),
        (
            "spins in configure",
            Guest { on_configure: "(loop $l (br $l))", ..guest() },
            CPU,
        ),
        (
            "traps in configure",
            Guest { on_configure: "unreachable", ..guest() },
            Crash::Trap,
        ),
        ("declares too much memory", Guest { memory: "17", ..guest() }, MEMORY),
        ("declares all the memory", Guest { memory: "65536", ..guest() }, MEMORY),
        (
            "declares too large a table",
            Guest { items: "(table 101 funcref)", ..guest() },
            Crash::Limit(Limit::TableElements),
        ),
        (
            "declares tables that are too large together",
            Guest { items: "(table 60 funcref) (table 60 funcref)", ..guest() },
            Crash::Limit(Limit::TableElements),
        ),
        (
            "needs an import to describe itself",
            Guest {
                imports: IMPORTS,
                on_describe: "(call $count (i32.const 0) (i32.const 0) (i64.const 1))",
                ..guest()
            }
            .asking("telemetry"),
            Crash::Trap,
        ),
    ];
    let sandbox = sandbox();
    for (name, guest, expected) in cases {
        let is_asking = guest.manifest["capabilities"].is_array();
        let grants = if is_asking { telemetry() } else { Grants::default() };
        let loaded =
            guest.load(&sandbox, Ground::bare("attacker").granting(grants)).await;
        match loaded.err() {
            Some(Error::Died { crash }) => assert_eq!(crash, expected, "case: {name}"),
            other => panic!("case: {name}: {other:?}"),
        }
        let fresh = Guest::new(Role::Filter).load(&sandbox, Ground::bare("next")).await;
        assert!(fresh.is_ok(), "after: {name}");
    }
}

#[tokio::test]
async fn a_guest_that_changes_its_mind_about_its_settings_broke_the_contract() {
    // Accepts its settings while the clock stands at 0, which is when it is loaded.
    let imports = r#"(import "bulkhead:plugin/clock@0.1.0" "wall-ms"
        (func $wall (result i64)))"#;
    let guest = Guest {
        on_configure: "(if (i64.ne (call $wall) (i64.const 0))
            (then (i32.store8 (i32.const 1024) (i32.const 1))))",
        ..Guest::transform("clock", imports, "")
    };
    let times = std::sync::atomic::AtomicI64::new(0);
    let mut ground = Ground::bare("attacker");
    ground.grants.clock = true;
    ground.resources.now = std::sync::Arc::new(move || {
        let earlier = times.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        bulkhead_model::Instant::from_unix_ms(earlier)
    });
    let sandbox = sandbox();
    let mut stage = PluginStage::new(guest.load(&sandbox, ground).await.unwrap());
    assert_eq!(stage.judge(&batch(1)).await, Err(crashed(Crash::Contract)));
}

/// Attacks: 42.
#[tokio::test]
async fn what_a_guest_says_is_cut_and_cleaned() {
    // A failure whose code is not of the form of codes: tag 1, case `fatal`, a code of 3 bytes.
    let fatal = "
      (i32.store8 (i32.const 1024) (i32.const 1))
      (i32.store8 (i32.const 1028) (i32.const 1))
      (i32.store (i32.const 1032) (i32.const 4096))
      (i32.store (i32.const 1036) (i32.const 3))";
    let sandbox = sandbox();
    let guest =
        Guest { items: r#"(data (i32.const 4096) "A\1bB")"#, ..Guest::filter(fatal) };
    let plugin = guest.load(&sandbox, Ground::bare("a")).await.unwrap();
    let judged = PluginStage::new(plugin).judge(&batch(1)).await;
    let (stage, code) = ("a".to_owned(), "unspeakable".to_owned());
    assert_eq!(judged, Err(StageError::Fatal { stage, code }));

    // One problem with the settings, whose pointer, code and message are that same text.
    let problem = "
      (i32.store8 (i32.const 1024) (i32.const 1))
      (i32.store (i32.const 1028) (i32.const 4112))
      (i32.store (i32.const 1032) (i32.const 1))";
    let data = r#"(data (i32.const 4096) "A\1bB")
      (data (i32.const 4112)
        "\00\10\00\00\03\00\00\00\00\10\00\00\03\00\00\00\00\10\00\00\03\00\00\00")"#;
    let guest = Guest { items: data, on_configure: problem, ..Guest::new(Role::Filter) };
    match guest.load(&sandbox, Ground::bare("a")).await.err() {
        Some(Error::Settings { problems }) => {
            let shown: Vec<_> = problems
                .into_iter()
                .map(|problem| [problem.pointer, problem.code, problem.message])
                .collect();
            assert_eq!(json!(shown), json!([["AB", "AB", "AB"]]));
        }
        other => panic!("{other:?}"),
    }
}

fn crashed(crash: Crash) -> StageError {
    StageError::Crashed { stage: "attacker".to_owned(), crash }
}

fn telemetry() -> Grants {
    Grants { telemetry: Telemetry::On, ..Grants::default() }
}

const IMPORTS: &str = r#"
  (import "bulkhead:plugin/telemetry@0.1.0" "count" (func $count (param i32 i32 i64)))
  (import "bulkhead:plugin/batches@0.1.0" "[method]batch.seqs" (func $seqs (param i32 i32)))"#;

/// `$mood`: 1 spins and 2 lies in `cabi_realloc`, 3 spins and 4 traps after the answer.
const ITEMS: &str = r#"
  (global $mood (mut i32) (i32.const 0))
  (table $t 1 funcref)
  (func $deep (call $deep) (call $deep))
  (data (i32.const 4096) "no")
  (data (i32.const 4100) "maybe")
  (data (i32.const 4108) "\ff\fe")
  (func (export "cabi_post_bulkhead:plugin/filter@0.1.0#evaluate") (param i32)
    (loop $l (br_if $l (i32.eq (global.get $mood) (i32.const 3))))
    (if (i32.eq (global.get $mood) (i32.const 4)) (then (unreachable))))"#;

const ON_REALLOC: &str = "
    (loop $l (br_if $l (i32.eq (global.get $mood) (i32.const 1))))
    (if (i32.eq (global.get $mood) (i32.const 2)) (then (return (i32.const 0x7ffffff8))))";

const FILLS: &str = "(loop $l
    (memory.fill (i32.const 40000) (i32.const 1) (i32.const 20000)) (br $l))";

const GROWS: &str = "
  (loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
  (unreachable)";

const GROWS_TABLE: &str = "
  (loop $l
    (br_if $l (i32.ne (table.grow $t (ref.null func) (i32.const 50)) (i32.const -1))))
  (unreachable)";

/// Sets the answer's `keep` to a set of `len` words at `ptr`.
macro_rules! bits {
    ($ptr:literal, $len:literal) => {
        concat!(
            "(i32.store8 (i32.const 1028) (i32.const 2)) (i32.store (i32.const 1032) (i32.const ",
            $ptr,
            ")) (i32.store (i32.const 1036) (i32.const ",
            $len,
            "))"
        )
    };
}

const BEYOND: &str = bits!("0", "0x0fffffff");
const MISALIGNED: &str = bits!("4", "1");
const RETURNS_MUCH: &str =
    concat!("(drop (memory.grow (i32.const 4)))", bits!("0", "16384"));
/// 16,000 rejections, all zero.
const REJECTS_MANY: &str = "
  (drop (memory.grow (i32.const 4)))
  (i32.store8 (i32.const 1028) (i32.const 1))
  (i32.store (i32.const 1040) (i32.const 65536))
  (i32.store (i32.const 1044) (i32.const 16000))";

/// A hundred rejections whose codes are the same 60,000 bytes.
const REJECTS_LONGLY: &str = "
  (drop (memory.grow (i32.const 4)))
  (i32.store8 (i32.const 1028) (i32.const 1))
  (i32.store (i32.const 1040) (i32.const 65536))
  (i32.store (i32.const 1044) (i32.const 100))
  (global.set $mood (i32.const 65536))
  (loop $l
    (i32.store offset=8 (global.get $mood) (i32.const 131072))
    (i32.store offset=12 (global.get $mood) (i32.const 60000))
    (global.set $mood (i32.add (global.get $mood) (i32.const 16)))
    (br_if $l (i32.lt_u (global.get $mood) (i32.const 67136))))";
const TWO_WORDS: &str = bits!("8192", "2");
const HIGH_BIT: &str =
    concat!("(i64.store (i32.const 8192) (i64.const 4))", bits!("8192", "1"));
const NO_SET: &str = "(i32.store8 (i32.const 1028) (i32.const 3))";

const PASSES_MUCH: &str = "
  (drop (memory.grow (i32.const 4)))
  (call $count (i32.const 0) (i32.const 131072) (i64.const 1))";

/// Adds one rejection to the answer: `keep` is 0 (all) or 1 (none).
macro_rules! rejects {
    ($keep:literal, $index:literal, $code:literal, $len:literal) => {
        concat!(
            "(i32.store8 (i32.const 1028) (i32.const ",
            $keep,
            ")) (i32.store (i32.const 1040) (i32.const 1100)) (i32.store (i32.const 1044) ",
            "(i32.const 1)) (i32.store (i32.const 1100) (i32.const ",
            $index,
            ")) (i32.store (i32.const 1108) (i32.const ",
            $code,
            ")) (i32.store (i32.const 1112) (i32.const ",
            $len,
            "))"
        )
    };
}

const REJECTS_KEPT: &str = rejects!("0", "0", "4096", "2");
const REJECTS_BEYOND: &str = rejects!("1", "2", "4096", "2");
const REJECTS_STRANGELY: &str = rejects!("1", "0", "4100", "5");
const REJECTS_NO_TEXT: &str = rejects!("1", "0", "4108", "2");

const SPINS_IN_REALLOC: &str =
    "(global.set $mood (i32.const 1)) (call $seqs (local.get $of) (i32.const 2048))";
const BAD_REALLOC: &str =
    "(global.set $mood (i32.const 2)) (call $seqs (local.get $of) (i32.const 2048))";
