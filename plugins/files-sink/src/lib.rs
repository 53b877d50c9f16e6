//! files-sink
