//! The screen that a loader sets up for a kernel that asks for one, as a BIOS with VBE would: through the display interface of
//! Bochs, which the adapter has.

use super::chipset::Bus;
use crate::boot::screen::{Framebuffer, Screen, ScreenWish};
use ringer_devices::Board;

/// The class of a VGA, in the upper half of the class register.
const VGA: u32 = 0x0300;
/// Offsets in a function's configuration space.
const CLASS: u32 = 0x08;
const FIRST_BASE: u32 = 0x10;
/// The display interface: its two ports, its registers, bits of the one that enables it.
const INDEX: u16 = 0x1ce;
const DATA: u16 = 0x1cf;
const ID: u16 = 0;
const WIDTH: u16 = 1;
const HEIGHT: u16 = 2;
const DEPTH: u16 = 3;
const ENABLE: u16 = 4;
const FIRST_ID: u16 = 0xb0c2;
const ON: u16 = 1;
const LINEAR: u16 = 0x40;
/// What a kernel gets that has no preference, and the largest.
const USUAL: [u32; 3] = [1024, 768, 32];
const MOST: [u32; 2] = [2560, 1600];

fn write(bus: &mut Bus<'_>, register: u16, value: u16) {
    bus.board.port_out(bus.now, INDEX, 2, u32::from(register));
    bus.board.port_out(bus.now, DATA, 2, u32::from(value));
}

/// Where the memory of the display adapter is, if there is one.
fn adapter(bus: &mut Bus<'_>) -> Option<u32> {
    let function = (0..32).map(|n| n << 3).find(|&n| bus.read(n, CLASS) >> 16 == VGA)?;
    let base = bus.read(function, FIRST_BASE) & !15;
    (base != 0).then_some(base)
}

/// The size that comes nearest to `wish`: width, height, depth.
fn size(wish: ScreenWish) -> [u32; 3] {
    let or = |value: u32, usual: u32| if value == 0 { usual } else { value };
    let [width, height, depth] = USUAL;
    let depth = match or(wish.depth, depth) {
        depth @ (16 | 24) => depth,
        _ => 32,
    };
    // The adapter's lines have a multiple of eight dots.
    let width = or(wish.width, width).clamp(64, MOST[0]).next_multiple_of(8).min(MOST[0]);
    [width, or(wish.height, height).clamp(48, MOST[1]), depth]
}

/// Sets up the screen that comes nearest to `wish`; `None`: there is no adapter. A reset leaves text.
pub fn show(board: &mut Board, now: u64, wish: Option<ScreenWish>) -> Option<Screen> {
    let mut bus = Bus { board, now };
    let address = adapter(&mut bus)?;
    let Some(wish) = wish.filter(|wish| !wish.text) else { return Some(Screen::Text) };
    bus.board.port_out(now, INDEX, 2, u32::from(ID));
    if bus.board.port_in(now, DATA, 2) < u32::from(FIRST_ID) {
        return Some(Screen::Text);
    }
    let [width, height, depth] = size(wish);
    for (register, value) in [(WIDTH, width), (HEIGHT, height), (DEPTH, depth)] {
        write(&mut bus, register, value as u16);
    }
    write(&mut bus, ENABLE, ON | LINEAR);
    let pitch = width * depth / 8;
    Some(Screen::Graphics(Framebuffer { address, pitch, width, height, depth: depth as u8 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_come_true_as_far_as_the_adapter_goes() {
        let wish = |width, height, depth| size(ScreenWish { text: false, width, height, depth });
        assert_eq!(wish(0, 0, 0), [1024, 768, 32]);
        assert_eq!(wish(800, 600, 16), [800, 600, 16]);
        assert_eq!(wish(801, 600, 8), [808, 600, 32]);
        assert_eq!(wish(u32::MAX, u32::MAX, u32::MAX), [2560, 1600, 32]);
        assert_eq!(wish(1, 1, 1), [64, 48, 32]);
    }
}
