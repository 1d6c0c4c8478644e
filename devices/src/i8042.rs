//! The i8042 keyboard controller as a pure register machine, with its keyboard on the first port and
//! nothing on the auxiliary one.
//!
//! Besides the keyboard, this chip carries two lines of the PC: the A20 gate and the processor's reset,
//! both on its output port. It reports changes of them as [`Signal`]s; the board owns the lines.

use crate::keyboard::Keyboard;
use crate::scancodes::{RELEASE, RELEASED, translated};
use crate::state::{StateError, check};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

const STATUS_FULL: u8 = 0x01;
const STATUS_SYSTEM: u8 = 0x04;
const STATUS_COMMAND: u8 = 0x08;
const STATUS_UNLOCKED: u8 = 0x10;
const STATUS_AUX: u8 = 0x20;
const STATUS_TIMEOUT: u8 = 0x40;

const CONFIG_IRQ: u8 = 0x01;
const CONFIG_AUX_IRQ: u8 = 0x02;
const CONFIG_SYSTEM: u8 = 0x04;
const CONFIG_DISABLE: u8 = 0x10;
const CONFIG_AUX_DISABLE: u8 = 0x20;
const CONFIG_TRANSLATE: u8 = 0x40;

const OUTPUT_NO_RESET: u8 = 0x01;
const OUTPUT_A20: u8 = 0x02;

/// Bytes waiting behind the output buffer.
const MAX_REPLIES: usize = 16;

/// What the controller does to the lines of the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// The A20 gate opens (`true`) or closes.
    A20(bool),
    /// The processor's reset line is pulsed.
    Reset,
}

/// Where a byte in the output buffer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Source {
    Keyboard,
    Aux,
    /// The auxiliary port, to say that nothing answered there.
    AuxTimeout,
}

/// Which command the next byte at the data port belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Parameter {
    Ram(u8),
    OutputPort,
    AsKeyboard,
    AsAux,
    ToAux,
}

/// The controller.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct I8042 {
    ram: [u8; 32],
    keyboard: Keyboard,
    replies: VecDeque<(u8, Source)>,
    buffer: Option<(u8, Source)>,
    data: u8,
    awaiting: Option<Parameter>,
    last_was_command: bool,
    dipped: bool,
    /// The keyboard has announced the release of the key that comes next; only translation holds it back.
    release: bool,
}

impl I8042 {
    /// The controller as firmware leaves it: self-test passed, keyboard on, scan codes translated.
    pub(crate) fn new() -> Self {
        let mut ram = [0; 32];
        ram[0] = CONFIG_IRQ | CONFIG_SYSTEM | CONFIG_AUX_DISABLE | CONFIG_TRANSLATE;
        I8042 {
            ram,
            keyboard: Keyboard::new(),
            replies: VecDeque::new(),
            buffer: None,
            data: 0,
            awaiting: None,
            last_was_command: false,
            dipped: false,
            release: false,
        }
    }

    /// Refuses a state that no sequence of writes leads to.
    ///
    /// # Errors
    /// [`StateError::Impossible`].
    pub(crate) fn check(&self) -> Result<(), StateError> {
        check(self.replies.len() <= MAX_REPLIES, "replies of the keyboard controller")?;
        self.keyboard.check()
    }

    /// The interrupt line of the keyboard port (IRQ 1 on a PC).
    pub(crate) fn irq(&self) -> bool {
        let full = matches!(self.buffer, Some((_, Source::Keyboard)));
        full && self.ram[0] & CONFIG_IRQ != 0
    }

    /// The interrupt line of the auxiliary port (IRQ 12 on a PC).
    pub(crate) fn aux_irq(&self) -> bool {
        let full = matches!(self.buffer, Some((_, Source::Aux | Source::AuxTimeout)));
        full && self.ram[0] & CONFIG_AUX_IRQ != 0
    }

    /// Whether the output buffer was empty for a moment since this was last asked: both interrupt lines
    /// were low then.
    pub(crate) fn take_dip(&mut self) -> bool {
        std::mem::take(&mut self.dipped)
    }

    fn refill(&mut self) {
        if self.buffer.is_some() {
            return;
        }
        self.dipped = true;
        self.buffer = self.replies.pop_front();
        if self.buffer.is_none() && self.ram[0] & CONFIG_DISABLE == 0 {
            self.buffer = self.fetch().map(|byte| (byte, Source::Keyboard));
        }
    }

    /// The next byte from the keyboard, as the guest gets it.
    fn fetch(&mut self) -> Option<u8> {
        if self.ram[0] & CONFIG_TRANSLATE == 0 {
            return self.keyboard.send();
        }
        let mut byte = self.keyboard.send()?;
        while byte == RELEASE {
            self.release = true;
            byte = self.keyboard.send()?;
        }
        let released = if std::mem::take(&mut self.release) { RELEASED } else { 0 };
        Some(translated(byte) | released)
    }

    /// Keys are pressed and released. Returns how many of `bytes` the keyboard takes.
    pub(crate) fn press(&mut self, bytes: &[u8]) -> usize {
        let taken = self.keyboard.press(bytes);
        self.refill();
        taken
    }

    fn reply(&mut self, byte: u8, source: Source) {
        if self.replies.len() < MAX_REPLIES {
            self.replies.push_back((byte, source));
        }
    }

    /// Reads the status port.
    pub(crate) fn status(&self) -> u8 {
        let source = match self.buffer {
            None => 0,
            Some((_, Source::Keyboard)) => STATUS_FULL,
            Some((_, Source::Aux)) => STATUS_FULL | STATUS_AUX,
            Some((_, Source::AuxTimeout)) => STATUS_FULL | STATUS_AUX | STATUS_TIMEOUT,
        };
        let system = if self.ram[0] & CONFIG_SYSTEM != 0 { STATUS_SYSTEM } else { 0 };
        let command = if self.last_was_command { STATUS_COMMAND } else { 0 };
        source | system | command | STATUS_UNLOCKED
    }

    /// Reads the data port: the output buffer, or what was last in it.
    pub(crate) fn read_data(&mut self) -> u8 {
        if let Some((byte, _)) = self.buffer.take() {
            self.data = byte;
        }
        self.refill();
        self.data
    }

    /// Writes the data port: a parameter if a command waits for one, else a byte for the keyboard.
    pub(crate) fn write_data(&mut self, byte: u8) -> Option<Signal> {
        self.last_was_command = false;
        let mut signal = None;
        match self.awaiting.take() {
            Some(Parameter::Ram(index)) => self.ram[usize::from(index & 0x1f)] = byte,
            Some(Parameter::OutputPort) if byte & OUTPUT_NO_RESET == 0 => {
                signal = Some(Signal::Reset);
            }
            Some(Parameter::OutputPort) => signal = Some(Signal::A20(byte & OUTPUT_A20 != 0)),
            Some(Parameter::AsKeyboard) => self.reply(byte, Source::Keyboard),
            Some(Parameter::AsAux) => self.reply(byte, Source::Aux),
            Some(Parameter::ToAux) => self.reply(0xfe, Source::AuxTimeout),
            None => {
                // Talking to the keyboard turns its clock on.
                self.ram[0] &= !CONFIG_DISABLE;
                self.keyboard.receive(byte);
            }
        }
        self.refill();
        signal
    }

    /// Writes the command port; `a20` is the state of the gate, for the commands that report it.
    pub(crate) fn write_command(&mut self, command: u8, a20: bool) -> Option<Signal> {
        self.last_was_command = true;
        self.awaiting = None;
        let mut signal = None;
        match command {
            0x20..=0x3f => self.reply(self.ram[usize::from(command & 0x1f)], Source::Keyboard),
            0x60..=0x7f => self.awaiting = Some(Parameter::Ram(command & 0x1f)),
            0xa7 => self.ram[0] |= CONFIG_AUX_DISABLE,
            0xa8 => self.ram[0] &= !CONFIG_AUX_DISABLE,
            0xaa => self.self_test(),
            // Tests of the two cables: nothing is stuck.
            0xa9 | 0xab => self.reply(0x00, Source::Keyboard),
            0xad => self.ram[0] |= CONFIG_DISABLE,
            0xae => self.ram[0] &= !CONFIG_DISABLE,
            // The input port: keyboard not locked, no manufacturing jumper.
            0xc0 => self.reply(0xb0, Source::Keyboard),
            0xd0 => self.reply(self.output_port(a20), Source::Keyboard),
            0xd1 => self.awaiting = Some(Parameter::OutputPort),
            0xd2 => self.awaiting = Some(Parameter::AsKeyboard),
            0xd3 => self.awaiting = Some(Parameter::AsAux),
            0xd4 => self.awaiting = Some(Parameter::ToAux),
            0xdd => signal = Some(Signal::A20(false)),
            0xdf => signal = Some(Signal::A20(true)),
            // Pulses the output lines whose bits are 0; line 0 is the processor's reset.
            0xf0..=0xff if command & 1 == 0 => signal = Some(Signal::Reset),
            _ => {}
        }
        self.refill();
        signal
    }

    fn self_test(&mut self) {
        self.replies.clear();
        self.buffer = None;
        self.ram[0] |= CONFIG_SYSTEM;
        self.reply(0x55, Source::Keyboard);
    }

    fn output_port(&self, a20: bool) -> u8 {
        let lines = match self.buffer {
            Some((_, Source::Keyboard)) => 0x10,
            Some(_) => 0x20,
            None => 0,
        };
        0xc0 | OUTPUT_NO_RESET | lines | if a20 { OUTPUT_A20 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(kbc: &mut I8042) -> Vec<u8> {
        std::iter::from_fn(|| (kbc.status() & STATUS_FULL != 0).then(|| kbc.read_data())).collect()
    }

    #[test]
    fn self_test_and_cable_tests_pass() {
        let mut kbc = I8042::new();
        for (command, answer) in [(0xaa, 0x55), (0xab, 0), (0xa9, 0)] {
            assert_eq!(kbc.write_command(command, true), None);
            assert_eq!(kbc.status() & (STATUS_FULL | STATUS_COMMAND), 9);
            assert_eq!(drain(&mut kbc), [answer]);
        }
        assert_ne!(kbc.status() & STATUS_SYSTEM, 0);
    }

    #[test]
    fn configuration_byte_reads_back_and_follows_the_commands() {
        let mut kbc = I8042::new();
        kbc.write_command(0x60, true);
        kbc.write_data(0x47);
        for (command, expected) in [(0x20, 0x47), (0xad, 0x57), (0xae, 0x47), (0xa7, 0x67)] {
            if command != 0x20 {
                kbc.write_command(command, true);
            }
            kbc.write_command(0x20, true);
            assert_eq!(drain(&mut kbc), [expected]);
        }
    }

    #[test]
    fn keyboard_answers_one_byte_one_interrupt() {
        let mut kbc = I8042::new();
        kbc.write_data(0xf2);
        for expected in [0xfa, 0xab, 0x41] {
            assert!(kbc.irq() && kbc.take_dip());
            assert_eq!(kbc.read_data(), expected);
        }
        assert!(!kbc.irq());
        assert_eq!(kbc.read_data(), 0x41, "an empty buffer repeats its last byte");
    }

    #[test]
    fn disabled_keyboard_holds_its_bytes() {
        let mut kbc = I8042::new();
        kbc.write_data(0xee);
        assert_eq!(drain(&mut kbc), [0xee]);
        kbc.write_data(0xf2);
        kbc.read_data();
        kbc.write_command(0xad, true);
        assert_eq!(kbc.read_data(), 0xab, "was in the buffer already");
        assert_eq!(kbc.status() & STATUS_FULL, 0);
        kbc.write_command(0xae, true);
        assert_eq!(drain(&mut kbc), [0x41]);
    }

    #[test]
    fn keys_come_translated_unless_the_guest_wants_them_as_they_are() {
        // A pressed and released, then the cursor key up released.
        let keys = [0x1c, 0xf0, 0x1c, 0xe0, 0xf0, 0x75];
        let mut kbc = I8042::new();
        assert_eq!(kbc.press(&keys), keys.len());
        assert!(kbc.irq());
        assert_eq!(drain(&mut kbc), [0x1e, 0x9e, 0xe0, 0xc8]);
        // A release may come in two parts.
        assert_eq!(kbc.press(&[0xf0]), 1);
        assert_eq!(kbc.status() & STATUS_FULL, 0);
        assert_eq!(kbc.press(&[0x1c]), 1);
        assert_eq!(drain(&mut kbc), [0x9e]);
        kbc.write_command(0x60, true);
        kbc.write_data(0x05);
        assert_eq!(kbc.press(&keys), keys.len());
        assert_eq!(drain(&mut kbc), keys);
    }

    #[test]
    fn a20_and_reset_leave_as_signals() {
        let mut kbc = I8042::new();
        assert_eq!(kbc.write_command(0xdd, true), Some(Signal::A20(false)));
        assert_eq!(kbc.write_command(0xdf, false), Some(Signal::A20(true)));
        kbc.write_command(0xd1, true);
        assert_eq!(kbc.write_data(0xdd), Some(Signal::A20(false)));
        kbc.write_command(0xd1, true);
        assert_eq!(kbc.write_data(0xdf), Some(Signal::A20(true)));
        kbc.write_command(0xd0, true);
        assert_eq!(drain(&mut kbc), [0xc3]);
        kbc.write_command(0xd1, true);
        assert_eq!(kbc.write_data(0xfe), Some(Signal::Reset));
        assert_eq!(kbc.write_command(0xfe, true), Some(Signal::Reset));
        assert_eq!(kbc.write_command(0xff, true), None);
    }

    #[test]
    fn aux_port_loops_back_but_nobody_is_there() {
        let mut kbc = I8042::new();
        kbc.write_command(0x60, true);
        kbc.write_data(0x47);
        kbc.write_command(0xd3, true);
        kbc.write_data(0x5a);
        assert!(kbc.aux_irq() && !kbc.irq());
        assert_eq!(kbc.status() & (STATUS_FULL | STATUS_AUX | STATUS_TIMEOUT), 0x21);
        assert_eq!(kbc.read_data(), 0x5a);
        kbc.write_command(0xd4, true);
        kbc.write_data(0xff);
        assert_eq!(kbc.status() & (STATUS_FULL | STATUS_AUX | STATUS_TIMEOUT), 0x61);
        assert_eq!(kbc.read_data(), 0xfe);
    }
}
