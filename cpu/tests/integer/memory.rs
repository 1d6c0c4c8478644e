//! Memory operands: addresses, limits, and faults that leave nothing behind.

use crate::machine::{Machine, STACK};
use ringer_cpu::exception::pf;
use ringer_cpu::state::cr0;
use ringer_cpu::{Eflags, Exception, Gpr, Lin, SegAttr, SegReg};

#[test]
fn sixteen_bit_addresses_wrap_at_64_kib() {
    let mut m = Machine::real(&[0x8a, 0x40, 0x10]); // mov al, [bx+si+10h]
    m.set(Gpr::Ebx, 0xfff8).set(Gpr::Esi, 0x1_0008);
    m.bus.load(0x10, &[0x77]);
    m.retire();
    assert_eq!(m.get(Gpr::Eax), 0x77);
}

#[test]
fn a_negative_16_bit_displacement_goes_down() {
    let mut m = Machine::real(&[0x8a, 0x46, 0xff]); // mov al, [bp-1]
    m.set(Gpr::Ebp, 0x101);
    m.bus.load(0x100, &[0x55]);
    m.retire();
    assert_eq!(m.get(Gpr::Eax), 0x55);
}

#[test]
fn scaled_indexes_and_overrides() {
    let mut m = Machine::flat(&[0x64, 0x8b, 0x44, 0x8b, 0xfc]); // mov eax, fs:[ebx+ecx*4-4]
    m.s.seg[SegReg::Fs as usize].base = Lin(0x3000);
    m.set(Gpr::Ebx, 0x100).set(Gpr::Ecx, 3);
    m.bus.load(0x3108, &[1, 2, 3, 4]);
    m.retire();
    assert_eq!(m.get(Gpr::Eax), 0x0403_0201);
}

#[test]
fn a_word_across_a_64_kib_limit_faults_by_segment() {
    let mut m = Machine::real(&[0x8b, 0x07]); // mov ax, [bx]
    m.set(Gpr::Ebx, 0xffff);
    assert_eq!(m.fault(), Exception::gp(0));
    let mut m = Machine::real(&[0x8b, 0x46, 0x00]); // mov ax, [bp]
    m.set(Gpr::Ebp, 0xffff);
    assert_eq!(m.fault(), Exception::ss(0));
}

#[test]
fn expand_down_null_and_read_only_segments() {
    let load = || Machine::flat(&[0x8a, 0x03]); // mov al, [ebx]
    let store = || Machine::flat(&[0x88, 0x03]); // mov [ebx], al
    let with = |mut m: Machine, attr: SegAttr, limit: u32, at: u32| {
        m.s.seg[SegReg::Ds as usize].attr = attr;
        m.s.seg[SegReg::Ds as usize].limit = limit;
        m.set(Gpr::Ebx, at);
        m.run().err()
    };
    let gp = Some(Exception::gp(0));
    let data = SegAttr::PRESENT | SegAttr::S | SegAttr::WRITABLE;
    let down = data | SegAttr::EXPAND_DOWN;
    assert_eq!(with(load(), down, 0xfff, 0xfff), gp);
    assert_eq!(with(load(), down, 0xfff, 0x1000), None);
    assert_eq!(with(load(), down, 0xfff, 0x1_0000), gp, "a 16-bit segment ends at 64 KiB");
    assert_eq!(with(load(), down | SegAttr::DB, 0xfff, 0x1_0000), None);
    assert_eq!(with(load(), data | SegAttr::NULL, u32::MAX, 0), gp);
    let read_only = SegAttr::PRESENT | SegAttr::S;
    assert_eq!(with(load(), read_only, u32::MAX, 0x4000), None);
    assert_eq!(with(store(), read_only, u32::MAX, 0x4000), gp);
    let execute_only = read_only | SegAttr::CODE;
    assert_eq!(with(load(), execute_only, u32::MAX, 0x4000), gp);
}

#[test]
fn read_modify_write_of_an_unwritable_page_faults_as_a_write() {
    let codes: &[&[u8]] = &[
        &[0x01, 0x03],          // add [ebx], eax
        &[0xff, 0x03],          // inc
        &[0xd1, 0x23],          // shl
        &[0x87, 0x03],          // xchg
        &[0x0f, 0xb1, 0x0b],    // cmpxchg [ebx], ecx: the comparison fails
        &[0x0f, 0xc7, 0x0b],    // cmpxchg8b
        &[0x0f, 0xc1, 0x03],    // xadd
        &[0x0f, 0xab, 0x03],    // bts
        &[0x0f, 0xa4, 0x03, 4], // shld
    ];
    for code in codes {
        let mut m = Machine::flat(code);
        m.set(Gpr::Ebx, 0x4000).set(Gpr::Eax, 1).set(Gpr::Ecx, 5);
        m.bus.read_only.push(0x4000..0x5000);
        let error = pf::WRITE | pf::PRESENT;
        assert_eq!(m.fault(), Exception::page_fault(Lin(0x4000), error), "{code:02x?}");
        m.bus.read_only.clear();
        m.bus.absent.push(0x4000..0x5000);
        assert_eq!(m.fault(), Exception::page_fault(Lin(0x4000), pf::WRITE), "{code:02x?}");
    }
}

#[test]
fn cmpxchg_writes_the_destination_also_when_it_differs() {
    let mut m = Machine::flat(&[0x0f, 0xb1, 0x0b]); // cmpxchg [ebx], ecx
    m.bus.log_writes = true;
    m.set(Gpr::Ebx, 0x4000).set(Gpr::Eax, 7).set(Gpr::Ecx, 5);
    m.bus.load(0x4000, &[9]);
    m.retire();
    assert_eq!((m.get(Gpr::Eax), m.bus.peek32(0x4000)), (9, 9));
    assert!(!m.flag(Eflags::ZF) && m.flag(Eflags::CF), "the flags of 7 - 9");
    assert_eq!(m.bus.writes, [(0x4000, 4)]);
}

#[test]
fn cmpxchg8b_changes_only_zf() {
    let mut m = Machine::flat(&[0x0f, 0xc7, 0x0e]); // cmpxchg8b [esi]
    m.set(Gpr::Esi, 0x4000).set(Gpr::Eax, 1).set(Gpr::Edx, 2);
    m.set(Gpr::Ebx, 3).set(Gpr::Ecx, 4);
    m.bus.load(0x4000, &[1, 0, 0, 0, 2, 0, 0, 0]);
    m.s.eflags |= (Eflags::CF | Eflags::OF).bits();
    m.retire();
    assert_eq!((m.bus.peek32(0x4000), m.bus.peek32(0x4004)), (3, 4));
    assert!(m.flag(Eflags::ZF) && m.flag(Eflags::CF) && m.flag(Eflags::OF));
}

#[test]
fn bit_offsets_in_registers_reach_far_both_ways() {
    let mut m = Machine::flat(&[0x0f, 0xab, 0x03]); // bts [ebx], eax
    m.set(Gpr::Ebx, 0x4000).set(Gpr::Eax, 0x1003);
    m.retire();
    assert_eq!(m.bus.peek32(0x4200), 8);
    let mut m = Machine::flat(&[0x0f, 0xab, 0x03]);
    m.set(Gpr::Ebx, 0x4000).set(Gpr::Eax, -1i32 as u32);
    m.retire();
    assert_eq!(m.bus.peek32(0x3ffc), 0x8000_0000);
    let mut m = Machine::real(&[0x0f, 0xb3, 0x07]); // btr [bx], ax: 16-bit offset and address
    m.set(Gpr::Ebx, 0).set(Gpr::Eax, 0xfff0);
    m.bus.load(0xfffe, &[0xff, 0xff]);
    m.retire();
    assert_eq!(m.bus.peek(0xfffe), 0xfe);
}

#[test]
fn pop_uses_the_incremented_stack_pointer_in_its_address() {
    let mut m = Machine::flat(&[0x8f, 0x44, 0x24, 0x04]); // pop dword [esp+4]
    m.bus.load(STACK, &[0x11, 0x22, 0x33, 0x44]);
    m.retire();
    assert_eq!(m.bus.peek32(STACK + 8), 0x4433_2211);
    assert_eq!(m.get(Gpr::Esp), STACK + 4);
}

#[test]
fn push_and_pop_of_the_stack_pointer_itself() {
    let mut m = Machine::flat(&[0x54, 0x5c]); // push esp; pop esp
    m.retire();
    assert_eq!((m.get(Gpr::Esp), m.bus.peek32(STACK - 4)), (STACK - 4, STACK));
    m.retire();
    assert_eq!(m.get(Gpr::Esp), STACK);
    let mut m = Machine::flat(&[0x66, 0x5c]); // pop sp
    m.bus.load(STACK, &[0x34, 0x12]);
    m.set(Gpr::Esp, 0x1_8000 - 0x1_0000 + 0x1_0000);
    m.bus.load(0x1_8000, &[0x34, 0x12]);
    m.retire();
    assert_eq!(m.get(Gpr::Esp), 0x1_1234);
}

#[test]
fn a_16_bit_stack_moves_only_sp() {
    let mut m = Machine::flat(&[0x50, 0x58]); // push eax; pop eax
    m.s.seg[SegReg::Ss as usize].attr.remove(SegAttr::DB);
    m.set(Gpr::Esp, 0xabcd_0000).set(Gpr::Eax, 0x1234_5678);
    m.retire();
    assert_eq!((m.get(Gpr::Esp), m.bus.peek32(0xfffc)), (0xabcd_fffc, 0x1234_5678));
    m.retire();
    assert_eq!(m.get(Gpr::Esp), 0xabcd_0000);
}

#[test]
fn stack_instructions_that_fault_leave_no_trace() {
    let codes: &[&[u8]] = &[
        &[0x50],             // push eax
        &[0x60],             // pusha
        &[0xe8, 0, 0, 0, 0], // call
        &[0xc8, 0x10, 0, 3], // enter 16, 3
        &[0xff, 0x33],       // push [ebx]
    ];
    for code in codes {
        let mut m = Machine::flat(code);
        m.set(Gpr::Esp, 0x5004).set(Gpr::Ebp, 0x6000).set(Gpr::Ebx, 0x7000);
        if code != &[0x60] && code[0] != 0xc8 {
            m.set(Gpr::Esp, 0x5000);
        }
        m.bus.absent.push(0x4000..0x5000);
        let exception = m.fault();
        assert_eq!(exception.error, Some(pf::WRITE), "{code:02x?}");
    }
    let mut m = Machine::flat(&[0x60]);
    m.set(Gpr::Esp, 0x5008).set(Gpr::Eax, 0xdead);
    m.bus.absent.push(0x4000..0x5000);
    m.fault();
    assert_eq!(m.bus.peek32(0x5004), 0, "PUSHA writes nothing when a later part faults");
}

#[test]
fn pops_that_fault_leave_the_stack_pointer() {
    let mut m = Machine::flat(&[0x8f, 0x03]); // pop dword [ebx]
    m.set(Gpr::Ebx, 0x4000);
    m.bus.read_only.push(0x4000..0x5000);
    m.fault();
    let mut m = Machine::flat(&[0x61]); // popa
    m.bus.absent.push(STACK + 0x10..STACK + 0x20);
    m.fault();
    let mut m = Machine::flat(&[0xc9]); // leave
    m.set(Gpr::Ebp, 0x4000);
    m.bus.absent.push(0x4000..0x5000);
    m.fault();
}

#[test]
fn enter_copies_the_display_and_checks_the_frame() {
    let mut m = Machine::flat(&[0xc8, 0x08, 0, 2]); // enter 8, 2
    m.set(Gpr::Ebp, 0x6000);
    m.bus.load(0x5ffc, &[0xaa]);
    m.retire();
    assert_eq!(m.bus.peek32(STACK - 4), 0x6000);
    assert_eq!(m.bus.peek32(STACK - 8), 0xaa);
    assert_eq!(m.bus.peek32(STACK - 12), STACK - 4);
    assert_eq!((m.get(Gpr::Ebp), m.get(Gpr::Esp)), (STACK - 4, STACK - 20));
    let mut m = Machine::flat(&[0xc8, 0x00, 0x10, 0]); // enter 1000h, 0
    m.bus.absent.push(STACK - 0x1010..STACK - 0x1000);
    assert_eq!(m.fault().error, Some(pf::WRITE));
}

#[test]
fn pusha_stores_the_old_stack_pointer_and_popa_skips_it() {
    let mut m = Machine::flat(&[0x60, 0x61]);
    for (n, r) in m.s.gpr.iter_mut().take(8).enumerate().filter(|(n, _)| *n != Gpr::Esp as usize) {
        *r = u64::from(n as u32 + 0x100);
    }
    let before = m.s.gpr;
    m.retire();
    assert_eq!(m.bus.peek32(STACK - 20), STACK);
    m.bus.load(STACK - 20, &[0; 4]);
    m.s.gpr = [0; 16];
    m.set(Gpr::Esp, STACK - 32);
    m.retire();
    assert_eq!(m.s.gpr, before);
}

#[test]
fn branches_beyond_the_limit_fault_before_they_commit() {
    let codes: &[&[u8]] = &[
        &[0xe8, 0, 0, 1, 0], // call +10000h
        &[0xe9, 0, 0, 1, 0], // jmp
        &[0xff, 0xd0],       // call eax
        &[0xc3],             // ret
        &[0x0f, 0x84, 0, 0, 1, 0],
    ];
    for code in codes {
        let mut m = Machine::flat(code);
        m.s.seg[SegReg::Cs as usize].limit = 0xffff;
        m.s.eflags |= Eflags::ZF.bits();
        m.set(Gpr::Eax, 0x1_0000);
        m.bus.load(STACK, &[0, 0, 1, 0]);
        assert_eq!(m.fault(), Exception::gp(0), "{code:02x?}");
    }
    let mut m = Machine::flat(&[0xe2, 0x70]); // loop
    m.s.seg[SegReg::Cs as usize].limit = 0x1010;
    m.set(Gpr::Ecx, 5);
    assert_eq!(m.fault(), Exception::gp(0));
}

#[test]
fn alignment_is_checked_at_cpl_3_with_am_and_ac_only() {
    let mut m = Machine::user(&[0x8b, 0x03]); // mov eax, [ebx]
    m.set(Gpr::Ebx, 0x4001);
    m.s.eflags |= Eflags::AC.bits();
    m.s.cr0 |= cr0::AM;
    assert_eq!(m.fault(), Exception::ac());
    m.s.cpl = 0;
    m.retire();
    let mut m = Machine::user(&[0x50]); // push eax
    m.set(Gpr::Esp, 0x4002);
    m.s.eflags |= Eflags::AC.bits();
    assert_eq!(m.run(), Ok(ringer_cpu::Outcome::Retired), "AM is clear");
}

#[test]
fn bound_raises_br_outside_and_includes_its_ends() {
    for (index, inside) in [(-5i32, false), (-4, true), (7, true), (8, false)] {
        let mut m = Machine::flat(&[0x62, 0x03]); // bound eax, [ebx]
        m.set(Gpr::Ebx, 0x4000).set(Gpr::Eax, index as u32);
        m.bus.load(0x4000, &(-4i32).to_le_bytes());
        m.bus.load(0x4004, &7i32.to_le_bytes());
        assert_eq!(m.run().is_ok(), inside, "{index}");
    }
}

#[test]
fn an_access_across_4_gib_wraps_in_a_full_segment() {
    let mut m = Machine::flat(&[0xa1, 0xfe, 0xff, 0xff, 0xff]); // mov eax, [0fffffffeh]
    m.bus.load(0, &[0x11, 0x22]);
    m.retire();
    assert_eq!(m.get(Gpr::Eax), 0x2211_ffff);
}
