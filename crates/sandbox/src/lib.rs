//! What a process that runs guests may still ask of its kernel, should a guest ever break out of translated code.
//!
//! A process says once what will be wanted ([`Sandbox`], [`Sandbox::arm`]); from then on each thread that has to do with
//! the guest confines itself when it begins ([`spawn`]), and the one that runs it right before the first guest
//! instruction ([`confine`]). For each that is: no new privileges and no capability; no file but those that are open, and no
//! TCP port; no system call that is not in the table of its kind of thread, and death of the process for
//! those that nothing of ours makes any more (`calls.rs`, `never.rs`: data). The whole process cannot be dumped or traced
//! by its user's other processes, and no memory of it becomes executable.
//!
//! All of it is for ever and inherited by threads made later: who is confined already does not call [`confine`] again.
//! What the kernel does not have is left out and told ([`Confined::lacking`]). A process that has not armed
//! anything is not touched: an embedder decides about his own process.

mod calls;
mod confinement;
mod files;
mod filter;
mod kernel;
mod never;
mod privileges;
mod spawn;
mod starting;

pub use calls::Threads;
pub use confinement::{AlreadyArmed, Confined, Sandbox, confine};
pub use files::Access;
pub use spawn::spawn;
