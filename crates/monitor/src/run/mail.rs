//! What other threads sent, on its way to the guest.

use super::Monitor;
use crate::dma::Door;
use crate::inputs::Came;
use crate::moment::Moment;
use crate::stop::RunEnd;
use crate::system_bus::Waits;
use ringer_cpu::Activity;

/// Serial bytes taken from the inbox at a time.
const SERIAL_CHUNK: usize = 16;
/// Frames likewise.
const FRAMES: usize = 64;

impl Monitor {
    /// How the run ends because another thread wants that.
    pub(super) fn take_wish(&mut self) -> Option<RunEnd> {
        let wishes = self.inbox.take_wishes();
        if wishes.glance {
            self.let_look();
        }
        let ends = [
            (wishes.quit, RunEnd::Quit),
            (wishes.power_off, RunEnd::PowerOff),
            (wishes.reset, RunEnd::Reset),
            (wishes.pause, RunEnd::Paused),
        ];
        let (_, end) = ends.into_iter().find(|(wished, _)| *wished)?;
        if wishes.pause && end != RunEnd::Paused {
            // It did not end this run, so it ends the next one.
            self.inbox.kicker().pause();
        }
        Some(end)
    }

    /// Takes input for the guest. What of it waits.
    pub(super) fn take_input(&mut self) -> Waits {
        let now = self.chassis.bus.io.clock.now();
        self.put_off = false;
        if self.inputs.are_kept() && !self.lets_in(now) {
            let more = self.inbox.has_input();
            self.put_off = more && self.inputs.are_through();
            let full = self.serial_full.contains(&true) || self.keys_full || self.frames_full;
            return Waits { input: more || full, frames: false };
        }
        // An adapter that has no room for many is offered one first.
        let few = self.frames_full && !self.chassis.bus.io.board.takes_frames();
        let frames = if few { 1 } else { FRAMES };
        let input = self.inbox.take(SERIAL_CHUNK, frames);
        let (mut serial, mut keys) = (input.serial, 0);
        let board = &mut self.chassis.bus.io.board;
        for (port, bytes) in serial.iter_mut().enumerate() {
            self.serial_full[port] = false;
            if !bytes.is_empty() {
                let taken = board.port_input(now, port, bytes).min(bytes.len());
                self.serial_full[port] = taken < bytes.len();
                self.inbox.give_back(port, &bytes[taken..]);
                bytes.truncate(taken);
            }
        }
        self.keys_full = false;
        if !input.keys.is_empty() {
            keys = board.key_input(now, &input.keys).min(input.keys.len());
            self.keys_full = keys < input.keys.len();
            self.inbox.give_back_keys(&input.keys[keys..]);
        }
        if input.power_button {
            board.press_power_button(now);
        }
        let frames = self.take_frames(now, &input.frames);
        self.frames_full = frames < input.frames.len();
        let mut taken = input.frames;
        // Moved, not copied: while an adapter's ring is full this is done at each look.
        self.inbox.give_back_frames(taken.split_off(frames));
        let (serial, keys) = (&serial, &input.keys[..keys]);
        let came = Came { serial, keys, frames: &taken, power_button: input.power_button };
        self.inputs.note(self.retired(), now, came);
        let full = self.serial_full.contains(&true) || self.keys_full;
        let more = input.more_serial || input.more_frames && !self.frames_full;
        Waits { input: full || more, frames: self.frames_full }
    }

    /// Gives frames to the network adapter. How many it takes.
    fn take_frames(&mut self, now: u64, frames: &[Vec<u8>]) -> usize {
        if frames.is_empty() {
            return 0;
        }
        let bus = &mut self.chassis.bus;
        let mut door = Door(&mut bus.memory);
        let mut board = bus.io.board.over(&mut door);
        let taken = frames.iter().take_while(|frame| board.frame_input(now, frame)).count();
        bus.note_host_writes();
        taken
    }

    /// Lets what is kept of input in where it came, and says whether the rest may come now: where that can be
    /// found again. A run that stops here does so before.
    fn lets_in(&mut self, now: u64) -> bool {
        let Moment { retired, delivered, .. } = self.moment();
        let cpu = &self.vcpu.context.cpu;
        let runs = cpu.activity == Activity::Running;
        if delivered > 0 || runs && self.chassis.code.breakpoints.is_due(cpu) {
            return false;
        }
        let bus = &mut self.chassis.bus;
        while let Some(input) = self.inputs.due(retired, now) {
            let mut door = Door(&mut bus.memory);
            let mut board = bus.io.board.over(&mut door);
            for (port, bytes) in input.serial.iter().enumerate().filter(|it| !it.1.is_empty()) {
                board.port_input(now, port, bytes);
            }
            board.key_input(now, &input.keys);
            if input.power_button {
                board.press_power_button(now);
            }
            for frame in &input.frames {
                board.frame_input(now, frame);
            }
            bus.note_host_writes();
        }
        self.inputs.are_through()
    }
}
