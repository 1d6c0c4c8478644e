//! Files of captured tests, as they are and in gzip.

use crate::target::Target;
use flate2::Compression;
use flate2::write::GzEncoder;
use ringer_testkit::hw::moo;
use std::io::Write;

/// One file.
pub const CAPTURES: Target = Target {
    name: "captures",
    run: captures,
    seeds: || vec![file(3), packed(&file(3)), packed(&tiny(50_000))],
    words: &[
        b"MOO ",
        b"TEST\x04\0\0\0\0\0\0\0",
        b"RAM ",
        b"REGS",
        b"RG32",
        b"BYTS",
        b"NAME",
        &[0xff; 4],
    ],
    memory: 96 << 20,
};

fn chunk(id: &[u8; 4], payload: &[u8]) -> Vec<u8> {
    [&id[..], &(payload.len() as u32).to_le_bytes(), payload].concat()
}

fn head(tests: u32) -> Vec<u8> {
    chunk(b"MOO ", &[&[1, 0, 0, 0], &tests.to_le_bytes()[..], b"C286"].concat())
}

/// A file with so many tests that have all there is in one.
fn file(tests: u32) -> Vec<u8> {
    let state = [
        chunk(b"REGS", &[&0x3fff_u16.to_le_bytes()[..], &[7; 28]].concat()),
        chunk(b"RAM ", &[&1u32.to_le_bytes()[..], &[0, 1, 0, 0, 0x90]].concat()),
    ]
    .concat();
    let test = [
        &0u32.to_le_bytes()[..],
        &chunk(b"NAME", &[&3u32.to_le_bytes()[..], b"nop"].concat()),
        &chunk(b"BYTS", &[&2u32.to_le_bytes()[..], &[0x90, 0xf4]].concat()),
        &chunk(b"INIT", &state),
        &chunk(b"FINA", &state),
        &chunk(b"EXCP", &[6, 0, 0, 0, 0]),
        &chunk(b"HASH", &[9; 20]),
    ]
    .concat();
    [head(tests), chunk(b"TEST", &test).repeat(tests as usize)].concat()
}

/// A file with so many tests that have nothing.
fn tiny(tests: u32) -> Vec<u8> {
    [head(tests), chunk(b"TEST", &[0; 4]).repeat(tests as usize)].concat()
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.expect("memory takes it")
}

fn captures(bytes: &[u8]) {
    let Ok(bytes) = moo::unpack(bytes.to_vec()) else { return };
    if let Ok(file) = moo::parse(&bytes) {
        for case in &file.cases {
            let _ = (case.start(0), case.end(0), case.end_byte(0));
        }
    }
}
