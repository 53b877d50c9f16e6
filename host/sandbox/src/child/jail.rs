//! The walls around a child: what it may use, and what of the kernel it can still reach.
//!
//! | wall | what it takes |
//! |---|---|
//! | limits | memory, processor time, core dumps, new files and processes |
//! | landlock | every file, every TCP port, signals and abstract sockets outside |
//! | seccomp | every system call but those that computing takes; of those, every use that could make new code or reach another descriptor than the parent's socket |
//!
//! They go up in this order, each in one call that cannot be taken back. Descriptors that the
//! parent itself inherited may be open in a child; seccomp leaves no call that could use them.
//!
//! Source: landlock(7), seccomp(2), setrlimit(2), prctl(2).

#[cfg(target_os = "linux")]
mod filter;

/// What a child may use.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes of memory beyond what it has.
    pub memory: u64,
    /// Seconds of processor time, for [`Work::Compile`].
    pub cpu_seconds: u64,
}

/// What a child is going to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Compile: threads, and no new code.
    Compile,
    /// Run a guest whose code is loaded: not even threads.
    Run,
}

/// A wall that this kernel cannot build, in words for an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing(pub String);

#[cfg(target_os = "linux")]
pub use linux::{bound, close_calls, close_files, die_with_parent};

#[cfg(not(target_os = "linux"))]
pub use elsewhere::{bound, close_calls, close_files, die_with_parent};

#[cfg(target_os = "linux")]
mod linux {
    use std::io;

    use landlock::{
        ABI, Access, AccessFs, AccessNet, LandlockStatus, Ruleset, RulesetAttr,
        RulesetStatus, Scope,
    };
    use rustix::process::{
        DumpableBehavior, Resource, Rlimit, Signal, set_dumpable_behavior,
        set_parent_process_death_signal, setrlimit,
    };

    use super::{Bounds, Missing, Work, filter};

    /// Has the kernel kill this process when the thread that started it ends. A parent that is
    /// gone already has closed the socket, which ends the child too.
    pub fn die_with_parent() {
        // Cannot fail for a signal that exists.
        let _ = set_parent_process_death_signal(Some(Signal::KILL));
    }

    /// Sets the limits. None can be raised again.
    ///
    /// # Errors
    ///
    /// When the kernel refuses one.
    pub fn bound(bounds: &Bounds, work: Work) -> io::Result<()> {
        // Not to be traced, nor its memory to be read, by others of the same user.
        set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
        limit(Resource::Core, 0)?;
        limit(Resource::Fsize, 0)?;
        let used = used()?;
        match work {
            Work::Compile => {
                limit(Resource::Cpu, bounds.cpu_seconds.max(1))?;
                limit(Resource::As, used.addresses.saturating_add(bounds.memory))
            }
            // Linear memory is reserved in gigabytes and used in pages: what counts is what
            // can be written. Processor time is given call by call, by the parent.
            Work::Run => limit(Resource::Data, used.data.saturating_add(bounds.memory)),
        }
    }

    fn limit(resource: Resource, most: u64) -> io::Result<()> {
        let both = Rlimit { current: Some(most), maximum: Some(most) };
        Ok(setrlimit(resource, both)?)
    }

    struct Used {
        addresses: u64,
        data: u64,
    }

    /// Bytes that this process has by now.
    fn used() -> io::Result<Used> {
        let status = fs_err::read_to_string("/proc/self/status")?;
        let of = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
            Some(kib << 10)
        };
        let found = of("VmSize:").zip(of("VmData:"));
        let (addresses, data) =
            found.ok_or_else(|| io::Error::other("/proc/self/status says no sizes"))?;
        Ok(Used { addresses, data })
    }

    /// Takes every file and socket away, as far as the kernel's landlock goes; says its ABI.
    /// Threads that there are already are not held: call it first.
    ///
    /// # Errors
    ///
    /// When the kernel has no landlock.
    pub fn close_files() -> Result<u32, Missing> {
        let missing = |why: &str| Missing(format!("landlock ({why})"));
        // Of what is asked for, the kernel takes what it knows. No rule: nothing is let through.
        let asked = Ruleset::default()
            .handle_access(AccessFs::from_all(ABI::V10))
            .and_then(|rules| rules.handle_access(AccessNet::from_all(ABI::V10)))
            .and_then(|rules| rules.scope(Scope::from_all(ABI::V10)))
            .and_then(Ruleset::create)
            .and_then(landlock::RulesetCreated::restrict_self);
        let status = asked.map_err(|error| missing(&error.to_string()))?;
        limit(Resource::Nofile, 0).map_err(|error| missing(&error.to_string()))?;
        match (status.ruleset, status.landlock) {
            (
                RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced,
                LandlockStatus::Available { effective_abi, .. },
            ) => Ok(effective_abi as u32),
            (_, LandlockStatus::NotEnabled) => {
                Err(missing("it is switched off: add it to the kernel's `lsm=`"))
            }
            (_, LandlockStatus::NotImplemented) => {
                Err(missing("the kernel is older than 5.13, or built without it"))
            }
            (_, LandlockStatus::Available { .. }) => {
                Err(missing("the kernel did not enforce it"))
            }
        }
    }

    /// Takes every system call away that `work` does not need, for all threads; `socket` stays
    /// readable and writable.
    ///
    /// # Errors
    ///
    /// When the kernel has no seccomp filters.
    pub fn close_calls(work: Work, socket: i32) -> Result<(), Missing> {
        let missing =
            |why: &dyn std::fmt::Display| Missing(format!("seccomp filters ({why})"));
        if work == Work::Run {
            limit(Resource::Nproc, 0).map_err(|error| missing(&error))?;
        }
        filter::close(work, socket).map_err(|error| missing(&error))
    }
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::io;

    use super::{Bounds, Missing, Work};

    /// Nothing: the closed socket ends a child, between two messages.
    pub fn die_with_parent() {}

    /// Nothing can be limited here but the time, by the parent's clock.
    ///
    /// # Errors
    ///
    /// None.
    pub fn bound(_: &Bounds, _: Work) -> io::Result<()> {
        Ok(())
    }

    /// # Errors
    ///
    /// Always.
    pub fn close_files() -> Result<u32, Missing> {
        Err(Missing("landlock (this is not Linux)".to_owned()))
    }

    /// # Errors
    ///
    /// Always.
    pub fn close_calls(_: Work, _: i32) -> Result<(), Missing> {
        Err(Missing("seccomp filters (this is not Linux)".to_owned()))
    }
}
