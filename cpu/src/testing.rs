//! A flat memory behind the [`Bus`] trait, for tests of this crate and of those above it.
//!
//! Linear addresses are physical ones; ranges can be made to fault, so that the paths which must
//! leave no partial state can be tested without page tables.

use crate::addr::Lin;
use crate::bus::{Access, Bus, PagingChange, PagingRegs, Privilege};
use crate::exception::{Exception, pf};
use std::collections::HashMap;
use std::ops::Range;

/// A port whose reads give the numbers 0, 1, 2, … as bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stream {
    /// The port.
    pub port: u16,
    /// The next byte.
    pub next: u64,
    /// Items that move at once, at most; 0: one at a time.
    pub burst: u32,
    /// Items that were moved at once, either way.
    pub moved: u32,
}

impl Stream {
    fn byte(&mut self) -> u8 {
        // Not the same for each page.
        let byte = (self.next + (self.next >> 8)) as u8;
        self.next += 1;
        byte
    }
}

/// Flat memory with ports, and with ranges that fault.
#[derive(Debug, Clone, Default)]
pub struct FlatBus {
    /// Memory from linear address 0; reads above answer ones, writes above are dropped.
    pub mem: Vec<u8>,
    /// What a port answers; others answer ones.
    pub ports: HashMap<u16, u32>,
    /// A port that data streams through.
    pub stream: Option<Stream>,
    /// Every port write: port, size in bytes, value.
    pub port_writes: Vec<(u16, u8, u32)>,
    /// Linear ranges that are not present.
    pub absent: Vec<Range<u32>>,
    /// Linear ranges that cannot be written.
    pub read_only: Vec<Range<u32>>,
    /// Linear ranges that only the supervisor may access.
    pub supervisor: Vec<Range<u32>>,
    /// Linear ranges of data that SMAP keeps [`Privilege::Supervisor`] off.
    pub kept_off: Vec<Range<u32>>,
    /// Every memory write: address and length.
    pub writes: Vec<(u32, usize)>,
    /// Whether `writes` is kept.
    pub log_writes: bool,
    /// What paging changes were reported.
    pub paging: Vec<(PagingRegs, PagingChange)>,
    /// Pages named by INVLPG.
    pub invalidated: Vec<u32>,
    /// The next answer of the time-stamp counter; goes up by one a reading.
    pub time: u64,
    /// The last level of FERR#.
    pub ferr: bool,
    /// The level of IGNNE#.
    pub ignne: bool,
}

impl FlatBus {
    /// `size` bytes of zeroed memory.
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self { mem: vec![0; size], ..Self::default() }
    }

    /// Copies `bytes` into memory at `at` (what lies above the end is dropped).
    pub fn load(&mut self, at: u32, bytes: &[u8]) {
        for (k, b) in bytes.iter().enumerate() {
            self.poke(at.wrapping_add(k as u32), *b);
        }
    }

    /// The byte at `at`.
    #[must_use]
    pub fn peek(&self, at: u32) -> u8 {
        self.mem.get(at as usize).copied().unwrap_or(0xff)
    }

    /// The dword at `at`.
    #[must_use]
    pub fn peek32(&self, at: u32) -> u32 {
        u32::from_le_bytes([0, 1, 2, 3].map(|k| self.peek(at.wrapping_add(k))))
    }

    fn poke(&mut self, at: u32, value: u8) {
        if let Some(b) = self.mem.get_mut(at as usize) {
            *b = value;
        }
    }

    fn check(&self, lin: Lin, len: u32, access: Access, who: Privilege) -> Result<(), Exception> {
        let write = if access == Access::Write { pf::WRITE } else { 0 };
        let user = if who == Privilege::User { pf::USER } else { 0 };
        for k in 0..len {
            let at = lin.low().wrapping_add(k);
            let within = |ranges: &[Range<u32>]| ranges.iter().any(|r| r.contains(&at));
            if within(&self.absent) {
                return Err(Exception::page_fault(Lin::from(at), write | user));
            }
            let data = access != Access::Fetch;
            let denied = (write != 0 && within(&self.read_only))
                || (user != 0 && within(&self.supervisor))
                || (data && who == Privilege::Supervisor && within(&self.kept_off));
            if denied {
                return Err(Exception::page_fault(Lin::from(at), write | user | pf::PRESENT));
            }
        }
        Ok(())
    }

    /// How many of `count` items at `lin` go through `port` at once.
    fn burst(
        &mut self,
        port: u16,
        size: u8,
        lin: Lin,
        count: u32,
        access: Access,
        who: Privilege,
    ) -> u32 {
        let Some(mut stream) = self.stream.filter(|stream| stream.port == port) else { return 0 };
        let count = count.min(stream.burst);
        let len = count * u32::from(size);
        assert!(lin.in_page() + u64::from(len) <= 0x1000, "a burst stays within a page");
        if self.check(lin, len, access, who).is_err() {
            return 0;
        }
        stream.moved += count;
        self.stream = Some(stream);
        count
    }

    fn guarded(&self) -> bool {
        [&self.absent, &self.read_only, &self.supervisor, &self.kept_off]
            .iter()
            .any(|ranges| !ranges.is_empty())
    }
}

impl Bus for FlatBus {
    fn read(&mut self, lin: Lin, buf: &mut [u8], who: Privilege) -> Result<(), Exception> {
        if self.guarded() {
            self.check(lin, buf.len() as u32, Access::Read, who)?;
        }
        let at = lin.get() as usize;
        if let Some(bytes) = at.checked_add(buf.len()).and_then(|end| self.mem.get(at..end)) {
            buf.copy_from_slice(bytes);
            return Ok(());
        }
        for (k, b) in buf.iter_mut().enumerate() {
            *b = self.peek(lin.low().wrapping_add(k as u32));
        }
        Ok(())
    }

    fn write(&mut self, lin: Lin, data: &[u8], who: Privilege) -> Result<(), Exception> {
        if self.guarded() {
            self.check(lin, data.len() as u32, Access::Write, who)?;
        }
        if self.log_writes {
            self.writes.push((lin.low(), data.len()));
        }
        let at = lin.get() as usize;
        if let Some(bytes) = at.checked_add(data.len()).and_then(|end| self.mem.get_mut(at..end)) {
            bytes.copy_from_slice(data);
            return Ok(());
        }
        self.load(lin.low(), data);
        Ok(())
    }

    fn probe(
        &mut self,
        lin: Lin,
        len: u32,
        access: Access,
        who: Privilege,
    ) -> Result<(), Exception> {
        if self.guarded() { self.check(lin, len, access, who) } else { Ok(()) }
    }

    fn fetch(&mut self, lin: Lin, buf: &mut [u8; 16], who: Privilege) -> Result<usize, Exception> {
        if self.guarded() {
            self.check(lin, 1, Access::Fetch, who)?;
        }
        let count = (0x1000 - lin.in_page() as usize).min(16);
        let at = lin.get() as usize;
        if let Some(bytes) = self.mem.get(at..at.saturating_add(16)) {
            buf.copy_from_slice(bytes);
            return Ok(count);
        }
        for (k, b) in buf.iter_mut().enumerate().take(count) {
            *b = self.peek(lin.low().wrapping_add(k as u32));
        }
        Ok(count)
    }

    fn port_in(&mut self, port: u16, size: u8) -> u32 {
        if let Some(stream) = self.stream.as_mut().filter(|stream| stream.port == port) {
            return (0..size).map(|at| u32::from(stream.byte()) << (8 * at)).sum();
        }
        let ones = u32::MAX >> (32 - 8 * u32::from(size));
        self.ports.get(&port).copied().unwrap_or(u32::MAX) & ones
    }

    fn port_out(&mut self, port: u16, size: u8, value: u32) {
        self.port_writes.push((port, size, value));
    }

    fn burst_in(&mut self, port: u16, size: u8, lin: Lin, count: u32, who: Privilege) -> u32 {
        let count = self.burst(port, size, lin, count, Access::Write, who);
        for at in 0..count * u32::from(size) {
            let byte = self.stream.as_mut().map_or(0, Stream::byte);
            self.poke(lin.low().wrapping_add(at), byte);
        }
        count
    }

    fn burst_out(&mut self, port: u16, size: u8, lin: Lin, count: u32, who: Privilege) -> u32 {
        let count = self.burst(port, size, lin, count, Access::Read, who);
        for item in 0..count {
            let at = lin.low().wrapping_add(item * u32::from(size));
            let ones = u32::MAX >> (32 - 8 * u32::from(size));
            self.port_writes.push((port, size, self.peek32(at) & ones));
        }
        count
    }

    fn burst_fill(&mut self, lin: Lin, value: u32, size: u8, count: u32, who: Privilege) -> u32 {
        let Some(port) = self.stream.map(|stream| stream.port) else { return 0 };
        let count = self.burst(port, size, lin, count, Access::Write, who);
        for item in 0..count {
            let at = lin.low().wrapping_add(item * u32::from(size));
            self.load(at, &value.to_le_bytes()[..usize::from(size)]);
        }
        count
    }

    fn burst_move(&mut self, from: Lin, to: Lin, size: u8, count: u32, who: Privilege) -> u32 {
        let Some(port) = self.stream.map(|stream| stream.port) else { return 0 };
        let len = count * u32::from(size);
        assert!(from.in_page() + u64::from(len) <= 0x1000, "a burst stays within a page");
        if self.check(from, len, Access::Read, who).is_err() {
            return 0;
        }
        let count = self.burst(port, size, to, count, Access::Write, who);
        for item in 0..count {
            let by = item * u32::from(size);
            let value = self.peek32(from.low().wrapping_add(by)).to_le_bytes();
            self.load(to.low().wrapping_add(by), &value[..usize::from(size)]);
        }
        count
    }

    fn paging_changed(&mut self, regs: &PagingRegs, change: PagingChange) {
        self.paging.push((*regs, change));
    }

    fn invlpg(&mut self, lin: Lin) {
        self.invalidated.push(lin.low());
    }

    fn load_pdptes(&mut self, _regs: &PagingRegs) -> Result<(), Exception> {
        Ok(())
    }

    fn random(&mut self) -> u32 {
        0x5eed_5eed
    }

    fn tsc(&mut self) -> u64 {
        self.time = self.time.wrapping_add(1);
        self.time
    }

    fn ferr(&mut self, asserted: bool) {
        self.ferr = asserted;
    }

    fn ignne(&mut self) -> bool {
        self.ignne
    }
}
