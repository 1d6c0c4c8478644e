//! The display adapter in its places: the ports of a VGA and of the display interface, the window at A0000h, and in its
//! PCI function the frame buffer and the registers as memory.

use crate::ctx::Ctx;
use crate::device::{Device, Reset};
use crate::memory::{DeviceRam, Shown};
use crate::row::{Bar, Function};
use crate::screen::{Image, Screen};
use crate::state::{StateError, decode, encode};
use crate::vga::{self, Place, Vga};

/// The display adapter that Bochs and QEMU have, which drivers know.
pub(crate) const DISPLAY: Function = Function {
    device: 2,
    vendor_id: vga::ID.0,
    device_id: vga::ID.1,
    class: 0x0300,
    revision: 2,
    subsystem: (0x1af4, 0x1100),
    command_mask: Function::IO | Function::MEMORY,
    bars: &[Bar { index: 0, region: 4, prefetchable: true }, Bar::new(2, 5)],
    rom: Some(6),
    ..Function::NONE
};

/// Regions, as the row has them.
const MONOCHROME: usize = 0;
const REGISTERS: usize = 1;
const DISPI: usize = 2;
const WINDOW: usize = 3;
const FRAME: usize = 4;
const MAPPED: usize = 5;

/// The first ports of the first two regions.
const MONOCHROME_PORT: u16 = 0x3b0;
const REGISTER_PORT: u16 = 0x3c0;

/// A VGA, and what the processor reaches of its memory as memory.
#[derive(Debug)]
pub(crate) struct VgaPorts {
    vga: Vga,
    /// As last told; `None`: it is to be told anew.
    shown: Option<Vec<Shown>>,
}

/// The port at `offset` of a region.
fn port(first: u16, offset: u64) -> u16 {
    u16::try_from(offset).map_or(u16::MAX, |offset| first.saturating_add(offset))
}

impl VgaPorts {
    /// After power-on.
    pub(crate) fn new() -> Self {
        VgaPorts { vga: Vga::new(), shown: None }
    }

    /// Lets `work` at the adapter and its memory, which is in order.
    fn with<R>(
        &mut self,
        ctx: &mut Ctx<'_>,
        work: impl FnOnce(&mut Vga, &mut dyn DeviceRam) -> R,
    ) -> R {
        if self.shown.is_none() {
            self.show(ctx);
        }
        let vga = &mut self.vga;
        ctx.with_ram(|ram| work(vga, ram))
    }

    /// Shows the processor what is memory now.
    fn show(&mut self, ctx: &mut Ctx<'_>) {
        let (window, frame) = (ctx.base(WINDOW), ctx.base(FRAME));
        let place = |place: Place| {
            let base = if place.frame { frame } else { window };
            base.map(|base| Shown {
                pa: base.saturating_add(place.at),
                len: place.len,
                offset: place.ram,
            })
        };
        let (vga, shown) = (&mut self.vga, &mut self.shown);
        ctx.with_ram(|ram| {
            if ram.size() < vga::MEMORY {
                return;
            }
            vga.prime(ram);
            vga.turn_page(ram);
            let pieces: Vec<Shown> = vga.plain().into_iter().filter_map(place).collect();
            if shown.as_ref() != Some(&pieces) {
                ram.show(&pieces);
                *shown = Some(pieces);
            }
        });
    }
}

impl Device for VgaPorts {
    fn read(&mut self, region: usize, offset: u64, size: u8, ctx: &mut Ctx<'_>) -> u64 {
        let now = ctx.now();
        match region {
            MONOCHROME => u64::from(self.vga.port_in(port(MONOCHROME_PORT, offset), now)),
            REGISTERS => u64::from(self.vga.port_in(port(REGISTER_PORT, offset), now)),
            DISPI => u64::from(self.vga.dispi_in(offset != 0)),
            WINDOW => self.with(ctx, |vga, ram| vga.window_in(offset, size, ram)),
            FRAME => self.with(ctx, |vga, ram| vga.frame_in(offset, size, ram)),
            MAPPED => {
                let bytes = (offset..).take(usize::from(size));
                let bytes: Vec<u8> = bytes.map(|at| self.vga.mapped_in(at, now)).collect();
                bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
            }
            _ => u64::MAX,
        }
    }

    fn write(&mut self, region: usize, offset: u64, size: u8, value: u64, ctx: &mut Ctx<'_>) {
        let [low, high, ..] = value.to_le_bytes();
        let word = u16::from_le_bytes([low, high]);
        match region {
            MONOCHROME => self.vga.port_out(port(MONOCHROME_PORT, offset), low),
            REGISTERS => self.vga.port_out(port(REGISTER_PORT, offset), low),
            DISPI => self.with(ctx, |vga, ram| vga.dispi_out(offset != 0, word, ram)),
            WINDOW => return self.with(ctx, |vga, ram| vga.window_out(offset, size, value, ram)),
            FRAME => return self.with(ctx, |vga, ram| vga.frame_out(offset, size, value, ram)),
            MAPPED => self.with(ctx, |vga, ram| vga.mapped_out(offset, size, value, ram)),
            _ => return,
        }
        self.show(ctx);
    }

    fn is_display(&self) -> bool {
        true
    }

    fn screen(&mut self, ctx: &mut Ctx<'_>) -> Screen {
        self.with(ctx, |vga, ram| vga.screen(ram))
    }

    fn picture(&mut self, ctx: &mut Ctx<'_>) -> Image {
        self.with(ctx, |vga, ram| vga.picture(ram))
    }

    fn take_screen_changed(&mut self, ctx: &mut Ctx<'_>) -> bool {
        self.with(ctx, |vga, ram| vga.take_changed(ram))
    }

    fn configured(&mut self, _register: u8, ctx: &mut Ctx<'_>) {
        self.show(ctx);
    }

    /// What memory holds stays until it is there to be filled.
    fn reset(&mut self, _kind: Reset, ctx: &mut Ctx<'_>) {
        *self = VgaPorts::new();
        self.show(ctx);
    }

    fn save(&self, _ctx: &Ctx<'_>) -> Result<Vec<u8>, StateError> {
        encode(&self.vga)
    }

    fn load(&mut self, _version: u32, bytes: &[u8], _ctx: &mut Ctx<'_>) -> Result<(), StateError> {
        let vga: Vga = decode(bytes)?;
        vga.check()?;
        *self = VgaPorts { vga, shown: None };
        Ok(())
    }
}
