//! A machine that is built: run it, look into it, change it.

use crate::error::Error;
use crate::gdb;
use crate::registers::Registers;
use ringer_cpu::addr::Pa;
use ringer_devices::{Medium, rows};
use ringer_machine::recording::{RecordOptions, Recording};
use ringer_machine::screen::Image;
use ringer_machine::{
    Checks, Handle, MachineState, Onlooker, PostMortem, Profile, Screen, SharedJitDump,
    StateDigest, Stop, Symbols, TraceKinds, Until,
};
use std::path::Path;
use std::sync::Arc;

/// Where a drive is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrivePlace {
    /// A floppy drive: 0 or 1.
    Floppy(usize),
    /// On the IDE channels, whose devices are counted in order: 0 to 3.
    Ide(usize),
    /// A port of the AHCI adapter: 0 to 5.
    Ahci(usize),
}

impl DrivePlace {
    fn row(self) -> (&'static str, usize) {
        match self {
            Self::Floppy(place) => (rows::FLOPPY, place),
            Self::Ide(place) => (rows::IDE, place),
            Self::Ahci(place) => (rows::AHCI, place),
        }
    }
}

/// A PC with a guest in it.
///
/// A machine stays on the thread that built it (a [`crate::Builder`] may be sent there). Several of them in one process, each on its own thread,
/// know nothing of each other. Other threads reach one by its [`Handle`].
#[derive(Debug)]
pub struct Machine(ringer_machine::Machine);

impl Machine {
    pub(crate) fn new(machine: ringer_machine::Machine) -> Self {
        Self(machine)
    }

    /// Runs until the guest or `until` ends it. A machine whose run has ended may run on: from a
    /// breakpoint, a halt, a kick or a limit it goes on as if nothing had been; after a power-off or a
    /// debug exit as a guest whose write to that port did nothing; after [`Stop::Reset`] so too, unless
    /// [`Machine::reset`] comes first; after a triple fault only [`Machine::reset`] helps.
    ///
    /// While it runs, the calling thread's signal mask, alternate stack and GS base are the machine's, and
    /// the process has its signal handlers; all are put back before this returns (the handlers when no other
    /// machine runs).
    ///
    /// # Errors
    /// When the host fails us, output could not be written, or `until` names a number of instructions and
    /// the clock does not count them. Never because of what the guest does.
    ///
    /// # Panics
    /// When a device or sink of the embedder's panics: the panic passes through. The thread is as it was
    /// then and the machine may be dropped; it is not to be run again, for the instruction that called the
    /// device has not come to its end.
    pub fn run(&mut self, until: &Until) -> Result<Stop, Error> {
        Ok(self.0.run_until(until)?)
    }

    /// Runs until the guest or `until` ends the run, with gdb when one connects to `server`; with `wait` not before
    /// one has. `gate` is the one that the machine's sinks are behind ([`gdb::Gate::guard`]), if they are behind one.
    ///
    /// # Errors
    /// As [`Machine::run`].
    pub fn run_with_gdb(
        &mut self,
        server: &gdb::Server,
        gate: &gdb::Gate,
        wait: bool,
        until: &Until,
    ) -> Result<Stop, Error> {
        Ok(server.serve(&mut self.0, gate, wait, until)?)
    }

    /// A handle for other threads.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.0.handle()
    }

    /// Pulls the reset line, as a guest can: RAM, CMOS and the clock go on, and what was booted is booted
    /// again, or the processor continues where the guest has left word that it should (CMOS byte 0Fh).
    ///
    /// # Errors
    /// When a file that is booted cannot be read again.
    pub fn reset(&mut self) -> Result<(), Error> {
        Ok(self.0.reset()?)
    }

    /// The whole state between two instructions, which this machine or another like it can take over. The
    /// machine goes on as if nothing had been.
    ///
    /// # Errors
    /// When a file that is booted could not be found again: it is a pipe, or gone.
    pub fn save(&mut self) -> Result<MachineState, Error> {
        Ok(self.0.save()?)
    }

    /// Goes on from `state`, of a machine like this one ([`crate::Builder::like`]) that boots the same and
    /// has the same devices: this one, or another. Sinks, counters and the engine stay this machine's.
    /// Nothing but what differs is written to guest memory.
    ///
    /// # Errors
    /// When the state is of another machine, with nothing changed; when it is damaged. The machine may be a
    /// mixture then, and cannot run before another state was taken over.
    pub fn restore(&mut self, state: &MachineState) -> Result<(), Error> {
        Ok(self.0.restore(state)?)
    }

    /// Has [`Machine::run`] save the state to the file at `path` when exactly so many guest instructions
    /// have retired, and go on.
    ///
    /// # Errors
    /// Without [`crate::ClockKind::Virtual`], which counts them, and as [`Machine::save`].
    pub fn save_at(&mut self, instructions: u64, path: &Path) -> Result<(), Error> {
        Ok(self.0.save_at(instructions, path)?)
    }

    /// The first of what [`Machine::save_at`] asked for that has not come yet.
    #[must_use]
    pub fn next_save(&self) -> Option<(u64, &Path)> {
        self.0.next_save()
    }

    /// Numbers for the whole state between two instructions: runs that are alike have equal ones.
    ///
    /// # Errors
    /// When a device cannot write its state down.
    pub fn digest(&mut self) -> Result<StateDigest, Error> {
        Ok(self.0.digest()?)
    }

    /// The processor's registers.
    #[must_use]
    pub fn registers(&self) -> Registers {
        Registers::of(self.0.monitor().state())
    }

    /// Sets the processor's registers.
    ///
    /// # Errors
    /// [`Error::Register`], with nothing changed, for the first that holds what no guest can bring about.
    pub fn set_registers(&mut self, registers: &Registers) -> Result<(), Error> {
        let monitor = self.0.monitor_mut();
        let cpu = registers.put_into(monitor.state())?;
        monitor.set_state(cpu);
        Ok(())
    }

    /// Reads guest memory at a physical address; ROM counts as memory, devices do not.
    ///
    /// # Errors
    /// [`Error::Memory`], with `buf` as it was, when a byte of it is not memory.
    pub fn read_memory(&self, address: u64, buf: &mut [u8]) -> Result<(), Error> {
        let len = buf.len();
        let done = self.0.monitor().memory().read(Pa(address), buf);
        done.then_some(()).ok_or(Error::Memory { address, len, what: "memory" })
    }

    /// Writes guest RAM at a physical address, as a device does by DMA: code that was translated from there
    /// is not run any more.
    ///
    /// # Errors
    /// [`Error::Memory`], with nothing written, when a byte of it is not RAM.
    pub fn write_memory(&mut self, address: u64, data: &[u8]) -> Result<(), Error> {
        let done = self.0.monitor_mut().firmware(|m| m.memory.dma_write(Pa(address), data));
        done.then_some(()).ok_or(Error::Memory { address, len: data.len(), what: "RAM" })
    }

    /// What is worth knowing of the image that was built in, if there is something: a kernel that wants another processor.
    #[must_use]
    pub fn note(&self) -> Option<&'static str> {
        self.0.note()
    }

    /// Bytes of RAM.
    #[must_use]
    pub fn memory_size(&self) -> u64 {
        self.0.memory_size()
    }

    /// Sends the output of a device of the board to `sink`, by the name of its row: `com2` to `com4`, which
    /// [`PcConfig::serials`](crate::PcConfig) fits, `lpt1`. False if there is no such device.
    pub fn connect(&mut self, id: &str, sink: Box<dyn crate::SerialSink>) -> bool {
        self.0.connect(id, sink)
    }

    /// Lets `sound` have what the PC's speaker does from now on.
    pub fn connect_sound(&mut self, sound: Box<dyn crate::Sound>) {
        self.0.monitor_mut().board_mut().connect_sound(sound);
    }

    /// Sends bytes to the guest's first serial port, as [`Handle::serial_input`] does.
    pub fn send_serial(&self, bytes: &[u8]) {
        self.0.handle().serial_input(bytes);
    }

    /// Presses and releases keys, as [`Handle::key_input`] does; how many of the bytes are taken.
    pub fn send_keys(&self, scan_codes: &[u8]) -> usize {
        self.0.handle().key_input(scan_codes)
    }

    /// Nanoseconds of the guest's clock, which began at 0 with the machine. With [`crate::ClockKind::Virtual`] it is a
    /// function of what the guest executed, and stands still between two runs.
    #[must_use]
    pub fn guest_time(&self) -> u64 {
        self.0.monitor().now()
    }

    /// Guest instructions retired since the machine was made, as far as they were counted: all with the
    /// virtual clock or a profile, else those of the interpreter.
    #[must_use]
    pub fn instructions(&self) -> u64 {
        self.0.retired()
    }

    /// [`Machine::instructions`], where that is all of them; `None` with a real clock and no profile.
    #[must_use]
    pub fn counted_instructions(&self) -> Option<u64> {
        self.0.counts_instructions().then(|| self.0.retired())
    }

    /// What is to say of the machine after a run that ended by `stop`: where the processor was, its registers, the
    /// last events, and for an end that was hardly meant a hint.
    #[must_use]
    pub fn post_mortem(&self, stop: &Stop) -> PostMortem {
        self.0.post_mortem(stop)
    }

    /// Tells the crate `tracing` of events of `kinds` from now on, with the names that `symbols` has for places; each
    /// kind is a target (`ringer::exceptions` and so on), the level is TRACE. What the guest does is not changed, only
    /// how fast.
    pub fn set_trace(&mut self, kinds: TraceKinds, symbols: Arc<Symbols>) {
        self.0.monitor_mut().set_trace(kinds, symbols);
    }

    /// What the machine has counted since it was made. Counts of translated instructions and the ledger of
    /// time are 0 unless [`crate::Builder::profile`] asked for them.
    #[must_use]
    pub fn counters(&self) -> Profile {
        self.0.monitor().profile()
    }

    /// Has more than counters recorded from the next run on, if [`crate::Builder::profile`] asked for
    /// them: samples at a rate, marks.
    pub fn record(&mut self, options: &RecordOptions) {
        self.0.monitor_mut().record(options);
    }

    /// What was recorded by place and by time, with the code of the `listed` hottest blocks. Empty unless
    /// [`crate::Builder::profile`] asked for it; without [`Machine::record`] there are no samples.
    #[must_use]
    pub fn recording(&self, listed: usize) -> Recording {
        self.0.monitor().recording(listed)
    }

    /// What the verifier and lockstep have checked.
    #[must_use]
    pub fn checks(&self) -> Checks {
        self.0.checks()
    }

    /// What is on the screen.
    pub fn screen(&mut self) -> Screen {
        self.0.monitor_mut().screen()
    }

    /// The same as pixels, text drawn with the font that the guest has loaded; no pixel without a display adapter.
    pub fn picture(&mut self) -> Image {
        self.0.monitor_mut().picture()
    }

    /// Puts `medium` into the drive at `place`, in the place of what is in it, or takes that out. False when there is no such drive,
    /// the guest has locked it, or no diskette is so large. Its methods are called on the thread that runs the machine.
    pub fn change_medium(&mut self, place: DrivePlace, medium: Option<Box<dyn Medium>>) -> bool {
        let (row, place) = place.row();
        self.0.monitor_mut().board_mut().insert(row, place, medium)
    }

    /// From now on `onlooker` looks at the screen while the machine runs, soon after each [`Handle::glance`].
    pub fn set_onlooker(&mut self, onlooker: Onlooker) {
        self.0.set_onlooker(onlooker);
    }

    /// Tells `dump` of every block that is translated from now on, so that Linux perf can name them.
    pub fn set_jitdump(&mut self, dump: SharedJitDump) {
        self.0.set_jitdump(dump);
    }

    /// The latest 4096 bytes that the guest wrote to port 80h, if [`crate::PcConfig::log_post`] asked for
    /// them.
    #[must_use]
    pub fn post_codes(&self) -> &[u8] {
        self.0.post_codes()
    }

    /// How many bytes the guest wrote there before those.
    #[must_use]
    pub fn post_codes_left_out(&self) -> u64 {
        self.0.post_codes_left_out()
    }
}
