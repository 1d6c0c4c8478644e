//! The i8042 keyboard controller as a pure register machine, with its keyboard on the first port and a
//! mouse on the auxiliary one.
//!
//! Besides the keyboard, this chip carries two lines of the PC: the A20 gate and the processor's reset,
//! both on its output port. It reports changes of them as [`Signal`]s; the board owns the lines.

use crate::input::{Decoded, Decoder, Input};
use crate::keyboard::Keyboard;
use crate::mouse::Mouse;
use crate::scancodes::{RELEASE, RELEASED, translated};
use crate::state::{StateError, check};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

const STATUS_FULL: u8 = 0x01;
const STATUS_SYSTEM: u8 = 0x04;
const STATUS_COMMAND: u8 = 0x08;
const STATUS_UNLOCKED: u8 = 0x10;
const STATUS_AUX: u8 = 0x20;

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
    mouse: Mouse,
    /// What comes in from the desk, in part.
    input: Decoder,
    /// Nothing more comes in before that.
    ready: u64,
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
            mouse: Mouse::new(),
            input: Decoder::default(),
            ready: 0,
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
        self.input.check()?;
        self.mouse.check()?;
        self.keyboard.check()
    }

    /// The interrupt line of the keyboard port (IRQ 1 on a PC).
    pub(crate) fn irq(&self) -> bool {
        let full = matches!(self.buffer, Some((_, Source::Keyboard)));
        full && self.ram[0] & CONFIG_IRQ != 0
    }

    /// The interrupt line of the auxiliary port (IRQ 12 on a PC).
    pub(crate) fn aux_irq(&self) -> bool {
        let full = matches!(self.buffer, Some((_, Source::Aux)));
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
        if self.buffer.is_none() && self.ram[0] & CONFIG_AUX_DISABLE == 0 {
            self.buffer = self.mouse.send().map(|byte| (byte, Source::Aux));
        }
    }

    /// Brings keyboard and mouse to `now`: a key repeats, the mouse reports.
    pub(crate) fn settle(&mut self, now: u64) {
        self.keyboard.settle(now);
        self.mouse.settle(now);
        if self.ready <= now {
            self.ready = 0;
        }
        self.refill();
    }

    /// When one of them next has something to say by itself, or more may come in.
    pub(crate) fn deadline(&self) -> Option<u64> {
        let ready = (self.ready != 0).then_some(self.ready);
        [self.keyboard.deadline(), self.mouse.deadline(), ready].into_iter().flatten().min()
    }

    /// The keyboard's lights: Scroll Lock, Num Lock and Caps Lock from bit 0 on.
    pub(crate) fn leds(&self) -> u8 {
        self.keyboard.leds()
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

    /// Keys are pressed and the mouse is moved, as [`crate::input`] has it. Returns how many of `bytes` are taken.
    pub(crate) fn press(&mut self, bytes: &[u8], now: u64) -> usize {
        let taken = bytes.iter().position(|&byte| !self.takes(byte, now)).unwrap_or(bytes.len());
        self.refill();
        taken
    }

    fn takes(&mut self, byte: u8, now: u64) -> bool {
        if now < self.ready {
            return false;
        }
        let done = match self.input.look(byte) {
            Decoded::More => {
                self.input.take(byte);
                return true;
            }
            Decoded::Nothing => true,
            Decoded::Whole(Input::Wait(ms)) => {
                self.ready = now.saturating_add(u64::from(ms) * 1_000_000);
                true
            }
            Decoded::Whole(Input::Key(key, down)) => self.keyboard.press(key, down, now),
            Decoded::Whole(Input::Mouse(mouse)) => self.mouse.moved(&mouse, now),
        };
        if done {
            self.input.drop_all();
        }
        done
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
        };
        let system = if self.ram[0] & CONFIG_SYSTEM != 0 { STATUS_SYSTEM } else { 0 };
        let command = if self.last_was_command { STATUS_COMMAND } else { 0 };
        source | system | command | STATUS_UNLOCKED
    }

    /// Reads the data port: the output buffer, or what was last in it.
    pub(crate) fn read_data(&mut self, now: u64) -> u8 {
        if let Some((byte, _)) = self.buffer.take() {
            self.data = byte;
        }
        self.refill();
        // With its bytes taken the mouse may report again.
        self.settle(now);
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
            Some(Parameter::ToAux) => {
                self.ram[0] &= !CONFIG_AUX_DISABLE;
                self.mouse.receive(byte);
            }
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
            // The test inputs: which clock lines are held low.
            0xe0 => {
                let [keyboard, aux] = [CONFIG_DISABLE, CONFIG_AUX_DISABLE]
                    .map(|disable| u8::from(self.ram[0] & disable == 0));
                self.reply(keyboard | aux << 1, Source::Keyboard);
            }
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
    use crate::input::MouseInput;

    fn drain(kbc: &mut I8042) -> Vec<u8> {
        std::iter::from_fn(|| (kbc.status() & STATUS_FULL != 0).then(|| kbc.read_data(0))).collect()
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
            assert_eq!(kbc.read_data(0), expected);
        }
        assert!(!kbc.irq());
        assert_eq!(kbc.read_data(0), 0x41, "an empty buffer repeats its last byte");
    }

    #[test]
    fn disabled_keyboard_holds_its_bytes() {
        let mut kbc = I8042::new();
        kbc.write_data(0xee);
        assert_eq!(drain(&mut kbc), [0xee]);
        kbc.write_data(0xf2);
        kbc.read_data(0);
        kbc.write_command(0xad, true);
        assert_eq!(kbc.read_data(0), 0xab, "was in the buffer already");
        assert_eq!(kbc.status() & STATUS_FULL, 0);
        kbc.write_command(0xae, true);
        assert_eq!(drain(&mut kbc), [0x41]);
    }

    #[test]
    fn keys_come_translated_unless_the_guest_wants_them_as_they_are() {
        // A pressed and released, then the cursor key up released.
        let keys = [0x1c, 0xf0, 0x1c, 0xe0, 0xf0, 0x75];
        let mut kbc = I8042::new();
        assert_eq!(kbc.press(&keys, 0), keys.len());
        assert!(kbc.irq());
        assert_eq!(drain(&mut kbc), [0x1e, 0x9e, 0xe0, 0xc8]);
        // A release may come in two parts.
        assert_eq!(kbc.press(&[0xf0], 0), 1);
        assert_eq!(kbc.status() & STATUS_FULL, 0);
        assert_eq!(kbc.press(&[0x1c], 0), 1);
        assert_eq!(drain(&mut kbc), [0x9e]);
        kbc.write_command(0x60, true);
        kbc.write_data(0x05);
        assert_eq!(kbc.press(&keys, 0), keys.len());
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
    fn the_mouse_answers_on_the_auxiliary_port() {
        let mut kbc = I8042::new();
        kbc.write_command(0x60, true);
        kbc.write_data(0x47);
        kbc.write_command(0xd3, true);
        kbc.write_data(0x5a);
        assert!(kbc.aux_irq() && !kbc.irq());
        assert_eq!(kbc.status() & (STATUS_FULL | STATUS_AUX), 0x21);
        assert_eq!(kbc.read_data(0), 0x5a);
        for (byte, answer) in [(0xff, &[0xfa, 0xaa, 0x00][..]), (0xf4, &[0xfa][..])] {
            kbc.write_command(0xd4, true);
            kbc.write_data(byte);
            assert!(kbc.aux_irq() && kbc.status() & STATUS_AUX != 0);
            assert_eq!(drain(&mut kbc), answer);
        }
        let moves = MouseInput { right: 5, down: 0, wheel: 0, buttons: 1 };
        let bytes = Input::Mouse(moves).bytes();
        assert_eq!(kbc.press(&bytes, 1), bytes.len());
        assert!(kbc.aux_irq() && !kbc.irq());
        assert_eq!(drain(&mut kbc), [0x09, 5, 0]);
        kbc.write_command(0xa7, true);
        assert_eq!(kbc.press(&bytes, 1_000_000_000), bytes.len());
        assert_eq!(kbc.status() & STATUS_FULL, 0, "its clock is held");
        kbc.write_command(0xa8, true);
        kbc.settle(1_000_000_000);
        assert_eq!(drain(&mut kbc), [0x09, 5, 0]);
    }

    #[test]
    fn a_wait_holds_back_what_comes_after_it() {
        let mut kbc = I8042::new();
        let keys = [0x1c, 0xfe, 3, 0x32];
        assert_eq!(kbc.press(&keys, 1_000), 3);
        assert_eq!(kbc.deadline(), Some(3_001_000));
        assert_eq!(kbc.press(&keys[3..], 3_000_999), 0);
        kbc.settle(3_001_000);
        assert_eq!(kbc.press(&keys[3..], 3_001_000), 1);
        assert_eq!(drain(&mut kbc), [0x1e, 0x30]);
    }

    #[test]
    fn the_set_that_the_guest_chose_is_what_it_gets() {
        let mut kbc = I8042::new();
        kbc.write_command(0x60, true);
        kbc.write_data(0x05);
        for (set, expected) in [(1, &[0xe0, 0xcd][..]), (2, &[0xe0, 0xf0, 0x74]), (3, &[])] {
            kbc.write_data(0xf0);
            kbc.write_data(set);
            assert_eq!(drain(&mut kbc), [0xfa, 0xfa]);
            assert_eq!(kbc.press(&[0xe0, 0xf0, 0x74], 0), 3);
            assert_eq!(drain(&mut kbc), expected, "set {set}");
        }
    }
}
