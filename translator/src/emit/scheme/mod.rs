//! How the guest's registers and memory are found by host code, in two small interfaces: which host register a guest register
//! has ([`RegisterMap`]), and how an operand reaches memory ([`MemoryWay`]).
//!
//! There is one scheme: the guest's registers in place but for ESP, and memory behind GS with 32-bit addresses. Another one is
//! another pair of types here, and a [`crate::verify::Scheme`] for the verifier. Whoever emits names neither r12 nor GS, but
//! [`Registers`] and [`Memory`].
//!
//! Sequences around a host instruction with registers of its own (JRCXZ and LOOP, LAHF and SAHF, string instructions) need
//! guest EAX, ECX, ESI and EDI in these; [`IN_PLACE`] says so, and no map may differ.

mod memory;
mod registers;

pub(super) use memory::{Address, MemoryWay, Window};
pub(super) use registers::{AllButEsp, IN_PLACE, RegisterMap};

/// The scheme of 16- and 32-bit guests.
pub(super) type Registers = AllButEsp;
/// See [`Registers`].
pub(super) type Memory = Window;

const _: () = {
    let mut k = 0;
    while k < IN_PLACE.len() {
        assert!(Registers::MAP[IN_PLACE[k] as usize] == IN_PLACE[k]);
        k += 1;
    }
};
