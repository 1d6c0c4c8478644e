//! What is done to files of the folder. Each name is found from the folder's descriptor, never outside, never through a link.

use crate::fids::{Open, Place};
use crate::message::{Qid, Writer};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RawDir, ResolveFlags, SeekFrom, Stat, StatFs, Timespec,
    Timestamps, UTIME_NOW, UTIME_OMIT, fchmod, fdatasync, fstat, fstatfs, fsync, ftruncate,
    futimens, linkat, mkdirat, openat2, readlinkat, renameat, seek, symlinkat, unlinkat,
};
use rustix::io::{Errno, pread, pwrite};
use std::mem::MaybeUninit;

/// How the guest opens a file: what it does there, that it is new, empty, written at its end, a folder.
const ACCESS: u32 = 3;
const EXCLUSIVE: u32 = 0o200;
const EMPTY: u32 = 0o1000;
const AT_END: u32 = 0o2000;
const FOLDER: u32 = 0o20_0000;
/// Rights that a guest can give. A program that runs as its owner is not made for the host.
const RIGHTS: u32 = 0o777;
/// Bytes of names that are read at a time.
const NAMES: usize = 16 << 10;

/// What is to be changed of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Changes {
    pub(crate) mode: Option<u32>,
    pub(crate) size: Option<u64>,
    /// Of the last access and the last change.
    pub(crate) times: [Option<Time>; 2],
}

/// A time to set.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Time {
    Now,
    At { seconds: u64, nanoseconds: u64 },
}

/// The folder.
#[derive(Debug)]
pub(crate) struct Tree {
    root: OwnedFd,
}

impl Tree {
    pub(crate) fn new(root: OwnedFd) -> Self {
        Tree { root }
    }

    fn find(&self, place: &Place, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat2(&self.root, place.path(), flags, mode, resolve)
    }

    /// The place itself, to ask about it; nothing is opened.
    fn handle(&self, place: &Place) -> Result<OwnedFd, Errno> {
        self.find(place, OFlags::PATH, Mode::empty())
    }

    fn folder(&self, place: &Place) -> Result<OwnedFd, Errno> {
        self.find(place, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())
    }

    /// The folder that a file is in, and its name. The shared folder is not one's to change.
    fn entry<'p>(&self, place: &'p Place) -> Result<(OwnedFd, &'p [u8]), Errno> {
        let (parent, name) = place.split().ok_or(Errno::BUSY)?;
        Ok((self.folder(&parent)?, name))
    }

    /// What is known of a file.
    pub(crate) fn stat(&self, place: &Place) -> Result<Stat, Errno> {
        fstat(self.handle(place)?)
    }

    /// What identifies it.
    pub(crate) fn qid(&self, place: &Place) -> Result<Qid, Errno> {
        self.stat(place).map(|stat| qid(&stat))
    }

    /// What is known of what holds the folder.
    pub(crate) fn file_system(&self, place: &Place) -> Result<StatFs, Errno> {
        fstatfs(self.handle(place)?)
    }

    /// Opens what is there. What is neither a file nor a folder is not opened: that could wait, or do something.
    pub(crate) fn open(&self, place: &Place, flags: u32) -> Result<(Open, Qid), Errno> {
        plain(&self.stat(place)?)?;
        let file = self.find(place, how(flags), Mode::empty())?;
        opened(file, flags)
    }

    /// Makes a file, and opens it.
    pub(crate) fn create(
        &self,
        place: &Place,
        flags: u32,
        mode: u32,
    ) -> Result<(Open, Qid), Errno> {
        match self.stat(place) {
            Ok(stat) => plain(&stat)?,
            Err(Errno::NOENT) => {}
            Err(error) => return Err(error),
        }
        let new = if flags & EXCLUSIVE != 0 { OFlags::EXCL } else { OFlags::empty() };
        let file = self.find(place, how(flags) | OFlags::CREATE | new, rights(mode))?;
        opened(file, flags & !(EXCLUSIVE | EMPTY))
    }

    pub(crate) fn make_folder(&self, place: &Place, mode: u32) -> Result<Qid, Errno> {
        let (parent, name) = self.entry(place)?;
        mkdirat(&parent, name, rights(mode))?;
        self.qid(place)
    }

    pub(crate) fn make_link(&self, place: &Place, target: &[u8]) -> Result<Qid, Errno> {
        let (parent, name) = self.entry(place)?;
        symlinkat(target, &parent, name)?;
        self.qid(place)
    }

    /// A second name of the file at `from`.
    pub(crate) fn link(&self, from: &Place, to: &Place) -> Result<(), Errno> {
        let ((old, name), (new, other)) = (self.entry(from)?, self.entry(to)?);
        linkat(&old, name, &new, other, AtFlags::empty())
    }

    pub(crate) fn rename(&self, from: &Place, to: &Place) -> Result<(), Errno> {
        let ((old, name), (new, other)) = (self.entry(from)?, self.entry(to)?);
        renameat(&old, name, &new, other)
    }

    pub(crate) fn remove(&self, place: &Place, folder: bool) -> Result<(), Errno> {
        let (parent, name) = self.entry(place)?;
        let flags = if folder { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        unlinkat(&parent, name, flags)
    }

    /// Where a link leads.
    pub(crate) fn target(&self, place: &Place) -> Result<Vec<u8>, Errno> {
        let (parent, name) = self.entry(place)?;
        readlinkat(&parent, name, Vec::new()).map(|target| target.into_bytes())
    }

    /// Changes what is known of a file, by `open` where it is open.
    pub(crate) fn change(
        &self,
        place: &Place,
        open: Option<&Open>,
        changes: &Changes,
    ) -> Result<(), Errno> {
        if let Some(size) = changes.size {
            let writable = open.filter(|open| open.flags & ACCESS != 0);
            match writable {
                Some(open) => ftruncate(&open.file, size)?,
                None => ftruncate(&self.open(place, 1)?.0.file, size)?,
            }
        }
        if changes.mode.is_none() && changes.times.iter().all(Option::is_none) {
            return Ok(());
        }
        let own = match open {
            Some(_) => None,
            None => Some(self.open(place, 0).or_else(|_| self.open(place, 1))?.0),
        };
        let file = open.or(own.as_ref()).map(|open| open.file.as_fd()).ok_or(Errno::BADF)?;
        set(file, changes)
    }
}

fn set(file: BorrowedFd<'_>, changes: &Changes) -> Result<(), Errno> {
    if let Some(mode) = changes.mode {
        fchmod(file, rights(mode))?;
    }
    if changes.times.iter().any(Option::is_some) {
        let [last_access, last_modification] = changes.times.map(time);
        futimens(file, &Timestamps { last_access, last_modification })?;
    }
    Ok(())
}

fn time(time: Option<Time>) -> Timespec {
    match time {
        None => Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        Some(Time::Now) => Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
        Some(Time::At { seconds, nanoseconds }) => Timespec {
            tv_sec: seconds.cast_signed(),
            tv_nsec: nanoseconds.min(999_999_999).cast_signed(),
        },
    }
}

fn rights(mode: u32) -> Mode {
    Mode::from_raw_mode(mode & RIGHTS)
}

fn how(flags: u32) -> OFlags {
    let access = match flags & ACCESS {
        1 => OFlags::WRONLY,
        2 => OFlags::RDWR,
        _ => OFlags::RDONLY,
    };
    let others = [(EMPTY, OFlags::TRUNC), (AT_END, OFlags::APPEND), (FOLDER, OFlags::DIRECTORY)];
    let others = others.into_iter().filter(|(bit, _)| flags & bit != 0);
    others.fold(access | OFlags::NONBLOCK | OFlags::NOCTTY, |all, (_, flag)| all | flag)
}

/// Whether a guest's flags change what is there.
pub(crate) fn writes(flags: u32) -> bool {
    flags & ACCESS != 0 || flags & EMPTY != 0
}

/// Nothing but files and folders.
fn plain(stat: &Stat) -> Result<(), Errno> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile | FileType::Directory => Ok(()),
        FileType::Symlink => Err(Errno::LOOP),
        _ => Err(Errno::ACCESS),
    }
}

fn opened(file: OwnedFd, flags: u32) -> Result<(Open, Qid), Errno> {
    let stat = fstat(&file)?;
    // It could have been exchanged since it was looked at.
    plain(&stat)?;
    let is_folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    Ok((Open { file, flags: flags & !(EXCLUSIVE | EMPTY), is_folder }, qid(&stat)))
}

fn kind(kind: FileType) -> u8 {
    match kind {
        FileType::Directory => Qid::FOLDER,
        FileType::Symlink => Qid::LINK,
        _ => 0,
    }
}

/// What identifies a file of which that is known.
pub(crate) fn qid(stat: &Stat) -> Qid {
    let kind = kind(FileType::from_raw_mode(stat.st_mode));
    let version = (stat.st_mtime as u32) ^ (stat.st_size as u32) << 8;
    Qid { kind, version, path: stat.st_ino ^ stat.st_dev.rotate_left(40) }
}

/// Bytes of an open file from `offset` on, `count` at most.
pub(crate) fn read(open: &Open, offset: u64, count: usize) -> Result<Vec<u8>, Errno> {
    let mut bytes = vec![0; count];
    let mut have = 0;
    while have < count {
        match pread(&open.file, &mut bytes[have..], offset.saturating_add(have as u64)) {
            Ok(0) => break,
            Ok(more) => have += more,
            Err(Errno::INTR) => {}
            Err(error) if have == 0 => return Err(error),
            Err(_) => break,
        }
    }
    bytes.truncate(have);
    Ok(bytes)
}

/// Writes to an open file; how much of it.
pub(crate) fn write(open: &Open, offset: u64, bytes: &[u8]) -> Result<usize, Errno> {
    loop {
        match pwrite(&open.file, bytes, offset) {
            Err(Errno::INTR) => {}
            done => return done,
        }
    }
}

/// It stays, whatever happens to the host.
pub(crate) fn sync(open: &Open, data_alone: bool) -> Result<(), Errno> {
    if data_alone { fdatasync(&open.file) } else { fsync(&open.file) }
}

/// Entries of an open folder from `offset` on, as an answer has them, `count` bytes at most.
pub(crate) fn list(open: &Open, offset: u64, count: usize) -> Result<Vec<u8>, Errno> {
    seek(&open.file, SeekFrom::Start(offset))?;
    let device = fstat(&open.file)?.st_dev;
    let mut list = Writer::default();
    let mut buffer = [const { MaybeUninit::uninit() }; NAMES];
    let mut names = RawDir::new(&open.file, &mut buffer);
    while let Some(entry) = names.next() {
        let entry = entry?;
        let (name, kind) = (entry.file_name().to_bytes(), kind(entry.file_type()));
        let len = Qid::LEN + 8 + 1 + 2 + name.len();
        if list.0.len() + len > count {
            break;
        }
        let path = entry.ino() ^ device.rotate_left(40);
        let raw = match entry.file_type() {
            FileType::Directory => 4,
            FileType::Symlink => 10,
            FileType::RegularFile => 8,
            _ => 0,
        };
        let listed = list.qid(Qid { kind, version: 0, path });
        listed.quad(entry.next_entry_cookie()).byte(raw).text(name);
    }
    Ok(list.0)
}
