//! AVX and XSAVE: when they are there, and what the upper halves become. (Results are the host-native judge's.)

use super::{DATA, Machine};
use crate::exception::{Exception, Vector};
use crate::flags::Eflags;
use crate::interp::Outcome;
use crate::model::{CpuModel, Features};
use crate::state::{Gpr, cr0, cr4, xcr0};

/// VADDPS XMM0, XMM1, XMM2 and YMM0, YMM1, YMM2.
const ADD: [[u8; 4]; 2] = [[0xc5, 0xf0, 0x58, 0xc2], [0xc5, 0xf4, 0x58, 0xc2]];
const XGETBV: [u8; 3] = [0x0f, 0x01, 0xd0];
const XSETBV: [u8; 3] = [0x0f, 0x01, 0xd1];
/// XSAVE, XRSTOR [ESI].
const XSAVE: [u8; 3] = [0x0f, 0xae, 0x26];
const XRSTOR: [u8; 3] = [0x0f, 0xae, 0x2e];

type Change = fn(&mut Machine);

/// With everything enabled; none on a host without AVX.
fn machine() -> Option<Machine> {
    if !Features::of_host().contains(Features::AVX) {
        println!("NOT RUN: this host has no AVX");
        return None;
    }
    let mut m = Machine::with_model(CpuModel::MAX);
    m.s.cr4 |= cr4::OSXSAVE;
    m.s.xcr0 = m.model().xcr0();
    m.s.gpr[Gpr::Esi as usize] = u64::from(DATA);
    Some(m)
}

#[test]
fn what_is_not_enabled_is_not_there() {
    let Some(mut m) = machine() else { return };
    for add in ADD {
        assert_eq!(m.one(&add), Ok(Outcome::Retired));
        let changes: [(Change, Vector); 6] = [
            (|m| m.s.cr4 &= !cr4::OSXSAVE, Vector::Ud),
            (|m| m.s.xcr0 = xcr0::X87 | xcr0::SSE, Vector::Ud),
            (|m| m.s.cr0 &= !cr0::PE, Vector::Ud),
            (|m| m.s.eflags |= Eflags::VM.bits(), Vector::Ud),
            (|m| m.s.cr0 |= cr0::TS, Vector::Nm),
            // What is not enabled comes first.
            (|m| (m.s.cr0, m.s.cr4) = (m.s.cr0 | cr0::TS, 0), Vector::Ud),
        ];
        for (k, (change, vector)) in changes.into_iter().enumerate() {
            let before = m.s;
            change(&mut m);
            assert_eq!(m.one(&add), Err(Exception::plain(vector)), "change {k}");
            m.s = before;
        }
        // Neither CR0.EM nor CR4.OSFXSR matters.
        let before = m.s;
        m.s.cr0 |= cr0::EM;
        m.s.cr4 &= !cr4::OSFXSR;
        assert_eq!(m.one(&add), Ok(Outcome::Retired));
        m.s = before;
    }
}

#[test]
fn a_short_operation_clears_the_upper_half_and_an_old_one_leaves_it() {
    let Some(mut m) = machine() else { return };
    m.s.ymm_high = [[7; 16]; 16];
    m.run(&[0x0f, 0x58, 0xc2]).unwrap(); // addps xmm0, xmm2
    assert_eq!(m.s.ymm_high, [[7; 16]; 16]);
    m.run(&ADD[0]).unwrap();
    assert_eq!((m.s.ymm_high[0], m.s.ymm_high[1]), ([0; 16], [7; 16]));
    m.run(&[0xc5, 0xf8, 0x77]).unwrap(); // vzeroupper
    // What only 64-bit mode has stays.
    assert_eq!(m.s.ymm_high.split_at(8), (&[[0; 16]; 8][..], &[[7; 16]; 8][..]));
}

#[test]
fn xcr0_takes_what_the_model_has() {
    let Some(mut m) = machine() else { return };
    let mut set = |value: u32, index: u32, cpl: u8| {
        m.s.set_reg32(Gpr::Eax, value);
        m.s.set_reg32(Gpr::Ecx, index);
        m.s.set_reg32(Gpr::Edx, 0);
        m.s.cpl = cpl;
        let done = m.one(&XSETBV).map(|_| m.s.xcr0);
        m.s.cpl = 0;
        done
    };
    assert_eq!(set(3, 0, 0), Ok(3));
    assert_eq!(set(7, 0, 0), Ok(7));
    for (value, index, cpl) in [(5, 0, 0), (6, 0, 0), (0xf, 0, 0), (7, 1, 0), (7, 0, 3)] {
        assert_eq!(set(value, index, cpl), Err(Exception::gp(0)), "{value} {index} {cpl}");
    }
    m.s.set_reg32(Gpr::Ecx, 0);
    m.run(&XGETBV).unwrap();
    assert_eq!(m.s.reg32(Gpr::Eax), 7);
    m.s.set_reg32(Gpr::Ecx, 1);
    assert_eq!(m.one(&XGETBV), Err(Exception::gp(0)));
    m.s.cr4 &= !cr4::OSXSAVE;
    assert_eq!(m.one(&XGETBV), Err(Exception::ud()));
    let mut old = Machine::with_model(CpuModel::PENTIUM4);
    old.s.cr4 |= cr4::OSXSAVE;
    assert_eq!(old.one(&XGETBV), Err(Exception::ud()), "the model has none");
}

#[test]
fn an_image_brings_everything_back() {
    let Some(mut m) = machine() else { return };
    m.set_xmm(3, [5; 16]);
    m.s.ymm_high[3] = [9; 16];
    m.run(&[0xd9, 0xe8]).unwrap(); // fld1
    let all = |m: &mut Machine, mask: u32| {
        m.s.set_reg32(Gpr::Eax, mask);
        m.s.set_reg32(Gpr::Edx, 0);
    };
    all(&mut m, 7);
    m.run(&XSAVE).unwrap();
    let before = m.s;
    assert_eq!(m.word(DATA + 512), 7);
    assert_eq!(m.bytes::<16>(DATA + 576 + 48), [9; 16]);
    m.s.fpu = crate::state::FpuImage::reset();
    m.s.ymm_high[..8].fill([1; 16]);
    m.run(&XRSTOR).unwrap();
    assert_eq!((m.s.fpu.0, m.s.ymm_high), (before.fpu.0, before.ymm_high));

    // A component that the image has not is as after its initialisation; one that is not asked for stays.
    m.bus.load(DATA + 512, &[3, 0]);
    all(&mut m, 4);
    m.run(&XRSTOR).unwrap();
    assert_eq!((m.xmm(3), m.s.ymm_high), ([5; 16], [[0; 16]; 16]));

    let refusals: [(u32, &[u8]); 3] = [(512, &[8]), (520, &[1]), (24, &[0, 0, 1])];
    all(&mut m, 7);
    for (at, bytes) in refusals {
        let kept: [u8; 3] = m.bytes(DATA + at);
        m.bus.load(DATA + at, bytes);
        assert_eq!(m.one(&XRSTOR), Err(Exception::gp(0)), "{at}");
        m.bus.load(DATA + at, &kept);
    }
    m.s.gpr[Gpr::Esi as usize] += 16;
    assert_eq!(m.one(&XSAVE), Err(Exception::gp(0)), "not on a 64-byte boundary");
}
