//! What a guest called is counted, whatever becomes of it.

use bulkhead_pipeline::Stage as _;
use bulkhead_sandbox::{BATCHES, DEATHS, Grants, Plugin, PluginStage, Sandbox};

use crate::guest::{Ground, Guest, batch};

fn told(plugin: &Plugin) -> Vec<(String, u64, u64, u64)> {
    let uses = plugin.uses().take().into_iter();
    uses.map(|of| {
        (format!("{} {}", of.interface, of.name), of.calls, of.bytes, of.refused)
    })
    .collect()
}

/// Attacks: 42.
#[tokio::test]
async fn calls_are_counted_by_name_and_a_name_that_is_not_granted_is_not_kept() {
    let imports = r#"
      (import "bulkhead:plugin/clock@0.1.0" "wall-ms" (func $wall (result i64)))
      (import "bulkhead:plugin/keyed-hash@0.1.0" "hmac"
        (func $hmac (param i32 i32 i32 i32 i32)))"#;
    // No value is hashed: once under the key `a`, once under `e`, which nobody granted.
    let on_batch = r"(drop (call $wall)) (drop (call $wall))
      (i32.store8 (i32.const 4096) (i32.const 97))
      (call $hmac (i32.const 4096) (i32.const 1) (i32.const 4100) (i32.const 0)
        (i32.const 2048))
      (i32.store8 (i32.const 4096) (i32.const 101))
      (call $hmac (i32.const 4096) (i32.const 1) (i32.const 4100) (i32.const 0)
        (i32.const 2048))";
    let sandbox = Sandbox::new(None).unwrap();
    let mut ground = Ground::bare("a").granting(Grants {
        clock: true,
        keys: vec!["a".to_owned()],
        ..Grants::default()
    });
    let secret = bulkhead_model::Secret::new("sixteen bytes or more");
    ground.resources = ground.resources.with_key("a", &secret).with_key("e", &secret);
    let mut guest = Guest::transform("clock", imports, on_batch);
    guest.manifest["capabilities"] = serde_json::json!([
        { "interface": "clock", "why": "to test" },
        { "interface": "keyed-hash", "why": "to test" },
    ]);
    let plugin = guest.load(&sandbox, ground).await.unwrap();
    assert_eq!(told(&plugin), [], "loading calls nothing");
    let mut stage = PluginStage::new(plugin.clone());
    for _ in 0..2 {
        stage.judge(&batch(3)).await.unwrap();
    }
    let bytes = 2 * batch(3).byte_len();
    let row =
        |name: &str, calls, bytes, refused| (name.to_owned(), calls, bytes, refused);
    let expected = [
        row(&format!("{BATCHES} "), 2, bytes, 0),
        row("clock ", 4, 0, 0),
        row("keyed-hash ", 0, 0, 2),
        row("keyed-hash a", 2, 0, 0),
    ];
    assert_eq!(told(&plugin), expected);
}

#[tokio::test]
async fn every_death_is_counted_by_its_manner() {
    let sandbox = Sandbox::new(None).unwrap();
    let cases = [
        ("trap", "(unreachable)", "plugin-trap"),
        ("spin", "(loop $again (br $again))", "plugin-cpu"),
    ];
    for (name, on_batch, code) in cases {
        let plugin =
            Guest::filter(on_batch).load(&sandbox, Ground::bare("a")).await.unwrap();
        let mut stage = PluginStage::new(plugin.clone());
        for _ in 0..2 {
            stage.judge(&batch(1)).await.unwrap_err();
        }
        let deaths = told(&plugin).into_iter().find(|of| of.0.starts_with(DEATHS));
        let expected = (format!("{DEATHS} {code}"), 2, 0, 0);
        assert_eq!(deaths, Some(expected), "case: {name}");
    }
}
