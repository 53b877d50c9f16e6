//! What a child of this program does: one task, behind walls, for the parent at the other end
//! of its standard input. Nothing here runs in the parent.

pub(crate) mod compile;
pub mod jail;
mod remote;
mod run;

pub use compile::compile;
pub use run::run;
