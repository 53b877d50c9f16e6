//! bulkhead-plugin
