//! No dumps: what is in this process is patient data and keys, and a dump of it would be a file
//! that nobody counts.

use std::io;

/// Has the kernel write no core dump of this process, nor let others of the same user trace it or
/// read its memory. Children start with the same limit.
///
/// # Errors
///
/// When the kernel refuses.
pub(crate) fn forbid() -> io::Result<()> {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        let none = Rlimit { current: Some(0), maximum: Some(0) };
        setrlimit(Resource::Core, none)?;
    }
    #[cfg(target_os = "linux")]
    {
        // A core pattern that is a program gets dumps whatever the limit says.
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    }
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit};

    use super::*;

    /// Attacks: 41.
    #[test]
    fn no_dump_is_written_of_this_process() {
        forbid().unwrap();
        assert_eq!(getrlimit(Resource::Core).current, Some(0));
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }
}
