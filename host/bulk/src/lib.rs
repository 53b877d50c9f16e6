//! bulkhead-bulk
