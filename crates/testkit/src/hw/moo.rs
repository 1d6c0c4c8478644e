//! The capture files' format ("MOO"): nested chunks of id, length and payload, little-endian, as it
//! is or in gzip.
//!
//! Invariant: no byte of a file is trusted. Every length is checked against what holds it, so that a
//! truncated or corrupt file is one [`MooError`], never a panic and never a silently shorter file (invariant 17).

use flate2::read::GzDecoder;
use std::io::Read;
use thiserror::Error;

/// The registers that a state can list, in the order of an `RG32` mask.
pub const REGISTERS: [&str; 20] = [
    "cr0", "cr3", "eax", "ebx", "ecx", "edx", "esi", "edi", "ebp", "esp", "cs", "ds", "es", "fs",
    "gs", "ss", "eip", "eflags", "dr6", "dr7",
];

/// Indexes of [`REGISTERS`].
#[allow(missing_docs)]
pub mod reg {
    pub const CR0: usize = 0;
    pub const CR3: usize = 1;
    pub const EAX: usize = 2;
    pub const ECX: usize = 4;
    pub const ESI: usize = 6;
    pub const EDI: usize = 7;
    pub const ESP: usize = 9;
    pub const CS: usize = 10;
    pub const SS: usize = 15;
    pub const EIP: usize = 16;
    pub const EFLAGS: usize = 17;
    pub const DR6: usize = 18;
    pub const DR7: usize = 19;
}

/// The 16 registers' places (as [`REGISTERS`] counts) in the order of a `REGS` mask: AX BX CX DX CS
/// SS DS ES SP BP SI DI IP FLAGS.
const NARROW: [usize; 14] = [2, 3, 4, 5, 10, 15, 11, 12, 9, 8, 6, 7, 16, 17];

/// Largest unpacked file: a bomb is no test.
const MAX_FILE: u64 = 64 << 20;
/// Most tests in a file, of which each takes about a kilobyte, whatever it takes in the file. Captured are some thousands.
const MAX_CASES: usize = 65_536;

/// Some of the registers: those that a chunk lists.
pub type Regs = [Option<u32>; 20];

/// The state before or after a test.
#[derive(Debug, Default, Clone)]
pub struct State {
    /// The listed registers.
    pub regs: Regs,
    /// Bits of them to compare.
    pub masks: Regs,
    /// Physical address and byte.
    pub ram: Vec<(u32, u8)>,
}

impl State {
    /// The listed byte at `at`.
    #[must_use]
    pub fn byte(&self, at: u32) -> Option<u8> {
        self.ram.iter().rev().find(|(a, _)| *a == at).map(|(_, b)| *b)
    }

    /// Lists `value` at `at`.
    pub fn set_byte(&mut self, at: u32, value: u8) {
        self.ram.retain(|(a, _)| *a != at);
        self.ram.push((at, value));
    }
}

/// One captured test.
#[derive(Debug, Default, Clone)]
pub struct Case {
    /// Its number in the file.
    pub index: u32,
    /// Disassembly.
    pub name: String,
    /// The instruction's bytes and the HLT behind it.
    pub bytes: Vec<u8>,
    /// The state that it starts from.
    pub before: State,
    /// What it changed.
    pub after: State,
    /// Vector of an exception, and the address of the FLAGS that it pushed (even-rounded on a 286).
    pub exception: Option<(u8, u32)>,
    /// The authors' name for it.
    pub hash: [u8; 20],
}

impl Case {
    /// Register `n` before.
    #[must_use]
    pub fn start(&self, n: usize) -> u32 {
        self.before.regs[n].unwrap_or(0)
    }

    /// Register `n` after.
    #[must_use]
    pub fn end(&self, n: usize) -> u32 {
        self.after.regs[n].unwrap_or_else(|| self.start(n))
    }

    /// Whether it ends by the exception of this vector.
    #[must_use]
    pub fn raises(&self, vector: u8) -> bool {
        self.exception.is_some_and(|(raised, _)| raised == vector)
    }

    /// The byte at `at` after the test, 0 where nothing is listed.
    #[must_use]
    pub fn end_byte(&self, at: u32) -> u8 {
        self.after.byte(at).or_else(|| self.before.byte(at)).unwrap_or(0)
    }
}

/// Which processor the tests were captured on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// An 8086, 80186 or 80286: 16-bit registers.
    #[default]
    Narrow,
    /// An 80386 or later.
    Wide,
}

/// One file.
#[derive(Debug, Default)]
pub struct File {
    /// The processor.
    pub family: Family,
    /// Bits to compare in every test.
    pub masks: Regs,
    /// The tests.
    pub cases: Vec<Case>,
}

/// A file that is none.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum MooError {
    /// Not the format.
    #[error("no test file: it does not begin with a 'MOO ' chunk (unpacked or in gzip)")]
    NotMoo,
    /// The gzip layer.
    #[error("cannot unpack: {0}; is the file truncated?")]
    Gzip(String),
    /// Unpacks to more than any test file.
    #[error("unpacks to over {} MiB", MAX_FILE >> 20)]
    TooLarge,
    /// More tests than any test file.
    #[error("has over {MAX_CASES} tests")]
    TooMany,
    /// Something is cut off.
    #[error("truncated or corrupt: {what} at byte {at} needs more bytes than are left")]
    Short {
        /// What could not be read.
        what: String,
        /// Offset in the unpacked file.
        at: usize,
    },
    /// The header promises another number of tests.
    #[error("truncated or corrupt: the header says {promised} tests, there are {found}")]
    Count {
        /// By the header.
        promised: u32,
        /// In the file.
        found: usize,
    },
}

/// A piece of the file that knows where it lies.
#[derive(Clone, Copy)]
struct Piece<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Piece<'a> {
    fn short<T>(&self, what: &str) -> Result<T, MooError> {
        Err(MooError::Short { what: what.to_owned(), at: self.at })
    }

    fn take(&mut self, len: usize, what: &str) -> Result<Piece<'a>, MooError> {
        let Some((head, tail)) = self.data.split_at_checked(len) else { return self.short(what) };
        let taken = Piece { data: head, at: self.at };
        *self = Piece { data: tail, at: self.at + len };
        Ok(taken)
    }

    fn u8(&mut self, what: &str) -> Result<u8, MooError> {
        Ok(self.take(1, what)?.data[0])
    }

    fn u16(&mut self, what: &str) -> Result<u16, MooError> {
        let d = self.take(2, what)?.data;
        Ok(u16::from_le_bytes([d[0], d[1]]))
    }

    fn u32(&mut self, what: &str) -> Result<u32, MooError> {
        let d = self.take(4, what)?.data;
        Ok(u32::from_le_bytes([d[0], d[1], d[2], d[3]]))
    }

    /// A count and so many bytes.
    fn counted(&mut self, what: &str) -> Result<&'a [u8], MooError> {
        let len = self.u32(what)? as usize;
        Ok(self.take(len, what)?.data)
    }

    /// Calls `each` with every chunk's id and payload.
    fn chunks(
        mut self,
        mut each: impl FnMut(&[u8; 4], Piece<'a>) -> Result<(), MooError>,
    ) -> Result<(), MooError> {
        while !self.data.is_empty() {
            let head = self.take(4, "a chunk's id")?.data;
            let id = [head[0], head[1], head[2], head[3]];
            let name = format!("chunk '{}'", id.escape_ascii());
            let len = self.u32(&name)? as usize;
            each(&id, self.take(len, &name)?)?;
        }
        Ok(())
    }
}

/// Registers that `REGS` or `RMSK` lists.
fn narrow(mut p: Piece<'_>, what: &str) -> Result<Regs, MooError> {
    let listed = p.u16(what)?;
    let mut regs = Regs::default();
    for (bit, place) in NARROW.into_iter().enumerate() {
        if listed >> bit & 1 != 0 {
            regs[place] = Some(u32::from(p.u16(what)?));
        }
    }
    Ok(regs)
}

/// Registers that `RG32` or `RM32` lists.
fn wide(mut p: Piece<'_>, what: &str) -> Result<Regs, MooError> {
    let listed = p.u32(what)?;
    let mut regs = Regs::default();
    for (bit, reg) in regs.iter_mut().enumerate() {
        if listed >> bit & 1 != 0 {
            *reg = Some(p.u32(what)?);
        }
    }
    Ok(regs)
}

fn ram(mut p: Piece<'_>) -> Result<Vec<(u32, u8)>, MooError> {
    let count = p.u32("RAM")?;
    let mut ram: Vec<_> =
        (0..count).map(|_| Ok((p.u32("RAM")?, p.u8("RAM")?))).collect::<Result<_, _>>()?;
    ram.shrink_to_fit();
    Ok(ram)
}

fn state(data: Piece<'_>) -> Result<State, MooError> {
    let mut s = State::default();
    data.chunks(|id, p| {
        match id {
            b"REGS" => s.regs = narrow(p, "REGS")?,
            b"RG32" => s.regs = wide(p, "RG32")?,
            b"RMSK" => s.masks = narrow(p, "RMSK")?,
            b"RM32" => s.masks = wide(p, "RM32")?,
            b"RAM " => s.ram = ram(p)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(s)
}

fn case(mut data: Piece<'_>) -> Result<Case, MooError> {
    let mut c = Case { index: data.u32("TEST")?, ..Case::default() };
    data.chunks(|id, mut p| {
        match id {
            b"NAME" => c.name = String::from_utf8_lossy(p.counted("NAME")?).into_owned(),
            b"BYTS" => c.bytes = p.counted("BYTS")?.to_vec(),
            b"INIT" => c.before = state(p)?,
            b"FINA" => c.after = state(p)?,
            b"EXCP" => c.exception = Some((p.u8("EXCP")?, p.u32("EXCP")?)),
            b"HASH" => c.hash.copy_from_slice(p.take(20, "HASH")?.data),
            _ => {}
        }
        Ok(())
    })?;
    Ok(c)
}

/// Unpacks `data` when it is gzip.
///
/// # Errors
/// [`MooError::Gzip`], [`MooError::TooLarge`].
pub fn unpack(data: Vec<u8>) -> Result<Vec<u8>, MooError> {
    if !data.starts_with(&[0x1f, 0x8b]) {
        return Ok(data);
    }
    let mut out = Vec::new();
    let mut unpacked = GzDecoder::new(&data[..]).take(MAX_FILE + 1);
    unpacked.read_to_end(&mut out).map_err(|e| MooError::Gzip(e.to_string()))?;
    if out.len() as u64 > MAX_FILE { Err(MooError::TooLarge) } else { Ok(out) }
}

/// Reads an unpacked file.
///
/// # Errors
/// Every [`MooError`] but those of [`unpack`].
pub fn parse(data: &[u8]) -> Result<File, MooError> {
    if !data.starts_with(b"MOO ") {
        return Err(MooError::NotMoo);
    }
    let mut file = File::default();
    let mut promised = None;
    Piece { data, at: 0 }.chunks(|id, mut p| {
        match id {
            b"MOO " => {
                p.take(4, "the version")?;
                promised = Some(p.u32("the number of tests")?);
                file.family = family(p.take(4, "the processor")?.data);
            }
            b"RMSK" => file.masks = narrow(p, "RMSK")?,
            b"RM32" => file.masks = wide(p, "RM32")?,
            b"TEST" if file.cases.len() == MAX_CASES => return Err(MooError::TooMany),
            b"TEST" => file.cases.push(case(p)?),
            _ => {}
        }
        Ok(())
    })?;
    match promised {
        Some(promised) if promised as usize != file.cases.len() => {
            Err(MooError::Count { promised, found: file.cases.len() })
        }
        _ => Ok(file),
    }
}

/// By the header's four letters ("C286", "386E", …).
fn family(cpu: &[u8]) -> Family {
    let text = String::from_utf8_lossy(cpu);
    if text.contains("386") || text.contains("486") { Family::Wide } else { Family::Narrow }
}
