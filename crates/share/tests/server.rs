//! A client, message by message: what a folder shows, what it lets be changed, and that nobody gets out of it.

use ringer_share::{Server, SharedFolder};
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const ROOM: usize = 64 << 10;
/// Errors of the host's kernel, which are the guest's.
const NOENT: u32 = 2;
const BADF: u32 = 9;
const ACCESS: u32 = 13;
const INVAL: u32 = 22;
const ROFS: u32 = 30;
const NAMETOOLONG: u32 = 36;
const LOOP: u32 = 40;
const XDEV: u32 = 18;
const OPNOTSUPP: u32 = 95;

/// A folder in another one, in which there is a secret.
struct World {
    outer: TempDir,
    server: Server,
}

fn root(folder: &Path) -> rustix::fd::OwnedFd {
    open(folder, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap()
}

impl World {
    fn new(writable: bool) -> World {
        let outer = TempDir::new().unwrap();
        let folder = outer.path().join("shared");
        fs::create_dir_all(folder.join("sub/deep")).unwrap();
        fs::write(folder.join("file"), b"what is in it").unwrap();
        fs::write(folder.join("sub/other"), b"other").unwrap();
        fs::write(outer.path().join("secret"), b"secret").unwrap();
        symlink("../secret", folder.join("out")).unwrap();
        symlink(outer.path(), folder.join("up")).unwrap();
        symlink("file", folder.join("in")).unwrap();
        let mut world = World { server: Server::new(root(&folder), writable), outer };
        let version = world.ask(100, &[long(32 << 10), text(b"9P2000.L")]).unwrap();
        assert_eq!(version, [long(32 << 10), text(b"9P2000.L")].concat());
        world.ask(104, &[long(0), long(u32::MAX), text(b""), text(b""), long(0)]).unwrap();
        world
    }

    fn folder(&self) -> PathBuf {
        self.outer.path().join("shared")
    }

    /// The answer's body, or the error.
    fn ask(&mut self, kind: u8, parts: &[Vec<u8>]) -> Result<Vec<u8>, u32> {
        let body = parts.concat();
        let head = [long(7 + body.len() as u32), vec![kind, 0x34, 0x12]].concat();
        let answer = self.server.answer(&[head, body].concat(), ROOM);
        let (head, body) = answer.split_at(7);
        assert_eq!(head[..4], long(answer.len() as u32)[..]);
        assert_eq!(head[5..], [0x34, 0x12], "the tag comes back");
        match head[4] {
            7 => Err(u32::from_le_bytes(body.try_into().unwrap())),
            answered => {
                assert_eq!(answered, kind + 1);
                Ok(body.to_vec())
            }
        }
    }

    /// Fid `to` stands for `path` from the folder on.
    fn walk(&mut self, to: u32, path: &str) -> Result<(), u32> {
        let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
        let mut parts = vec![long(0), long(to), word(names.len() as u16)];
        parts.extend(names.iter().map(|name| text(name.as_bytes())));
        let answer = self.ask(110, &parts)?;
        let found = u16::from_le_bytes([answer[0], answer[1]]);
        if usize::from(found) == names.len() { Ok(()) } else { Err(NOENT) }
    }

    fn open(&mut self, fid: u32, flags: u32) -> Result<Vec<u8>, u32> {
        self.ask(12, &[long(fid), long(flags)])
    }

    fn read(&mut self, path: &str) -> Result<Vec<u8>, u32> {
        self.walk(9, path)?;
        self.open(9, 0)?;
        let data = self.ask(116, &[long(9), quad(0), long(1000)])?;
        self.ask(120, &[long(9)])?;
        Ok(data[4..].to_vec())
    }

    /// The names in a folder, read `count` bytes at a time.
    fn list(&mut self, path: &str, count: u32) -> Vec<String> {
        self.walk(8, path).unwrap();
        self.open(8, 0).unwrap();
        let (mut names, mut offset) = (Vec::new(), 0);
        loop {
            let data = self.ask(40, &[long(8), quad(offset), long(count)]).unwrap();
            let mut rest = &data[4..];
            if rest.is_empty() {
                break;
            }
            while !rest.is_empty() {
                offset = u64::from_le_bytes(rest[13..21].try_into().unwrap());
                let len = usize::from(u16::from_le_bytes([rest[22], rest[23]]));
                names.push(String::from_utf8(rest[24..24 + len].to_vec()).unwrap());
                rest = &rest[24 + len..];
            }
        }
        self.ask(120, &[long(8)]).unwrap();
        names.sort();
        names
    }
}

fn word(value: u16) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}
fn long(value: u32) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}
fn quad(value: u64) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}
fn text(text: &[u8]) -> Vec<u8> {
    [word(text.len() as u16), text.to_vec()].concat()
}

#[test]
fn a_folder_is_read() {
    let mut world = World::new(false);
    assert_eq!(world.read("file").unwrap(), b"what is in it");
    assert_eq!(world.read("sub/other").unwrap(), b"other");
    assert_eq!(world.read("sub/../file").unwrap(), b"what is in it");
    assert_eq!(world.read("nothing"), Err(NOENT));
    let all = [".", "..", "file", "in", "out", "sub", "up"];
    assert_eq!(world.list("", 8000), all);
    assert_eq!(world.list("", 64), all, "in pieces");
    world.walk(1, "file").unwrap();
    let attributes = world.ask(24, &[long(1), quad(0x7ff)]).unwrap();
    let number = |at: usize| u64::from_le_bytes(attributes[at..at + 8].try_into().unwrap());
    assert_eq!((number(0), number(49)), (0x7ff, 13), "which there are, and the size");
    assert_eq!(attributes.len(), 153);
    world.walk(2, "in").unwrap();
    assert_eq!(world.ask(22, &[long(2)]).unwrap(), text(b"file"), "a link is read");
}

#[test]
fn nobody_gets_out() {
    for writable in [false, true] {
        let mut world = World::new(writable);
        for way in ["../secret", "../../secret", "sub/../../secret", "sub/deep/../../../secret"] {
            assert_eq!(world.read(way), Err(NOENT), "{way}");
        }
        // A link is its own end: it is not opened, and nothing is beneath it.
        assert_eq!(world.read("out"), Err(LOOP));
        assert!(world.read("up/secret").is_err());
        for name in [&b"a/../../secret"[..], b"/etc/passwd", b".", b"", b"file\0x"] {
            let walk = [long(0), long(1), word(1), text(name)];
            assert_eq!(world.ask(110, &walk), Err(INVAL), "{name:?}");
        }
        if writable {
            for name in [&b".."[..], b"../made", b"/tmp/made", b""] {
                let make = [long(0), text(name), long(0o644), long(0)];
                assert_eq!(world.ask(72, &make), Err(INVAL), "{name:?}");
            }
            // By a folder that a link leads to, or that was exchanged for one.
            world.walk(1, "sub").unwrap();
            fs::rename(world.folder().join("sub"), world.folder().join("gone")).unwrap();
            symlink("..", world.folder().join("sub")).unwrap();
            let create = [long(1), text(b"made"), long(0o1102), long(0o644), long(0)];
            assert!(world.ask(14, &create).is_err());
            let unlink = [long(1), text(b"secret"), long(0)];
            assert!(world.ask(76, &unlink).is_err());
        }
        assert_eq!(fs::read(world.outer.path().join("secret")).unwrap(), b"secret");
        assert_eq!(fs::read_dir(world.outer.path()).unwrap().count(), 2);
    }
}

#[test]
fn what_is_not_asked_for_is_not_changed() {
    let mut world = World::new(false);
    world.walk(1, "file").unwrap();
    for flags in [1, 2, 0o1000] {
        assert_eq!(world.open(1, flags), Err(ROFS));
    }
    let set = [vec![long(1), long(8), long(0), long(0), long(0), quad(0)], vec![quad(0); 4]];
    assert_eq!(world.ask(26, &set.concat()), Err(ROFS));
    assert_eq!(world.ask(14, &[long(0), text(b"x"), long(2), long(0o644), long(0)]), Err(ROFS));
    assert_eq!(world.ask(76, &[long(0), text(b"file"), long(0)]), Err(ROFS));
    assert_eq!(world.ask(72, &[long(0), text(b"x"), long(0o755), long(0)]), Err(ROFS));
    assert_eq!(world.ask(122, &[long(1)]), Err(ROFS));
    assert_eq!(world.ask(120, &[long(1)]), Err(BADF), "it was closed all the same");
    assert_eq!(world.list("", 8000).len(), 7);
}

#[test]
fn a_folder_is_changed() {
    let mut world = World::new(true);
    world.walk(1, "sub").unwrap();
    let create = [long(1), text(b"new"), long(0o302), long(0o4755), long(0)];
    world.ask(14, &create).unwrap();
    let write = [long(1), quad(3), long(5), b"hello".to_vec()];
    assert_eq!(world.ask(118, &write).unwrap(), long(5));
    world.ask(50, &[long(1), long(0)]).unwrap();
    let new = world.folder().join("sub/new");
    assert_eq!(fs::read(&new).unwrap(), b"\0\0\0hello");
    let mode = |path: &Path| {
        use std::os::unix::fs::PermissionsExt;
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    };
    assert_eq!(mode(&new) & 0o7000, 0, "nothing that runs as its owner is made");
    // Size, rights and time, of a file that is open.
    let set = [
        vec![long(1), long(1 | 8 | 0x20 | 0x100), long(0o4600), long(0), long(0), quad(4)],
        vec![quad(0), quad(0), quad(1_000_000), quad(5)],
    ];
    world.ask(26, &set.concat()).unwrap();
    let found = fs::metadata(&new).unwrap();
    let time = found.modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
    assert_eq!((found.len(), mode(&new), time.as_secs()), (4, 0o600, 1_000_000));
    // What is open is found by its new name.
    world.ask(74, &[long(0), text(b"sub"), long(0), text(b"moved")]).unwrap();
    world.walk(2, "moved/new").unwrap();
    world.ask(24, &[long(1), quad(0x7ff)]).unwrap();
    world.ask(72, &[long(0), text(b"dir"), long(0o755), long(0)]).unwrap();
    world.ask(16, &[long(0), text(b"link"), text(b"/etc"), long(0)]).unwrap();
    world.ask(70, &[long(0), long(2), text(b"second")]).unwrap();
    assert_eq!(fs::read(world.folder().join("second")).unwrap(), b"\0\0\0h");
    world.ask(76, &[long(0), text(b"dir"), long(0x200)]).unwrap();
    world.ask(122, &[long(2)]).unwrap();
    assert!(!world.folder().join("moved/new").exists() && !world.folder().join("dir").exists());
    // The folder itself stays.
    world.walk(3, "").unwrap();
    assert!(world.ask(122, &[long(3)]).is_err());
    assert!(world.folder().is_dir());
}

#[test]
fn nothing_but_files_and_folders_is_opened() {
    let mut world = World::new(true);
    let pipe = world.folder().join("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
    world.walk(1, "pipe").unwrap();
    for flags in [0, 1, 2] {
        assert_eq!(world.open(1, flags), Err(ACCESS), "nor does it wait");
    }
    let create = [long(0), text(b"pipe"), long(2), long(0o644), long(0)];
    assert_eq!(world.ask(14, &create), Err(ACCESS));
    assert_eq!(world.ask(18, &[long(0), text(b"dev"), long(0o20666)]), Err(1), "nor made");
}

#[test]
fn what_makes_no_sense_is_an_error() {
    let mut world = World::new(true);
    assert_eq!(world.ask(116, &[long(77), quad(0), long(10)]), Err(BADF));
    assert_eq!(world.ask(12, &[long(0)]), Err(INVAL), "it ends early");
    assert_eq!(world.ask(102, &[]), Err(OPNOTSUPP));
    assert_eq!(world.ask(30, &[long(0), long(1), text(b"user.x")]), Err(OPNOTSUPP));
    assert_eq!(world.server.answer(&[1, 2, 3], ROOM), []);
    let short = [long(100), vec![120, 1, 0], long(0)].concat();
    assert_eq!(world.server.answer(&short, ROOM)[4], 7, "longer than it is");
    assert_eq!(world.server.answer(&[long(7), vec![108, 1, 0]].concat(), 3), []);
    let names = [vec![long(0), long(5), word(17)], vec![text(b".."); 17]].concat();
    assert_eq!(world.ask(110, &names), Err(INVAL));
    // A path that grows without end is refused.
    world.walk(1, "").unwrap();
    fs::create_dir(world.folder().join("d".repeat(255))).unwrap();
    let mut last = Ok(Vec::new());
    for _ in 0..20 {
        let step = [long(1), text("d".repeat(255).as_bytes()), long(0o755), long(0)];
        last = world.ask(72, &step);
        let walk = [long(1), long(1), word(1), text("d".repeat(255).as_bytes())];
        let walked = world.ask(110, &walk);
        if last.is_err() && walked.is_err() {
            break;
        }
    }
    assert!(matches!(last, Err(NAMETOOLONG | 17 | NOENT | XDEV)), "{last:?}");
}

#[test]
fn a_copy_goes_on_where_the_guest_was() {
    let mut world = World::new(true);
    world.walk(1, "file").unwrap();
    world.open(1, 2).unwrap();
    world.walk(2, "sub").unwrap();
    let saved = world.server.save();
    let mut copy = Server::new(root(&world.folder()), true);
    assert!(copy.load(&saved));
    assert_eq!(copy.save(), saved);
    std::mem::swap(&mut world.server, &mut copy);
    let read = world.ask(116, &[long(1), quad(5), long(4)]).unwrap();
    assert_eq!(read, [long(4), b"is i".to_vec()].concat());
    // In a folder that is not to be changed nothing is open to be changed.
    let mut still = Server::new(root(&world.folder()), false);
    assert!(still.load(&saved));
    world.server = still;
    let write = [long(1), quad(0), long(1), b"x".to_vec()];
    assert_eq!(world.ask(118, &write), Err(ROFS));
    assert_eq!(world.ask(116, &[long(1), quad(0), long(1)]), Err(BADF));
    for len in 0..saved.len() {
        let mut other = Server::new(root(&world.folder()), true);
        assert!(!other.load(&saved[..len]) || len == 0, "{len}");
    }
}

#[test]
fn a_thread_serves_it_until_the_device_is_gone() {
    let world = World::new(false);
    let folder = SharedFolder::open(&world.folder(), false).unwrap();
    let (mut device, service) = folder.split();
    let thread = std::thread::spawn(|| service.run());
    let version = [long(21), vec![100, 0, 0], long(8192), text(b"9P2000.L")].concat();
    assert_eq!(device.answer(version.clone(), 100)[4], 101);
    let saved = device.save();
    assert!(device.load(&saved) && !device.load(b"\xff"));
    device.reset();
    drop(device);
    thread.join().unwrap();
    let missing = SharedFolder::open(&world.folder().join("none"), false).unwrap_err();
    assert!(missing.to_string().contains("No such file"), "{missing}");
    assert!(SharedFolder::open(&world.folder().join("file"), false).is_err());
}
