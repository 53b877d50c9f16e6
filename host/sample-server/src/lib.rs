//! bulkhead-sample-server
