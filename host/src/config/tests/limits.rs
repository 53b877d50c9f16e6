//! Limits, telemetry and deterministic chains as an operator writes them.

use std::time::Duration;

use bulkhead_model::ByteSize;
use bulkhead_sandbox::Limits;

use super::*;

/// What an error says to raise, an operator can write.
#[test]
fn every_limit_that_can_run_out_is_a_key_of_the_configuration() {
    let with = |limits: &str| {
        parse(&WHOLE.replace("{ memory = \"32MiB\", call = \"5s\" }", limits))
    };
    for limit in bulkhead_pipeline::Limit::ALL {
        let setting = limit.setting();
        let values = ["\"1MiB\"", "\"7s\"", "9"];
        let read =
            values.map(|value| with(&format!("{{ {setting} = {value} }}")).is_ok());
        assert_eq!(read.into_iter().filter(|is_fine| *is_fine).count(), 1, "{setting}");
    }
    let rates = "{ events-per-second = 0, event-burst = 5, restart-window = \"1h\" }";
    let limits = with(rates).unwrap().plugins["cohort-filter"].limits;
    assert_eq!((limits.events_per_second, limits.event_burst), (0, 5));
    assert_eq!(limits.restart_window.as_secs(), 3_600);
}

/// No key parses and binds nothing, or something else.
#[test]
fn every_limit_lands_where_its_name_says() {
    let written = "{ memory = \"3MiB\", memories = 3, table-elements = 5, tables = 6, instances = 7, \
        handles = 8, call = \"9s\", cpu = \"31s\", batch = \"11s\", batch-cpu = \"12s\", \
        return-bytes = \"13MiB\", http-requests = 14, http-bytes = \"15MiB\", http-time = \
        \"16s\", expansion = 17, events-per-second = 18, event-burst = 19, \
        artifact-bytes = \"20MiB\", artifacts = 21, run-artifact-bytes = \"22MiB\", \
        run-artifacts = 23, state-bytes = \"24MiB\", state-value-bytes = \"25KiB\", \
        restarts = 26, restart-window = \"27s\", compile = \"28s\", compile-memory = \
        \"29MiB\" }";
    let text = WHOLE.replace("{ memory = \"32MiB\", call = \"5s\" }", written);
    // Every field by name: one more is one more here.
    let expected = Limits {
        memory: ByteSize::mib(3),
        memories: 3,
        table_elements: 5,
        tables: 6,
        instances: 7,
        handles: 8,
        call: Duration::from_secs(9),
        cpu: Duration::from_secs(31),
        batch: Duration::from_secs(11),
        batch_cpu: Duration::from_secs(12),
        return_bytes: ByteSize::mib(13),
        http_requests: 14,
        http_bytes: ByteSize::mib(15),
        http_time: Duration::from_secs(16),
        expansion: 17,
        events_per_second: 18,
        event_burst: 19,
        artifact_bytes: ByteSize::mib(20),
        artifacts: 21,
        run_artifact_bytes: ByteSize::mib(22),
        run_artifacts: 23,
        state_bytes: ByteSize::mib(24),
        state_value_bytes: ByteSize::from_bytes(25 << 10),
        restarts: 26,
        restart_window: Duration::from_secs(27),
        compile: Duration::from_secs(28),
        compile_memory: ByteSize::mib(29),
    };
    assert_eq!(parse(&text).unwrap().plugins["cohort-filter"].limits, expected);
}

#[test]
fn telemetry_is_on_off_or_text() {
    use bulkhead_sandbox::Telemetry;
    let cases = [
        ("true", Some(Telemetry::On)),
        ("false", Some(Telemetry::Off)),
        ("\"text\"", Some(Telemetry::Text)),
        ("\"all\"", None),
        ("1", None),
    ];
    for (value, expected) in cases {
        let grants = format!("{{ cohorts = [\"study\"], telemetry = {value} }}");
        let config = parse(&WHOLE.replace("{ cohorts = [\"study\"] }", &grants));
        let found = config.ok().map(|of| of.plugins["cohort-filter"].grants.telemetry);
        assert_eq!(found, expected, "case: {value}");
    }
}

#[test]
fn a_chain_is_deterministic_with_a_seed_alone() {
    let with =
        |more: &str| parse(&WHOLE.replace("[[chain]]", &format!("[[chain]]\n{more}")));
    assert_eq!(with("").unwrap().chains[0].seed, None);
    let seeded = with("deterministic = { seed = \"s\" }").unwrap();
    assert_eq!(seeded.chains[0].seed.as_deref(), Some("s"));
    assert!(with("deterministic = true").is_err());
    assert!(with("deterministic = {}").is_err());
}
