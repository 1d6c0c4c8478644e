//! The verifier: reads the host code of a block again and proves that it stays where it must.
//!
//! This is the second of Popek and Goldberg's conditions, resource control, checked the way that
//! software fault isolation is: without trusting the translator. Nothing here uses the translator's
//! tables or emitters; the bytes are decoded anew and everything is refused that is not on the lists
//! of [`lists`]. A block that passes (invariant 3)
//!
//! - touches memory only through GS with 32-bit addressing (the window and its guard), through what the inline TLB answered
//!   (so many bytes of one page of guest memory; the question is one sequence, [`question`]), through r15
//!   within the named fields of the context, through r13 with a 32-bit index (the target table), or
//!   with string instructions on pointers that lie in the window;
//! - leaves only to the exit stubs, to the entry of a block, or to what the target table holds;
//! - has no instruction that is not on the list: no system call, no interrupt, no segment load, no
//!   I/O, no write to RSP, r13, r14, r15 or the GS base; it pops no flags but those that it pushed;
//! - keeps the upper halves of the guest's registers zero at every boundary and exit, so that a plain
//!   64-bit register is a 32-bit address;
//! - has an instruction at every place that the map, a branch or a patchable exit names.
//!
//! The walk is linear: blocks have no backward branch but to their own start, so one pass with the
//! states of forward branches joined at their targets is exact enough ([`state`]).

mod lists;
mod question;
#[cfg(test)]
mod question_tests;
mod report;
mod scheme;
mod state;
#[cfg(test)]
mod tests;
mod verifier;
mod walk;

pub use report::{Refusal, Rule, Subject, Verified};
pub use scheme::Scheme;
pub use verifier::Verifier;
