//! bulkhead-net
