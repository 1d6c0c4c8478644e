//! An AHCI host bus adapter of six ports (Serial ATA AHCI 1.3.1), each with a drive or none.
//!
//! A command runs whole in the write that issues it. What it moves is bounded by what the drive has and by [`MOST`]. There is no
//! native queueing: commands of a port are served in the order of their slots, and one that fails stops the port until its
//! driver starts it again.

use super::bus_master::Memory;
use super::drive::{Drive, DriveState};
use super::front::{BSY, DRQ, ERR, Pair, Phase};
use crate::memory::DmaError;
use crate::state::{StateError, check};
use serde::{Deserialize, Serialize};

/// Ports of an adapter.
pub(crate) const PORTS: usize = 6;
/// Where the registers of the first port are, and bytes for each.
const FIRST_PORT: u64 = 0x100;
const PORT_LEN: u64 = 0x80;
/// Bytes that one command moves, at most.
const MOST: usize = 512 << 20;
/// Bytes that are moved at a time.
const PIECE: usize = 1 << 16;

/// Capabilities: six ports, 32 slots, AHCI alone, 1.5 Gbit/s, command list override, 64-bit addresses.
const CAP: u32 = 5 | 31 << 8 | 1 << 18 | 1 << 20 | 1 << 24 | 1 << 31;
const VERSION: u32 = 0x0001_0300;
/// Bits of the global host control: AHCI is on (always), interrupts, reset.
const GHC_AE: u32 = 1 << 31;
const GHC_IE: u32 = 1 << 1;
const GHC_HR: u32 = 1;
/// Bits of a port's command register that are kept as written, and those that follow others.
const CMD_ST: u32 = 1;
const CMD_CLO: u32 = 1 << 3;
const CMD_FRE: u32 = 1 << 4;
const CMD_FR: u32 = 1 << 14;
const CMD_CR: u32 = 1 << 15;
const CMD_KEPT: u32 = CMD_ST | 1 << 1 | 1 << 2 | CMD_FRE | 1 << 24 | 1 << 25;
/// Bits of a port's interrupt status: a register FIS, a PIO setup FIS, more data than room, no memory there, a command failed.
const IS_DHRS: u32 = 1;
const IS_PSS: u32 = 1 << 1;
const IS_OFS: u32 = 1 << 24;
const IS_HBFS: u32 = 1 << 29;
const IS_TFES: u32 = 1 << 30;
/// A drive is there at 1.5 Gbit/s.
const PRESENT: u32 = 0x113;
/// The error register of a port: the device has been exchanged.
const SERR_X: u32 = 1 << 26;
/// SRST in a control register.
const SRST: u8 = 4;

/// Types of frames.
const FIS_REGISTERS: u8 = 0x27;
const FIS_ANSWER: u8 = 0x34;
const FIS_PIO_SETUP: u8 = 0x5f;

/// The registers of a port.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Registers {
    command_list: u64,
    received: u64,
    is: u32,
    ie: u32,
    command: u32,
    task_file: u32,
    signature: u32,
    sctl: u32,
    serr: u32,
    issued: u32,
    /// A software reset has begun.
    srst: bool,
    /// A command failed; no other is served before the port is started again.
    halted: bool,
}

/// A port.
#[derive(Debug, Default)]
struct Port {
    drive: Option<Drive>,
    regs: Registers,
}

/// The adapter.
#[derive(Debug, Default)]
pub(crate) struct Ahci {
    ports: [Port; PORTS],
    interrupts: bool,
    is: u32,
}

/// What of it is saved.
#[derive(Serialize, Deserialize)]
pub(crate) struct AhciState {
    ports: Vec<(Registers, Option<DriveState>)>,
    interrupts: bool,
    is: u32,
}

/// Why a command stops before its drive has ended it.
enum Stop {
    /// The table of regions has no more room.
    Overflow,
    /// No memory there.
    Memory,
}

impl From<DmaError> for Stop {
    fn from(_: DmaError) -> Self {
        Stop::Memory
    }
}

impl Ahci {
    /// An adapter with these drives.
    pub(crate) fn new(drives: [Option<Drive>; PORTS]) -> Self {
        let ports = drives.map(|drive| Port { drive, regs: Registers::default() });
        let mut adapter = Ahci { ports, interrupts: false, is: 0 };
        adapter.reset();
        adapter
    }

    /// The drive at port `number`.
    pub(crate) fn drive(&mut self, number: usize) -> Option<&mut Drive> {
        self.ports.get_mut(number).and_then(|port| port.drive.as_mut())
    }

    /// The level of the interrupt pin.
    pub(crate) fn interrupt(&self) -> bool {
        self.interrupts && self.is != 0
    }

    /// The reset line, or one of the adapter's own.
    pub(crate) fn reset(&mut self) {
        (self.interrupts, self.is) = (false, 0);
        for port in &mut self.ports {
            port.regs = Registers::default();
            port.restart(true);
        }
    }

    /// Reads the doubleword at `offset`.
    pub(crate) fn read(&self, offset: u64) -> u32 {
        match offset {
            0x00 => CAP,
            0x04 => GHC_AE | if self.interrupts { GHC_IE } else { 0 },
            0x08 => self.is,
            0x0c => (1 << PORTS) - 1,
            0x10 => VERSION,
            _ => self.port(offset).map_or(0, |(n, at)| self.ports[n].read(at)),
        }
    }

    /// The port whose registers are at `offset`, and the register.
    fn port(&self, offset: u64) -> Option<(usize, u64)> {
        let offset = offset.checked_sub(FIRST_PORT)?;
        let number = usize::try_from(offset / PORT_LEN).ok()?;
        (number < PORTS).then_some((number, offset % PORT_LEN))
    }

    /// Writes the doubleword at `offset`.
    pub(crate) fn write(&mut self, offset: u64, value: u32, memory: &mut dyn Memory) {
        match offset {
            0x04 if value & GHC_HR != 0 => self.reset(),
            0x04 => self.interrupts = value & GHC_IE != 0,
            0x08 => self.is &= !value,
            _ => {
                if let Some((number, at)) = self.port(offset) {
                    self.ports[number].write(at, value, memory);
                }
            }
        }
        for (number, port) in self.ports.iter().enumerate() {
            if port.regs.is & port.regs.ie != 0 {
                self.is |= 1 << number;
            }
        }
    }

    pub(crate) fn save(&self) -> AhciState {
        let ports = self.ports.iter();
        let ports = ports.map(|port| (port.regs.clone(), port.drive.as_ref().map(Drive::save)));
        AhciState { ports: ports.collect(), interrupts: self.interrupts, is: self.is }
    }

    /// Takes over a state.
    ///
    /// # Errors
    /// [`StateError::Impossible`].
    pub(crate) fn load(&mut self, state: AhciState) -> Result<(), StateError> {
        check(state.ports.len() == PORTS && state.is < 1 << PORTS, "AHCI ports")?;
        (self.interrupts, self.is) = (state.interrupts, state.is);
        for (port, (regs, drive)) in self.ports.iter_mut().zip(state.ports) {
            let aligned =
                regs.command_list.is_multiple_of(1024) && regs.received.is_multiple_of(256);
            check(aligned && regs.command & !(CMD_KEPT | CMD_FR | CMD_CR) == 0, "an AHCI port")?;
            port.regs = regs;
            match (port.drive.as_mut(), drive) {
                (Some(drive), Some(state)) => drive.load(state)?,
                (None, None) => {}
                _ => return check(false, "number of drives"),
            }
        }
        Ok(())
    }
}

/// `old` with its low or high half replaced.
fn half(old: u64, high: bool, value: u32) -> u64 {
    match high {
        true => old & 0xffff_ffff | u64::from(value) << 32,
        false => old & !0xffff_ffff | u64::from(value),
    }
}

fn low(value: u64) -> u32 {
    let [a, b, c, d, ..] = value.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

impl Port {
    fn read(&self, at: u64) -> u32 {
        let regs = &self.regs;
        match at {
            0x00 => low(regs.command_list),
            0x04 => low(regs.command_list >> 32),
            0x08 => low(regs.received),
            0x0c => low(regs.received >> 32),
            0x10 => regs.is,
            0x14 => regs.ie,
            0x18 => regs.command,
            0x20 => regs.task_file,
            0x24 => regs.signature,
            0x28 if self.drive.is_some() => PRESENT,
            0x2c => regs.sctl,
            0x30 => regs.serr,
            0x38 => regs.issued,
            _ => 0,
        }
    }

    fn write(&mut self, at: u64, value: u32, memory: &mut dyn Memory) {
        let regs = &mut self.regs;
        match at {
            0x00 => regs.command_list = half(regs.command_list, false, value & !1023),
            0x04 => regs.command_list = half(regs.command_list, true, value),
            0x08 => regs.received = half(regs.received, false, value & !255),
            0x0c => regs.received = half(regs.received, true, value),
            0x10 => regs.is &= !value,
            0x14 => regs.ie = value,
            0x18 => self.set_command(value, memory),
            0x2c => {
                let before = std::mem::replace(&mut regs.sctl, value & 0xfff);
                // The link comes back when the reset is over.
                if before & 0xf == 1 && value & 0xf == 0 {
                    self.restart(true);
                    self.answer(memory, 0);
                }
            }
            0x30 => regs.serr &= !value,
            0x38 if regs.command & CMD_ST != 0 => {
                regs.issued |= value;
                self.serve(memory);
            }
            _ => {}
        }
    }

    fn set_command(&mut self, value: u32, memory: &mut dyn Memory) {
        let regs = &mut self.regs;
        let before = regs.command;
        regs.command = value & CMD_KEPT;
        if value & CMD_CLO != 0 {
            regs.task_file &= !u32::from(DRQ | BSY);
        }
        if value & CMD_FRE != 0 {
            regs.command |= CMD_FR;
        }
        if value & CMD_ST != 0 {
            regs.command |= CMD_CR;
        } else {
            (regs.issued, regs.halted) = (0, false);
        }
        // The frame with the signature has been waiting for somewhere to go.
        if before & CMD_FRE == 0 && value & CMD_FRE != 0 && self.drive.is_some() {
            self.answer(memory, 0);
        }
    }

    /// The drive begins anew, and says what it is.
    fn restart(&mut self, hard: bool) {
        let Some(drive) = self.drive.as_mut() else {
            self.regs.task_file = 0x7f;
            self.regs.signature = u32::MAX;
            return;
        };
        drive.reset(hard);
        let regs = &drive.front().regs;
        let bytes = [regs.count.now, regs.low.now, regs.mid.now, regs.high.now];
        self.regs.signature = u32::from_le_bytes(bytes);
        self.regs.task_file = u32::from(regs.status) | u32::from(regs.error) << 8;
        self.regs.serr |= SERR_X;
    }

    /// Serves the commands that have been issued.
    fn serve(&mut self, memory: &mut dyn Memory) {
        while self.regs.issued != 0 && !self.regs.halted && self.drive.is_some() {
            let slot = self.regs.issued.trailing_zeros();
            match self.command(slot, memory) {
                Ok(()) if self.regs.halted => {}
                Ok(()) => self.regs.issued &= !(1 << slot),
                Err(stop) => {
                    self.regs.halted = true;
                    self.regs.is |= match stop {
                        Stop::Overflow => IS_OFS,
                        Stop::Memory => IS_HBFS,
                    };
                }
            }
        }
    }

    fn command(&mut self, slot: u32, memory: &mut dyn Memory) -> Result<(), Stop> {
        let header_at = self.regs.command_list.wrapping_add(u64::from(slot) * 32);
        let mut header = [0; 16];
        memory.read(header_at, &mut header)?;
        let [_, _, p0, p1, .., t0, t1, t2, t3, u0, u1, u2, u3] = header;
        let table = u64::from_le_bytes([t0 & 0x80, t1, t2, t3, u0, u1, u2, u3]);
        let mut frame = [0; 0x50];
        memory.read(table, &mut frame)?;
        if frame[0] != FIS_REGISTERS {
            return Err(Stop::Memory);
        }
        if frame[1] & 0x80 == 0 {
            self.control(frame[15], memory);
            return Ok(());
        }
        let Some(drive) = self.drive.as_mut() else { return Ok(()) };
        let regs = &mut drive.front_mut().regs;
        regs.features = Pair { now: frame[3], before: frame[11] };
        regs.low = Pair { now: frame[4], before: frame[8] };
        regs.mid = Pair { now: frame[5], before: frame[9] };
        regs.high = Pair { now: frame[6], before: frame[10] };
        regs.count = Pair { now: frame[12], before: frame[13] };
        regs.device = frame[7];
        drive.command(frame[2]);
        let entries = u16::from_le_bytes([p0, p1]);
        let mut regions =
            Regions { table: table.wrapping_add(0x80), entries, next: 0, open: None, moved: 0 };
        let mut packet = [0; 12];
        packet.copy_from_slice(&frame[0x40..0x4c]);
        let read = run(drive, &packet, &mut regions, memory)?;
        drive.front_mut().intrq = false;
        let status = drive.front().regs.status;
        let moved = u32::try_from(regions.moved).unwrap_or(u32::MAX);
        memory.write(header_at.wrapping_add(4), &moved.to_le_bytes())?;
        if read && status & ERR == 0 {
            self.pio_setup(memory, moved);
        } else {
            self.answer(memory, IS_DHRS);
        }
        if status & ERR != 0 {
            self.regs.is |= IS_TFES;
            self.regs.halted = true;
        }
        Ok(())
    }

    /// A frame that writes the device control register.
    fn control(&mut self, value: u8, memory: &mut dyn Memory) {
        let before = std::mem::replace(&mut self.regs.srst, value & SRST != 0);
        if before && value & SRST == 0 {
            self.restart(false);
            self.answer(memory, IS_DHRS);
        }
    }

    /// The registers as a frame has them, and the task file register.
    fn frame(&mut self, kind: u8, flags: u8) -> [u8; 20] {
        let mut frame = [0; 20];
        let Some(drive) = self.drive.as_ref() else { return frame };
        let regs = &drive.front().regs;
        self.regs.task_file = u32::from(regs.status) | u32::from(regs.error) << 8;
        frame[..4].copy_from_slice(&[kind, flags, regs.status, regs.error]);
        frame[4..8].copy_from_slice(&[regs.low.now, regs.mid.now, regs.high.now, regs.device]);
        frame[8..11].copy_from_slice(&[regs.low.before, regs.mid.before, regs.high.before]);
        frame[12..14].copy_from_slice(&[regs.count.now, regs.count.before]);
        frame
    }

    /// Sends the registers to the host. A memory that is none loses them.
    fn answer(&mut self, memory: &mut dyn Memory, interrupt: u32) {
        let frame = self.frame(FIS_ANSWER, if interrupt != 0 { 0x40 } else { 0 });
        if self.regs.command & CMD_FRE != 0 {
            let _ = memory.write(self.regs.received.wrapping_add(0x40), &frame);
        }
        self.regs.is |= interrupt;
    }

    /// The same at the end of data that was read by PIO.
    fn pio_setup(&mut self, memory: &mut dyn Memory, bytes: u32) {
        let mut frame = self.frame(FIS_PIO_SETUP, 0x60);
        frame[15] = frame[2];
        let [low, high, ..] = bytes.to_le_bytes();
        (frame[16], frame[17]) = (low, high);
        if self.regs.command & CMD_FRE != 0 {
            let _ = memory.write(self.regs.received.wrapping_add(0x20), &frame);
        }
        self.regs.is |= IS_PSS | IS_DHRS;
    }
}

/// The table of regions of a command, and how far it has been used.
struct Regions {
    table: u64,
    entries: u16,
    next: u16,
    /// What is left of the region there: its address and bytes.
    open: Option<(u64, usize)>,
    moved: usize,
}

impl Regions {
    /// The next region, of `most` bytes at most.
    fn take(&mut self, most: usize, memory: &mut dyn Memory) -> Result<(u64, usize), Stop> {
        let (address, bytes) = match self.open {
            Some(region) => region,
            None => {
                if self.next >= self.entries {
                    return Err(Stop::Overflow);
                }
                let mut entry = [0; 16];
                memory.read(self.table.wrapping_add(u64::from(self.next) * 16), &mut entry)?;
                self.next += 1;
                let [a, b, c, d, e, f, g, h, .., n0, n1, n2, _] = entry;
                let bytes = u32::from_le_bytes([n0 | 1, n1, n2 & 0x3f, 0]) + 1;
                let address = u64::from_le_bytes([a & !1, b, c, d, e, f, g, h]);
                (address, usize::try_from(bytes).unwrap_or(PIECE))
            }
        };
        let now = bytes.min(most);
        self.moved += now;
        if self.moved > MOST {
            return Err(Stop::Overflow);
        }
        self.open = (bytes > now).then(|| (address.wrapping_add(now as u64), bytes - now));
        Ok((address, now))
    }

    /// Writes all of `data` there.
    fn scatter(&mut self, mut data: &[u8], memory: &mut dyn Memory) -> Result<(), Stop> {
        while !data.is_empty() {
            let (address, now) = self.take(data.len(), memory)?;
            let (piece, rest) = data.split_at(now);
            memory.write(address, piece)?;
            data = rest;
        }
        Ok(())
    }

    /// Fills `buf` from there.
    fn gather(&mut self, mut buf: &mut [u8], memory: &mut dyn Memory) -> Result<(), Stop> {
        while !buf.is_empty() {
            let (address, now) = self.take(buf.len(), memory)?;
            let (piece, rest) = buf.split_at_mut(now);
            memory.read(address, piece)?;
            buf = rest;
        }
        Ok(())
    }
}

/// Moves the data of the drive's command until it is over. True: it was read by PIO.
fn run(
    drive: &mut Drive,
    packet: &[u8],
    regions: &mut Regions,
    memory: &mut dyn Memory,
) -> Result<bool, Stop> {
    let mut read = false;
    let mut buf = Vec::new();
    loop {
        match drive.front().phase {
            Phase::Idle => return Ok(read),
            Phase::In => {
                read = true;
                regions.scatter(&drive.front().block, memory)?;
                drive.block_moved();
            }
            Phase::Out => {
                let mut block = std::mem::take(&mut drive.front_mut().block);
                regions.gather(&mut block, memory)?;
                drive.front_mut().block = block;
                drive.block_moved();
            }
            Phase::Packet => {
                drive.front_mut().block = packet.to_vec();
                drive.block_moved();
            }
            phase @ (Phase::DmaIn | Phase::DmaOut) => {
                let left = drive.dma_left();
                if left == 0 {
                    drive.dma_done();
                    continue;
                }
                buf.resize(left.min(PIECE), 0);
                let going = match phase {
                    Phase::DmaIn => {
                        let going = drive.dma_in(&mut buf);
                        if going {
                            regions.scatter(&buf, memory)?;
                        }
                        going
                    }
                    _ => {
                        regions.gather(&mut buf, memory)?;
                        drive.dma_out(&buf)
                    }
                };
                // A drive that has ended the command has said why.
                if !going {
                    return Ok(false);
                }
            }
        }
    }
}
