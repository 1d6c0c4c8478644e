//! Answers to messages of 9P2000.L, one after the other.

use crate::fids::{Fids, Place};
use crate::message::{HEAD, Reader, Writer};
use crate::tree::{self, Changes, Time, Tree};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// Bytes of a message at most.
const MOST: u32 = 256 << 10;
/// What is spoken.
const VERSION: &[u8] = b"9P2000.L";
/// Names that one message goes through at most.
const STEPS: u16 = 16;
/// Bytes of an answer before the data that it brings.
const DATA: usize = HEAD + 4;
/// The kind of an answer that is an error.
const ERROR: u8 = 7;
/// What a guest is told the file system is.
const MAGIC: u32 = 0x0102_1997;
/// Which of its attributes an answer has: those of POSIX.
const BASIC: u64 = 0x7ff;
/// To remove a folder.
const REMOVE_FOLDER: u32 = 0x200;
/// What of a file is to be changed.
const MODE: u32 = 1;
const SIZE: u32 = 8;
const TIMES: [(u32, u32); 2] = [(0x10, 0x80), (0x20, 0x100)];

/// The server of a folder.
#[derive(Debug)]
pub struct Server {
    tree: Tree,
    writable: bool,
    /// Bytes of a message that were agreed on.
    size: u32,
    fids: Fids,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    size: u32,
    fids: Vec<(u32, Place, Option<u32>)>,
}

impl Server {
    /// Serves the folder that is open as `root`, for reading unless it is `writable`.
    #[must_use]
    pub fn new(root: OwnedFd, writable: bool) -> Self {
        Server { tree: Tree::new(root), writable, size: MOST, fids: Fids::default() }
    }

    /// The answer to `message`, of `room` bytes at most; none to what has no tag or where nothing fits.
    pub fn answer(&mut self, message: &[u8], room: usize) -> Vec<u8> {
        let Some((&[a, b, c, d, kind, tag @ ..], body)) = message.split_first_chunk::<HEAD>()
        else {
            return Vec::new();
        };
        let len = (u32::from_le_bytes([a, b, c, d]) as usize).checked_sub(HEAD);
        let body = len.and_then(|len| body.get(..len)).ok_or(Errno::INVAL);
        let room = room.min(self.size as usize);
        let done = body.and_then(|body| self.act(kind, Reader(body), room));
        let (kind, body) = match done {
            Ok(answer) if answer.0.len() + HEAD <= room => (kind.wrapping_add(1), answer.0),
            Ok(_) => (ERROR, Errno::MSGSIZE.raw_os_error().to_le_bytes().to_vec()),
            Err(error) => (ERROR, error.raw_os_error().to_le_bytes().to_vec()),
        };
        let mut answer = Writer::default();
        answer.long((HEAD + body.len()) as u32).byte(kind).0.extend(tag);
        answer.0.extend(body);
        if answer.0.len() > room { Vec::new() } else { answer.0 }
    }

    /// All is closed, as for a guest that begins.
    pub fn reset(&mut self) {
        (self.size, self.fids) = (MOST, Fids::default());
    }

    /// What the guest has named and opened.
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        let saved = Saved { size: self.size, fids: self.fids.saved() };
        // It has nothing that cannot be written.
        postcard::to_allocvec(&saved).unwrap_or_default()
    }

    /// Goes on from there; what cannot be opened any more is closed. False for what no [`Server::save`] wrote.
    #[must_use]
    pub fn load(&mut self, bytes: &[u8]) -> bool {
        let Ok(Saved { size, fids }) = postcard::from_bytes::<Saved>(bytes) else { return false };
        if size > MOST || !Fids::are_possible(&fids) {
            return false;
        }
        self.reset();
        self.size = size;
        for (number, place, flags) in fids {
            let opened = flags.filter(|flags| self.writable || !tree::writes(*flags));
            let opened = opened.and_then(|flags| self.tree.open(&place, flags).ok());
            let set = self.fids.set(number, place);
            if let (Ok(()), Some((open, _))) = (set, opened) {
                // It is there, as it was set just now.
                let _ = self.fids.open(number, open);
            }
        }
        true
    }

    /// Does what a message asks for.
    fn act(&mut self, kind: u8, mut body: Reader<'_>, room: usize) -> Result<Writer, Errno> {
        match kind {
            8 => self.statfs(&mut body),
            12 => self.open(&mut body),
            22 => self.readlink(&mut body),
            24 => self.attributes(&mut body),
            40 => self.list(&mut body, room),
            50 => self.sync(&mut body),
            // Locks are the guest's own business: it is the only one who has them.
            52 => Ok(one_byte(0)),
            54 => Self::unlocked(&mut body),
            100 => self.version(&mut body),
            104 => self.attach(&mut body),
            // Each message is answered before the next one is looked at.
            108 => Ok(Writer::default()),
            110 => self.walk(&mut body),
            116 => self.read(&mut body, room),
            120 => self.clunk(&mut body),
            14 | 16 | 18 | 20 | 26 | 70 | 72 | 74 | 76 | 118 | 122 => self.change(kind, &mut body),
            // Extended attributes, authentication, what is not of this protocol.
            _ => Err(Errno::OPNOTSUPP),
        }
    }

    /// Does what changes something.
    fn change(&mut self, kind: u8, body: &mut Reader<'_>) -> Result<Writer, Errno> {
        if !self.writable {
            if kind == 122 {
                // That closes the number whatever comes of it.
                self.fids.remove(body.long()?);
            }
            return Err(Errno::ROFS);
        }
        match kind {
            14 => self.create(body),
            16 => self.symlink(body),
            20 => self.rename(body),
            26 => self.set_attributes(body),
            70 => self.link(body),
            72 => self.make_folder(body),
            74 => self.rename_at(body),
            76 => self.unlink(body),
            118 => self.write(body),
            122 => self.remove(body),
            // Devices are not made.
            _ => Err(Errno::PERM),
        }
    }

    fn version(&mut self, body: &mut Reader<'_>) -> Result<Writer, Errno> {
        let (size, version) = (body.long()?, body.text()?);
        self.reset();
        self.size = size.min(MOST);
        let known = if version == VERSION { VERSION } else { b"unknown" };
        let mut answer = Writer::default();
        answer.long(self.size).text(known);
        Ok(answer)
    }

    fn attach(&mut self, body: &mut Reader<'_>) -> Result<Writer, Errno> {
        let number = body.long()?;
        let root = Place::default();
        let qid = self.tree.qid(&root)?;
        self.fids.set(number, root)?;
        let mut answer = Writer::default();
        answer.qid(qid);
        Ok(answer)
    }

    fn walk(&mut self, body: &mut Reader<'_>) -> Result<Writer, Errno> {
        let (from, to, count) = (body.long()?, body.long()?, body.word()?);
        if count > STEPS {
            return Err(Errno::INVAL);
        }
        let mut place = self.fids.place(from)?.clone();
        let mut found = Vec::new();
        for _ in 0..count {
            let mut up = *body;
            let next = match up.text()? {
                b".." => {
                    *body = up;
                    place.parent()
                }
                _ => place.join(body.name()?)?,
            };
            match self.tree.qid(&next) {
                Ok(qid) => found.push(qid),
                Err(error) if found.is_empty() => return Err(error),
                Err(_) => break,
            }
            place = next;
        }
        if found.len() == usize::from(count) {
            self.fids.set(to, place)?;
        }
        let mut answer = Writer::default();
        answer.word(found.len() as u16);
        found.into_iter().for_each(|qid| {
            answer.qid(qid);
        });
        Ok(answer)
    }

    fn open(&mut self, body: &mut Reader<'_>) -> Result<Writer, Errno> {
        let (number, flags) = (body.long()?, body.long()?);
        if tree::writes(flags) && !self.writable {
            return Err(Errno::ROFS);
        }
        let place = self.fids.place(number)?;
        self.fids.room()?;
        let (open, qid) = self.tree.open(place, flags)?;
        self.fids.open(number, open)?;
        let mut answer = Writer::default();
        answer.qid(qid).long(0);
        Ok(answer)
    }

    fn create(&mut self, body: &mut Reader<'_>) -> Result<Writer, Errno> {
        let (number, name, flags, mode) = (body.long()?, body.name()?, body.long()?, body.long()?);
        let place = self.fids.place(number)?.join(name)?;
        self.fids.room()?;
        let (open, qid) = self.tree.create(&place, flags, mode)?;
        // The number stands for the file from now on.
        self.fids.set(number, place)?;
        self.fids.open(number, open)?;
        let mut answer = Writer::default();
        answer.qid(qid).long(0);
        Ok(answer)
    }

    /// A name in the folder that a number stands for.
    fn named(&self, body: &mut Reader<'_>) -> Result<Place, Errno> {
        let number = body.long()?;
        self.fids.place(number)?.join(body.name()?)
    }

    fn make_folder(&mut self, body: &mut Reader<'_>) -> Result<Writer, Errno> {
        let (place, mode) = (self.named(body)?, body.long()?);
        let mut answer = Writer::default();
        answer.qid(self.tree.make_folder(&place, mode)?);
        Ok(answer)
    }

    fn symlink(&mut self, body: &mut Reader<'_>) -> Result<Writer, Errno> {
        let (place, target) = (self.named(body)?, body.text()?);
        let mut answer = Writer::default();
        answer.qid(self.tree.make_link(&place, target)?);
        Ok(answer)
    }

    fn link(&mut self, body: &mut Reader<'_>) -> Result<Writer, Errno> {
        let folder = self.fids.place(body.long()?)?.clone();
        let from = self.fids.place(body.long()?)?;
        self.tree.link(from, &folder.join(body.name()?)?)?;
        Ok(Writer::default())
    }

    fn rename(&mut self, body: &mut Reader<'_>) -> Result<Writer, Errno> {
        let from = self.fids.place(body.long()?)?.clone();
        let to = self.named(body)?;
        self.move_to(&from, &to)
    }

    fn rename_at(&mut self, body: &mut Reader<'_>) -> Result<Writer, Errno> {
        let (from, to) = (self.named(body)?, self.named(body)?);
        self.move_to(&from, &to)
    }

    fn move_to(&mut self, from: &Place, to: &Place) -> Result<Writer, Errno> {
        self.tree.rename(from, to)?;
        self.fids.moved(from, to);
        Ok(Writer::default())
    }

    fn unlink(&mut self, body: &mut Reader<'_>) -> Result<Writer, Errno> {
        let (place, flags) = (self.named(body)?, body.long()?);
        self.tree.remove(&place, flags & REMOVE_FOLDER != 0)?;
        Ok(Writer::default())
    }

    fn remove(&mut self, body: &mut Reader<'_>) -> Result<Writer, Errno> {
        let fid = self.fids.remove(body.long()?).ok_or(Errno::BADF)?;
        let folder = self.tree.qid(&fid.place)?.kind & crate::message::Qid::FOLDER != 0;
        self.tree.remove(&fid.place, folder)?;
        Ok(Writer::default())
    }

    fn clunk(&mut self, body: &mut Reader<'_>) -> Result<Writer, Errno> {
        self.fids.remove(body.long()?).map(|_| Writer::default()).ok_or(Errno::BADF)
    }

    fn read(&mut self, body: &mut Reader<'_>, room: usize) -> Result<Writer, Errno> {
        let (number, offset, count) = (body.long()?, body.quad()?, body.long()?);
        let open = self.fids.opened(number)?;
        if open.is_folder {
            return Err(Errno::ISDIR);
        }
        let count = (count as usize).min(room.saturating_sub(DATA));
        Ok(data(&tree::read(open, offset, count)?))
    }

    fn list(&mut self, body: &mut Reader<'_>, room: usize) -> Result<Writer, Errno> {
        let (number, offset, count) = (body.long()?, body.quad()?, body.long()?);
        let open = self.fids.opened(number)?;
        if !open.is_folder {
            return Err(Errno::NOTDIR);
        }
        let count = (count as usize).min(room.saturating_sub(DATA));
        Ok(data(&tree::list(open, offset, count)?))
    }

    fn write(&mut self, body: &mut Reader<'_>) -> Result<Writer, Errno> {
        let (number, offset, count) = (body.long()?, body.quad()?, body.long()?);
        let bytes = body.bytes(count as usize)?;
        let written = tree::write(self.fids.opened(number)?, offset, bytes)?;
        let mut answer = Writer::default();
        answer.long(written as u32);
        Ok(answer)
    }

    fn sync(&mut self, body: &mut Reader<'_>) -> Result<Writer, Errno> {
        let (number, data_alone) = (body.long()?, body.long().unwrap_or(0) != 0);
        tree::sync(self.fids.opened(number)?, data_alone)?;
        Ok(Writer::default())
    }

    fn readlink(&mut self, body: &mut Reader<'_>) -> Result<Writer, Errno> {
        let target = self.tree.target(self.fids.place(body.long()?)?)?;
        let mut answer = Writer::default();
        answer.text(&target);
        Ok(answer)
    }

    fn statfs(&mut self, body: &mut Reader<'_>) -> Result<Writer, Errno> {
        let found = self.tree.file_system(self.fids.place(body.long()?)?)?;
        let mut answer = Writer::default();
        answer.long(MAGIC).long(found.f_bsize as u32);
        for value in [found.f_blocks, found.f_bfree, found.f_bavail, found.f_files, found.f_ffree] {
            answer.quad(value);
        }
        answer.quad(0).long(found.f_namelen as u32);
        Ok(answer)
    }

    fn attributes(&mut self, body: &mut Reader<'_>) -> Result<Writer, Errno> {
        let fid = self.fids.get(body.long()?)?;
        // A file that is open may have no name any more.
        let stat = match &fid.open {
            Some(open) => rustix::fs::fstat(&open.file)?,
            None => self.tree.stat(&fid.place)?,
        };
        let mut answer = Writer::default();
        answer.quad(BASIC).qid(tree::qid(&stat));
        answer.long(stat.st_mode).long(stat.st_uid).long(stat.st_gid);
        let sizes = [stat.st_size as u64, stat.st_blksize as u64, stat.st_blocks as u64];
        let times = [
            (stat.st_atime as u64, stat.st_atime_nsec),
            (stat.st_mtime as u64, stat.st_mtime_nsec),
            (stat.st_ctime as u64, stat.st_ctime_nsec),
        ];
        let times = times.into_iter().flat_map(|(seconds, rest)| [seconds, rest]);
        // Device numbers, the time of birth, a generation and a version there are none of.
        let values = [stat.st_nlink as u64, 0].into_iter().chain(sizes).chain(times).chain([0; 4]);
        values.for_each(|value| {
            answer.quad(value);
        });
        Ok(answer)
    }

    fn set_attributes(&mut self, body: &mut Reader<'_>) -> Result<Writer, Errno> {
        let fid = self.fids.get(body.long()?)?;
        let (valid, mode) = (body.long()?, body.long()?);
        // Owners stay those of the process: it has no right to others.
        let (_, _, size) = (body.long()?, body.long()?, body.quad()?);
        let mut times = [None; 2];
        for (time, (wanted, given)) in times.iter_mut().zip(TIMES) {
            let (seconds, nanoseconds) = (body.quad()?, body.quad()?);
            let at = Time::At { seconds, nanoseconds };
            *time =
                (valid & wanted != 0).then_some(if valid & given != 0 { at } else { Time::Now });
        }
        let mode = (valid & MODE != 0).then_some(mode);
        let size = (valid & SIZE != 0).then_some(size);
        self.tree.change(&fid.place, fid.open.as_ref(), &Changes { mode, size, times })?;
        Ok(Writer::default())
    }

    /// Nobody else has a lock.
    fn unlocked(body: &mut Reader<'_>) -> Result<Writer, Errno> {
        const UNLOCK: u8 = 2;
        let (_, _) = (body.long()?, body.bytes(1)?);
        let (start, len, process) = (body.quad()?, body.quad()?, body.long()?);
        let mut answer = Writer::default();
        answer.byte(UNLOCK).quad(start).quad(len).long(process).text(body.text()?);
        Ok(answer)
    }
}

fn one_byte(value: u8) -> Writer {
    let mut answer = Writer::default();
    answer.byte(value);
    answer
}

fn data(bytes: &[u8]) -> Writer {
    let mut answer = Writer::default();
    answer.long(bytes.len() as u32).0.extend(bytes);
    answer
}
