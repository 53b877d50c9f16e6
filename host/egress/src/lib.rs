//! bulkhead-egress
