//! seccomp: the system calls that a serving relay makes, and none else.
//!
//! What is not listed answers EPERM. It does not kill: the harm of a call lies in its success, and
//! a C library that tries something new after an update must not cut two thousand sessions.
//! Both planes, redb, tokio and glibc were watched with strace; `relay/tests/sandbox` repeats that.
//! See `seccomp(2)`.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter,
};

/// Allowed whatever their arguments are.
const ALLOWED: &[i64] = &[
    // Sockets that exist: listeners accept, legs carry. None is made, bound or opened to listen.
    libc::SYS_accept4,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
    // systemd's socket; Landlock refuses TCP.
    libc::SYS_connect,
    // Any descriptor.
    libc::SYS_close,
    libc::SYS_fcntl,
    libc::SYS_lseek,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    // Data plane and tokio.
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    libc::SYS_pipe2,
    libc::SYS_ppoll,
    libc::SYS_splice,
    // Files: the store, the node file, /proc/self; Landlock says which.
    libc::SYS_fdatasync,
    libc::SYS_flock,
    libc::SYS_fstat,
    libc::SYS_fsync,
    libc::SYS_ftruncate,
    libc::SYS_getdents64,
    libc::SYS_mkdirat,
    libc::SYS_newfstatat,
    libc::SYS_openat,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_readlinkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_statx,
    libc::SYS_unlinkat,
    // Memory.
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_mremap,
    libc::SYS_munmap,
    // Threads and their locks.
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_rseq,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    // Signals to us, and what the Rust runtime asks about its stack.
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    // Clocks (where they are no vDSO calls) and randomness.
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_getrandom,
    libc::SYS_gettimeofday,
    libc::SYS_nanosleep,
    // Who we are, which nobody needs to hide.
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getuid,
    libc::SYS_uname,
];

/// The older names of calls above, which glibc still uses on x86-64.
#[cfg(target_arch = "x86_64")]
const OLDER: &[i64] = &[
    libc::SYS_epoll_wait,
    libc::SYS_lstat,
    libc::SYS_mkdir,
    libc::SYS_open,
    libc::SYS_poll,
    libc::SYS_readlink,
    libc::SYS_rename,
    libc::SYS_stat,
    libc::SYS_time,
    libc::SYS_unlink,
];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[i64] = &[];

/// A condition on one argument, of which the lower 32 bits count.
struct Argument {
    index: u8,
    /// These bits of the argument...
    mask: u64,
    /// ... must have this value.
    value: u64,
}

/// Sets the filter for this thread and all that it will start.
///
/// False on an architecture that nobody has watched, or in a kernel without filters.
pub(super) fn filter() -> Result<bool, String> {
    let Ok(architecture) = TargetArch::try_from(std::env::consts::ARCH) else {
        return Ok(false);
    };
    // The stricter list comes last: it does not allow to set another.
    for filter in [no_clone3(architecture)?, allow_list(architecture)?] {
        match apply_filter(&filter) {
            Ok(()) => {}
            Err(seccompiler::Error::Seccomp(error)) if is_missing(&error) => return Ok(false),
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(true)
}

/// `clone3` hides its flags in memory where a filter cannot look. "Not implemented" makes glibc
/// start its threads by `clone`, whose flags can be judged.
fn no_clone3(architecture: TargetArch) -> Result<BpfProgram, String> {
    let rules = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let not_implemented = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    compile(rules, SeccompAction::Allow, not_implemented, architecture)
}

fn allow_list(architecture: TargetArch) -> Result<BpfProgram, String> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = ALLOWED
        .iter()
        .chain(OLDER)
        .map(|call| (*call, Vec::new()))
        .collect();
    // Installed apart, with an answer of its own.
    rules.insert(libc::SYS_clone3, Vec::new());
    for (call, choices) in conditional() {
        let choices = choices.iter().map(|choice| rule(choice));
        rules.insert(call, choices.collect::<Result<_, _>>()?);
    }
    let denied = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    compile(rules, denied, SeccompAction::Allow, architecture)
}

/// Calls that are allowed for one purpose: any of the choices, all conditions of it.
fn conditional() -> Vec<(i64, Vec<Vec<Argument>>)> {
    let bits = |number: i32| u64::from(number.unsigned_abs());
    let exactly = |index, number: u64| Argument {
        index,
        mask: u64::from(u32::MAX),
        value: number,
    };
    let no_code = || Argument {
        index: 2,
        mask: bits(libc::PROT_EXEC),
        value: 0,
    };
    // Dials out without `connect`, which is all that Landlock looks at.
    let no_dialling = |index| Argument {
        index,
        mask: bits(libc::MSG_FASTOPEN),
        value: 0,
    };
    let own_process = u64::from(std::process::id());
    vec![
        // Threads, no processes.
        (
            libc::SYS_clone,
            vec![vec![Argument {
                index: 0,
                mask: bits(libc::CLONE_THREAD),
                value: bits(libc::CLONE_THREAD),
            }]],
        ),
        // Datagrams to systemd.
        (
            libc::SYS_socket,
            vec![vec![
                exactly(0, bits(libc::AF_UNIX)),
                Argument {
                    index: 1,
                    mask: 0xf,
                    value: bits(libc::SOCK_DGRAM),
                },
            ]],
        ),
        // Legs, and words to systemd.
        (libc::SYS_sendmsg, vec![vec![no_dialling(2)]]),
        (libc::SYS_sendto, vec![vec![no_dialling(3)]]),
        // Where tokio hears of signals.
        (
            libc::SYS_socketpair,
            vec![vec![exactly(0, bits(libc::AF_UNIX))]],
        ),
        // No memory that is both ours to write and to run; no library is loaded any more.
        (libc::SYS_mmap, vec![vec![no_code()]]),
        (libc::SYS_mprotect, vec![vec![no_code()]]),
        // `abort` after a panic.
        (libc::SYS_tgkill, vec![vec![exactly(0, own_process)]]),
        // Names of threads.
        (
            libc::SYS_prctl,
            vec![vec![exactly(0, bits(libc::PR_SET_NAME))]],
        ),
        // Non-blocking mode of a socket, as Rust's library sets it.
        (libc::SYS_ioctl, vec![vec![exactly(1, libc::FIONBIO)]]),
        // Looking at limits; a new one would be the third argument.
        (
            libc::SYS_prlimit64,
            vec![vec![exactly(0, 0), exactly(2, 0)]],
        ),
    ]
}

fn rule(conditions: &[Argument]) -> Result<SeccompRule, String> {
    let conditions: Result<Vec<_>, _> = conditions
        .iter()
        .map(|argument| {
            SeccompCondition::new(
                argument.index,
                SeccompCmpArgLen::Dword,
                SeccompCmpOp::MaskedEq(argument.mask),
                argument.value,
            )
        })
        .collect();
    conditions
        .and_then(SeccompRule::new)
        .map_err(|error| error.to_string())
}

fn compile(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    otherwise: SeccompAction,
    listed: SeccompAction,
    architecture: TargetArch,
) -> Result<BpfProgram, String> {
    SeccompFilter::new(rules, otherwise, listed, architecture)
        .and_then(BpfProgram::try_from)
        .map_err(|error| error.to_string())
}

/// EINVAL: built without filters. ENOSYS: built without seccomp.
fn is_missing(error: &std::io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS))
}
