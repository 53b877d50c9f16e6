//! What the tests are made of: the program, its folder, servers, and readers of its output.

mod fake;
mod holdings;
mod lake;
mod program;
mod random;
mod sample;
mod site;
mod walk;
mod warm;

pub(crate) use bulkhead_tests::plugin;
pub(crate) use fake::{Exported, Fake, Framing, Reply, Seen, Served};
pub(crate) use holdings::{held, wanted};
pub(crate) use lake::{Delivered, exports, tree};
pub(crate) use program::{Ended, Program};
pub(crate) use random::Random;
pub(crate) use sample::{Sample, get};
pub(crate) use site::{Setup, Site, sha256};
pub(crate) use walk::{Owner, Walk, read_folder};
