//! A shared folder: whatever messages say, nothing outside of it is read or changed.

use crate::target::Target;
use ringer_share::Server;
use rustix::fs::{Mode, OFlags, open};
use std::fs;
use std::os::unix::fs::symlink;

/// Whether it may be changed; then messages, each behind its length in two bytes.
pub const SHARE: Target = Target {
    name: "share",
    run: share,
    seeds: || vec![session(0), session(1), changes()],
    words: &[
        // Names, and ways out.
        b"\x04\0file",
        b"\x02\0..",
        b"\x03\0out",
        b"\x02\0up",
        b"\x03\0sub",
        b"\x09\0../secret",
        b"\x06\0secret",
        &[0, 0, 0, 0],
        &[1, 0, 0, 0],
        &[0xff; 4],
    ],
    memory: 4 << 20,
};

/// Bytes of an answer at most.
const ROOM: usize = 8192;
const SECRET: &[u8] = b"what nobody is shown";

fn message(kind: u8, body: &[&[u8]]) -> Vec<u8> {
    let body = body.concat();
    let len = body.len() as u32 + 7;
    let head = (len as u16).to_le_bytes();
    [&head[..], &len.to_le_bytes(), &[kind, 1, 0], &body].concat()
}

/// A folder is mounted, listed, and a file of it read.
fn session(writable: u8) -> Vec<u8> {
    let (zero, one, big) = ([0; 4], [1, 0, 0, 0], [0, 4, 0, 0]);
    let messages = [
        message(100, &[&[0, 0x20, 0, 0], b"\x08\09P2000.L"]),
        message(104, &[&zero, &[0xff; 4], &[0; 4], &zero]),
        message(110, &[&zero, &one, &[1, 0], b"\x04\0file"]),
        message(24, &[&one, &[0xff; 8]]),
        message(12, &[&one, &[writable * 2, 0, 0, 0]]),
        message(116, &[&one, &[0; 8], &big]),
        message(118, &[&one, &[0; 8], &one, b"x"]),
        message(120, &[&one]),
        message(110, &[&zero, &one, &[2, 0], b"\x03\0sub\x02\0.."]),
        message(12, &[&one, &zero]),
        message(40, &[&one, &[0; 8], &big]),
        message(8, &[&zero]),
    ];
    [vec![writable], messages.concat()].concat()
}

/// Files and folders are made, renamed, linked and removed.
fn changes() -> Vec<u8> {
    let (zero, one, mode) = ([0; 4], [1, 0, 0, 0], [0xed, 1, 0, 0]);
    let messages = [
        message(104, &[&zero, &[0xff; 4], &[0; 4], &zero]),
        message(104, &[&one, &[0xff; 4], &[0; 4], &zero]),
        message(14, &[&one, b"\x03\0new", &[0x42, 0, 0, 0], &mode, &zero]),
        message(26, &[&one, &[0xff, 1, 0, 0], &mode, &[0; 8], &[9; 4], &[0; 36]]),
        message(72, &[&zero, b"\x01\0d", &mode, &zero]),
        message(74, &[&zero, b"\x03\0new", &zero, b"\x03\0old"]),
        message(16, &[&zero, b"\x01\0l", b"\x02\0..", &zero]),
        message(70, &[&zero, &one, b"\x01\0m"]),
        message(22, &[&one]),
        message(76, &[&zero, b"\x01\0d", &[0, 2, 0, 0]]),
        message(20, &[&one, &zero, b"\x01\0r"]),
        message(122, &[&one]),
    ];
    [vec![1], messages.concat()].concat()
}

fn share(bytes: &[u8]) {
    let Some((writable, mut rest)) = bytes.split_first() else { return };
    let outer = tempfile::tempdir().expect("a folder can be made");
    let (folder, secret) = (outer.path().join("shared"), outer.path().join("secret"));
    let made = fs::create_dir_all(folder.join("sub"))
        .and_then(|()| fs::write(&secret, SECRET))
        .and_then(|()| fs::write(folder.join("file"), b"file"))
        .and_then(|()| symlink("../secret", folder.join("out")))
        .and_then(|()| symlink("..", folder.join("up")));
    made.expect("files can be made");
    let root = open(&folder, OFlags::PATH | OFlags::DIRECTORY, Mode::empty());
    let mut server = Server::new(root.expect("it is there"), writable & 1 != 0);
    while let Some((len, behind)) = rest.split_first_chunk::<2>() {
        let len = usize::from(u16::from_le_bytes(*len)).min(behind.len());
        let (message, behind) = behind.split_at(len);
        let answer = server.answer(message, ROOM);
        assert!(answer.len() <= ROOM, "an answer is longer than there is room");
        let leaks = answer.windows(SECRET.len()).any(|window| window == SECRET);
        assert!(!leaks || writes(bytes), "the secret is told");
        rest = behind;
    }
    assert!(server.load(&server.save()), "what was saved is loaded");
    assert_eq!(fs::read(&secret).expect("it is there"), SECRET, "the secret was changed");
    let here = fs::read_dir(outer.path()).expect("it is there").count();
    assert_eq!(here, 2, "something was made or removed outside");
}

/// The input itself has the secret in it.
fn writes(bytes: &[u8]) -> bool {
    bytes.windows(SECRET.len()).any(|window| window == SECRET)
}
