//! 64-bit mode at the edges that the host's processor is not asked about: the ends of the canonical addresses.

use ringer_cpu::state::{cr0, cr4, efer};
use ringer_cpu::testing::FlatBus;
use ringer_cpu::{CpuModel, CpuState, Exception, Features, Gpr, Interp, Lin, Outcome, Pc};
use ringer_cpu::{SegAttr, Segment};

/// Code at 1000h, in 64-bit mode at CPL 0.
fn machine(code: &[u8]) -> (Interp<FlatBus>, CpuState, FlatBus) {
    let model = CpuModel::MAX;
    let interp = Interp::with_features(model, model.features() | Features::LM).unwrap();
    let mut bus = FlatBus::new(0x10000);
    bus.load(0x1000, code);
    let mut s = interp.state();
    let attr = SegAttr::PRESENT | SegAttr::S | SegAttr::CODE | SegAttr::WRITABLE | SegAttr::L;
    // (A base and a limit that count for nothing.)
    s.seg[1] = Segment { selector: 8, attr, base: Lin(0x5000), limit: 0 };
    s.seg[2] = Segment { selector: 0, attr: SegAttr::NULL, base: Lin(0x5000), limit: 0 };
    s.cr0 = cr0::PE | cr0::PG;
    s.cr4 = cr4::PAE;
    s.msr.efer = efer::LMA;
    s.rip = Pc(0x1000);
    s.gpr[Gpr::Esp as usize] = 0x8000;
    (interp, s, bus)
}

#[test]
fn code_beyond_the_canonical_addresses_is_gp() {
    let (mut interp, mut s, mut bus) = machine(&[]);
    for rip in [0x8000_0000_0000, 0xffff_7fff_ffff_ffff, 1 << 63] {
        s.rip = Pc(rip);
        assert_eq!(interp.execute(&mut s, &mut bus), Err(Exception::gp(0)), "{rip:x}");
    }
}

#[test]
fn a_branch_there_is_gp_at_the_branch() {
    let (mut interp, mut s, mut bus) = machine(&[0xff, 0xe0, 0xff, 0xd0, 0xc3]); // jmp rax; call rax; ret
    s.gpr[Gpr::Eax as usize] = 0x8000_0000_0000;
    bus.load(0x8000, &0x8000_0000_0000u64.to_le_bytes());
    for rip in [0x1000, 0x1002, 0x1004] {
        s.rip = Pc(rip);
        let before = s;
        assert_eq!(interp.execute(&mut s, &mut bus), Err(Exception::gp(0)), "{rip:x}");
        assert_eq!(s, before);
    }
}

#[test]
fn a_stack_there_is_ss_and_data_there_is_gp() {
    let (mut interp, mut s, mut bus) = machine(&[0x50, 0x48, 0x8b, 0x03]); // push rax; mov rax, [rbx]
    for (at, hits) in [(0x8000_0000_0004, true), (0x7fff_ffff_fffc, true), (0x7000, false)] {
        s.rip = Pc(0x1000);
        s.gpr[Gpr::Esp as usize] = u64::wrapping_add(at, 8);
        s.gpr[Gpr::Ebx as usize] = at;
        let pushed = interp.execute(&mut s, &mut bus);
        s.rip = Pc(0x1001);
        let read = interp.execute(&mut s, &mut bus);
        let wanted = match hits {
            true => [Err(Exception::ss(0)), Err(Exception::gp(0))],
            false => [Ok(Outcome::Retired); 2],
        };
        assert_eq!([pushed, read], wanted, "{at:x}");
    }
}

#[test]
fn a_model_without_it_has_no_64_bit_instructions() {
    let (_, mut s, mut bus) = machine(&[0x48, 0x01, 0xc0]); // add rax, rax
    let mut interp = Interp::new(CpuModel::MAX).unwrap();
    assert_eq!(interp.execute(&mut s, &mut bus), Err(Exception::ud()));
}
