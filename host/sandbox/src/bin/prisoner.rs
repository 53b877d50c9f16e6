//! A prisoner, for `tests/jail.rs`: puts the walls of a child up around itself, tries everything,
//! and tells its parent by the one socket that is left to it.
//!
//! A process of its own, because it cannot go back, and no test, because it must have one thread.

#![cfg_attr(
    target_os = "linux",
    expect(
        unsafe_code,
        reason = "system calls by number, with arguments that are no pointers: what the walls \
                  let through is asked of the kernel, not of a library that may know better"
    )
)]
#![expect(
    clippy::unwrap_used,
    reason = "a prisoner that fails ends, and so does its test"
)]

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
fn main() {
    linux::main();
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{
        fs::File,
        io::{self, Read as _, Write as _},
        net::UdpSocket,
        os::fd::{AsFd as _, AsRawFd as _},
        process::Command,
        thread,
    };

    use bulkhead_sandbox::child::jail::{self, Bounds, Work};
    use rustix::process::dumpable_behavior;

    pub(super) fn main() {
        match std::env::args().nth(1).as_deref() {
            Some("bounded-compiles") => bounded(Work::Compile),
            Some("bounded-runs") => bounded(Work::Run),
            Some("compiles") => prisoner(Work::Compile),
            Some("runs") => prisoner(Work::Run),
            Some("without-files") => without_files(),
            _ => {}
        }
    }

    fn socket() -> File {
        io::stdin().as_fd().try_clone_to_owned().unwrap().into()
    }

    fn without_files() {
        let mut socket = socket();
        jail::close_files().unwrap();
        // Names of its own: what a prisoner without walls made must not be there for the next.
        let own = format!("/tmp/bulkhead-jail-{}", std::process::id());
        let tries = [
            ("folder", fs_err::create_dir(format!("{own}-folder"))),
            ("link", fs_err::os::unix::fs::symlink("x", format!("{own}-link"))),
        ];
        for (name, done) in tries {
            let kind = done.err().map(|error| error.kind());
            let is_refused = kind == Some(io::ErrorKind::PermissionDenied);
            let outcome = if is_refused { "refused" } else { "done" };
            writeln!(socket, "{name}: {outcome}").unwrap();
        }
    }

    /// Puts all walls up and waits until its parent has looked at its limits.
    fn bounded(work: Work) {
        let mut socket = socket();
        jail::bound(&Bounds { memory: MEMORY, cpu_seconds: 30 }, work).unwrap();
        let shown = dumpable_behavior().unwrap();
        jail::close_files().unwrap();
        jail::close_calls(work, socket.as_raw_fd()).unwrap();
        writeln!(socket, "{shown:?}").unwrap();
        let _ = socket.read(&mut [0]);
    }

    const MEMORY: u64 = 256 << 20;

    fn prisoner(work: Work) {
        jail::die_with_parent();
        let mut socket = socket();
        let page = page();
        let parent = std::os::unix::process::parent_id().cast_signed();
        jail::bound(&Bounds { memory: MEMORY, cpu_seconds: 30 }, work).unwrap();
        jail::close_files().unwrap();
        jail::close_calls(work, socket.as_raw_fd()).unwrap();
        // Before all else: a call that harms nobody, should the filter not be there.
        if call(libc::SYS_getppid, [0; 6]) != Err(libc::EPERM) {
            writeln!(socket, "there is no filter").unwrap();
            return;
        }
        let (rw, own) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE);
        let code = i64::from(rw | libc::PROT_EXEC);
        let own_memory = i64::from(own | libc::MAP_ANONYMOUS);
        let shared = i64::from(libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        let (parent, number) = (i64::from(parent), i64::from(socket.as_raw_fd()));
        let map = |protection: i64, flags: i64, file: i64| {
            is_done(call(libc::SYS_mmap, [0, 4096, protection, flags, file, 0]))
        };
        let too_much = usize::try_from(MEMORY * 2).unwrap();
        let tries = [
            ("file", fs_err::File::open("/etc/hostname").is_ok()),
            ("socket", UdpSocket::bind("127.0.0.1:0").is_ok()),
            ("program", Command::new("/bin/true").spawn().is_ok()),
            ("executable memory", map(code, own_memory, -1)),
            (
                "memory made executable",
                is_done(call(libc::SYS_mprotect, [page, 4096, code, 0, 0, 0])),
            ),
            ("shared memory", map(i64::from(rw), shared, -1)),
            ("a file in memory", map(i64::from(libc::PROT_READ), i64::from(own), number)),
            ("another descriptor", is_done(call(libc::SYS_read, [0, page, 1, 0, 0, 0]))),
            ("standard error", is_done(call(libc::SYS_write, [2, page, 1, 0, 0, 0]))),
            ("tracing", is_done(call(libc::SYS_ptrace, [16, parent, 0, 0, 0, 0]))),
            (
                "signal to the parent",
                is_done(call(libc::SYS_kill, [parent, 0, 0, 0, 0, 0])),
            ),
            (
                "signal to a thread of it",
                is_done(call(libc::SYS_tgkill, [parent, parent, 0, 0, 0, 0])),
            ),
            (
                "a new process",
                is_done(call(libc::SYS_clone, [libc::SIGCHLD.into(), 0, 0, 0, 0, 0])),
            ),
            (
                "more memory than it may",
                Vec::<u8>::new().try_reserve_exact(too_much).is_ok(),
            ),
            (
                "thread",
                thread::Builder::new().spawn(|| {}).map(thread::JoinHandle::join).is_ok(),
            ),
            ("memory", Vec::<u8>::new().try_reserve_exact(1 << 20).is_ok()),
        ];
        for (name, is_done) in tries {
            let outcome = if is_done { "done" } else { "refused" };
            writeln!(socket, "{name}: {outcome}").unwrap();
        }
        let left: Vec<String> = (0..LAST)
            .filter(|number| !KNOWN.contains(number) && !PROBES.contains(number))
            .filter(|number| call(*number, [0; 6]) != Err(libc::EPERM))
            .map(|number| number.to_string())
            .collect();
        let left = if left.is_empty() { "none".to_owned() } else { left.join(" ") };
        writeln!(socket, "calls left: {left}").unwrap();
    }

    /// Beyond the newest call of Linux 7.
    const LAST: i64 = 600;

    /// Calls that are left with some arguments or with all, tried above where they could be
    /// misused, and the two that say `ENOSYS`. What `clone` lets through, threads, is tried
    /// above too.
    const KNOWN: &[i64] = &[
        libc::SYS_brk,
        libc::SYS_clock_gettime,
        libc::SYS_clock_nanosleep,
        libc::SYS_clone3,
        libc::SYS_exit,
        libc::SYS_exit_group,
        libc::SYS_futex,
        libc::SYS_getpid,
        libc::SYS_getrandom,
        libc::SYS_gettid,
        libc::SYS_madvise,
        libc::SYS_memfd_create,
        libc::SYS_mprotect,
        libc::SYS_mremap,
        libc::SYS_munmap,
        libc::SYS_nanosleep,
        libc::SYS_restart_syscall,
        libc::SYS_rseq,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sched_getaffinity,
        libc::SYS_sched_yield,
        libc::SYS_set_robust_list,
        libc::SYS_sigaltstack,
    ];

    /// What a probe returns through. The kernel lets them pass every filter, and ends whoever
    /// calls them without a probe.
    #[cfg(target_arch = "x86_64")]
    const PROBES: std::ops::RangeInclusive<i64> = 335..=336;

    #[cfg(not(target_arch = "x86_64"))]
    const PROBES: std::ops::RangeInclusive<i64> = -1..=-1;

    fn is_done(answer: Result<i64, i32>) -> bool {
        answer != Err(libc::EPERM)
    }

    /// A page of memory of its own.
    fn page() -> i64 {
        let flags = i64::from(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        let protection = i64::from(libc::PROT_READ | libc::PROT_WRITE);
        call(libc::SYS_mmap, [0, 4096, protection, flags, -1, 0]).unwrap()
    }

    /// One system call, and its error number.
    fn call(number: i64, with: [i64; 6]) -> Result<i64, i32> {
        let [one, two, three, four, five, six] = with;
        // SAFETY: arguments are numbers, null pointers, or the page above, which nothing else
        // uses. The calls that could touch this process's memory or end it (`munmap`, `exit`,
        // …) are never made with others. Calls by mere number are made behind the filter alone,
        // which lets none of them through.
        let answer = unsafe { libc::syscall(number, one, two, three, four, five, six) };
        let errno = io::Error::last_os_error().raw_os_error().unwrap_or(0);
        if answer == -1 { Err(errno) } else { Ok(answer) }
    }
}
