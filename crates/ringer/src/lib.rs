//! An x86 PC in an ordinary Linux process, as a library.
//!
//! [`Machine::builder`] says what the machine is, [`Machine::run`] runs it until something ends the run and
//! says what: a [`Stop`]. Between two runs one may read and set registers and memory, feed serial input, and
//! run on.
//!
//! ```
//! use ringer::{BootSource, Flat, Gpr, Machine, Stop, Until};
//!
//! // mov eax, 6; imul eax, eax, 7; hlt
//! let code = [0xb8, 6, 0, 0, 0, 0x6b, 0xc0, 7, 0xf4];
//! let mut machine = Machine::builder()
//!     .memory(1 << 20)
//!     .boot(BootSource::Flat(Flat::new(code, 0x8000)))
//!     .build()?;
//! assert_eq!(machine.run(&Until::new().halt())?, Stop::Halt);
//! assert_eq!(machine.registers()[Gpr::Eax], 42);
//! # Ok::<(), ringer::Error>(())
//! ```
//!
//! # What it does to the process
//! Guest code runs on the calling thread, in user mode, by binary translation; faults of the host are part
//! of that. So while a machine runs there are handlers for SIGSEGV, SIGBUS, SIGFPE, SIGTRAP and one more
//! signal ([`Builder::kick_signal`]), which pass on what is not a machine's to whoever was there before; when
//! the last run of the process returns, those are there again. `docs/embedding.md` in the repository says
//! more.
//!
//! A machine confines nothing: what guest code could do to the process, should it ever break out, is the process's to
//! limit, before the machine runs: [`sandbox`].
//!
//! # Stability
//! What is named here is the whole interface; the other crates of the workspace are its insides, and their
//! names change. Until 1.0 a minor version may break what is here, too.

mod builder;
mod capture;
pub mod device;
mod error;
pub mod gdb;
mod machine;
mod registers;
pub mod sandbox;

pub use builder::Builder;
pub use capture::Capture;
pub use error::Error;
pub use machine::{DrivePlace, Machine};
pub use registers::{Registers, SegmentRegister};
pub use ringer_cpu::{Exception, Gpr, PagingRegs, Refusal, SegReg, Vector};
pub use ringer_devices::rows::{LPT1, MORE_SERIAL};
pub use ringer_devices::speaker::{RATE as SOUND_RATE, Sound};
#[doc(inline)]
pub use ringer_devices::{
    DriveKind, FloppyDrive, FloppyFormat, Folder, Input, Key, LAYOUTS, Layout, Link, Mac, MacError,
    Medium, MediumError, MouseInput, NicModel, Tag, TagError, TypingError, VirtioConfig,
};
#[doc(inline)]
pub use ringer_machine::{
    At, Bios, BootDevice, BootSource, Checks, ClockKind, Counters, CpuModel, Engine, Event,
    FileKind, FirmwareConfig, Flat, FlatMode, Glance, Handle, Happening, HotCallout, InputError,
    JitDump, KickSignal, LedgerRow, LoadError, MachineConfig, MachineError, MachineState, Marker,
    MemoryBudget, Onlooker, PcConfig, Place, PostMortem, Profile, Room, Row, RunConfig, Screen,
    SerialSink, SharedJitDump, Sinks, SizeError, StateDigest, StateError, Stop, Symbol, SymbolKind,
    Symbols, SymbolsError, TraceKinds, TranslatorOptions, Until, UnusableSignal, WatchHit,
    WatchKind, Watchpoint, When, module_file, parse_size, read_symbols, recognise, recording,
    screen, status, symbols_for,
};
#[doc(inline)]
pub use ringer_storage::{Format as ImageFormat, Image, Reporter, StorageError};
