//! A command of the controller that reads, writes or compares sectors: what happens at each of them, and the seven bytes
//! that tell how it ended (82077AA data sheet, "Data transfer commands" and "Status registers 0 to 2").

use super::command::Command;
use super::drive::{Drive, Id};
use crate::state::{StateError, check};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// Status register 0: the command ended before its time.
pub(crate) const ABNORMAL: u8 = 0x40;
/// Status register 0: the command sought.
pub(crate) const SEEK_END: u8 = 0x20;

/// Bits of status register 1.
mod st1 {
    pub(super) const MISSING_MARK: u8 = 0x01;
    pub(super) const NOT_WRITABLE: u8 = 0x02;
    pub(super) const NO_DATA: u8 = 0x04;
    pub(super) const OVERRUN: u8 = 0x10;
    pub(super) const DATA_ERROR: u8 = 0x20;
    pub(super) const END_OF_CYLINDER: u8 = 0x80;
}

/// Bits of status register 2.
mod st2 {
    pub(super) const BAD_CYLINDER: u8 = 0x02;
    pub(super) const SCAN_FAILED: u8 = 0x04;
    pub(super) const SCAN_EQUAL: u8 = 0x08;
    pub(super) const WRONG_CYLINDER: u8 = 0x10;
    pub(super) const DATA_ERROR: u8 = 0x20;
    pub(super) const CONTROL_MARK: u8 = 0x40;
}

/// Which way the data of a sector goes between host and controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Way {
    /// To the host.
    In,
    /// From the host.
    Out,
    /// Nowhere.
    Neither,
}

/// What comes after a sector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Another one.
    Sector,
    /// The end, well.
    Done,
    /// The end, for a reason that the status registers give.
    Failed,
}

/// The command under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Transfer {
    command: Command,
    /// The drive (0..=3).
    pub(crate) unit: u8,
    /// The head that reads; the sectors' own heads are in `id`.
    head: u8,
    multi_track: bool,
    mfm: bool,
    skip: bool,
    /// A verification is of so many sectors (EC).
    counts: bool,
    /// The sector at hand.
    id: Id,
    end_of_track: u8,
    /// Last parameter: step of a scan, sectors of a verification; filler of a format.
    last: u8,
    /// Sectors left, of a format, of a track, or of a verification that counts.
    left: u8,
    st1: u8,
    st2: u8,
    /// Data of the sector: what goes to the host, or came from it.
    pub(crate) data: Vec<u8>,
    /// The sector is not one that the command is about, though it is read: it is the last.
    stop: bool,
    /// The head was moved first.
    pub(crate) sought: bool,
}

/// The largest sector.
const MAX_DATA: usize = 128 << 7;

impl Transfer {
    /// The command that these bytes are: its first, and its parameters as far as it has them.
    pub(crate) fn new(command: Command, first: u8, parameters: &[u8]) -> Self {
        let byte = |at: usize| parameters.get(at).copied().unwrap_or(0);
        let id = Id { cylinder: byte(1), head: byte(2), number: byte(3), size: byte(4) };
        let mut transfer = Transfer {
            command,
            unit: byte(0) & 3,
            head: byte(0) >> 2 & 1,
            multi_track: first & 0x80 != 0 && command != Command::ReadTrack,
            mfm: first & 0x40 != 0,
            skip: first & 0x20 != 0,
            counts: command == Command::Verify && byte(0) & 0x80 != 0,
            id,
            end_of_track: byte(5),
            last: byte(7),
            left: byte(5),
            st1: 0,
            st2: 0,
            data: Vec::new(),
            stop: false,
            sought: false,
        };
        match command {
            Command::Format => {
                // Parameters are size, sectors, gap and filler.
                transfer.id = Id { size: byte(1), ..Id::default() };
                (transfer.left, transfer.last) = (byte(2), byte(4));
            }
            Command::ReadTrack => transfer.id.number = 1,
            Command::Verify => transfer.left = byte(7),
            _ => {}
        }
        transfer
    }

    /// Refuses a state that no command leads to.
    ///
    /// # Errors
    /// [`StateError::Impossible`].
    pub(crate) fn check(&self) -> Result<(), StateError> {
        check(self.unit < 4 && self.head < 2, "drive of a floppy command")?;
        check(self.data.len() <= MAX_DATA, "data of a floppy command")
    }

    /// The cylinder to be on, of a command that can seek by itself.
    pub(crate) fn cylinder(&self) -> Option<u8> {
        let seeks = !matches!(self.command, Command::ReadId | Command::Format);
        seeks.then_some(self.id.cylinder)
    }

    /// Status register 0 but for how the command ended.
    pub(crate) fn selects(&self) -> u8 {
        let sought = if self.sought { SEEK_END } else { 0 };
        sought | self.head << 2 | self.unit
    }

    /// The bytes of the result, after status register 0.
    pub(crate) fn result(&self) -> [u8; 6] {
        let Id { cylinder, head, number, size } = self.id;
        [self.st1, self.st2, cylinder, head, number, size]
    }

    /// The disk does not turn, or nothing is on it: the index hole never came by, or twice.
    pub(crate) fn is_lost(&mut self) {
        self.st1 |= st1::MISSING_MARK;
    }

    fn fail(&mut self, st1: u8, st2: u8) -> Next {
        self.st1 |= st1;
        self.st2 |= st2;
        Next::Failed
    }

    fn writes(&self) -> bool {
        matches!(self.command, Command::Write | Command::WriteDeleted | Command::Format)
    }

    fn scans(&self) -> bool {
        matches!(self.command, Command::ScanEqual | Command::ScanLow | Command::ScanHigh)
    }

    /// The next sector comes under the head, `turn` sectors after the index hole. Says which way its data goes, or how
    /// the command ends before that.
    ///
    /// # Errors
    /// [`Next::Sector`]: it is passed over. Else the end.
    pub(crate) fn begin(&mut self, drive: &mut Drive, rate: u8, turn: u64) -> Result<Way, Next> {
        if self.writes() && drive.is_protected() {
            return Err(self.fail(st1::NOT_WRITABLE, 0));
        }
        let seen = drive.id(self.head, rate, turn).filter(|_| self.mfm);
        let Some(seen) = seen else { return Err(self.fail(st1::MISSING_MARK, 0)) };
        match self.command {
            Command::ReadId => {
                self.id = seen;
                Err(Next::Done)
            }
            Command::Format if self.left == 0 => Err(Next::Done),
            Command::Format => self.await_host(4),
            _ => {
                self.find(drive, rate, seen)?;
                match self.command {
                    Command::Write | Command::WriteDeleted => self.await_host(128 << seen.size),
                    _ if self.scans() => self.await_host(128 << seen.size),
                    _ => self.fetch(drive, rate),
                }
            }
        }
    }

    fn await_host(&mut self, bytes: usize) -> Result<Way, Next> {
        self.data = vec![0; bytes.min(MAX_DATA)];
        Ok(Way::Out)
    }

    /// Looks for the sector at hand on the track, of which `seen` is any.
    fn find(&mut self, drive: &Drive, rate: u8, seen: Id) -> Result<(), Next> {
        let (wanted, sectors) = (self.id, drive.sectors(self.head, rate));
        let is_there = (1..=sectors).contains(&wanted.number);
        let is_it = Id { number: wanted.number, ..seen } == wanted;
        if self.command == Command::ReadTrack {
            // Whatever it is called, it is read; but the track has no more than it has.
            self.st1 |= if is_it { 0 } else { st1::NO_DATA };
            return if is_there { Ok(()) } else { Err(self.fail(st1::NO_DATA, 0)) };
        }
        if is_there && is_it {
            return Ok(());
        }
        let cylinder = match (seen.cylinder == wanted.cylinder, seen.cylinder) {
            (true, _) => 0,
            (false, 0xff) => st2::BAD_CYLINDER,
            (false, _) => st2::WRONG_CYLINDER,
        };
        Err(self.fail(st1::NO_DATA, cylinder))
    }

    /// Where the sector at hand is on the diskette, whatever it is called.
    fn place(&self, drive: &Drive, rate: u8) -> Option<Id> {
        let seen = drive.id(self.head, rate, 0)?;
        Some(Id { number: self.id.number, ..seen })
    }

    /// Reads the sector.
    fn fetch(&mut self, drive: &mut Drive, rate: u8) -> Result<Way, Next> {
        let read = self.place(drive, rate).map(|id| drive.read(id));
        let Some(Ok((data, deleted))) = read else {
            return Err(self.fail(st1::DATA_ERROR, st2::DATA_ERROR));
        };
        let wants_deleted = self.command == Command::ReadDeleted;
        if deleted != wants_deleted && self.command != Command::ReadTrack {
            self.st2 |= st2::CONTROL_MARK;
            if self.skip {
                return Err(self.following(false));
            }
            // It is read all the same, and the command ends with it.
            self.stop = self.command != Command::Verify;
        }
        self.data = data;
        Ok(if self.command == Command::Verify { Way::Neither } else { Way::In })
    }

    /// `moved` bytes of the data have gone between host and controller; `terminal`: the last that the host wants.
    pub(crate) fn finish(
        &mut self,
        drive: &mut Drive,
        rate: u8,
        moved: usize,
        terminal: bool,
    ) -> Next {
        let whole = moved >= self.data.len() || terminal;
        let ended = match self.command {
            _ if !whole => Some(self.fail(st1::OVERRUN, 0)),
            Command::Write | Command::WriteDeleted => self.store(drive, rate),
            Command::Format => return self.formatted(drive, rate, terminal),
            _ if self.scans() => self.compared(drive, rate, moved),
            _ => None,
        };
        if let Some(end) = ended {
            return end;
        }
        let next = self.following(terminal);
        if self.stop && next == Next::Sector { Next::Done } else { next }
    }

    /// Writes the sector.
    fn store(&mut self, drive: &mut Drive, rate: u8) -> Option<Next> {
        let deleted = self.command == Command::WriteDeleted;
        let id = self.place(drive, rate);
        let written = id.map(|id| drive.write(id, &self.data, deleted));
        match written {
            Some(Ok(())) => None,
            _ => Some(self.fail(st1::DATA_ERROR, st2::DATA_ERROR)),
        }
    }

    /// One sector's ID came from the host, to be written with a sector of fillers. An image holds the sectors of its
    /// format only: another cannot be written.
    fn formatted(&mut self, drive: &mut Drive, rate: u8, terminal: bool) -> Next {
        let [cylinder, head, number, size] =
            [0, 1, 2, 3].map(|at| self.data.get(at).copied().unwrap_or(0));
        let id = Id { cylinder, head, number, size };
        self.id = id;
        let track = drive.id(self.head, rate, 0);
        let fits = track.is_some_and(|track| {
            Id { number, ..track } == id && (1..=drive.sectors(self.head, rate)).contains(&number)
        });
        if !fits {
            return self.fail(st1::NOT_WRITABLE, 0);
        }
        self.data = vec![self.last; (128 << size).min(MAX_DATA)];
        if let Some(end) = self.store(drive, rate) {
            return end;
        }
        self.left = self.left.saturating_sub(1);
        if self.left == 0 || terminal { Next::Done } else { Next::Sector }
    }

    /// The host's bytes are compared with the sector's. FFh on either side is like any other.
    fn compared(&mut self, drive: &mut Drive, rate: u8, moved: usize) -> Option<Next> {
        let host = std::mem::take(&mut self.data);
        let read = self.place(drive, rate).map(|id| drive.read(id));
        let Some(Ok((disk, _))) = read else {
            return Some(self.fail(st1::DATA_ERROR, st2::DATA_ERROR));
        };
        let pairs =
            || disk.iter().zip(&host).take(moved).filter(|(a, b)| **a != 0xff && **b != 0xff);
        let (low, high) = (self.command == Command::ScanLow, self.command == Command::ScanHigh);
        let equal = pairs().all(|(a, b)| a == b);
        let met = pairs().all(|(a, b)| match a.cmp(b) {
            Ordering::Equal => true,
            Ordering::Less => low,
            Ordering::Greater => high,
        });
        self.st2 &= !(st2::SCAN_EQUAL | st2::SCAN_FAILED);
        if met {
            self.st2 |= if equal { st2::SCAN_EQUAL } else { 0 };
            return Some(Next::Done);
        }
        self.st2 |= st2::SCAN_FAILED;
        // With a step of 2 the last sector may be passed over.
        if self.last == 2 && self.id.number.saturating_add(2) > self.end_of_track {
            self.id.number = self.end_of_track;
        } else if self.last == 2 {
            self.id.number = self.id.number.saturating_add(1);
        }
        None
    }

    /// Goes on to the sector after this one, or says why not.
    fn following(&mut self, terminal: bool) -> Next {
        let counts = self.counts;
        if self.command == Command::ReadTrack || counts {
            self.left = self.left.saturating_sub(1);
        }
        let at_end = match self.command {
            Command::ReadTrack => self.left == 0,
            _ => self.id.number == self.end_of_track,
        };
        let turns = at_end && self.multi_track && self.head == 0;
        self.advance(at_end);
        if terminal || (counts && self.left == 0) {
            return Next::Done;
        }
        match (at_end && !turns, self.command) {
            (false, _) => Next::Sector,
            (true, Command::Verify) if !counts => Next::Done,
            // All that was asked for was looked at.
            (true, _) if self.scans() => Next::Done,
            (true, _) => self.fail(st1::END_OF_CYLINDER, 0),
        }
    }

    /// What the result says after the last sector, which is where it would go on.
    fn advance(&mut self, at_end: bool) {
        if !at_end {
            self.id.number = self.id.number.wrapping_add(1);
            return;
        }
        self.id.number = 1;
        if self.multi_track {
            self.id.head ^= 1;
            self.head ^= 1;
        }
        if !self.multi_track || self.head == 0 {
            self.id.cylinder = self.id.cylinder.wrapping_add(1);
        }
    }
}
