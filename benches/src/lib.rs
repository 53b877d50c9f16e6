//! bulkhead-benches
