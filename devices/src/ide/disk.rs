//! An ATA disk: its commands, and the sectors that they move.

use super::disk_commands::{Act, COMMANDS, IDENTIFY, SET_FEATURES};
use super::front::{
    ABRT, DF, DSC, ERR, Front, IDNF, LBA, MAX_BLOCK, MAX_MULTIPLE, Phase, SECTOR, UNC, WP,
};
use super::identify::{self, DiskFacts};
use crate::medium::{Medium, MediumError};
use crate::state::{StateError, check};
use serde::{Deserialize, Serialize};

/// The largest number of sectors: what 48 bits can address.
const MAX_SECTORS: u64 = 1 << 48;
/// Cylinders that CHS can address, and the tracks of a disk by default.
const MAX_CYLINDERS: u64 = 16383;
const HEADS: u16 = 16;
const TRACK: u16 = 63;

/// How a command says where its sectors are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Address {
    /// Cylinder, head and sector.
    Chs,
    /// 28 bits.
    Lba28,
    /// 48 bits.
    Lba48,
}

/// How a command ends that does not end well: bits of the status register beside ERR, and the error register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fault {
    status: u8,
    error: u8,
}

const ABORTED: Fault = Fault { status: 0, error: ABRT };
const NO_SECTOR: Fault = Fault { status: 0, error: IDNF };

/// What a guest can have changed of a disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DiskState {
    pub(super) front: Front,
    /// Which of the four drives it is.
    unit: u8,
    /// Heads and sectors of a track, as translated now.
    heads: u16,
    track: u16,
    multiple: u8,
    mode: u8,
    write_cache: bool,
    look_ahead: bool,
    standby: bool,
    /// How the command at work addresses sectors; the next one, and how many are left to be moved by it.
    address: Address,
    sector: u64,
    left: u32,
    /// Sectors of its blocks.
    per_block: u8,
    /// The block is the device's buffer, or the device's identity, and no sector.
    bufferly: bool,
    buffer: Vec<u8>,
}

/// A disk, and what it holds.
#[derive(Debug)]
pub(crate) struct Disk {
    pub(super) state: DiskState,
    medium: Option<Box<dyn Medium>>,
}

/// Cylinders, heads, sectors of a track of a disk of `sectors`.
fn geometry(sectors: u64, heads: u16, track: u16) -> (u16, u16, u16) {
    let cylinders = sectors / (u64::from(heads) * u64::from(track)).max(1);
    let cylinders = u16::try_from(cylinders.min(MAX_CYLINDERS)).unwrap_or(u16::MAX);
    (cylinders.max(1), heads, track)
}

impl DiskState {
    fn new(unit: u8) -> Self {
        let mut state = DiskState {
            front: Front::default(),
            unit,
            heads: HEADS,
            track: TRACK,
            // A preset, as IDENTIFY says: a driver then has one interrupt for a whole block, where it did not ask for it.
            multiple: MAX_MULTIPLE,
            mode: 0x0c,
            write_cache: true,
            look_ahead: true,
            standby: false,
            address: Address::Lba28,
            sector: 0,
            left: 0,
            per_block: 1,
            bufferly: false,
            buffer: Vec::new(),
        };
        state.front.sign(super::front::DRDY | DSC, 0, 0);
        state
    }

    /// Refuses what a disk could not be.
    ///
    /// # Errors
    /// [`StateError::Impossible`].
    pub(super) fn check(&self) -> Result<(), StateError> {
        self.front.check()?;
        check((1..=16).contains(&self.heads) && (1..=255).contains(&self.track), "disk geometry")?;
        check(self.multiple <= MAX_MULTIPLE, "READ MULTIPLE")?;
        check((1..=MAX_MULTIPLE).contains(&self.per_block), "sectors of a block")?;
        check(self.left <= 1 << 16 && self.sector <= MAX_SECTORS, "sectors of a command")?;
        check(self.buffer.len() <= SECTOR && self.unit < 8, "buffer of a disk")
    }
}

impl Disk {
    /// Disk number `unit`, without a medium.
    pub(super) fn new(unit: u8) -> Self {
        Disk { state: DiskState::new(unit), medium: None }
    }

    /// What it holds from now on.
    pub(super) fn set_medium(&mut self, medium: Option<Box<dyn Medium>>) {
        self.medium = medium;
    }

    /// Bytes of what it holds.
    pub(super) fn medium_len(&self) -> u64 {
        self.medium.as_ref().map_or(0, |medium| medium.len())
    }

    fn sectors(&self) -> u64 {
        (self.medium_len() / SECTOR as u64).min(MAX_SECTORS)
    }

    /// The reset line, or a software reset, which leaves some settings alone.
    pub(super) fn reset(&mut self, hard: bool) {
        let new = DiskState::new(self.state.unit);
        let old = std::mem::replace(&mut self.state, new);
        if !hard {
            // ATA-6, 8.46.14: features survive until a power-on, as far as SET FEATURES was not told otherwise.
            self.state.mode = old.mode;
            self.state.write_cache = old.write_cache;
            self.state.look_ahead = old.look_ahead;
            (self.state.heads, self.state.track) = (old.heads, old.track);
        }
    }

    /// A command was written.
    pub(super) fn command(&mut self, code: u8) {
        let front = &mut self.state.front;
        front.idle();
        front.intrq = false;
        front.regs.status = super::front::DRDY;
        front.regs.error = 0;
        let row = COMMANDS.iter().find(|row| (row.0..=row.1).contains(&code));
        let (act, long) = match (row, code) {
            (_, IDENTIFY) => (Act::Identify, false),
            (_, SET_FEATURES) => (Act::SetFeatures, false),
            (Some(row), _) => (row.2, row.3),
            (None, _) => return self.fault(ABORTED),
        };
        if let Err(fault) = self.act(act, long) {
            self.fault(fault);
        }
    }

    fn fault(&mut self, fault: Fault) {
        self.state.left = 0;
        self.state.front.end(ERR | DSC | fault.status, fault.error);
    }

    fn done(&mut self) -> Result<(), Fault> {
        self.state.left = 0;
        self.state.front.end(DSC, 0);
        Ok(())
    }

    fn act(&mut self, act: Act, long: bool) -> Result<(), Fault> {
        let multiple = self.state.multiple;
        match act {
            Act::Read { multiple: false } => self.read(long, 1),
            Act::Write { multiple: false } => self.write(long, 1),
            Act::Read { .. } | Act::Write { .. } if multiple == 0 => Err(ABORTED),
            Act::Read { .. } => self.read(long, multiple),
            Act::Write { .. } => self.write(long, multiple),
            Act::ReadDma => self.dma(long, Phase::DmaIn),
            Act::WriteDma => self.dma(long, Phase::DmaOut),
            Act::Verify => self.verify(long),
            Act::Seek => {
                self.locate(long)?;
                self.done()
            }
            Act::Recalibrate => {
                self.state.front.regs.set_lba28(0);
                self.done()
            }
            Act::Flush => {
                self.flush()?;
                self.done()
            }
            Act::Identify => self.answer(identify::disk(&self.facts())),
            Act::SetFeatures => self.set_features(),
            Act::SetMultiple => {
                let count = self.state.front.regs.count.now;
                if count > MAX_MULTIPLE || count != 0 && !count.is_power_of_two() {
                    return Err(ABORTED);
                }
                self.state.multiple = count;
                self.done()
            }
            Act::Geometry => self.initialize_parameters(),
            Act::ReadBuffer => {
                let mut buffer = self.state.buffer.clone();
                buffer.resize(SECTOR, 0);
                self.answer(buffer)
            }
            Act::WriteBuffer => {
                self.state.bufferly = true;
                self.state.front.offer(Phase::Out, vec![0; SECTOR]);
                Ok(())
            }
            Act::Power { standby } => {
                self.state.standby = standby;
                self.done()
            }
            Act::CheckPower => {
                self.state.front.regs.count.now = if self.state.standby { 0 } else { 0xff };
                self.done()
            }
        }
    }

    fn facts(&self) -> DiskFacts {
        let state = &self.state;
        let sectors = self.sectors();
        DiskFacts {
            unit: state.unit,
            sectors,
            default: geometry(sectors, HEADS, TRACK),
            current: geometry(sectors, state.heads, state.track),
            multiple: state.multiple,
            mode: state.mode,
            write_cache: state.write_cache,
            look_ahead: state.look_ahead,
        }
    }

    /// A block of the device's own for the host to read.
    fn answer(&mut self, block: Vec<u8>) -> Result<(), Fault> {
        self.state.bufferly = true;
        self.state.front.offer(Phase::In, block);
        self.state.front.intrq = true;
        Ok(())
    }

    fn set_features(&mut self) -> Result<(), Fault> {
        let (code, count) = (self.state.front.regs.features.now, self.state.front.regs.count.now);
        match code {
            0x02 => self.state.write_cache = true,
            0x82 => {
                // What waits in the cache may do so no longer.
                self.flush()?;
                self.state.write_cache = false;
            }
            0x03 if identify::has_mode(count) => self.state.mode = count,
            0x55 => self.state.look_ahead = false,
            0xaa => self.state.look_ahead = true,
            // Settings survive a software reset, or do not: they do.
            0x66 => {}
            _ => return Err(ABORTED),
        }
        self.done()
    }

    /// INITIALIZE DEVICE PARAMETERS (ATA-4, 8.14).
    fn initialize_parameters(&mut self) -> Result<(), Fault> {
        let regs = &self.state.front.regs;
        let (track, heads) = (u16::from(regs.count.now), u16::from(regs.device & 0x0f) + 1);
        if track == 0 {
            return Err(ABORTED);
        }
        (self.state.heads, self.state.track) = (heads, track);
        self.done()
    }

    /// The sectors that the registers name: the first, and how many. They exist.
    fn locate(&mut self, long: bool) -> Result<(u64, u32), Fault> {
        let sectors = self.sectors();
        let state = &mut self.state;
        let regs = &state.front.regs;
        let count = match (long, u32::from(regs.count.now)) {
            (true, low) => match u32::from(regs.count.before) << 8 | low {
                0 => 1 << 16,
                count => count,
            },
            (false, 0) => 256,
            (false, count) => count,
        };
        let (address, first) = match (long, regs.device & LBA != 0) {
            (true, true) => (Address::Lba48, regs.lba48()),
            (true, false) => return Err(ABORTED),
            (false, true) => (Address::Lba28, regs.lba28()),
            (false, false) => {
                let cylinder = u64::from(u16::from_le_bytes([regs.mid.now, regs.high.now]));
                let (head, sector) = (u64::from(regs.device & 0x0f), u64::from(regs.low.now));
                let (heads, track) = (u64::from(state.heads), u64::from(state.track));
                if head >= heads || sector == 0 || sector > track {
                    return Err(NO_SECTOR);
                }
                (Address::Chs, (cylinder * heads + head) * track + sector - 1)
            }
        };
        state.address = address;
        state.standby = false;
        if self.medium.is_none() {
            return Err(ABORTED);
        }
        if first.saturating_add(u64::from(count)) > sectors {
            self.say(first.max(sectors));
            return Err(NO_SECTOR);
        }
        Ok((first, count))
    }

    /// Puts the address of `sector` into the registers.
    fn say(&mut self, sector: u64) {
        let regs = &mut self.state.front.regs;
        match self.state.address {
            Address::Lba48 => regs.set_lba48(sector),
            Address::Lba28 => regs.set_lba28(sector),
            Address::Chs => {
                let (heads, track) = (u64::from(self.state.heads), u64::from(self.state.track));
                let [mid, high, ..] = (sector / track / heads).to_le_bytes();
                let [head, ..] = (sector / track % heads).to_le_bytes();
                let [low, ..] = (sector % track + 1).to_le_bytes();
                (regs.low.now, regs.mid.now, regs.high.now) = (low, mid, high);
                regs.device = regs.device & 0xf0 | head & 0x0f;
            }
        }
    }

    fn begin(&mut self, long: bool, per_block: u8) -> Result<(), Fault> {
        (self.state.sector, self.state.left) = self.locate(long)?;
        self.state.per_block = per_block;
        self.state.bufferly = false;
        Ok(())
    }

    fn read(&mut self, long: bool, per_block: u8) -> Result<(), Fault> {
        self.begin(long, per_block)?;
        self.next_in()
    }

    fn write(&mut self, long: bool, per_block: u8) -> Result<(), Fault> {
        self.begin(long, per_block)?;
        // No interrupt asks for the first block.
        self.next_out();
        Ok(())
    }

    fn dma(&mut self, long: bool, phase: Phase) -> Result<(), Fault> {
        self.begin(long, MAX_MULTIPLE)?;
        self.state.front.offer(phase, Vec::new());
        Ok(())
    }

    fn verify(&mut self, long: bool) -> Result<(), Fault> {
        self.begin(long, MAX_MULTIPLE)?;
        while self.state.left > 0 {
            self.load()?;
        }
        self.done()
    }

    /// Bytes of the next block.
    fn block_len(&self) -> usize {
        let sectors = self.state.left.min(u32::from(self.state.per_block));
        usize::try_from(sectors).unwrap_or_default() * SECTOR
    }

    /// The next block of sectors from the medium, and the registers on its last.
    fn load(&mut self) -> Result<Vec<u8>, Fault> {
        let mut block = vec![0; self.block_len().min(MAX_BLOCK)];
        let at = self.state.sector * SECTOR as u64;
        let medium = self.medium.as_mut().ok_or(ABORTED)?;
        if medium.read(at, &mut block).is_err() {
            // Which sector of the block is it?
            let sectors = block.chunks_mut(SECTOR);
            let bad = (0u64..).zip(sectors).find_map(|(n, sector)| {
                medium.read(at + n * SECTOR as u64, sector).is_err().then_some(n)
            });
            self.say(self.state.sector + bad.unwrap_or_default());
            return Err(Fault { status: 0, error: UNC });
        }
        self.moved(block.len());
        Ok(block)
    }

    /// So many bytes' sectors are through.
    fn moved(&mut self, bytes: usize) {
        let sectors = u32::try_from(bytes / SECTOR).unwrap_or(self.state.left);
        self.state.left = self.state.left.saturating_sub(sectors);
        self.state.sector += u64::from(sectors);
        self.say(self.state.sector.saturating_sub(1));
        let [low, high, ..] = self.state.left.to_le_bytes();
        self.state.front.regs.count.now = low;
        if self.state.address == Address::Lba48 {
            self.state.front.regs.count.before = high;
        }
    }

    /// Writes `block` to the medium.
    fn store(&mut self, block: &[u8]) -> Result<(), Fault> {
        let at = self.state.sector * SECTOR as u64;
        let medium = self.medium.as_mut().ok_or(ABORTED)?;
        let mut stored = medium.write(at, block);
        if stored.is_ok() && !self.state.write_cache {
            stored = medium.flush();
        }
        match stored {
            Ok(()) => {
                self.moved(block.len());
                Ok(())
            }
            Err(error) => {
                self.say(self.state.sector);
                Err(write_fault(error))
            }
        }
    }

    fn flush(&mut self) -> Result<(), Fault> {
        match self.medium.as_mut() {
            Some(medium) => medium.flush().map_err(write_fault),
            None => Err(ABORTED),
        }
    }

    fn next_in(&mut self) -> Result<(), Fault> {
        let block = self.load()?;
        self.state.front.offer(Phase::In, block);
        self.state.front.intrq = true;
        Ok(())
    }

    fn next_out(&mut self) {
        let len = self.block_len().min(MAX_BLOCK);
        self.state.front.offer(Phase::Out, vec![0; len]);
    }

    /// The host has moved the whole block.
    pub(super) fn block_moved(&mut self) {
        let phase = self.state.front.phase;
        let block = std::mem::take(&mut self.state.front.block);
        let moved = match phase {
            Phase::In if self.state.bufferly || self.state.left == 0 => {
                // No interrupt: the host knows that it has read all.
                self.state.front.idle();
                self.state.front.regs.status |= DSC;
                Ok(())
            }
            Phase::In => self.next_in(),
            Phase::Out if self.state.bufferly => {
                self.state.buffer = block;
                self.done()
            }
            Phase::Out => self.store(&block).and_then(|()| {
                if self.state.left == 0 {
                    return self.done();
                }
                self.next_out();
                self.state.front.intrq = true;
                Ok(())
            }),
            _ => Ok(()),
        };
        if let Err(fault) = moved {
            self.fault(fault);
        }
    }

    /// Gives the bus master the next bytes of a DMA command; false when the command is over.
    pub(super) fn dma_in(&mut self, buf: &mut [u8]) -> bool {
        let mut done = 0;
        while done < buf.len() {
            if self.state.front.left() == 0 {
                if self.state.left == 0 {
                    return false;
                }
                match self.load() {
                    Ok(block) => self.state.front.offer(Phase::DmaIn, block),
                    Err(fault) => {
                        self.fault(fault);
                        return false;
                    }
                }
            }
            let front = &mut self.state.front;
            let from = front.block.get(front.at..).unwrap_or_default();
            let now = from.len().min(buf.len() - done);
            buf[done..done + now].copy_from_slice(&from[..now]);
            front.at += now;
            done += now;
        }
        true
    }

    /// Takes the next bytes of a DMA command from the bus master; false when the command is over by an error.
    pub(super) fn dma_out(&mut self, mut data: &[u8]) -> bool {
        while !data.is_empty() {
            if self.state.front.block.is_empty() {
                let len = self.block_len().min(MAX_BLOCK);
                if len == 0 {
                    return false;
                }
                self.state.front.offer(Phase::DmaOut, vec![0; len]);
            }
            let front = &mut self.state.front;
            let room = front.block.get_mut(front.at..).unwrap_or_default();
            let now = room.len().min(data.len());
            room[..now].copy_from_slice(&data[..now]);
            front.at += now;
            data = &data[now..];
            if front.left() > 0 {
                continue;
            }
            let block = std::mem::take(&mut front.block);
            front.at = 0;
            if let Err(fault) = self.store(&block) {
                self.fault(fault);
                return false;
            }
        }
        true
    }

    /// Bytes that a DMA command has still to move.
    pub(super) fn dma_left(&self) -> usize {
        let sectors = usize::try_from(self.state.left).unwrap_or_default() * SECTOR;
        match self.state.front.phase {
            Phase::DmaIn => sectors + self.state.front.left(),
            Phase::DmaOut => sectors.saturating_sub(self.state.front.at),
            _ => 0,
        }
    }

    /// The bus master has moved all of it.
    pub(super) fn dma_done(&mut self) {
        self.state.left = 0;
        self.state.front.end(DSC, 0);
    }
}

/// How a write or a flush ends that the medium refused.
fn write_fault(error: MediumError) -> Fault {
    match error {
        MediumError::ReadOnly => Fault { status: 0, error: ABRT | WP },
        MediumError::OutOfRange => NO_SECTOR,
        MediumError::Full | MediumError::Io => Fault { status: DF, error: ABRT },
    }
}
