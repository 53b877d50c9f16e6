//! The export itself: from a kick-off over its job to the files.
//!
//! A kick-off cuts a snapshot and plans the files at once; a job is that plan and its clock.

mod facts;
mod files;
mod job;
mod kickoff;
mod links;
mod manifest;
mod parameters;
mod plan;
mod status;

pub(crate) use facts::{LISTS, facts};
pub(crate) use files::{binary, download, row};
pub(crate) use job::Jobs;
pub(crate) use kickoff::{Request, kickoff};
pub(crate) use plan::counts;
pub(crate) use status::{cancel, http_date, page, status};
