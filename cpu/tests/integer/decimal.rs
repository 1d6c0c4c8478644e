//! Decimal adjustment, with all six flags as captured from a processor in 32-bit mode.

use crate::machine::Machine;
use ringer_cpu::{Eflags, Exception, Gpr};

/// AX and the status flags after the one instruction `code`.
fn adjusted(code: &[u8], ax: u32, flags: u32) -> (u32, u32) {
    let mut m = Machine::flat(code);
    m.set(Gpr::Eax, ax);
    m.s.eflags |= flags;
    m.retire();
    (m.get(Gpr::Eax), m.s.eflags & Eflags::ARITH.bits())
}

#[test]
fn ascii_adjustments_carry_into_ah() {
    const AAA: &[u8] = &[0x37];
    const AAS: &[u8] = &[0x3f];
    assert_eq!(adjusted(AAA, 0x5500, 0), (0x5500, 0x04), "ZF looks at AX, not at AL");
    assert_eq!(adjusted(AAA, 0x550a, 0), (0x5600, 0x11));
    assert_eq!(adjusted(AAA, 0x550b, 0), (0x5601, 0x15));
    assert_eq!(adjusted(AAS, 0x5510, 0), (0x5500, 0x00));
    assert_eq!(adjusted(AAS, 0x0000, 0x10), (0xfe0a, 0x95));
}

#[test]
fn packed_adjustments_follow_both_digits() {
    const DAA: &[u8] = &[0x27];
    const DAS: &[u8] = &[0x2f];
    assert_eq!(adjusted(DAA, 0x9a, 0), (0x00, 0x55));
    assert_eq!(adjusted(DAA, 0x79, 0x10), (0x7f, 0x10));
    assert_eq!(adjusted(DAS, 0x05, 0x10), (0xff, 0x95), "the first digit's borrow carries");
}

#[test]
fn aam_by_zero_raises_de_and_aad_multiplies() {
    assert_eq!(Machine::flat(&[0xd4, 0]).fault(), Exception::de());
    assert_eq!(adjusted(&[0xd4, 10], 99, 0).0, 0x909);
    assert_eq!(adjusted(&[0xd5, 10], 0x909, 0).0, 99);
}
