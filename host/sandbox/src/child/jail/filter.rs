//! The system calls that are left to a child.
//!
//! What is not named here fails with `EPERM`, whatever its arguments. Two calls fail with
//! `ENOSYS`, because their callers then do without: `memfd_create` (the engine copies a
//! guest's data instead) and `clone3` (whose flags lie in memory, where no filter sees them;
//! the C library then calls `clone`, whose flags it does see).

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp,
    SeccompCondition, SeccompFilter, SeccompRule, apply_filter_all_threads,
};

use super::Work;

/// Calls that computing takes, whatever their arguments: memory, threads that wait for each
/// other, signals of its own faults, time, randomness, its own end.
const ALWAYS: &[c_long] = &[
    libc::SYS_brk,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_madvise,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_yield,
    libc::SYS_sigaltstack,
];

/// What a new thread needs besides.
const THREADS: &[c_long] =
    &[libc::SYS_rseq, libc::SYS_sched_getaffinity, libc::SYS_set_robust_list];

/// Closes every other call, for all threads.
pub(super) fn close(work: Work, socket: i32) -> Result<(), Error> {
    // The stricter of two filters decides: the second lets these two pass to the first's answer.
    let absent = [libc::SYS_memfd_create, libc::SYS_clone3];
    let unknown = absent.iter().map(|call| (*call, Vec::new())).collect();
    let absent_calls = program(
        unknown,
        SeccompAction::Allow,
        SeccompAction::Errno(libc::ENOSYS.cast_unsigned()),
    )?;
    let mut left = allowed(work, socket)?;
    left.extend(absent.iter().map(|call| (*call, Vec::new())));
    let calls = program(
        left,
        SeccompAction::Errno(libc::EPERM.cast_unsigned()),
        SeccompAction::Allow,
    )?;
    apply_filter_all_threads(&absent_calls)?;
    apply_filter_all_threads(&calls)
}

type Rules = BTreeMap<c_long, Vec<SeccompRule>>;

fn allowed(work: Work, socket: i32) -> Result<Rules, BackendError> {
    let mut rules: Rules = ALWAYS.iter().map(|call| (*call, Vec::new())).collect();
    let own = u64::from(std::process::id());
    let socket = u64::from(socket.cast_unsigned());
    let no_code = || without(2, libc::PROT_EXEC);
    let private = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    let anonymous = masked(3, libc::MAP_TYPE | libc::MAP_ANONYMOUS, private)?;
    rules.insert(libc::SYS_read, rule(vec![equal(0, socket)?])?);
    rules.insert(libc::SYS_write, rule(vec![equal(0, socket)?])?);
    // Memory of its own, never of a file, never to be executed.
    rules.insert(libc::SYS_mmap, rule(vec![no_code()?, anonymous])?);
    rules.insert(libc::SYS_mprotect, rule(vec![no_code()?])?);
    // For `abort`.
    rules.insert(libc::SYS_tgkill, rule(vec![equal(0, own)?])?);
    match work {
        Work::Compile => {
            rules.extend(THREADS.iter().map(|call| (*call, Vec::new())));
            let shared = libc::CLONE_VM | libc::CLONE_SIGHAND | libc::CLONE_THREAD;
            rules.insert(libc::SYS_clone, rule(vec![masked(0, shared | NEW, shared)?])?);
        }
        Work::Run => {}
    }
    Ok(rules)
}

/// Namespaces that `clone` could make.
const NEW: i32 = libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWUTS;

fn rule(conditions: Vec<SeccompCondition>) -> Result<Vec<SeccompRule>, BackendError> {
    Ok(vec![SeccompRule::new(conditions)?])
}

fn equal(argument: u8, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
}

fn without(argument: u8, bits: i32) -> Result<SeccompCondition, BackendError> {
    masked(argument, bits, 0)
}

/// Of the bits of `mask`, exactly `value`.
fn masked(argument: u8, mask: i32, value: i32) -> Result<SeccompCondition, BackendError> {
    let mask = SeccompCmpOp::MaskedEq(u64::from(mask.cast_unsigned()));
    let value = u64::from(value.cast_unsigned());
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, mask, value)
}

fn program(
    rules: Rules,
    otherwise: SeccompAction,
    matched: SeccompAction,
) -> Result<BpfProgram, Error> {
    let here = std::env::consts::ARCH.try_into()?;
    let filter = SeccompFilter::new(rules, otherwise, matched, here)?;
    Ok(filter.try_into()?)
}
