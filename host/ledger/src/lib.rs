//! bulkhead-ledger
