//! A system call that the host refused: which, why, and how to mend it.
//!
//! Ringer asks the host for little, and for the same whatever the guest does. So a refusal is a limit of the process, a
//! filter around it or an old kernel, and the user can change that: the table below says how.

use rustix::io::Errno;
use std::fmt;
use std::io;

/// The refusal. Its text is one line: the call, what the host said, and how to mend it where that is known.
#[derive(Debug)]
pub struct Refusal {
    call: &'static str,
    source: io::Error,
}

impl Refusal {
    /// The system call.
    #[must_use]
    pub fn call(&self) -> &'static str {
        self.call
    }

    /// What the host said.
    #[must_use]
    pub fn error(&self) -> &io::Error {
        &self.source
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.call, self.source)?;
        hint(self.call, &self.source).map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

impl std::error::Error for Refusal {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Makes an error of a system call a refusal of `call`, as in `.map_err(refused("mmap"))`.
pub fn refused<E: Into<io::Error>>(call: &'static str) -> impl Fn(E) -> Refusal {
    move |error| Refusal { call, source: error.into() }
}

/// An error, the system call that it is of (any without one), and how to mend it. The first row that fits counts.
type Row = (Errno, Option<&'static str>, &'static str);

const MENDS: [Row; 11] = [
    (Errno::AGAIN, Some("timer_create"), "are pending signals limited (ulimit -i)?"),
    (
        Errno::AGAIN,
        Some("clone"),
        "are processes or memory limited (ulimit -u, ulimit -v, or a control group's pids.max)?",
    ),
    (Errno::MFILE, None, "are open files limited (ulimit -n)?"),
    (Errno::NFILE, None, "too many files are open on this host (fs.file-max)"),
    (
        Errno::FBIG,
        None,
        "is the size of files limited (ulimit -f)? Guest memory counts as one, too",
    ),
    (
        Errno::NOMEM,
        None,
        "is memory or address space limited (ulimit -v, ulimit -d, vm.overcommit_memory, a control group)?",
    ),
    (Errno::NOSYS, None, FILTERED),
    (Errno::PERM, None, FILTERED),
    (Errno::ACCESS, None, FILTERED),
    (Errno::INVAL, Some("memfd_create"), FILTERED),
    (Errno::NOTSUP, None, FILTERED),
];

const FILTERED: &str = "does a filter around Ringer (seccomp, a container's profile) forbid it?";

/// How to mend an error of a file, where it is a limit of the process or a filter around it, and not the file's.
#[must_use]
pub fn hint_for_file(error: &io::Error) -> Option<&'static str> {
    let errno = Errno::from_io_error(error)?;
    let limits = [Errno::MFILE, Errno::NFILE, Errno::FBIG, Errno::NOSYS];
    limits.contains(&errno).then(|| hint("", error)).flatten()
}

/// How to mend that the host answered `call` with `error`; none where that is not known.
#[must_use]
pub fn hint(call: &str, error: &io::Error) -> Option<&'static str> {
    let errno = Errno::from_io_error(error)?;
    let fits = |row: &&Row| row.0 == errno && row.1.is_none_or(|named| named == call);
    MENDS.iter().find(fits).map(|row| row.2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_call_and_how_to_mend_it() {
        for (call, errno, parts) in [
            ("memfd_create", Errno::MFILE, ["memfd_create: ", "(ulimit -n)"]),
            ("ftruncate", Errno::FBIG, ["ftruncate: ", "(ulimit -f)"]),
            ("mmap", Errno::NOMEM, ["mmap: ", "ulimit -v"]),
            ("timer_create", Errno::AGAIN, ["timer_create: ", "(ulimit -i)"]),
            ("clone", Errno::AGAIN, ["clone: ", "ulimit -u"]),
            ("arch_prctl", Errno::NOSYS, ["arch_prctl: ", "seccomp"]),
            ("sigaltstack", Errno::IO, ["sigaltstack: ", "(os error 5)"]),
        ] {
            let text = refused(call)(errno).to_string();
            assert!(parts.iter().all(|part| text.contains(part)) && !text.contains('\n'), "{text}");
        }
    }

    #[test]
    fn a_files_own_errors_have_no_hint() {
        let hinted = |errno: Errno| hint_for_file(&errno.into()).is_some();
        assert!([Errno::FBIG, Errno::MFILE, Errno::NOSYS].into_iter().all(hinted));
        assert!(![Errno::NOENT, Errno::ACCESS, Errno::PERM, Errno::NOSPC].into_iter().any(hinted));
    }
}
