//! FNSTENV, FLDENV, FNSAVE and FRSTOR in their formats, the pointers, FXSAVE and FXRSTOR.

use super::*;
use crate::flags::Eflags;
use crate::interp::fpu::point_operand;

const FNINIT: [u8; 2] = [0xdb, 0xe3];
const FLDPI: [u8; 2] = [0xd9, 0xeb];

/// FNINIT; FLDPI; FLDZ; FADD dword [DATA+100h], the last at CODE + 8. FOP, FDP and FDS are as if it had
/// raised an unmasked exception.
fn prepare(m: &mut Machine) {
    m.bus.load(DATA + 0x100, &1.0f32.to_le_bytes());
    let add = at(&[0xd8], 0, DATA + 0x100);
    m.run(&[&FNINIT[..], &FLDPI, &[0xd9, 0xee], &[0x90, 0x90], &add].concat()).unwrap();
    point_operand(&mut m.s, FOP as u16, Some((DATA + 0x100, DS)));
}

/// Where the FADD stands.
const FIP: u32 = CODE + 8;
/// Its opcode: D8 05.
const FOP: u32 = 0x005;

fn dwords<const N: usize>(m: &Machine) -> [u32; N] {
    std::array::from_fn(|k| m.bus.peek32(DATA + 4 * k as u32))
}

fn words<const N: usize>(m: &Machine) -> [u16; N] {
    std::array::from_fn(|k| m.word(DATA + 2 * k as u32))
}

/// Two registers in use, at 6 (1.0) and 7 (pi).
const TAGS: u16 = 0x0fff;
const TOP6: u16 = 6 << 11;

#[test]
fn protected_32_bit_environment() {
    let mut m = Machine::new();
    prepare(&mut m);
    m.run(&at_data(&[0xd9], 6)).unwrap();
    let [cw, sw, tw] = [0x037f, TOP6, TAGS].map(|w| 0xffff_0000 | u32::from(w));
    let (cs, ds) = (u32::from(CS) | FOP << 16, 0xffff_0000 | u32::from(DS));
    assert_eq!(dwords(&m), [cw, sw, tw, FIP, cs, DATA + 0x100, ds]);
}

#[test]
fn protected_16_bit_environment() {
    let mut m = Machine::new();
    prepare(&mut m);
    m.run(&at_data(&[0x66, 0xd9], 6)).unwrap();
    let expected = [0x037f, TOP6, TAGS, FIP as u16, CS, (DATA + 0x100) as u16, DS];
    assert_eq!(words(&m), expected);
    assert_eq!(m.word(DATA + 14), 0, "14 bytes and no more");
}

#[test]
fn real_mode_environments_hold_linear_addresses() {
    let mut m = Machine::new();
    prepare(&mut m);
    // V86 mode uses the same formats; the selectors are paragraphs.
    m.s.fpu.0[12..14].copy_from_slice(&0xf000u16.to_le_bytes());
    m.s.fpu.0[20..22].copy_from_slice(&0x1234u16.to_le_bytes());
    let (ip, dp) = (0xf_0000 + FIP, 0x1_2340 + DATA + 0x100);
    m.s.cr0 &= !cr0::PE;
    m.s.seg[SegReg::Cs as usize].attr.remove(SegAttr::DB);
    let wide: Vec<u8> = [&[0x66, 0x67], &at_data(&[0xd9], 6)[..]].concat();
    m.run(&wide).unwrap();
    let high = |a: u32| (a >> 16) << 12;
    let got = dwords::<7>(&m);
    assert_eq!(got[3] as u16, ip as u16);
    assert_eq!(got[4], high(ip) | FOP);
    assert_eq!(got[5] as u16, dp as u16);
    assert_eq!(got[6], high(dp));
    m.run(&[&[0x67], &at_data(&[0xd9], 6)[..]].concat()).unwrap();
    let short = [ip as u16, high(ip) as u16 | FOP as u16, dp as u16, high(dp) as u16];
    assert_eq!(words::<7>(&m)[3..], short);
    // What FLDENV takes in, FNSTENV gives out.
    let before = m.bytes::<14>(DATA);
    m.run(&[&FNINIT[..], &[0x67], &at_data(&[0xd9], 4)].concat()).unwrap();
    m.bus.load(DATA, &[0; 14]);
    m.run(&[&[0x67], &at_data(&[0xd9], 6)[..]].concat()).unwrap();
    assert_eq!(m.bytes::<14>(DATA), before);
}

#[test]
fn v86_mode_uses_the_real_formats() {
    let mut m = Machine::new();
    prepare(&mut m);
    m.s.fpu.0[12..14].copy_from_slice(&0xf000u16.to_le_bytes());
    m.s.eflags |= Eflags::VM.bits() | Eflags::IOPL.bits();
    m.s.cpl = 3;
    // 16-bit code: the address-size prefix makes disp32 addresses.
    m.run(&[&[0x67], &at_data(&[0xd9], 6)[..]].concat()).unwrap();
    assert_eq!(words::<7>(&m)[4], 0xf000 | FOP as u16);
}

#[test]
fn fnstenv_masks_all_exceptions_afterwards() {
    let mut m = Machine::new();
    m.run(&FNINIT).unwrap();
    m.bus.load(DATA, &0x0340u16.to_le_bytes());
    m.run(&at_data(&[0xd9], 5)).unwrap();
    m.run(&at_data(&[0xd9], 6)).unwrap();
    assert_eq!(m.word(DATA), 0x0340);
    assert_eq!(m.s.fpu.fcw(), 0x037f);
}

#[test]
fn control_instructions_leave_the_pointers_and_fninit_clears_them() {
    let mut m = Machine::new();
    prepare(&mut m);
    let before = m.s.fpu.pointers();
    assert_eq!((before.fip, before.fcs, before.fds), (FIP.into(), CS, DS));
    m.bus.load(DATA, &0x037fu16.to_le_bytes());
    m.run(&at_data(&[0xd9], 5)).unwrap();
    m.run(&[0xdb, 0xe2, 0x9b]).unwrap();
    assert_eq!(m.s.fpu.pointers(), before);
    m.run(&[0x26, 0xd9, 0xc9]).unwrap(); // fxch with a prefix: FIP is the prefix's
    let now = m.s.fpu.pointers();
    assert_eq!((now.fip, now.fop, now.fdp), (CODE.into(), before.fop, before.fdp));
    m.run(&FNINIT).unwrap();
    assert_eq!(m.s.fpu.pointers(), Default::default());
}

/// FNINIT, FLD1, FCHS, then FLDCW of a control word that unmasks #I and #Z.
fn unmask(m: &mut Machine) {
    m.bus.load(DATA, &0x037au16.to_le_bytes());
    m.run(&[&FNINIT[..], &[0xd9, 0xe8, 0xd9, 0xe0], &at_data(&[0xd9], 5)].concat()).unwrap();
}

#[test]
fn the_opcode_is_found_across_a_page() {
    const FSQRT: [u8; 2] = [0xd9, 0xfa];
    let mut m = Machine::new();
    unmask(&mut m);
    m.bus.load(0xfff, &FSQRT);
    m.s.set_eip(0xfff);
    m.interp.execute(&mut m.s, &mut m.bus).unwrap();
    assert_eq!(m.s.fpu.pointers().fop, 0x1fa);
    unmask(&mut m);
    m.bus.load(0xffe, &[0x2e, 0x3e, 0xd9, 0xfa]);
    m.s.set_eip(0xffe);
    m.interp.execute(&mut m.s, &mut m.bus).unwrap();
    assert_eq!((m.s.fpu.pointers().fop, m.s.fpu.pointers().fip), (0x1fa, 0xffe));
}

#[test]
fn only_an_unmasked_exception_moves_the_operand_pointer_and_the_opcode() {
    let mut m = Machine::new();
    m.bus.load(DATA + 0x100, &0.0f32.to_le_bytes());
    let divide = at(&[0xd8], 6, DATA + 0x100);
    m.run(&[&FNINIT[..], &[0xd9, 0xe8], &divide].concat()).unwrap();
    let p = m.s.fpu.pointers();
    assert_eq!(
        (p.fip, p.fcs, p.fop, p.fdp, p.fds),
        (u64::from(CODE) + 4, CS, 0, 0, 0),
        "#Z is masked"
    );
    unmask(&mut m);
    m.run(&divide).unwrap();
    let p = m.s.fpu.pointers();
    assert_eq!((p.fip, p.fop, p.fdp, p.fds), (CODE.into(), 0x035, u64::from(DATA) + 0x100, DS));
    m.run(&[0xdb, 0xe2]).unwrap(); // fnclex
    m.run(&[0xd9, 0xe8]).unwrap();
    let now = m.s.fpu.pointers();
    assert_eq!((now.fip, now.fop, now.fdp), (CODE.into(), 0x035, u64::from(DATA) + 0x100));
}

#[test]
fn fnsave_initialises_and_frstor_brings_everything_back() {
    for prefix in [&[][..], &[0x66]] {
        let mut m = Machine::new();
        prepare(&mut m);
        let mut before = m.s.fpu;
        m.run(&at_data(&[prefix, &[0xdd]].concat(), 6)).unwrap();
        assert_eq!((m.s.fpu.fcw(), m.s.fpu.fsw(), m.s.fpu.0[4]), (0x037f, 0, 0));
        assert_eq!(m.s.fpu.pointers(), Default::default());
        let stack = if prefix.is_empty() { 28 } else { 14 };
        assert_eq!(m.bytes::<10>(DATA + stack), [0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x3f]);
        m.run(&at_data(&[prefix, &[0xdd]].concat(), 4)).unwrap();
        if !prefix.is_empty() {
            // The 16-bit protected format has no room for these.
            before.0[6..8].fill(0);
        }
        assert_eq!(m.s.fpu, before);
    }
}

#[test]
fn fldenv_moves_top_and_the_registers_with_it() {
    let mut m = Machine::new();
    prepare(&mut m);
    let (st0, st1) = (m.st(0), m.st(1));
    m.run(&at_data(&[0xd9], 6)).unwrap();
    m.bus.load(DATA + 4, &(7u16 << 11 | 0x04).to_le_bytes());
    m.bus.load(DATA, &0x037bu16.to_le_bytes());
    m.run(&at_data(&[0xd9], 4)).unwrap();
    assert_eq!((m.st(0), m.st(7)), (st1, st0));
    assert_eq!(m.s.fpu.fsw() & 0x8080, 0x8080, "a flag that comes in unmasked is pending");
}

#[test]
fn fxsave_and_fxrstor_round_trip() {
    let mut m = Machine::new();
    prepare(&mut m);
    m.set_xmm(3, [0x5a; 16]);
    m.set_mxcsr(0x7f80);
    let before = m.s.fpu;
    m.bus.load(DATA, &[0xcc; 512]);
    m.run(&at_data(&[0x0f, 0xae], 0)).unwrap();
    assert_eq!(m.bus.peek32(DATA + 24), 0x7f80);
    assert_eq!(m.bus.peek32(DATA + 28), 0xffff);
    assert_eq!(m.bus.peek32(DATA + 8), FIP);
    assert_eq!(m.bytes::<16>(DATA + 160 + 48), [0x5a; 16]);
    assert_eq!(m.bytes::<32>(DATA + 288), [0xcc; 32], "xmm8 and up do not exist");
    m.s.fpu = FpuImage::reset();
    m.run(&at_data(&[0x0f, 0xae], 1)).unwrap();
    assert_eq!(m.s.fpu, before);
}

#[test]
fn fxrstor_refuses_reserved_mxcsr_bits_and_odd_addresses() {
    let mut m = Machine::new();
    let gp = Some(Exception::gp(0));
    m.bus.load(DATA + 24, &0x0002_1f80u32.to_le_bytes());
    let before = m.s.fpu;
    assert_eq!(m.one(&at_data(&[0x0f, 0xae], 1)).err(), gp);
    assert_eq!(m.one(&at(&[0x0f, 0xae], 1, DATA + 8)).err(), gp);
    assert_eq!(m.one(&at(&[0x0f, 0xae], 0, DATA + 8)).err(), gp);
    assert_eq!(m.s.fpu, before);
}

#[test]
fn fxrstor_sets_es_by_the_masks() {
    let mut m = Machine::new();
    let mut image = FpuImage::reset();
    image.0[0] = 0x7e;
    image.0[2] = 0x01;
    m.bus.load(DATA, &image.0);
    m.run(&at_data(&[0x0f, 0xae], 1)).unwrap();
    assert_eq!(m.s.fpu.fsw(), 0x8081);
}

#[test]
fn an_environment_that_is_not_aligned_raises_an_alignment_check() {
    for (bytes, offset, raises) in [
        (&[0xd9u8][..], 2, true),      // fnstenv, 28 bytes: 4
        (&[0x66, 0xd9][..], 2, false), // 14 bytes: 2
        (&[0x66, 0xd9][..], 1, true),
        (&[0xdd][..], 2, true),        // fnsave, 108 bytes: 4
        (&[0x66, 0xdd][..], 2, false), // 94 bytes: 2
    ] {
        let mut m = Machine::new();
        (m.s.cpl, m.s.cr0) = (3, m.s.cr0 | crate::state::cr0::AM);
        m.s.eflags |= crate::flags::Eflags::AC.bits();
        let error = m.one(&at(bytes, 6, DATA + offset)).err();
        let expected = raises.then_some(crate::exception::Vector::Ac);
        assert_eq!(error.map(|e| e.vector), expected, "{bytes:02x?} at {offset}");
    }
}
