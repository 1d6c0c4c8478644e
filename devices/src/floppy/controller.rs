//! The 82077AA as a register machine: commands byte by byte, seeks, and the phases of a command.
//!
//! It knows its drives, but no DMA controller: that is a [`Bus`], through which sectors go. Time is an argument, and
//! shorter than a diskette's: a step of the head and a sector take some tens of microseconds.

use super::command::{Command, decode};
use super::drive::Drive;
use super::transfer::{ABNORMAL, Next, SEEK_END, Transfer, Way};
use crate::state::{StateError, check};
use serde::{Deserialize, Serialize};

/// What the controller's DMA request does.
pub(crate) trait Bus {
    /// Gives a sector to the host: bytes that it took, and whether it wants no more.
    fn give(&mut self, data: &[u8]) -> (usize, bool);
    /// Takes a sector from the host, likewise.
    fn take(&mut self, data: &mut [u8]) -> (usize, bool);
}

/// Drives on the cable.
pub(crate) const DRIVES: usize = 2;
/// From the end of a reset to its interrupt.
const RESET_NS: u64 = 50_000;
/// A step of the head.
const STEP_NS: u64 = 20_000;
/// From a sector to the next.
const SECTOR_NS: u64 = 50_000;
/// How long an index hole is waited for. The chip waits for ever, and drivers reset it when they lose patience.
const INDEX_NS: u64 = 100_000_000;
/// Steps of a recalibration.
const RECALIBRATION: u8 = 79;

const DOR_RESET: u8 = 0x04;
const DOR_GATE: u8 = 0x08;
const DSR_RESET: u8 = 0x80;

const ST0_INVALID: u8 = 0x80;
const ST0_POLLED: u8 = 0xc0;
const ST0_CHECK: u8 = 0x10;

const CONFIG_SEEK: u8 = 0x40;
const CONFIG_NO_FIFO: u8 = 0x20;
/// What LOCK keeps over a reset: whether there is a FIFO, and its threshold. Polling is on after each.
const CONFIG_LOCKED: u8 = 0x2f;

/// A head that moves.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Seek {
    due: u64,
    /// Steps inwards; outwards where negative.
    steps: i16,
    /// To track 0, wherever that is.
    recalibrates: bool,
    head: u8,
}

/// Where the controller is in a command.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Phase {
    /// It waits for a command, of which these bytes have come.
    Command(Vec<u8>),
    /// It looks for the next sector, and will have found it at that time.
    Search { transfer: Transfer, due: u64 },
    /// The host moves the sector's data byte by byte, and is at this one.
    Bytes { transfer: Transfer, way: Way, at: usize },
    /// It has an answer, of which so many bytes were read.
    Result(Vec<u8>, usize),
}

/// The registers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Controller {
    output: u8,
    tape: u8,
    /// Data rate select, bits 1 and 0, and the precompensation above.
    rate: u8,
    phase: Phase,
    interrupt: bool,
    /// Interrupts of seeks and of a reset that nobody sensed yet: status register 0 of each drive.
    sensed: [Option<u8>; 4],
    seeks: [Option<Seek>; 4],
    /// When the reset's interrupt comes.
    reset_due: Option<u64>,
    /// Where the controller thinks that the heads are.
    cylinders: [u8; 4],
    timing: [u8; 2],
    config: u8,
    precompensation: u8,
    perpendicular: u8,
    locked: bool,
    /// Sectors per track, or the end of the track, of the last command.
    last_count: u8,
    /// The interrupt line was low for a moment since this was last asked.
    #[serde(skip)]
    dipped: bool,
}

impl Controller {
    /// As the power comes on, in reset.
    pub(crate) fn new() -> Self {
        Controller {
            output: 0,
            tape: 0,
            rate: 2,
            phase: Phase::Command(Vec::new()),
            interrupt: false,
            sensed: [None; 4],
            seeks: [None; 4],
            reset_due: None,
            cylinders: [0; 4],
            timing: [0; 2],
            config: CONFIG_NO_FIFO,
            precompensation: 0,
            perpendicular: 0,
            locked: false,
            last_count: 0,
            dipped: false,
        }
    }

    /// Refuses a state that no sequence of writes leads to.
    ///
    /// # Errors
    /// [`StateError::Impossible`].
    pub(crate) fn check(&self) -> Result<(), StateError> {
        let steps = |seek: &Seek| seek.steps.unsigned_abs() <= 255 && seek.head < 2;
        check(self.seeks.iter().flatten().all(steps), "steps of a floppy drive")?;
        match &self.phase {
            Phase::Command(bytes) => check(bytes.len() <= 9, "bytes of a floppy command"),
            Phase::Search { transfer, .. } => transfer.check(),
            Phase::Bytes { transfer, at, way } => {
                check(*at < transfer.data.len() && *way != Way::Neither, "bytes of a sector")?;
                transfer.check()
            }
            Phase::Result(bytes, at) => {
                check(*at < bytes.len() && bytes.len() <= 10, "result of a floppy command")
            }
        }
    }

    /// The interrupt line.
    pub(crate) fn irq(&self) -> bool {
        self.interrupt && self.output & DOR_GATE != 0
    }

    /// Whether the interrupt line was low for a moment since this was last asked.
    pub(crate) fn take_dip(&mut self) -> bool {
        std::mem::take(&mut self.dipped)
    }

    /// When it next does something by itself.
    pub(crate) fn deadline(&self) -> Option<u64> {
        let search = match &self.phase {
            Phase::Search { due, .. } => Some(*due),
            _ => None,
        };
        let seeks = self.seeks.iter().flatten().map(|seek| seek.due);
        seeks.chain(search).chain(self.reset_due).min()
    }

    fn is_in_reset(&self) -> bool {
        self.output & DOR_RESET == 0
    }

    fn data_rate(&self) -> u8 {
        self.rate & 3
    }

    /// Sectors go byte by byte through the data register.
    fn is_programmed(&self) -> bool {
        self.timing[1] & 1 != 0
    }

    // Registers.

    /// Status register A of the PS/2: what the drive's lines are.
    pub(crate) fn status_a(&self, drives: &[Drive; DRIVES]) -> u8 {
        let drive = drives.get(usize::from(self.output & 3));
        let track_0 = drive.is_some_and(Drive::is_at_track_0);
        let protected = drive.is_some_and(Drive::is_protected);
        // Two drives are on the cable, and no index hole is ever seen.
        u8::from(self.interrupt) << 7 | u8::from(!track_0) << 4 | 0x04 | u8::from(!protected) << 1
    }

    /// Status register B of the PS/2: which drive is selected, which motors turn.
    pub(crate) fn status_b(&self) -> u8 {
        0xc0 | (self.output & 1) << 5 | self.output >> 4 & 3
    }

    /// The digital output register.
    pub(crate) fn output(&self) -> u8 {
        self.output
    }

    /// The tape drive register.
    pub(crate) fn tape(&self) -> u8 {
        0xfc | self.tape
    }

    /// Writes it.
    pub(crate) fn set_tape(&mut self, value: u8) {
        self.tape = value & 3;
    }

    /// Writes the digital output register: motors, reset, the gate of interrupt and DMA, the drive.
    pub(crate) fn set_output(&mut self, value: u8, now: u64) {
        let before = std::mem::replace(&mut self.output, value);
        match (before & DOR_RESET != 0, value & DOR_RESET != 0) {
            (true, false) => self.clear(),
            (false, true) => self.restart(now),
            _ => {}
        }
    }

    /// Writes the data rate select register.
    pub(crate) fn set_rate(&mut self, value: u8, now: u64) {
        self.rate = value & !DSR_RESET;
        if value & DSR_RESET != 0 && !self.is_in_reset() {
            self.clear();
            self.restart(now);
        }
    }

    /// Writes the configuration control register: the rate alone.
    pub(crate) fn set_control(&mut self, value: u8) {
        self.rate = self.rate & !3 | value & 3;
    }

    /// The digital input register: the disk-change line of the drive that is selected and turns.
    pub(crate) fn input(&self, drives: &[Drive; DRIVES]) -> u8 {
        let unit = self.output & 3;
        let turns = self.output & 0x10 << unit != 0;
        let drive = drives.get(usize::from(unit)).filter(|_| turns);
        if drive.is_some_and(Drive::is_changed) { 0x80 } else { 0 }
    }

    /// The main status register.
    pub(crate) fn status(&self) -> u8 {
        if self.is_in_reset() {
            return 0;
        }
        let seeking =
            (0..4).filter(|&unit| self.is_seeking(unit)).fold(0, |bits, unit| bits | 1 << unit);
        seeking
            | match &self.phase {
                Phase::Command(bytes) if bytes.is_empty() => 0x80,
                Phase::Command(_) => 0x90,
                Phase::Search { .. } if self.is_programmed() => 0x30,
                Phase::Search { .. } => 0x10,
                Phase::Bytes { way: Way::In, .. } => 0xf0,
                Phase::Bytes { .. } => 0xb0,
                Phase::Result(..) => 0xd0,
            }
    }

    /// A drive counts as seeking until its interrupt was sensed.
    fn is_seeking(&self, unit: usize) -> bool {
        let ended = self.sensed[unit].is_some_and(|st0| st0 & SEEK_END != 0);
        self.seeks[unit].is_some() || ended
    }

    /// A reset begins: what it ends, and what it keeps (data sheet, "Reset").
    fn clear(&mut self) {
        let kept = Controller {
            output: self.output,
            tape: self.tape,
            rate: self.rate,
            timing: self.timing,
            perpendicular: self.perpendicular & 0x3c,
            locked: self.locked,
            ..Controller::new()
        };
        let (config, precompensation) = match self.locked {
            true => (self.config & CONFIG_LOCKED, self.precompensation),
            false => (kept.config, kept.precompensation),
        };
        let kept = Controller { config, precompensation, ..kept };
        *self = kept;
    }

    fn restart(&mut self, now: u64) {
        self.reset_due = Some(now.saturating_add(RESET_NS));
    }

    // Time.

    /// Does all that is due at `now`.
    pub(crate) fn advance(&mut self, now: u64, drives: &mut [Drive; DRIVES], bus: &mut dyn Bus) {
        if self.reset_due.is_some_and(|due| due <= now) {
            self.reset_due = None;
            // Each drive's ready line counts as having changed.
            self.sensed = [0, 1, 2, 3].map(|unit| Some(ST0_POLLED | unit));
            self.interrupt = true;
        }
        for unit in 0..4u8 {
            if let Some(seek) = self.seeks[usize::from(unit)].filter(|seek| seek.due <= now) {
                self.seeks[usize::from(unit)] = None;
                self.arrive(unit, seek, drives);
            }
        }
        if let Phase::Search { due, .. } = self.phase
            && due <= now
        {
            self.found(now, drives, bus);
        }
    }

    /// A head has come to where it was sent.
    fn arrive(&mut self, unit: u8, seek: Seek, drives: &mut [Drive; DRIVES]) {
        let drive = drives.get_mut(usize::from(unit));
        let mut st0 = SEEK_END | seek.head << 2 | unit;
        let at_track_0 = drive.is_some_and(|drive| {
            drive.step(seek.steps);
            drive.is_at_track_0()
        });
        if seek.recalibrates {
            self.cylinders[usize::from(unit)] = 0;
            st0 |= if at_track_0 { 0 } else { ABNORMAL | ST0_CHECK };
        }
        self.sensed[usize::from(unit)] = Some(st0);
        self.interrupt = true;
    }

    /// The sector that was looked for is under the head, or known not to be.
    fn found(&mut self, now: u64, drives: &mut [Drive; DRIVES], bus: &mut dyn Bus) {
        let Phase::Search { mut transfer, .. } = self.take_phase() else { return };
        let unit = usize::from(transfer.unit);
        let spins = self.spins(unit, drives);
        let Some(drive) = drives.get_mut(unit).filter(|_| spins) else {
            transfer.is_lost();
            return self.end(&transfer, ABNORMAL);
        };
        let rate = self.data_rate();
        let implied = self.config & CONFIG_SEEK != 0;
        if let Some(cylinder) = transfer.cylinder().filter(|_| implied) {
            let from = std::mem::replace(&mut self.cylinders[unit], cylinder);
            drive.step(i16::from(cylinder) - i16::from(from));
            transfer.sought |= from != cylinder;
        }
        let next = match transfer.begin(drive, rate, now / SECTOR_NS) {
            Err(next) => next,
            Ok(way) if self.is_programmed() && way != Way::Neither => {
                self.interrupt = true;
                self.phase = Phase::Bytes { transfer, way, at: 0 };
                return;
            }
            Ok(way) => {
                let gate = self.output & DOR_GATE != 0;
                let (moved, terminal) = match way {
                    Way::Neither => (transfer.data.len(), false),
                    _ if !gate => (0, false),
                    Way::In => bus.give(&transfer.data),
                    Way::Out => bus.take(&mut transfer.data),
                };
                transfer.finish(drive, rate, moved, terminal)
            }
        };
        self.go_on(transfer, next, now, drives);
    }

    fn go_on(&mut self, transfer: Transfer, next: Next, now: u64, drives: &mut [Drive; DRIVES]) {
        match next {
            Next::Sector => {
                let due = now.saturating_add(SECTOR_NS);
                self.phase = Phase::Search { transfer, due };
            }
            Next::Done | Next::Failed => {
                if let Some(drive) = drives.get_mut(usize::from(transfer.unit)) {
                    drive.flush();
                }
                self.end(&transfer, if next == Next::Done { 0 } else { ABNORMAL });
            }
        }
    }

    fn end(&mut self, transfer: &Transfer, code: u8) {
        let mut bytes = vec![code | transfer.selects()];
        bytes.extend(transfer.result());
        self.phase = Phase::Result(bytes, 0);
        self.interrupt = true;
    }

    /// Index holes come by.
    fn spins(&self, unit: usize, drives: &[Drive; DRIVES]) -> bool {
        let turns = self.output & 0x10 << unit != 0;
        turns && drives.get(unit).is_some_and(Drive::is_loaded)
    }

    fn take_phase(&mut self) -> Phase {
        std::mem::replace(&mut self.phase, Phase::Command(Vec::new()))
    }

    // The data register.

    /// Reads the data register.
    pub(crate) fn read_data(&mut self, now: u64, drives: &mut [Drive; DRIVES]) -> u8 {
        match self.take_phase() {
            Phase::Result(bytes, at) => {
                self.interrupt = false;
                let byte = bytes.get(at).copied().unwrap_or(0);
                if at + 1 < bytes.len() {
                    self.phase = Phase::Result(bytes, at + 1);
                }
                byte
            }
            Phase::Bytes { transfer, way: Way::In, at } => {
                let byte = transfer.data.get(at).copied().unwrap_or(0);
                self.passed(transfer, Way::In, at + 1, now, drives);
                byte
            }
            other => {
                self.phase = other;
                0xff
            }
        }
    }

    /// Writes the data register.
    pub(crate) fn write_data(&mut self, byte: u8, now: u64, drives: &mut [Drive; DRIVES]) {
        if self.is_in_reset() {
            return;
        }
        match self.take_phase() {
            Phase::Command(mut bytes) => {
                bytes.push(byte);
                let (command, parameters) = decode(bytes[0]);
                if bytes.len() > parameters {
                    self.execute(command, &bytes, now, drives);
                } else {
                    self.phase = Phase::Command(bytes);
                }
            }
            Phase::Bytes { mut transfer, way: Way::Out, at } => {
                if let Some(place) = transfer.data.get_mut(at) {
                    *place = byte;
                }
                self.passed(transfer, Way::Out, at + 1, now, drives);
            }
            other => self.phase = other,
        }
    }

    /// The host has moved the bytes before `at`.
    fn passed(
        &mut self,
        mut transfer: Transfer,
        way: Way,
        at: usize,
        now: u64,
        drives: &mut [Drive; DRIVES],
    ) {
        let unit = usize::from(transfer.unit);
        match drives.get_mut(unit) {
            Some(drive) if at >= transfer.data.len() => {
                self.interrupt = false;
                self.dipped = true;
                let next = transfer.finish(drive, self.rate & 3, at, false);
                self.go_on(transfer, next, now, drives);
            }
            _ => self.phase = Phase::Bytes { transfer, way, at },
        }
    }

    fn answer(&mut self, bytes: &[u8]) {
        self.phase = Phase::Result(bytes.to_vec(), 0);
    }

    fn execute(&mut self, command: Command, bytes: &[u8], now: u64, drives: &[Drive; DRIVES]) {
        let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
        match command {
            Command::Invalid => self.answer(&[ST0_INVALID]),
            Command::Version => self.answer(&[0x90]),
            Command::Specify => self.timing = [byte(1), byte(2)],
            Command::Configure => (self.config, self.precompensation) = (byte(2) & 0x7f, byte(3)),
            Command::Perpendicular => self.set_perpendicular(byte(1)),
            Command::Lock => {
                self.locked = byte(0) & 0x80 != 0;
                self.answer(&[u8::from(self.locked) << 4]);
            }
            Command::DumpRegisters => self.dump(),
            Command::SenseDrive => self.sense_drive(byte(1), drives),
            Command::SenseInterrupt => self.sense_interrupt(),
            Command::Recalibrate => {
                let from = drives.get(usize::from(byte(1) & 3)).map_or(0, Drive::cylinder);
                self.seek(byte(1) & 3, -i16::from(from.min(RECALIBRATION)), true, now);
            }
            Command::Seek => {
                let from = self.cylinders[usize::from(byte(1) & 3)];
                self.cylinders[usize::from(byte(1) & 3)] = byte(2);
                self.seek(byte(1) & 7, i16::from(byte(2)) - i16::from(from), false, now);
            }
            Command::RelativeSeek => self.seek_relative(byte(0) & 0x40 != 0, byte(1), byte(2), now),
            _ => self.transfer(Transfer::new(command, byte(0), &bytes[1..]), bytes, now, drives),
        }
    }

    fn seek(&mut self, selects: u8, steps: i16, recalibrates: bool, now: u64) {
        let time = STEP_NS * u64::from(steps.unsigned_abs().max(1));
        let seek =
            Seek { due: now.saturating_add(time), steps, recalibrates, head: selects >> 2 & 1 };
        self.seeks[usize::from(selects & 3)] = Some(seek);
        self.sensed[usize::from(selects & 3)] = None;
    }

    fn seek_relative(&mut self, inwards: bool, selects: u8, steps: u8, now: u64) {
        let cylinder = &mut self.cylinders[usize::from(selects & 3)];
        *cylinder = match inwards {
            true => cylinder.wrapping_add(steps),
            false => cylinder.wrapping_sub(steps),
        };
        let steps = i16::from(steps);
        self.seek(selects & 7, if inwards { steps } else { -steps }, false, now);
    }

    /// A command that needs the diskette begins.
    fn transfer(&mut self, transfer: Transfer, bytes: &[u8], now: u64, drives: &[Drive; DRIVES]) {
        if bytes.len() > 6 {
            self.last_count = bytes[6];
        } else if bytes.len() > 3 {
            self.last_count = bytes[3];
        }
        let unit = usize::from(transfer.unit);
        let steps = match transfer.cylinder() {
            Some(to) if self.config & CONFIG_SEEK != 0 => to.abs_diff(self.cylinders[unit]),
            _ => 0,
        };
        let found = SECTOR_NS + STEP_NS * u64::from(steps);
        let wait = if self.spins(unit, drives) { found } else { INDEX_NS };
        let due = now.saturating_add(wait);
        self.phase = Phase::Search { transfer, due };
    }

    fn set_perpendicular(&mut self, value: u8) {
        // Without OW the drives' bits stay.
        let drives = if value & 0x80 != 0 { value & 0x3c } else { self.perpendicular & 0x3c };
        self.perpendicular = drives | value & 3;
    }

    fn dump(&mut self) {
        let [c0, c1, c2, c3] = self.cylinders;
        let [first, second] = self.timing;
        let locked = u8::from(self.locked) << 7;
        let perpendicular = locked | self.perpendicular;
        self.answer(&[
            c0,
            c1,
            c2,
            c3,
            first,
            second,
            self.last_count,
            perpendicular,
            self.config,
            self.precompensation,
        ]);
    }

    fn sense_drive(&mut self, selects: u8, drives: &[Drive; DRIVES]) {
        let drive = drives.get(usize::from(selects & 3));
        let protected = drive.is_some_and(Drive::is_protected);
        let track_0 = drive.is_some_and(Drive::is_at_track_0);
        self.answer(&[0x28 | u8::from(protected) << 6 | u8::from(track_0) << 4 | selects & 7]);
    }

    fn sense_interrupt(&mut self) {
        self.interrupt = false;
        self.dipped = true;
        let Some(unit) = self.sensed.iter().position(Option::is_some) else {
            return self.answer(&[ST0_INVALID]);
        };
        let st0 = self.sensed[unit].take().unwrap_or(ST0_INVALID);
        let cylinder = self.cylinders[unit];
        // Another drive's seek has ended meanwhile.
        self.interrupt = self.sensed.iter().flatten().any(|st0| st0 & SEEK_END != 0);
        self.answer(&[st0, cylinder]);
    }
}
