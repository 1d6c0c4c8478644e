//! Two calls that no library here has.
//!
//! Invariant: neither touches memory but to read the program that it is given.

use seccompiler::BpfProgramRef;
use std::ptr;

/// `<linux/prctl.h>`: memory that was not executable when it was mapped does not become so.
const PR_MDWE_REFUSE_EXEC_GAIN: libc::c_ulong = 1;

/// `<linux/filter.h>`.
#[repr(C)]
struct Program {
    len: libc::c_ushort,
    filter: *const seccompiler::sock_filter,
}

/// No memory of the process becomes executable from here on, nor is any mapped that is writable and executable.
pub(crate) fn no_new_code() -> bool {
    const NONE: libc::c_ulong = 0;
    // SAFETY: changes what the kernel will permit, and no memory.
    let done =
        unsafe { libc::prctl(libc::PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, NONE, NONE, NONE) };
    done == 0
}

/// Has the kernel ask `program` about every system call of this thread, before those that it asks already.
pub(crate) fn load(program: BpfProgramRef<'_>) -> bool {
    let Ok(len) = libc::c_ushort::try_from(program.len()) else { return false };
    let program = Program { len, filter: program.as_ptr() };
    let load = |flags: libc::c_ulong| {
        // SAFETY: the kernel copies the program, which lives until the call returns.
        let done = unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                flags,
                ptr::from_ref(&program),
            )
        };
        done == 0
    };
    // Kernels before 5.16 switch speculation off for who has a filter, which costs a guest up to a third of its speed and
    // hinders none that reads by a side channel: that is not promised (docs/security.md).
    load(libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW) || load(0)
}
