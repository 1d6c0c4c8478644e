//! The pages of 64-bit cases, for the interpreter.

use super::{CODE, PAGE, READ_ONLY, WRITABLE, WRITABLE_LEN};
use ringer_cpu::addr::Lin;
use ringer_cpu::exception::pf;
use ringer_cpu::{Access, Bus, Exception, PagingChange, PagingRegs, Privilege};

/// Code, writable pages, pages of zeros, and nothing else.
#[derive(Debug)]
pub struct Pages {
    /// The code page.
    pub code: Box<[u8; PAGE as usize]>,
    /// The writable pages, one after the other.
    pub memory: Box<[u8; WRITABLE_LEN]>,
}

/// What lies at an address.
#[derive(Clone, Copy)]
enum Place {
    Code(usize),
    Memory(usize),
    Zeros,
    Nothing,
}

fn place(at: u64) -> Place {
    let (page, within) = (at & !(PAGE - 1), (at & (PAGE - 1)) as usize);
    if page == CODE {
        return Place::Code(within);
    }
    match WRITABLE.iter().position(|writable| *writable == page) {
        Some(k) => Place::Memory(k * PAGE as usize + within),
        None if READ_ONLY.contains(&page) => Place::Zeros,
        None => Place::Nothing,
    }
}

impl Pages {
    /// All zeros.
    #[must_use]
    pub fn new() -> Self {
        Self { code: Box::new([0; PAGE as usize]), memory: Box::new([0; WRITABLE_LEN]) }
    }

    /// Sets the byte at `at`, if it is in a writable page.
    pub fn set(&mut self, at: u64, byte: u8) {
        if let Place::Memory(at) = place(at) {
            self.memory[at] = byte;
        }
    }

    fn check(lin: Lin, len: u64, access: Access) -> Result<(), Exception> {
        let write = if access == Access::Write { pf::WRITE } else { 0 };
        // One look for each page; the address is the first byte's on it.
        let second =
            (lin.in_page() + len > PAGE).then(|| Lin((lin.get() | (PAGE - 1)).wrapping_add(1)));
        for at in [Some(lin), second].into_iter().flatten() {
            let present = match place(at.get()) {
                Place::Nothing => 0,
                Place::Memory(_) => continue,
                Place::Code(_) | Place::Zeros if write == 0 => continue,
                Place::Code(_) | Place::Zeros => pf::PRESENT,
            };
            return Err(Exception::page_fault(at, write | pf::USER | present));
        }
        Ok(())
    }
}

impl Default for Pages {
    fn default() -> Self {
        Self::new()
    }
}

impl Bus for Pages {
    fn read(&mut self, lin: Lin, buf: &mut [u8], _: Privilege) -> Result<(), Exception> {
        Self::check(lin, buf.len() as u64, Access::Read)?;
        for (byte, k) in buf.iter_mut().zip(0..) {
            *byte = match place(lin.plus(k).get()) {
                Place::Code(at) => self.code[at],
                Place::Memory(at) => self.memory[at],
                Place::Zeros | Place::Nothing => 0,
            };
        }
        Ok(())
    }

    fn write(&mut self, lin: Lin, data: &[u8], _: Privilege) -> Result<(), Exception> {
        Self::check(lin, data.len() as u64, Access::Write)?;
        for (byte, k) in data.iter().zip(0..) {
            if let Place::Memory(at) = place(lin.plus(k).get()) {
                self.memory[at] = *byte;
            }
        }
        Ok(())
    }

    fn probe(&mut self, lin: Lin, len: u32, access: Access, _: Privilege) -> Result<(), Exception> {
        Self::check(lin, u64::from(len), access)
    }

    fn fetch(&mut self, lin: Lin, buf: &mut [u8; 16], _: Privilege) -> Result<usize, Exception> {
        let Place::Code(at) = place(lin.get()) else {
            return Err(Exception::page_fault(lin, pf::USER | pf::FETCH));
        };
        let bytes = &self.code[at..PAGE as usize];
        let count = bytes.len().min(16);
        buf[..count].copy_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn port_in(&mut self, _: u16, _: u8) -> u32 {
        u32::MAX
    }

    fn port_out(&mut self, _: u16, _: u8, _: u32) {}

    fn paging_changed(&mut self, _: &PagingRegs, _: PagingChange) {}

    fn invlpg(&mut self, _: Lin) {}

    fn load_pdptes(&mut self, _: &PagingRegs) -> Result<(), Exception> {
        Ok(())
    }

    fn tsc(&mut self) -> u64 {
        0
    }

    fn random(&mut self) -> u32 {
        0
    }
}
