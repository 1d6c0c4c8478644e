//! Packet commands: twelve bytes in, an answer, a range of sectors, or a failure out.

use super::answers::{self, SECTOR};
use super::cd_state::{CdState, PACKET, Tray};
use super::sense::Sense;
use crate::medium::Medium;

/// What a command leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// It is done.
    Done,
    /// These bytes, for the host.
    Bytes(Vec<u8>),
    /// So many sectors from there on.
    Sectors { first: u32, count: u32 },
    /// So many bytes of parameters are wanted from the host.
    Parameters(usize),
}

/// A packet, and the fields that commands have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet(pub(super) [u8; PACKET]);

impl Packet {
    fn word(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.0[at], self.0[at + 1]])
    }

    fn double(&self, at: usize) -> u32 {
        u32::from(self.word(at)) << 16 | u32::from(self.word(at + 2))
    }

    /// Three bytes.
    fn triple(&self, at: usize) -> u32 {
        u32::from(self.0[at]) << 16 | u32::from(self.word(at + 1))
    }
}

/// A command: its code, what it does, and whether a medium that may be another one is told first, and whether one must be in.
type Row = (u8, fn(&mut CdState, &Packet, &Disc) -> Result<Reply, Sense>, bool, bool);

/// The commands that a drive has; all others are no commands.
const COMMANDS: [Row; 22] = [
    (0x00, |_, _, _| Ok(Reply::Done), true, true),
    (0x03, request_sense, false, false),
    (0x12, |_, packet, _| limited(answers::inquiry(), packet.0[4].into()), false, false),
    (0x1b, start_stop, true, false),
    (0x1e, prevent, true, false),
    (0x25, capacity, true, true),
    (0x28, |_, packet, disc| disc.range(packet.double(2), packet.word(7).into()), true, true),
    (0x2b, |_, packet, disc| disc.range(packet.double(2), 1).map(|_| Reply::Done), true, true),
    (
        0x2f,
        |_, packet, disc| disc.range(packet.double(2), packet.word(7).into()).map(|_| Reply::Done),
        true,
        true,
    ),
    (0x43, contents, true, true),
    (0x46, configuration, false, false),
    (0x4a, event_status, false, false),
    (0x51, |_, packet, _| limited(answers::disc_information(), packet.word(7).into()), true, true),
    (0x55, |_, packet, _| Ok(parameters(packet.word(7).into())), true, false),
    (0x5a, mode_sense, true, false),
    (0xa8, |_, packet, disc| disc.range(packet.double(2), packet.double(6)), true, true),
    // SET READ AHEAD and SET CD SPEED promise nothing.
    (0xa7, |_, _, _| Ok(Reply::Done), true, true),
    (0xb6, |_, packet, _| Ok(parameters(packet.word(9).into())), true, false),
    (0xbb, |_, _, _| Ok(Reply::Done), true, false),
    (0xbd, mechanism, true, false),
    (0xbe, read_cd, true, true),
    (0xb9, |_, _, _| Err(Sense::BAD_FIELD), true, true),
];

/// The disc that is in, as commands ask of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Disc {
    /// Sectors; 0: no disc, or an open tray.
    pub(super) sectors: u32,
    /// There is one, whatever the tray does.
    pub(super) loaded: bool,
}

impl Disc {
    /// What is in: `medium`, in a drive whose tray is `open`.
    pub(super) fn of(medium: Option<&dyn Medium>, open: bool) -> Self {
        let sectors = medium.map_or(0, |medium| medium.len().div_ceil(SECTOR as u64));
        let readable = if open { 0 } else { u32::try_from(sectors).unwrap_or(u32::MAX) };
        Disc { sectors: readable, loaded: medium.is_some() }
    }

    /// Sectors, if there are that many.
    fn range(&self, first: u32, count: u32) -> Result<Reply, Sense> {
        match first.checked_add(count).is_some_and(|end| end <= self.sectors) {
            true if count == 0 => Ok(Reply::Done),
            true => Ok(Reply::Sectors { first, count }),
            false => Err(Sense::OUT_OF_RANGE),
        }
    }
}

/// What `packet` leads to.
///
/// # Errors
/// The sense that the host is to ask for.
pub(super) fn execute(state: &mut CdState, packet: &Packet, disc: &Disc) -> Result<Reply, Sense> {
    let row = COMMANDS.iter().find(|row| row.0 == packet.0[0]);
    let (_, act, attentive, wants_medium) = *row.ok_or(Sense::BAD_COMMAND)?;
    if attentive && std::mem::take(&mut state.changed) {
        return Err(Sense::CHANGED);
    }
    if wants_medium && disc.sectors == 0 {
        return Err(state.absent());
    }
    act(state, packet, disc)
}

/// An answer, cut to what the host takes.
fn limited(mut bytes: Vec<u8>, most: usize) -> Result<Reply, Sense> {
    bytes.truncate(most);
    Ok(if bytes.is_empty() { Reply::Done } else { Reply::Bytes(bytes) })
}

fn parameters(bytes: usize) -> Reply {
    if bytes == 0 { Reply::Done } else { Reply::Parameters(bytes) }
}

fn request_sense(state: &mut CdState, packet: &Packet, _: &Disc) -> Result<Reply, Sense> {
    // An attention that nobody has seen yet is seen now.
    if state.sense == Sense::NONE && std::mem::take(&mut state.changed) {
        state.sense = Sense::CHANGED;
    }
    let sense = std::mem::take(&mut state.sense);
    limited(sense.fixed(), packet.0[4].into())
}

fn start_stop(state: &mut CdState, packet: &Packet, disc: &Disc) -> Result<Reply, Sense> {
    match packet.0[4] & 3 {
        2 if state.locked => return Err(Sense::LOCKED),
        2 => state.move_tray(Tray::Open, disc.loaded),
        3 => state.move_tray(Tray::Closed, disc.loaded),
        _ => {}
    }
    Ok(Reply::Done)
}

fn prevent(state: &mut CdState, packet: &Packet, _: &Disc) -> Result<Reply, Sense> {
    state.locked = packet.0[4] & 1 != 0;
    Ok(Reply::Done)
}

fn capacity(_: &mut CdState, _: &Packet, disc: &Disc) -> Result<Reply, Sense> {
    let last = disc.sectors.saturating_sub(1);
    let sector = u32::try_from(SECTOR).unwrap_or_default();
    Ok(Reply::Bytes([last.to_be_bytes(), sector.to_be_bytes()].concat()))
}

fn contents(_: &mut CdState, packet: &Packet, disc: &Disc) -> Result<Reply, Sense> {
    let bytes = &packet.0;
    // The format is in the low bits of byte 2, or by SFF-8020i in the high ones of byte 9.
    let format = if bytes[2] & 0x0f != 0 { bytes[2] & 0x0f } else { bytes[9] >> 6 };
    let answer = answers::contents(format, bytes[6], bytes[1] & 2 != 0, disc.sectors);
    limited(answer.ok_or(Sense::BAD_FIELD)?, packet.word(7).into())
}

fn configuration(_: &mut CdState, packet: &Packet, disc: &Disc) -> Result<Reply, Sense> {
    let one = packet.0[1] & 3 == 2;
    limited(answers::configuration(packet.word(2), one, disc.sectors), packet.word(7).into())
}

fn event_status(state: &mut CdState, packet: &Packet, disc: &Disc) -> Result<Reply, Sense> {
    // Only asked, never told by itself.
    if packet.0[1] & 1 == 0 {
        return Err(Sense::BAD_FIELD);
    }
    let answer = match packet.0[4] & 0x10 {
        0 => answers::no_event(),
        _ => answers::media_event(state.take_event(), state.tray == Tray::Open, disc.loaded),
    };
    limited(answer, packet.word(7).into())
}

fn mode_sense(state: &mut CdState, packet: &Packet, _: &Disc) -> Result<Reply, Sense> {
    let control = packet.0[2] >> 6;
    if control == 3 {
        return Err(Sense::NOT_SAVED);
    }
    let answer = answers::mode(packet.0[2] & 0x3f, state.locked, control == 1);
    limited(answer.ok_or(Sense::BAD_FIELD)?, packet.word(7).into())
}

fn mechanism(state: &mut CdState, packet: &Packet, _: &Disc) -> Result<Reply, Sense> {
    limited(answers::mechanism(state.tray == Tray::Open), packet.word(8).into())
}

/// READ CD: the user data of sectors of mode 1.
fn read_cd(_: &mut CdState, packet: &Packet, disc: &Disc) -> Result<Reply, Sense> {
    let kind = packet.0[1] >> 2 & 7;
    let range = disc.range(packet.double(2), packet.triple(6))?;
    match (kind, packet.0[9] & 0xf8, packet.0[10] & 7) {
        (0 | 2, 0x10, 0) => Ok(range),
        // Nothing of them.
        (0 | 2, 0, 0) => Ok(Reply::Done),
        _ => Err(Sense::BAD_FIELD),
    }
}

/// Parameters have come for `packet`.
///
/// # Errors
/// [`Sense::BAD_PARAMETER`] for those of MODE SELECT that say what is no list of pages.
pub(super) fn take_parameters(packet: &Packet, bytes: &[u8]) -> Result<(), Sense> {
    if packet.0[0] != 0x55 {
        return Ok(());
    }
    // Pages follow a header of eight bytes; what they set (error recovery, volume) changes nothing here.
    let mut rest = bytes.get(8..).ok_or(Sense::BAD_PARAMETER)?;
    while let [_, length, ..] = *rest {
        rest = rest.get(2 + usize::from(length)..).ok_or(Sense::BAD_PARAMETER)?;
    }
    if rest.is_empty() { Ok(()) } else { Err(Sense::BAD_PARAMETER) }
}
