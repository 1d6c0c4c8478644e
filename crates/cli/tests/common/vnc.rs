//! A VNC viewer for tests.

#![allow(dead_code, reason = "each test program uses its part")]

use flate2::{Decompress, FlushDecompress};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// What X calls the key.
pub const ESC: u32 = 0xff1b;

/// How long the machine may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// A change of size.
const DESKTOP_SIZE: i32 = -223;
const POINTER_MOTION: i32 = -257;
const KEY_CODES: i32 = -258;

/// Bytes in and out.
pub trait Line: Read + Write {}
impl<T: Read + Write> Line for T {}

pub struct Viewer<L = TcpStream> {
    line: L,
    zlib: Decompress,
    zrle: Decompress,
    pub width: usize,
    pub height: usize,
    /// Red, green, blue.
    pub pixels: Vec<u8>,
    /// What it was told it may send.
    pub told: Vec<i32>,
    /// Rectangles of the last update.
    pub rects: usize,
}

pub fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("somebody listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time");
    stream
}

impl<L: Line> Viewer<L> {
    /// Connects, is let in, and asks for these encodings.
    pub fn new(line: L, password: Option<[u8; 8]>, encodings: &[i32]) -> Self {
        Self::try_new(line, password, encodings).expect("the machine lets it in")
    }

    /// `None`: it is not let in.
    pub fn try_new(line: L, password: Option<[u8; 8]>, encodings: &[i32]) -> Option<Self> {
        let mut viewer = Self {
            line,
            zlib: Decompress::new(true),
            zrle: Decompress::new(true),
            width: 0,
            height: 0,
            pixels: Vec::new(),
            told: Vec::new(),
            rects: 0,
        };
        assert_eq!(viewer.bytes(12), b"RFB 003.008\n");
        viewer.send(b"RFB 003.008\n");
        let kind = if password.is_some() { 2 } else { 1 };
        assert_eq!(viewer.bytes(2), [1, kind]);
        viewer.send(&[kind]);
        if let Some(key) = password {
            let challenge = viewer.bytes(16);
            let password = ringer_view::rfb::Password::new(&key).expect("a password");
            let challenge = challenge.as_slice().try_into().expect("16 bytes");
            viewer.send(&password.response(challenge));
        }
        if viewer.u32() != 0 {
            return None;
        }
        viewer.send(&[1]);
        let init = viewer.bytes(24);
        viewer.resize(&init);
        let name = u32::from_be_bytes(init[20..].try_into().expect("4 bytes")) as usize;
        viewer.bytes(name);
        let number = u16::try_from(encodings.len()).expect("few").to_be_bytes();
        let mut message = vec![2, 0, number[0], number[1]];
        encodings.iter().for_each(|encoding| message.extend(encoding.to_be_bytes()));
        viewer.send(&message);
        Some(viewer)
    }

    fn resize(&mut self, bytes: &[u8]) {
        let word = |at: usize| usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
        (self.width, self.height) = (word(0), word(2));
        self.pixels = vec![0; 3 * self.width * self.height];
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.line.write_all(bytes).expect("the machine listens");
        self.line.flush().expect("the machine listens");
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.line.read_exact(&mut bytes).expect("the machine answers");
        bytes
    }

    fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.bytes(4).try_into().expect("4 bytes"))
    }

    /// Presses and releases a key, by what X calls it.
    pub fn press(&mut self, symbol: u32) {
        for down in [1, 0] {
            let mut message = vec![4, down, 0, 0];
            message.extend(symbol.to_be_bytes());
            self.send(&message);
        }
    }

    /// Asks for all of the picture, or for what has changed.
    pub fn ask(&mut self, changed: bool) {
        let mut message = vec![3, u8::from(changed), 0, 0, 0, 0];
        for size in [self.width, self.height] {
            message.extend(u16::try_from(size).expect("a size").to_be_bytes());
        }
        self.send(&message);
    }

    /// Takes an update.
    pub fn take(&mut self) {
        let head = self.bytes(4);
        assert_eq!(head[..2], [0, 0], "an update");
        let rects = u16::from_be_bytes([head[2], head[3]]);
        self.rects = usize::from(rects);
        for _ in 0..rects {
            let head = self.bytes(12);
            let encoding = i32::from_be_bytes(head[8..].try_into().expect("4 bytes"));
            match encoding {
                DESKTOP_SIZE => self.resize(&head[4..8]),
                POINTER_MOTION | KEY_CODES => self.told.push(encoding),
                _ => self.rect(&head, encoding),
            }
        }
    }

    /// Asks, and takes updates until the picture is as `wanted` says.
    pub fn watch(&mut self, wanted: impl Fn(&Self) -> bool) {
        let mut changed = false;
        while !wanted(self) {
            let size = (self.width, self.height);
            self.ask(changed);
            self.take();
            // After a change of size all of it is wanted.
            changed = size == (self.width, self.height);
        }
    }

    fn rect(&mut self, head: &[u8], encoding: i32) {
        let word = |at: usize| usize::from(u16::from_be_bytes([head[at], head[at + 1]]));
        let (x, y, width, height) = (word(0), word(2), word(4), word(6));
        match encoding {
            0 => {
                let bytes = self.bytes(4 * width * height);
                self.paint(x, y, width, &bytes, 4);
            }
            6 => {
                let bytes = self.inflated(false, 4 * width * height);
                self.paint(x, y, width, &bytes, 4);
            }
            16 => {
                let plain = self.inflated(true, 3 * width * height + (width * height) / 8 + 4096);
                let mut plain = plain.as_slice();
                for top in (0..height).step_by(64) {
                    for left in (0..width).step_by(64) {
                        let (wide, high) = (64.min(width - left), 64.min(height - top));
                        let tile = tile(&mut plain, wide, high);
                        self.paint(x + left, y + top, wide, &tile, 3);
                    }
                }
                assert!(plain.is_empty(), "tiles to the end");
            }
            _ => panic!("encoding {encoding} was not asked for"),
        }
    }

    fn inflated(&mut self, zrle: bool, most: usize) -> Vec<u8> {
        let len = self.u32() as usize;
        let packed = self.bytes(len);
        let stream = if zrle { &mut self.zrle } else { &mut self.zlib };
        let mut plain = Vec::with_capacity(most + 64);
        stream.decompress_vec(&packed, &mut plain, FlushDecompress::Sync).expect("a stream");
        plain
    }

    /// Pixels of `size` bytes: blue, green, red.
    fn paint(&mut self, x: usize, y: usize, width: usize, bytes: &[u8], size: usize) {
        for (row, line) in bytes.chunks_exact(size * width).enumerate() {
            for (column, pixel) in line.chunks_exact(size).enumerate() {
                let at = 3 * ((y + row) * self.width + x + column);
                self.pixels[at..at + 3].copy_from_slice(&[pixel[2], pixel[1], pixel[0]]);
            }
        }
    }
}

fn tile(plain: &mut &[u8], width: usize, height: usize) -> Vec<u8> {
    let mut take = |len: usize| {
        let (taken, left) = plain.split_at(len);
        *plain = left;
        taken.to_vec()
    };
    let kind = usize::from(take(1)[0]);
    if kind == 0 {
        return take(3 * width * height);
    }
    assert!(kind <= 16, "a palette");
    let colours = take(3 * kind);
    let bits = match kind {
        1 => return colours.repeat(width * height),
        2 => 1,
        3..=4 => 2,
        _ => 4,
    };
    let mut pixels = Vec::new();
    for _ in 0..height {
        let line = take((width * bits).div_ceil(8));
        for at in 0..width {
            let shift = 8 - bits - at * bits % 8;
            let number = usize::from(line[at * bits / 8] >> shift) & ((1 << bits) - 1);
            pixels.extend(&colours[3 * number..3 * number + 3]);
        }
    }
    pixels
}

/// Whether the last character of the page is there.
pub fn is_drawn<L>(viewer: &Viewer<L>) -> bool {
    let mut ends = viewer.pixels.chunks(3 * viewer.width.max(1)).rev().take(16);
    ends.any(|line| line.iter().rev().take(27).any(|part| *part != 0))
}

/// The dots of the character in the upper left corner.
pub fn corner<L>(viewer: &Viewer<L>) -> Vec<u8> {
    let line = 3 * viewer.width;
    (0..16).flat_map(|y| viewer.pixels[y * line..y * line + 27].to_vec()).collect()
}
