//! Fetching and decoding, with a cache of decoded instructions.
//!
//! # The cache is exact
//! An entry is used only when its linear address, offset and mode match *and* the bytes fetched now
//! are the bytes it was decoded from. So nothing ever invalidates an entry: modified code, other
//! aliases and other address spaces all show in the bytes. Fetching anew also makes every fetch
//! fault happen where it should.
//!
//! A string instruction that is between two iterations is not fetched again ([`CpuState::string`]): it has been decoded.
//!
//! # Order of faults
//! Bytes are taken one page at a time and only as far as the instruction reaches, within CS's limit.
//! Running out at the limit is #GP(0); running out at 15 bytes is #GP(0) too, whatever follows;
//! running out at a page's end fetches the next page, whose #PF has the page's start in CR2.

use super::Handler;
use crate::addr::{Lin, Pc};
use crate::bus::{Bus, Privilege};
use crate::exception::Exception;
use crate::state::{CpuState, StringInProgress};
use iced_x86::{Code, Decoder, DecoderError, DecoderOptions, Instruction};

/// The longest instruction (SDM volume 2, 2.3.11).
const MAX_LENGTH: usize = 15;

/// Slots of the cache; a power of two.
const SLOTS: usize = 1 << 14;

/// One decoded instruction and what it was decoded from.
#[derive(Debug)]
pub(super) struct Entry<B: Bus> {
    /// Linear address of the first byte.
    lin: Lin,
    /// Offset in CS (branch targets depend on it).
    rip: Pc,
    /// 16, 32 or 64; 0 in an empty slot.
    bitness: u32,
    /// The first 16 bytes, zero beyond `len`.
    bytes: u128,
    /// Ones over the `len` bytes.
    mask: u128,
    /// Bytes of the instruction.
    pub len: u32,
    /// The decoded form.
    pub instruction: Instruction,
    /// What executes it.
    pub handler: Handler<B>,
}

impl<B: Bus> Entry<B> {
    /// The instruction, for when it has stopped between two iterations.
    pub fn in_progress(&self) -> StringInProgress {
        let mut string = StringInProgress { len: self.len as u8, ..StringInProgress::NONE };
        string.bytes.copy_from_slice(&self.bytes.to_le_bytes()[..MAX_LENGTH]);
        string
    }
}

/// The direct-mapped cache.
#[derive(Debug)]
pub(super) struct DecodeCache<B: Bus> {
    slots: Box<[Entry<B>]>,
}

/// Where the next instruction is fetched from.
#[derive(Clone, Copy)]
struct FetchPoint {
    lin: Lin,
    rip: Pc,
    bitness: u32,
    /// Bytes up to CS's limit, at most 15.
    room: usize,
    who: Privilege,
}

impl FetchPoint {
    // Inlined for certain: returned through memory, its mixed field sizes stall the hot path.
    #[inline(always)]
    fn of(s: &CpuState) -> Result<Self, Exception> {
        if s.in_64_bit_mode() {
            return Self::of_64(s);
        }
        let cs = s.cs();
        let left = u64::from(cs.limit).checked_sub(s.rip.get()).ok_or(Exception::gp(0))?;
        Ok(Self {
            lin: s.linear(cs.base, s.rip.get()),
            rip: s.rip,
            bitness: if cs.is_32() && !s.v86() { 32 } else { 16 },
            room: (left as usize).saturating_add(1).min(MAX_LENGTH),
            who: Privilege::of_fetches(s.cpl),
        })
    }
}

impl FetchPoint {
    /// The same in 64-bit mode: CS has neither base nor limit; an instruction ends where the canonical addresses do.
    fn of_64(s: &CpuState) -> Result<Self, Exception> {
        if !s.rip.is_canonical() {
            return Err(Exception::gp(0));
        }
        let last = s.rip.plus(MAX_LENGTH as u64 - 1);
        let reaches = |more: &usize| s.rip.plus(*more as u64).is_canonical();
        // (Hardly ever are there not fifteen more.)
        let room = match last.is_canonical() && last >= s.rip {
            true => MAX_LENGTH,
            false => 1 + (1..MAX_LENGTH).take_while(reaches).count(),
        };
        Ok(Self {
            lin: Lin(s.rip.get()),
            rip: s.rip,
            bitness: 64,
            room,
            who: if s.cpl == 3 { Privilege::User } else { Privilege::Supervisor },
        })
    }
}

impl<B: Bus> DecodeCache<B> {
    /// An empty cache; `nothing` fills the empty slots and is never called.
    pub fn new(nothing: Handler<B>) -> Self {
        let empty = || Entry {
            lin: Lin(0),
            rip: Pc(0),
            bitness: 0,
            bytes: 0,
            mask: 0,
            len: 0,
            instruction: Instruction::default(),
            handler: nothing,
        };
        Self { slots: (0..SLOTS).map(|_| empty()).collect() }
    }

    /// The instruction at CS:EIP, decoded; its handler comes from `table`.
    ///
    /// # Errors
    /// #GP(0) beyond the limit or 15 bytes, #PF, #UD.
    #[inline]
    pub fn get(
        &mut self,
        s: &CpuState,
        bus: &mut B,
        table: &[Handler<B>],
    ) -> Result<&Entry<B>, Exception> {
        let site = FetchPoint::of(s)?;
        let mut buf = [0; 16];
        let count = match s.string.bytes() {
            None => bus.fetch(site.lin, &mut buf, site.who)?.min(site.room),
            Some(bytes) => {
                buf[..bytes.len()].copy_from_slice(bytes);
                bytes.len()
            }
        };
        let slot = slot_of(site.lin);
        let e = &self.slots[slot];
        let known = e.lin == site.lin
            && e.rip == site.rip
            && e.bitness == site.bitness
            && e.len as usize <= count
            && (u128::from_le_bytes(buf) ^ e.bytes) & e.mask == 0;
        if !known {
            let entry = decode_at(s, site, buf, count, bus, table)?;
            self.slots[slot] = entry;
        }
        Ok(&self.slots[slot])
    }
}

/// Neighbouring instructions fall into different slots; the fold keeps aliases at large powers of
/// two (the same program in other segments) apart.
#[inline]
fn slot_of(lin: Lin) -> usize {
    (lin.get() ^ (lin.get() >> 14)) as usize & (SLOTS - 1)
}

/// Decodes at `site`, of which the first `count` bytes are in `buf`; fetches the second page's part
/// when the instruction needs it.
#[cold]
fn decode_at<B: Bus>(
    s: &CpuState,
    site: FetchPoint,
    mut buf: [u8; 16],
    mut count: usize,
    bus: &mut B,
    table: &[Handler<B>],
) -> Result<Entry<B>, Exception> {
    loop {
        let mut decoder =
            Decoder::with_ip(site.bitness, &buf[..count], site.rip.get(), DecoderOptions::NONE);
        let instruction = decoder.decode();
        match decoder.last_error() {
            DecoderError::None => {
                let instruction = exchange_of_pause(&site, &buf, instruction);
                return Ok(entry(site, buf, instruction, table));
            }
            DecoderError::NoMoreBytes if count >= site.room => return Err(Exception::gp(0)),
            DecoderError::NoMoreBytes => {
                let mut more = [0; 16];
                let at = s.linear(site.lin, count as u64);
                let got = bus.fetch(at, &mut more, site.who)?.min(site.room - count);
                buf[count..count + got].copy_from_slice(&more[..got]);
                count += got;
            }
            _ => return Err(refused(site, &buf[..count], instruction.len())),
        }
    }
}

/// F3 90 with REX.B is no PAUSE, as the decoder has it, but XCHG of R8 with the accumulator; there F3 means nothing, as 3E does.
fn exchange_of_pause(site: &FetchPoint, buf: &[u8; 16], instruction: Instruction) -> Instruction {
    let len = instruction.len();
    let pause = site.bitness == 64 && instruction.code() == Code::Pause;
    if !pause || buf[len.saturating_sub(2)] & 0xf1 != 0x41 {
        return instruction;
    }
    let bytes = buf.map(|byte| if byte == 0xf3 { 0x3e } else { byte });
    Decoder::with_ip(64, &bytes[..len], site.rip.get(), DecoderOptions::NONE).decode()
}

/// The exception of `len` bytes that are no instruction. The decoder does not tell an instruction
/// that goes on after 15 bytes from an invalid one of 15; decoding without its legality checks does.
fn refused(site: FetchPoint, bytes: &[u8], len: usize) -> Exception {
    if len < MAX_LENGTH {
        return Exception::ud();
    }
    let lenient = Decoder::new(site.bitness, bytes, DecoderOptions::NO_INVALID_CHECK).decode();
    if lenient.is_invalid() { Exception::gp(0) } else { Exception::ud() }
}

fn entry<B: Bus>(
    site: FetchPoint,
    buf: [u8; 16],
    instruction: Instruction,
    table: &[Handler<B>],
) -> Entry<B> {
    let len = instruction.len() as u32;
    let mask = (1u128 << (8 * len)) - 1;
    Entry {
        lin: site.lin,
        rip: site.rip,
        bitness: site.bitness,
        bytes: u128::from_le_bytes(buf) & mask,
        mask,
        len,
        handler: table[instruction.code() as usize],
        instruction,
    }
}
