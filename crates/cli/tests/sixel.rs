//! `--display terminal` where the terminal draws sixels: it is asked when there is a picture, and what it is sent are the picture's dots.

mod common;
#[path = "common/shown.rs"]
mod shown;

use common::{Files, command, errors, in_foreground};
use ringer_test_roms::{assemble, roms_dir};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use shown::picture;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
/// Dots of a place.
const PLACE: (u16, u16) = (9, 18);

struct Terminal {
    ours: File,
    ringer: Child,
    seen: Vec<u8>,
    /// Where in `seen` the next look begins.
    from: usize,
}

/// `ringer run` of a test ROM in a terminal of so many places, whose kernel knows the dots or does not.
fn start(files: &Files, rom: &str, (columns, rows): (u16, u16), knows_dots: bool) -> Terminal {
    let image = assembled(files, rom, true);
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
    grantpt(&master).expect("grantpt");
    unlockpt(&master).expect("unlockpt");
    let dots = if knows_dots { (columns * PLACE.0, rows * PLACE.1) } else { (0, 0) };
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: dots.0, ws_ypixel: dots.1 };
    tcsetwinsize(&master, size).expect("its size");
    let name = ptsname(&master, Vec::new()).expect("its name");
    let name = name.to_str().expect("a plain name").to_owned();
    let theirs = OpenOptions::new().read(true).write(true).open(name).expect("its other side");
    let end = || Stdio::from(theirs.try_clone().expect("a copy"));
    let mut run = in_foreground();
    run.args(["run", "-m", "16M", "--timeout", "60", "--display", "terminal", "--multiboot"])
        .arg(image);
    let ringer = run.stdin(end()).stdout(end()).stderr(end()).spawn().expect("ringer starts");
    Terminal { ours: File::from(master), ringer, seen: Vec::new(), from: 0 }
}

/// The ROM of that name as an ELF file; `for_good`: it goes on for ever when its picture is drawn.
fn assembled(files: &Files, rom: &str, for_good: bool) -> PathBuf {
    let source = std::fs::read_to_string(roms_dir().join(format!("{rom}.s"))).expect("the ROM");
    let source = if for_good { source.replace("STAY", "77: pause\n    jmp 77b\n") } else { source };
    let source = files.write(&format!("{rom}.s"), source.as_bytes());
    let include = files.path("include");
    if !include.exists() {
        symlink(roms_dir().join("include"), include).expect("a link");
    }
    assemble(&source, files.dir()).expect("it is assembled").image
}

impl Terminal {
    /// Waits until `end` comes; what came before it, since the last time.
    fn wait(&mut self, end: &[u8]) -> Vec<u8> {
        let started = Instant::now();
        loop {
            let new = &self.seen[self.from..];
            if let Some(at) = new.windows(end.len()).position(|bytes| bytes == end) {
                let found = new[..at].to_vec();
                self.from += at + end.len();
                return found;
            }
            let left = PATIENCE.checked_sub(started.elapsed());
            assert!(left.is_some(), "{} did not come: {}", end.escape_ascii(), new.escape_ascii());
            self.hear();
        }
    }

    fn hear(&mut self) {
        let mut fds = [PollFd::new(&self.ours, PollFlags::IN)];
        let tenth = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        if poll(&mut fds, Some(&tenth)).is_ok_and(|ready| ready > 0) {
            let mut bytes = [0; 65536];
            let len = self.ours.read(&mut bytes).unwrap_or(0);
            self.seen.extend_from_slice(&bytes[..len]);
        }
    }

    fn say(&mut self, bytes: &[u8]) {
        self.ours.write_all(bytes).expect("it listens");
    }

    /// The run ends by its command; everything that comes meanwhile.
    fn end(mut self) -> Vec<u8> {
        self.say(b"\x01x");
        while self.ringer.try_wait().expect("its end").is_none() {
            self.hear();
        }
        self.seen[self.from..].to_vec()
    }
}

/// The dots of a sixel picture behind its introduction: width, height, and a colour each.
fn dots(sixels: &[u8]) -> (usize, usize, Vec<Option<[u8; 3]>>) {
    let text = std::str::from_utf8(sixels).expect("characters");
    let mut rest = text.strip_prefix("0;1q\"1;1;").expect("dots as wide as high");
    let number = |rest: &mut &str| {
        let len = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, behind) = rest.split_at(len);
        *rest = behind.strip_prefix(';').unwrap_or(behind);
        digits.parse::<usize>().expect("a number")
    };
    let (width, height) = (number(&mut rest), number(&mut rest));
    let mut palette = vec![[0; 3]; 256];
    let mut shown = vec![None; width * height];
    let (mut colour, mut x, mut top) = (0, 0, 0);
    while let Some(c) = rest.chars().next() {
        rest = &rest[1..];
        match c {
            '#' => {
                colour = number(&mut rest);
                // A definition goes on with its kind, 2 for red, green and blue.
                if rest.starts_with("2;") {
                    number(&mut rest);
                    let parts = [number(&mut rest), number(&mut rest), number(&mut rest)];
                    palette[colour] =
                        parts.map(|part| u8::try_from((part * 255 + 50) / 100).unwrap());
                }
            }
            '$' => x = 0,
            '-' => (x, top) = (0, top + 6),
            _ => {
                let mut count = 1;
                let mut bits = c;
                if c == '!' {
                    count = number(&mut rest);
                    bits = rest.chars().next().expect("what is repeated");
                    rest = &rest[1..];
                }
                let bits = u32::from(bits) - u32::from('?');
                for _ in 0..count {
                    for row in (0..6).filter(|row| bits >> row & 1 != 0) {
                        shown[(top + row) * width + x] = Some(palette[colour]);
                    }
                    x += 1;
                }
            }
        }
    }
    (width, height, shown)
}

/// Whether a dot has that colour, as far as hundredths of a part can tell.
fn is_colour(dot: Option<[u8; 3]>, rgb: [u8; 3]) -> bool {
    dot.is_some_and(|dot| dot.iter().zip(rgb).all(|(a, b)| a.abs_diff(b) <= 2))
}

/// The picture that a ROM draws.
fn drawn(files: &Files, rom: &str) -> (usize, usize, Vec<u8>) {
    let image = assembled(files, rom, false);
    let png = files.path("screen.png");
    let mut run = command();
    run.args(["run", "-m", "16M", "--timeout", "60", "--serial", "null", "--screenshot"]).arg(&png);
    let output = run.arg("--multiboot").arg(image).output().expect("ringer starts");
    assert!(png.exists(), "{}", errors(&output));
    picture(&png)
}

#[test]
fn a_picture_comes_dot_by_dot_to_a_terminal_that_says_that_it_draws_sixels() {
    let files = Files::new();
    let (across, down, expected) = drawn(&files, "screen_13h");
    let mut terminal = start(&files, "screen_13h", (100, 40), true);
    // Half blocks, until it has said what it can.
    terminal.wait(b"\x1b[c");
    terminal.wait("▀".as_bytes());
    terminal.say(b"\x1b[?62;4;22c");
    // The first ones may be of a picture that is not finished.
    let started = Instant::now();
    loop {
        terminal.wait(b"\x1bP");
        let sixels = terminal.wait(b"\x1b\\");
        let (width, height, shown) = dots(&sixels);
        assert_eq!((width, height), (across, down), "it stays as it is: it does not fit in twice");
        let pixels = expected.as_chunks::<3>().0;
        if shown.iter().zip(pixels).all(|(dot, rgb)| is_colour(*dot, *rgb)) {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "it is never the guest's picture");
    }
    // What is said of the commands is characters again.
    terminal.say(b"\x01");
    terminal.wait(b"Ctrl-Alt-Delete");
    terminal.say(b"h");
    terminal.wait(b"\x1bP");
    terminal.end();
}

#[test]
fn the_size_of_a_place_may_come_from_the_terminal_itself() {
    let files = Files::new();
    let mut terminal = start(&files, "screen_13h", (40, 25), false);
    terminal.wait(b"\x1b[c\x1b[16t");
    terminal.say(b"\x1b[?62;4c\x1b[6;10;8t");
    terminal.wait(b"\x1bP");
    let sixels = terminal.wait(b"\x1b\\");
    // 40 times 8 across; 24 times 10 down, of which the picture's shape leaves 200.
    assert_eq!(dots(&sixels).0, 320);
    assert_eq!(dots(&sixels).1, 200);
    terminal.end();
}

#[test]
fn others_get_half_blocks_and_text_modes_ask_nothing() {
    let files = Files::new();
    let mut terminal = start(&files, "screen_13h", (80, 24), true);
    terminal.wait(b"\x1b[c");
    terminal.say(b"\x1b[?62;22c\x1b[6;18;9t");
    terminal.wait("▀".as_bytes());
    std::thread::sleep(Duration::from_millis(300));
    let behind = terminal.end();
    assert!(!behind.windows(2).any(|bytes| bytes == b"\x1bP"));
    let mut terminal = start(&files, "screen_text", (80, 25), true);
    terminal.wait(b"\x1b[2J");
    std::thread::sleep(Duration::from_millis(500));
    let all = terminal.end();
    assert!(!all.windows(3).any(|bytes| bytes == b"\x1b[c"));
}
