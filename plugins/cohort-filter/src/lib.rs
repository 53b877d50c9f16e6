//! cohort-filter
