//! deidentify
