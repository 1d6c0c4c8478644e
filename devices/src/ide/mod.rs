//! ATA and ATAPI devices, and the two channels and the bus master of a PIIX3 that they hang on.
//!
//! The problem: an operating system knows a disk as eight registers and a protocol of when the device wants data, has data, and
//! raises INTRQ. All of that is here, without ports, interrupt numbers and guest memory:
//!
//! - [`front`]: what every device has: the registers, INTRQ, the block of data that the host moves;
//! - [`disk`]: an ATA disk, [`disk_commands`] its commands; [`identify`]: what a device says of itself;
//! - [`cd`]: the ATAPI device, [`cd_state`] what its host can change; [`packet`]: its packet commands; [`answers`]: what they answer; [`sense`]: what went wrong;
//! - [`drive`]: either of them; [`channel`]: the two devices of a cable;
//! - [`ahci`]: the other way to reach drives, an adapter that takes commands from memory;
//! - [`bus_master`]: the PIIX3's registers for DMA, and the walk through the table of regions.
//!
//! A command takes no time: what the host asks for is there when its write ends, with BSY never seen but during a software
//! reset. That is how a device whose data is in its cache behaves, drivers set up their handlers before they write a command,
//! and it is the same in every run. What one access moves is bounded by the bus master's table: 512 MiB at most, 32 MiB of a disk.
//!
//! Specifications: ATA/ATAPI-6 (T13/1410D), ATA/ATAPI-4 for CHS, SFF-8020i and MMC-3 for packets, Intel 82371SB (290550), 2.7 and 3.6.

pub(crate) mod ahci;
mod answers;
pub(crate) mod bus_master;
mod cd;
mod cd_state;
pub(crate) mod channel;
mod disk;
mod disk_commands;
pub(crate) mod drive;
mod front;
mod identify;
mod packet;
mod sense;

pub use drive::DriveKind;
