//! What a process that runs guests may still ask of its kernel, for an embedder who wants it: nothing here happens by
//! itself.
//!
//! [`Sandbox::arm`] once, before the first of the threads below begins; then [`confine`] on the thread that runs the
//! machine, right before [`crate::Machine::run`], with [`Threads::VCPU`]. That thread, and those that it makes, open
//! nothing from then on, connect nowhere and start nothing, for ever: a system call that nothing of Ringer's makes then
//! ends the whole process. So sinks and devices of the embedder's that do such things do them on a thread that is not
//! confined, or have their files open.
//!
//! ```no_run
//! use ringer::sandbox::{Sandbox, Threads, confine};
//!
//! Sandbox::new().arm()?;
//! std::thread::spawn(|| {
//!     // Build the machine, and then:
//!     let confined = confine(Threads::VCPU).expect("the sandbox is armed");
//!     for what in confined.lacking() {
//!         eprintln!("this host does not permit {what}");
//!     }
//!     // Run it.
//! });
//! # Ok::<(), ringer::sandbox::AlreadyArmed>(())
//! ```
//!
//! `docs/security.md` in the repository says which calls, and why.

#[doc(inline)]
pub use ringer_sandbox::{Access, AlreadyArmed, Confined, Sandbox, Threads, confine, spawn};
