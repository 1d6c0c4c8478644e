//! What firmware does to the chipset before a system runs, done by loaders that take its place: PCI
//! interrupts are routed, PCI functions have addresses and are on, the timer ticks. (Shadow RAM is open as memory is
//! built.)

use ringer_devices::Board;
use ringer_devices::addresses::IRQ_SCI;

/// The configuration mechanism.
const ADDRESS: u16 = 0xcf8;
const DATA: u16 = 0xcfc;
const ENABLE: u32 = 0x8000_0000;

/// The ISA bridge, and its registers that are programmed.
const ISA_BRIDGE: u32 = 0x08;
const ROUTES: u32 = 0x60;

/// Power management, whose interrupt is the ISA bridge's own and goes through no wire.
const POWER: u32 = 0x0b;

/// IRQs of the four interrupt wires, and the same as the register that makes them level-triggered.
const IRQS: [u8; 4] = [10, 10, 11, 11];
const LEVELS: (u16, u32) = (0x4d1, 0x0c);

/// The timer's control port, and its first counter's; the word for that: two bytes, a rate, in binary.
const TIMER: u16 = 0x43;
const TICKS: u16 = 0x40;
const RATE: u32 = 0x34;

/// Offsets in a function's configuration space.
const COMMAND: u32 = 0x04;
const CLASS: u32 = 0x08;
const KIND: u32 = 0x0c;
const BASES: u32 = 0x10;
const INTERRUPT: u32 = 0x3c;
/// Most base address registers of a function, and their bits.
const MAX_BASES: u32 = 6;
const IS_PORTS: u32 = 1;
const IS_WIDE: u32 = 4;
/// Decodes ports and memory, and masters the bus.
const ON: u32 = 7;
const BRIDGE: u8 = 6;

/// From where to where addresses are given out.
const PORTS: (u64, u64) = (0xc000, 0x1_0000);
const MEMORY: (u64, u64) = (0xe000_0000, 0xfec0_0000);

/// Addresses of a space that nobody has yet.
#[derive(Debug)]
struct Room {
    next: u64,
    end: u64,
}

impl Room {
    /// The next `size` addresses at a multiple of it.
    fn take(&mut self, size: u64) -> Option<u32> {
        let at = self.next.checked_next_multiple_of(size)?;
        let next = at.checked_add(size).filter(|next| *next <= self.end)?;
        self.next = next;
        u32::try_from(at).ok()
    }
}

/// A board whose configuration spaces are written at a moment.
pub(super) struct Bus<'a> {
    pub board: &'a mut Board,
    pub now: u64,
}

impl Bus<'_> {
    fn select(&mut self, function: u32, register: u32) {
        self.board.port_out(self.now, ADDRESS, 4, ENABLE | function << 8 | register);
    }

    pub fn read(&mut self, function: u32, register: u32) -> u32 {
        self.select(function, register);
        self.board.port_in(self.now, DATA, 4)
    }

    fn write(&mut self, function: u32, register: u32, value: u32) {
        self.select(function, register);
        self.board.port_out(self.now, DATA, 4, value);
    }

    /// Gives each base address register of a function its place, as long as there are places.
    fn place(&mut self, function: u32, ports: &mut Room, memory: &mut Room) {
        let mut index = 0;
        while index < MAX_BASES {
            let register = BASES + 4 * index;
            index += 1;
            self.write(function, register, u32::MAX);
            let answer = self.read(function, register);
            let is_ports = answer & IS_PORTS != 0;
            let mask = if is_ports { answer & !3 | 0xffff_0000 } else { answer & !15 };
            let size = u64::from(mask.wrapping_neg());
            let room = if is_ports { &mut *ports } else { &mut *memory };
            let base = if answer == 0 || size == 0 { None } else { room.take(size) };
            self.write(function, register, base.unwrap_or(0));
            if !is_ports && answer & IS_WIDE != 0 {
                self.write(function, register + 4, 0);
                index += 1;
            }
        }
    }

    /// Says which IRQ a function's pin leads to.
    fn tell_irq(&mut self, function: u32) {
        let pin = self.read(function, INTERRUPT) >> 8 & 0xff;
        if let Some(pin) = pin.checked_sub(1) {
            let wire = ((function >> 3).wrapping_sub(1).wrapping_add(pin)) as usize % IRQS.len();
            let irq = if function == POWER { IRQ_SCI } else { IRQS[wire] };
            self.select(function, INTERRUPT);
            self.board.port_out(self.now, DATA, 1, u32::from(irq));
        }
    }
}

/// Starts the first counter, 18.2 times a second. Kernels read it before they program it: Linux stirs its count into its
/// random addresses, and waits until there is one.
fn start_timer(board: &mut Board, now: u64) {
    board.port_out(now, TIMER, 1, RATE);
    // 0 stands for 10000h.
    board.port_out(now, TICKS, 1, 0);
    board.port_out(now, TICKS, 1, 0);
}

/// Programs the chipset and the functions on PCI bus 0 at the time `now`.
pub(crate) fn program(board: &mut Board, now: u64) {
    start_timer(board, now);
    let mut bus = Bus { board, now };
    bus.write(ISA_BRIDGE, ROUTES, u32::from_le_bytes(IRQS));
    bus.board.port_out(now, LEVELS.0, 1, LEVELS.1);
    let [mut ports, mut memory] = [PORTS, MEMORY].map(|(next, end)| Room { next, end });
    for device in 0..32 {
        let many = bus.read(device << 3, KIND) & 0x0080_0000 != 0;
        for function in (device << 3..).take(if many { 8 } else { 1 }) {
            if bus.read(function, 0) == u32::MAX {
                continue;
            }
            bus.tell_irq(function);
            if bus.read(function, CLASS).to_le_bytes()[3] == BRIDGE {
                continue;
            }
            bus.place(function, &mut ports, &mut memory);
            let command = bus.read(function, COMMAND) & 0xffff;
            bus.write(function, COMMAND, command | ON);
        }
    }
    bus.board.port_out(now, ADDRESS, 4, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_given_out_aligned_until_there_are_none() {
        let mut room = Room { next: 0xc000, end: 0xc100 };
        assert_eq!(room.take(8), Some(0xc000));
        assert_eq!(room.take(64), Some(0xc040));
        assert_eq!(room.take(4), Some(0xc080));
        assert_eq!(room.take(0x100), None);
        assert_eq!(room.take(64), Some(0xc0c0), "what did not fit took nothing");
        assert_eq!(room.take(64), None);
    }
}
