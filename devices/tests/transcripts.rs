//! Transcripts: text files of accesses and the answers that a data sheet promises.
//!
//! A line is one command; `#` begins a comment. Numbers are hexadecimal but for times.
//!
//! | line | meaning |
//! | --- | --- |
//! | `out 43 34`, `out16 ...`, `out32 ...` | a write of one, two or four bytes |
//! | `in 40 == 00`, `in 61 & 20 == 20`, `in16 ...`, `in32 ...` | a read, and what its masked bits must be |
//! | `store32 fee000b0 0`, `load32 fee00030 == 50014` | the same in memory |
//! | `at +1000ns` (`us`, `ms`, `s`) | time passes |
//! | `irq 0 high` | the level of an interrupt line |
//! | `int 20`, `int none` | an INTA cycle gives this vector; no interrupt is asked for |
//! | `event Reset`, `event none` | what the machine is told next |
//! | `serial 41 42` | bytes come in over the serial line |
//! | `sent 41 42`, `console 41` | all that COM1 or the debug console sent since the last such line |
//! | `ferr high`, `ignne high` | the processor's pins, driven and expected |
//! | `deadline +1000ns`, `deadline none` | when a device will do something by itself |
//! | `reset` | the reset line is pulled |

mod common;

use common::{CONFIG, events, wire};
use ringer_devices::{Board, rows};
use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::sync::mpsc::Receiver;

/// A board under test, and where it stands.
struct Bench {
    board: Board,
    now: u64,
    serial: Receiver<u8>,
    console: Receiver<u8>,
    events: VecDeque<String>,
}

fn hex(text: &str) -> Result<u64, String> {
    u64::from_str_radix(text, 16).map_err(|e| format!("{text:?} is no hexadecimal number: {e}"))
}

/// A time after now, as `+12us`.
fn span(text: &str) -> Result<u64, String> {
    let digits = text.trim_start_matches('+').trim_end_matches(|c: char| c.is_alphabetic());
    let unit = match text.trim_start_matches(['+']).trim_start_matches(|c: char| c.is_numeric()) {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        unit => return Err(format!("{unit:?} is no unit of time")),
    };
    digits.parse::<u64>().map(|n| n * unit).map_err(|e| format!("{text:?}: {e}"))
}

fn level(text: &str) -> Result<bool, String> {
    match text {
        "high" => Ok(true),
        "low" => Ok(false),
        _ => Err(format!("{text:?} is no level")),
    }
}

fn size(command: &str) -> u8 {
    match command.trim_start_matches(|c: char| c.is_alphabetic()) {
        "16" => 2,
        "32" => 4,
        _ => 1,
    }
}

fn expect<T: PartialEq + std::fmt::Debug>(found: T, expected: T) -> Result<(), String> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("expected {expected:x?}, found {found:x?}"))
    }
}

impl Bench {
    fn new() -> Self {
        let ((serial, serial_end), (console, console_end)) = (wire(), wire());
        let board = Board::new(CONFIG, serial, console);
        Bench { board, now: 0, serial: serial_end, console: console_end, events: VecDeque::new() }
    }

    fn read(&mut self, command: &str, port: &str, mask: u64, value: &str) -> Result<(), String> {
        let port = u16::try_from(hex(port)?).map_err(|e| e.to_string())?;
        let found = u64::from(self.board.port_in(self.now, port, size(command)));
        expect(found & mask, hex(value)?)
    }

    fn write(&mut self, command: &str, port: &str, value: &str) -> Result<(), String> {
        let port = u16::try_from(hex(port)?).map_err(|e| e.to_string())?;
        let value = u32::try_from(hex(value)?).map_err(|e| e.to_string())?;
        self.board.port_out(self.now, port, size(command), value);
        Ok(())
    }

    fn pin(&mut self, words: &[&str]) -> Result<(), String> {
        match *words {
            ["irq", irq, up] => {
                let irq: u8 = irq.parse().map_err(|e| format!("{irq:?}: {e}"))?;
                expect(self.board.line(irq), level(up)?)
            }
            ["int", "none"] => expect(self.board.intr(), false),
            ["int", vector] => {
                expect(self.board.intr(), true)?;
                expect(u64::from(self.board.ack(self.now)), hex(vector)?)
            }
            ["ferr", up] => {
                self.board.set_ferr(self.now, level(up)?);
                Ok(())
            }
            ["ignne", up] => expect(self.board.ignne(), level(up)?),
            ["deadline", "none"] => expect(self.board.next_deadline(), None),
            ["deadline", after] => {
                expect(self.board.next_deadline(), Some(self.now + span(after)?))
            }
            _ => Err("no such command".to_owned()),
        }
    }

    fn command(&mut self, words: &[&str]) -> Result<(), String> {
        let bytes = |texts: &[&str]| -> Result<Vec<u8>, String> {
            texts.iter().map(|text| hex(text).map(|byte| byte as u8)).collect()
        };
        match *words {
            [] => Ok(()),
            [command @ ("in" | "in16" | "in32"), port, "==", value] => {
                self.read(command, port, u64::MAX, value)
            }
            [command @ ("in" | "in16" | "in32"), port, "&", mask, "==", value] => {
                self.read(command, port, hex(mask)?, value)
            }
            [command @ ("out" | "out16" | "out32"), port, value] => {
                self.write(command, port, value)
            }
            ["load32", address, "==", value] => {
                let found = self.board.mmio_read(self.now, hex(address)?, 4);
                expect(found, hex(value)?)
            }
            ["store32", address, value] => {
                self.board.mmio_write(self.now, hex(address)?, 4, hex(value)?);
                Ok(())
            }
            ["at", after] => {
                self.now += span(after)?;
                self.board.advance(self.now);
                Ok(())
            }
            ["event", name] => {
                self.events.extend(events(&mut self.board));
                let found = self.events.pop_front();
                expect(found.as_deref().unwrap_or("none"), name)
            }
            ["serial", ref rest @ ..] => {
                let bytes = bytes(rest)?;
                expect(self.board.serial_input(self.now, &bytes), bytes.len())
            }
            ["keys", ref rest @ ..] => {
                let bytes = bytes(rest)?;
                expect(self.board.key_input(self.now, &bytes), bytes.len())
            }
            ["sent", ref rest @ ..] => expect(self.serial.try_iter().collect(), bytes(rest)?),
            ["console", ref rest @ ..] => expect(self.console.try_iter().collect(), bytes(rest)?),
            ["reset"] => {
                self.board.reset(self.now);
                Ok(())
            }
            _ => self.pin(words),
        }
    }
}

fn run(text: &str) -> Result<(), String> {
    let mut bench = Bench::new();
    for (number, line) in (1..).zip(text.lines()) {
        let code = line.split('#').next().unwrap_or_default();
        let words: Vec<&str> = code.split_whitespace().collect();
        bench.command(&words).map_err(|e| format!("line {number}: {}: {e}", code.trim()))?;
    }
    Ok(())
}

fn transcript(id: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts").join(id);
    let path = path.with_extension("txt");
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn every_row_answers_as_its_transcript_says() {
    let wrong: Vec<String> = rows::all()
        .filter_map(|row| run(&transcript(row.id)).err().map(|e| format!("{}: {e}", row.id)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_wrong_answer_is_told_with_its_line() {
    let error = run("out 80 12\n# the next line is wrong\nin 80 == 13\n").unwrap_err();
    assert_eq!(error, "line 3: in 80 == 13: expected 13, found 12");
    assert!(run("frobnicate 1").unwrap_err().starts_with("line 1"));
    assert!(run("irq 0 low").is_err(), "the timer's output idles high");
}
