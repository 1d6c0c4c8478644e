//! An input as the file that the readers want: one without a name, in memory.

use rustix::fs::{MemfdFlags, memfd_create};
use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

thread_local! {
    static FILE: RefCell<Option<(File, PathBuf)>> = const { RefCell::new(None) };
}

fn make() -> io::Result<(File, PathBuf)> {
    let file = File::from(memfd_create("sample", MemfdFlags::CLOEXEC)?);
    let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    Ok((file, path))
}

/// Calls `read` with the path of a file that has `bytes` in it.
pub fn with<T>(bytes: &[u8], read: impl FnOnce(&Path) -> T) -> T {
    FILE.with_borrow_mut(|kept| {
        let (file, path) =
            kept.get_or_insert_with(|| make().expect("a file in memory can be made"));
        let filled = file.set_len(0).and_then(|()| file.write_all_at(bytes, 0));
        filled.expect("memory can be had");
        read(path)
    })
}
