//! What a device is to the board: registers in regions, a deadline, a reset pin, and state that can be
//! saved.
//!
//! A device never learns its address: an access names a region of its row and an offset there. All else
//! (time, interrupt lines, memory, events, the host) it reaches through the [`Ctx`] of the call.

use crate::ctx::Ctx;
use crate::folder::Folder;
use crate::medium::Medium;
use crate::screen::{Image, Screen};
use crate::speaker::Sound;
use crate::state::StateError;
use std::fmt;

/// Which reset a device gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// Power came on: everything as new but what a battery keeps.
    Cold,
    /// A reset line was pulled while the machine ran.
    Warm,
}

/// A device on the board.
///
/// Contract: no access panics or takes time or memory without bound, whatever its arguments; `size` is a
/// width that the region decodes whole, or 1. After any call, [`Device::deadline`] says when the device
/// next has something to do by itself.
pub trait Device: fmt::Debug + Send {
    /// Reads `size` bytes at `offset` of region `region`; the board cuts the answer to `size`.
    fn read(&mut self, region: usize, offset: u64, size: u8, ctx: &mut Ctx<'_>) -> u64;

    /// Writes the low `size` bytes of `value` (the others are 0) at `offset` of region `region`.
    fn write(&mut self, region: usize, offset: u64, size: u8, value: u64, ctx: &mut Ctx<'_>);

    /// Fills `buf` as reads of `size` bytes at one address would (`REP INS`), as long as they do no more than move data: no
    /// line, no deadline and nothing else that can be asked for changes, but what the next such read gives. Returns how many
    /// bytes, a multiple of `size`. To be replaced by a device that moves blocks through a port; the last item of a block
    /// is not among them, since more follows it.
    fn burst_in(&mut self, _region: usize, _offset: u64, _size: u8, _buf: &mut [u8]) -> usize {
        0
    }

    /// Takes the beginning of `data` as writes of `size` bytes at one address would (`REP OUTS`), under the same
    /// conditions. Returns how many bytes.
    fn burst_out(&mut self, _region: usize, _offset: u64, _size: u8, _data: &[u8]) -> usize {
        0
    }

    /// The deadline has come: brings the device, and its lines, to [`Ctx::now`].
    fn wake(&mut self, _ctx: &mut Ctx<'_>) {}

    /// When the device, if its row says that it is clocked, next wants to be woken, in nanoseconds of the machine clock. One in the past is
    /// served once for each advance of time.
    fn deadline(&self) -> Option<u64> {
        None
    }

    /// The processor has taken the interrupt that line `line` of the row asked for. Called of clocked devices only.
    fn acknowledged(&mut self, _line: usize, _ctx: &mut Ctx<'_>) {}

    /// An input pin of the device that the board does not drive by itself (FERR# of the coprocessor, the power
    /// button, which is pressed).
    fn pin(&mut self, _level: bool, _ctx: &mut Ctx<'_>) {}

    /// Bytes from the device's host backend. Returns how many it takes; the rest has to wait.
    fn receive(&mut self, _bytes: &[u8], _ctx: &mut Ctx<'_>) -> usize {
        0
    }

    /// A frame comes in over the device's link, of [`crate::link::HEADER`] to [`crate::link::MAX_FRAME`] bytes. False: there
    /// is no room for it now, and it is offered again later.
    fn frame(&mut self, _frame: &[u8], _ctx: &mut Ctx<'_>) -> bool {
        true
    }

    /// The host backend takes nothing more of what the device sends, or does so again. Without it the backend always
    /// does.
    fn backed_up(&mut self, _full: bool, _ctx: &mut Ctx<'_>) {}

    /// Whether bytes from the host backend can raise a line of the device as it is programmed now. A device
    /// that does not know says yes.
    fn listens(&self) -> bool {
        true
    }

    /// Whether it is worth while to offer frames again that the device had no room for: at each access when it does not
    /// know. They are offered now and then whatever it says.
    fn takes_frames(&self) -> bool {
        true
    }

    /// Whether it is a display adapter, which has a screen.
    fn is_display(&self) -> bool {
        false
    }

    /// What is on the device's screen.
    fn screen(&mut self, _ctx: &mut Ctx<'_>) -> Screen {
        Screen::Blank
    }

    /// The same as pixels.
    fn picture(&mut self, _ctx: &mut Ctx<'_>) -> Image {
        Image::black(0, 0)
    }

    /// Whether the screen can show something else than when this was last asked.
    fn take_screen_changed(&mut self, _ctx: &mut Ctx<'_>) -> bool {
        false
    }

    /// The guest wrote the doubleword at `register` of the configuration space of the device's function
    /// ([`Ctx::config`]). Regions that base address registers place have moved already.
    fn configured(&mut self, _register: u8, _ctx: &mut Ctx<'_>) {}

    /// The guest reads the doubleword of that space that the row calls live: what it reads is what the device sets it to now.
    fn inspected(&mut self, _ctx: &mut Ctx<'_>) {}

    /// `medium` is put into drive `unit` of the device, in place of what is there, or that is taken out. False when the
    /// device has no such drive, or no medium can go in.
    fn insert(
        &mut self,
        _unit: usize,
        _medium: Option<Box<dyn Medium>>,
        _ctx: &mut Ctx<'_>,
    ) -> bool {
        false
    }

    /// What the device's speaker does goes to `sound` from now on. False when it has none.
    fn connect_sound(&mut self, _sound: Box<dyn Sound>, _ctx: &mut Ctx<'_>) -> bool {
        false
    }

    /// `folder` is what the device shows of the host's files from now on. False when it shows none.
    fn share(&mut self, _folder: Box<dyn Folder>) -> bool {
        false
    }

    /// The reset pin. The lines of the device are low already.
    fn reset(&mut self, kind: Reset, ctx: &mut Ctx<'_>);

    /// What a guest could find out of the device, as bytes of the row's version.
    ///
    /// # Errors
    /// When the state cannot be written down; a device of plain data has no such state.
    fn save(&self, ctx: &Ctx<'_>) -> Result<Vec<u8>, StateError>;

    /// Takes over what [`Device::save`] wrote under `version`, one that the row says it loads. The device
    /// does not drive its lines: their levels are restored by the board, and are no edges.
    ///
    /// # Errors
    /// [`StateError`] for bytes that no `save` wrote; the device is unusable then.
    fn load(&mut self, version: u32, bytes: &[u8], ctx: &mut Ctx<'_>) -> Result<(), StateError>;
}
