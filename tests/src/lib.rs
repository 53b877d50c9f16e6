//! Whole-program tests: everything is in the test binary `it`.
