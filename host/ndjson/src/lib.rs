//! bulkhead-ndjson
