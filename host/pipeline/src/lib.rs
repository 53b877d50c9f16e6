//! bulkhead-pipeline
