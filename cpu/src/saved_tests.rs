//! What is saved comes back, field by field and byte by byte; what cannot be is refused.

use super::{SavedCpu, SavedCpuError};
use crate::addr::{Lin, Pc};
use crate::model::CpuModel;
use crate::segment::{SegAttr, Segment};
use crate::state::{Activity, CpuState, TableReg, cr0};

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn half(&mut self) -> u64 {
        self.next() >> 32
    }

    fn segment(&mut self) -> Segment {
        let attr = SegAttr::from_bits_retain(self.next() as u16 & 0xf1ff);
        let (selector, limit) = (self.next() as u16, self.next() as u32);
        Segment { selector, attr, limit, base: Lin(self.half()) }
    }

    fn table(&mut self) -> TableReg {
        TableReg { base: Lin(self.half()), limit: self.next() as u16 }
    }
}

/// A state in which hardly two fields hold the same.
fn random_state(r: &mut Random) -> CpuState {
    let mut s = CpuState::reset(CpuModel::PENTIUM4.signature());
    s.fpu.0 = std::array::from_fn(|_| r.next() as u8);
    s.fpu.0[26..28].fill(0);
    s.ymm_high = std::array::from_fn(|_| std::array::from_fn(|_| r.next() as u8));
    s.xcr0 = [1, 3, 7][r.next() as usize % 3];
    s.gpr = std::array::from_fn(|_| r.half());
    s.rip = Pc(r.half());
    s.eflags = r.next() as u32 & 0x003d_7fd5 | 2;
    s.seg = std::array::from_fn(|_| r.segment());
    (s.ldtr, s.tr, s.gdtr, s.idtr) = (r.segment(), r.segment(), r.table(), r.table());
    s.cr0 = r.next() & 0x8005_002f | cr0::PE | cr0::ET;
    (s.cr2, s.cr3, s.cr4) = (r.half(), r.half(), r.next() & 0x7ff);
    for n in 0..4 {
        s.dr[n] = r.half();
    }
    s.dr[6] = r.next() & 0xe00f | 0xffff_0ff0;
    s.dr[7] = r.next() & 0xffff_23ff | 0x400;
    let msr = &mut s.msr;
    for field in [
        &mut msr.sysenter_cs,
        &mut msr.sysenter_esp,
        &mut msr.sysenter_eip,
        &mut msr.apic_base,
        &mut msr.star,
        &mut msr.lstar,
        &mut msr.cstar,
        &mut msr.fmask,
        &mut msr.kernel_gs_base,
        &mut msr.pat,
        &mut msr.tsc_offset,
        &mut msr.misc_enable,
    ] {
        *field = r.next();
    }
    msr.efer = r.next() & 0x800;
    s.cpl = r.next() as u8 & 3;
    let activities = [Activity::Running, Activity::Halted, Activity::Shutdown];
    s.activity = activities[r.next() as usize % 3];
    let bits = r.next();
    (s.shadow_irq, s.shadow_debug, s.nmi_blocked) = (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0);
    s.pending_debug = r.next() as u32 & 0xe00f;
    s
}

#[test]
fn every_field_comes_back_through_the_bytes_too() {
    let mut r = Random(11);
    for _ in 0..2000 {
        let state = random_state(&mut r);
        let saved = SavedCpu::of(&state).unwrap();
        let bytes = postcard::to_allocvec(&saved).unwrap();
        let again: SavedCpu = postcard::from_bytes(&bytes).unwrap();
        assert_eq!(again, saved);
        assert_eq!(again.restore().unwrap(), state);
    }
}

#[test]
fn a_state_after_reset_comes_back() {
    for model in CpuModel::ALL {
        let state = CpuState::reset(model.signature());
        assert_eq!(SavedCpu::of(&state).unwrap().restore().unwrap(), state);
    }
}

#[test]
fn x87_state_in_the_host_is_the_callers_to_bring_home() {
    let mut state = CpuState::reset(0);
    state.fpu_in_host = true;
    assert_eq!(SavedCpu::of(&state), Err(SavedCpuError::FpuInHost));
}

#[test]
fn what_no_guest_can_bring_about_is_refused() {
    type Damage = (&'static str, fn(&mut SavedCpu));
    let damages: &[Damage] = &[
        ("EFLAGS", |s| s.eflags &= !2),
        ("EFLAGS", |s| s.eflags |= 1 << 15),
        ("EFLAGS", |s| s.eflags |= 1 << 22),
        ("CPL", |s| s.cpl = 4),
        ("CPL", |s| (s.cr0, s.cpl) = (0x10, 3)),
        ("CPL", |s| (s.eflags, s.cpl) = (2 | 1 << 17, 0)),
        ("pending debug traps", |s| s.pending_debug = 1 << 4),
        ("CR0", |s| s.cr0 = 0x8000_0010),
        ("CR0", |s| s.cr0 |= 1 << 29),
        ("CR0", |s| s.cr0 &= !(1 << 4)),
        ("CR0", |s| s.cr0 |= 1 << 32),
        ("CR4", |s| s.cr4 |= 1 << 13),
        ("IA32_EFER", |s| s.msr.efer = 1 << 10),
        ("DR5", |s| s.dr[5] = 1),
        ("DR6", |s| s.dr[6] &= !(1 << 4)),
        ("DR7", |s| s.dr[7] &= !(1 << 10)),
        ("general register", |s| s.gpr[15] = 1 << 32),
        ("debug register", |s| s.dr[3] = 1 << 32),
        ("RIP", |s| s.rip = 1 << 32),
        ("CR2", |s| s.cr2 = 1 << 32),
        ("CR3", |s| s.cr3 = 1 << 32),
        ("GDTR base", |s| s.gdtr.base = 1 << 32),
        ("IDTR base", |s| s.idtr.base = 1 << 32),
        ("segment base", |s| s.seg[5].base = 1 << 32),
        ("segment base", |s| s.tr.base = 1 << 32),
        ("segment's rights", |s| s.ldtr.attr |= 1 << 9),
        ("activity", |s| s.activity = 3),
        ("MXCSR", |s| s.fpu[26] = 1),
    ];
    let mut r = Random(7);
    for (register, damage) in damages {
        let mut state = random_state(&mut r);
        (state.cr0, state.cpl) = (cr0::PE | cr0::ET, 0);
        let mut saved = SavedCpu::of(&state).unwrap();
        damage(&mut saved);
        match saved.restore() {
            Err(SavedCpuError::Impossible { register: refused, .. }) => {
                assert_eq!(refused, *register);
            }
            other => panic!("{register}: {other:?}"),
        }
    }
    let mut saved = SavedCpu::of(&CpuState::reset(0)).unwrap();
    saved.fpu.pop();
    assert_eq!(saved.restore(), Err(SavedCpuError::FpuLength(511)));
}
