//! MMX, SSE and SSE2: results, MXCSR, precise exceptions, alignment, availability.

use super::*;
use crate::addr::Lin;
use crate::exception::Vector;
use crate::flags::Eflags;
use crate::state::Gpr;

const GP: Option<Exception> = Some(Exception::gp(0));
const XM: Option<Exception> = Some(Exception::plain(Vector::Xm));
const UD: Option<Exception> = Some(Exception::ud());
const NM: Option<Exception> = Some(Exception::nm());

const ADDPS: [u8; 3] = [0x0f, 0x58, 0xc1];
const DIVPS: [u8; 3] = [0x0f, 0x5e, 0xc1];
const MULSS: [u8; 4] = [0xf3, 0x0f, 0x59, 0xc1];

#[test]
fn packed_add_and_its_memory_form() {
    let mut m = Machine::new();
    m.set_xmm(0, ps([1.0, 2.0, 3.0, 4.0]));
    m.set_xmm(1, ps([0.5, 0.25, -3.0, 1e10]));
    m.run(&ADDPS).unwrap();
    assert_eq!(m.xmm(0), ps([1.5, 2.25, 0.0, 1e10 + 4.0]));
    m.bus.load(DATA, &pd([0.5, -0.5]));
    m.set_xmm(2, pd([1.0, 1.0]));
    m.run(&at_data(&[0x66, 0x0f, 0x58], 2)).unwrap(); // addpd xmm2, [DATA]
    assert_eq!(m.xmm(2), pd([1.5, 0.5]));
}

#[test]
fn conversions_follow_the_rounding_mode() {
    let expected = [(0u32, 2i32, -2), (1, 2, -3), (2, 3, -2), (3, 2, -2)];
    for (mode, up, down) in expected {
        let mut m = Machine::new();
        m.set_mxcsr(0x1f80 | mode << 13);
        for (value, result) in [(2.5f32, up), (-2.5, down)] {
            m.set_xmm(1, ps([value, 0.0, 0.0, 0.0]));
            m.run(&[0xf3, 0x0f, 0x2d, 0xe1]).unwrap(); // cvtss2si esp, xmm1
            assert_eq!(m.s.gpr[Gpr::Esp as usize] as i32, result, "mode {mode}");
        }
        assert_eq!(m.s.fpu.mxcsr() & 0x3f, 0x20, "inexact");
    }
}

#[test]
fn registers_go_both_ways() {
    let mut m = Machine::new();
    m.s.gpr[Gpr::Ebp as usize] = 0x8000_7fff;
    m.run(&[0x0f, 0x6e, 0xdd]).unwrap(); // movd mm3, ebp
    assert_eq!(m.st(3), [0xff, 0x7f, 0, 0x80, 0, 0, 0, 0, 0xff, 0xff]);
    assert_eq!(m.s.fpu.0[4], 0xff, "all tags valid");
    m.s.gpr[Gpr::Ebx as usize] = 0xffff_ffff;
    m.run(&[0x0f, 0xd7, 0xdb]).unwrap(); // pmovmskb ebx, mm3
    assert_eq!(m.s.gpr[Gpr::Ebx as usize], 0b1001);
    m.run(&[0x0f, 0x77]).unwrap(); // emms
    assert_eq!(m.s.fpu.0[4], 0);
    m.s.gpr[Gpr::Edi as usize] = 0xffff_fff9;
    m.run(&[0xf2, 0x0f, 0x2a, 0xcf]).unwrap(); // cvtsi2sd xmm1, edi
    assert_eq!(m.xmm(1)[..8], (-7.0f64).to_le_bytes());
    m.run(&[0x66, 0x0f, 0xc5, 0xf1, 0x03]).unwrap(); // pextrw esi, xmm1, 3
    assert_eq!(m.s.gpr[Gpr::Esi as usize], 0xc01c);
}

#[test]
fn comiss_sets_the_flags_and_clears_the_others() {
    let cases = [
        (1.0f32, 2.0f32, Eflags::CF),
        (2.0, 1.0, Eflags::empty()),
        (1.0, 1.0, Eflags::ZF),
        (f32::NAN, 1.0, Eflags::ZF | Eflags::PF | Eflags::CF),
    ];
    for (a, b, flags) in cases {
        let mut m = Machine::new();
        m.s.eflags |= (Eflags::OF | Eflags::SF | Eflags::AF).bits();
        m.set_xmm(0, ps([a, 0.0, 0.0, 0.0]));
        m.set_xmm(1, ps([b, 0.0, 0.0, 0.0]));
        m.run(&[0x0f, 0x2f, 0xc1]).unwrap();
        assert_eq!(m.s.eflags & Eflags::ARITH.bits(), flags.bits());
    }
}

#[test]
fn an_unmasked_division_by_zero_is_precise() {
    let mut m = Machine::new();
    m.set_mxcsr(0x1f80 & !0x200);
    // An inexact quotient beside the zero divisor: #P comes after the computation, so it is not
    // flagged.
    let a = ps([1.0, 1.0, 1.0, 1.0]);
    m.set_xmm(0, a);
    m.set_xmm(1, ps([0.0, 3.0, 1.0, 1.0]));
    assert_eq!(m.one(&DIVPS).err(), XM);
    assert_eq!(m.xmm(0), a);
    assert_eq!(m.s.fpu.mxcsr(), 0x1d84);
    // A sticky flag raises nothing by itself.
    m.set_xmm(1, ps([3.0; 4]));
    m.run(&DIVPS).unwrap();
    assert_eq!(m.s.fpu.mxcsr(), 0x1da4);
    assert_eq!(m.xmm(0), ps([1.0 / 3.0; 4]));
    m.s.cr4 &= !cr4::OSXMMEXCPT;
    m.set_xmm(1, [0; 16]);
    assert_eq!(m.one(&DIVPS).err(), UD);
}

#[test]
fn an_exact_tiny_product_underflows_only_when_unmasked() {
    let tiny = f32::MIN_POSITIVE;
    let run = |mxcsr| {
        let mut m = Machine::new();
        m.set_mxcsr(mxcsr);
        m.set_xmm(0, ps([tiny, 0.0, 0.0, 0.0]));
        m.set_xmm(1, ps([0.5, 0.0, 0.0, 0.0]));
        let outcome = m.one(&MULSS).err();
        (outcome, m.s.fpu.mxcsr() & 0x3f, m.xmm(0)[..4].to_vec())
    };
    let half = (tiny / 2.0).to_le_bytes().to_vec();
    assert_eq!(run(0x1f80), (None, 0, half));
    assert_eq!(run(0x1780), (XM, 0x10, tiny.to_le_bytes().to_vec()));
    // FZ does not count while #U is unmasked.
    assert_eq!(run(0x9780), (XM, 0x10, tiny.to_le_bytes().to_vec()));
    assert_eq!(run(0x9f80), (None, 0x30, vec![0; 4]));
}

#[test]
fn only_the_unaligned_moves_take_unaligned_operands() {
    let mut m = Machine::new();
    let odd = DATA + 4;
    let refused: [&[u8]; 6] = [
        &[0x0f, 0x28],
        &[0x0f, 0x58],
        &[0x66, 0x0f, 0x6f],
        &[0x66, 0x0f, 0x7f],
        &[0x0f, 0x2b],
        &[0x66, 0x0f, 0xfe],
    ];
    for opcode in refused {
        assert_eq!(m.one(&at(opcode, 1, odd)).err(), GP, "{opcode:02x?}");
    }
    let taken: [&[u8]; 7] = [
        &[0x0f, 0x10],
        &[0x66, 0x0f, 0x11],
        &[0xf3, 0x0f, 0x6f],
        &[0xf3, 0x0f, 0x7f],
        &[0xf3, 0x0f, 0x58],
        &[0x0f, 0x16],
        &[0x0f, 0x6f],
    ];
    for opcode in taken {
        assert_eq!(m.one(&at(opcode, 1, odd)), Ok(Outcome::Retired), "{opcode:02x?}");
    }
}

#[test]
fn availability_follows_em_ts_and_osfxsr() {
    let (sse, mmx, fence) = (ADDPS, [0x0f, 0xfc, 0xc1], [0x0f, 0xae, 0xf8]);
    let run = |cr0: u64, cr4: u64| {
        let mut m = Machine::new();
        m.s.cr0 |= cr0;
        m.s.cr4 &= !cr4;
        assert_eq!(m.one(&fence), Ok(Outcome::Retired));
        assert_eq!(m.one(&at_data(&[0x0f, 0xc3], 0)), Ok(Outcome::Retired), "movnti");
        [&sse, &mmx].map(|i| m.one(i).err())
    };
    assert_eq!(run(0, 0), [None, None]);
    assert_eq!(run(cr0::TS, 0), [NM, NM]);
    assert_eq!(run(cr0::EM, 0), [UD, UD]);
    assert_eq!(run(0, cr4::OSFXSR), [UD, None]);
    assert_eq!(run(cr0::TS, cr4::OSFXSR), [UD, NM]);
}

#[test]
fn a_486_has_neither_mmx_nor_sse() {
    let mut m = Machine::with_model(CpuModel::I486);
    for i in [&ADDPS[..], &[0x0f, 0xfc, 0xc1], &[0xda, 0xc1], &at_data(&[0x0f, 0xae], 0)] {
        assert_eq!(m.one(i).err(), UD, "{i:02x?}");
    }
    m.run(&[0xd9, 0xeb]).unwrap();
}

#[test]
fn mxcsr_loads_and_stores() {
    let mut m = Machine::new();
    m.bus.load(DATA, &0xffffu32.to_le_bytes());
    m.run(&at_data(&[0x0f, 0xae], 2)).unwrap();
    assert_eq!(m.s.fpu.mxcsr(), 0xffff);
    m.bus.load(DATA, &0x1_0000u32.to_le_bytes());
    assert_eq!(m.one(&at_data(&[0x0f, 0xae], 2)).err(), GP);
    m.run(&at_data(&[0x0f, 0xae], 3)).unwrap();
    assert_eq!(m.bus.peek32(DATA), 0xffff);
}

#[test]
fn maskmovq_writes_the_selected_bytes_only() {
    let mut m = Machine::new();
    let data = *b"abcdefgh";
    m.s.fpu.0[2..4].copy_from_slice(&(3u16 << 11).to_le_bytes());
    // MM1 is physical register 1, in the image at slot (1 - TOP) mod 8; MM2 likewise.
    m.s.fpu.0[32 + 16 * 6..][..8].copy_from_slice(&data);
    m.s.fpu.0[32 + 16 * 7..][..8].copy_from_slice(&[0x80, 0x7f, 0, 0xff, 0, 0, 0x80, 0]);
    m.s.set_reg32(Gpr::Edi, DATA);
    m.bus.load(DATA, b"........");
    m.bus.absent.push(DATA + 7..DATA + 8);
    m.run(&[0x0f, 0xf7, 0xca]).unwrap();
    assert_eq!(&m.bytes::<8>(DATA), b"a..d..g.");
    assert_eq!((m.s.fpu.fsw(), m.s.fpu.0[4]), (0, 0xff), "the unit went over to MMX");
    // A fault at the last selected byte: nothing is written.
    m.bus.load(DATA, b"........");
    m.bus.absent.push(DATA + 6..DATA + 7);
    let error = m.one(&[0x0f, 0xf7, 0xca]).err();
    assert_eq!(error.map(|e| (e.vector, e.address)), Some((Vector::Pf, Lin::from(DATA + 6))));
    assert_eq!(&m.bytes::<8>(DATA), b"........");
}

#[test]
fn a_conversion_from_memory_does_not_wait_for_x87_exceptions() {
    let mut m = Machine::new();
    m.s.fpu.0[..4].copy_from_slice(&[0x7e, 3, 0x81, 0x80]); // #I pending
    m.bus.load(DATA, &[3, 0, 0, 0, 4, 0, 0, 0]);
    m.run(&at_data(&[0x66, 0x0f, 0x2a], 1)).unwrap(); // cvtpi2pd xmm1, [DATA]
    assert_eq!(m.xmm(1), pd([3.0, 4.0]));
    assert_eq!(m.s.fpu.fsw(), 0x8081);
    let error = m.one(&[0x66, 0x0f, 0x2a, 0xc8]).err(); // cvtpi2pd xmm1, mm0
    assert_eq!(error.map(|e| e.vector), Some(Vector::Mf));
}

#[test]
fn an_exact_overflow_flags_no_precision_when_it_is_unmasked() {
    let flags = |masks: u32, factor: f32| {
        let mut m = Machine::new();
        m.set_mxcsr(masks);
        m.set_xmm(0, ps([f32::MAX, 1.0, 1.0, 1.0]));
        m.set_xmm(1, ps([factor, 1.0, 1.0, 1.0]));
        let error = m.one(&[0x0f, 0x59, 0xc1]).err(); // mulps xmm0, xmm1
        (error.map(|e| e.vector), m.s.fpu.mxcsr() & 0x3f)
    };
    assert_eq!(flags(0x1f80, 2.0), (None, 0x28));
    assert_eq!(flags(0x1b80, 2.0), (Some(Vector::Xm), 0x08));
    assert_eq!(flags(0x1b80, 3.0), (Some(Vector::Xm), 0x28));
}

#[test]
fn maskmovdqu_needs_no_alignment() {
    let mut m = Machine::new();
    m.set_xmm(1, *b"0123456789abcdef");
    m.set_xmm(2, std::array::from_fn(|k| if k % 3 == 0 { 0x80 } else { 0 }));
    m.s.set_reg32(Gpr::Edi, DATA + 1);
    m.bus.load(DATA + 1, &[b'.'; 16]);
    m.run(&[0x66, 0x0f, 0xf7, 0xca]).unwrap();
    assert_eq!(&m.bytes::<16>(DATA + 1), b"0..3..6..9..c..f");
}

#[test]
fn clflush_faults_as_a_load() {
    let mut m = Machine::new();
    m.bus.read_only.push(DATA..DATA + 1);
    m.run(&at_data(&[0x0f, 0xae], 7)).unwrap();
    m.bus.absent.push(DATA..DATA + 1);
    let error = m.one(&at_data(&[0x0f, 0xae], 7)).err();
    assert_eq!(error.map(|e| e.vector), Some(Vector::Pf));
    m.run(&at_data(&[0x0f, 0x18], 1)).unwrap(); // prefetcht0 does not
}
