//! The system semantics of the interpreter, on tables built in memory: gates, delivery, IRET,
//! tasks, V86 mode, guarded instructions. Each module is one noun of the SDM's volume 3A.

mod delivery;
mod gates;
mod guarded;
mod long;
mod machine;
mod returns;
mod segments;
mod smap;
mod tasks;
mod v86;
