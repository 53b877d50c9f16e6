//! What a plugin may use, as a line of the audit log holds it: every limit by the name that the
//! configuration has for it, times in milliseconds.

use std::time::Duration;

use bulkhead_sandbox::Limits;
use serde_json::{Map, Value};

/// Every limit.
pub(super) fn limits(limits: &Limits) -> Map<String, Value> {
    // Whole, so that a limit that is added cannot be forgotten here.
    let Limits {
        memory,
        memories,
        table_elements,
        tables,
        instances,
        handles,
        call,
        cpu,
        batch,
        batch_cpu,
        return_bytes,
        http_requests,
        http_bytes,
        http_time,
        expansion,
        events_per_second,
        event_burst,
        artifact_bytes,
        artifacts,
        run_artifact_bytes,
        run_artifacts,
        state_bytes,
        state_value_bytes,
        restarts,
        restart_window,
        compile,
        compile_memory,
    } = *limits;
    let all = [
        ("memory", memory.bytes()),
        ("memories", memories as u64),
        ("table-elements", table_elements as u64),
        ("tables", tables as u64),
        ("instances", instances as u64),
        ("handles", handles as u64),
        ("call-ms", ms(call)),
        ("cpu-ms", ms(cpu)),
        ("batch-ms", ms(batch)),
        ("batch-cpu-ms", ms(batch_cpu)),
        ("return-bytes", return_bytes.bytes()),
        ("http-requests", http_requests),
        ("http-bytes", http_bytes.bytes()),
        ("http-time-ms", ms(http_time)),
        ("expansion", expansion.into()),
        ("events-per-second", events_per_second.into()),
        ("event-burst", event_burst.into()),
        ("artifact-bytes", artifact_bytes.bytes()),
        ("artifacts", artifacts),
        ("run-artifact-bytes", run_artifact_bytes.bytes()),
        ("run-artifacts", run_artifacts),
        ("state-bytes", state_bytes.bytes()),
        ("state-value-bytes", state_value_bytes.bytes()),
        ("restarts", restarts.into()),
        ("restart-window-ms", ms(restart_window)),
        ("compile-ms", ms(compile)),
        ("compile-memory", compile_memory.bytes()),
    ];
    all.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use bulkhead_model::ByteSize;

    use super::*;

    #[test]
    fn a_limit_has_its_value_and_a_time_its_milliseconds() {
        let given = Limits {
            memory: ByteSize::mib(3),
            tables: 5,
            batch: Duration::from_secs(7),
            restarts: 11,
            ..Limits::default()
        };
        let told = limits(&given);
        let cases =
            [("memory", 3 << 20), ("tables", 5), ("batch-ms", 7_000), ("restarts", 11)];
        for (name, expected) in cases {
            assert_eq!(told[name], expected, "case: {name}");
        }
        assert_eq!(told.len(), 27, "no name stands twice");
    }
}
