//! Limits, telemetry and deterministic chains as an operator writes them.

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
