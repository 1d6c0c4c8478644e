//! Instructions that privilege, IOPL or a feature guards, and those that look and should not tell.

use crate::machine::*;
use ringer_cpu::{CpuModel, Eflags, Exception, Gpr, Interp, Lin, Outcome, PagingChange};

const ZF: u32 = 1 << 6;

#[test]
fn privileged_instructions_fault_at_cpl_3() {
    let cases: [&[u8]; 14] = [
        &[0xf4],                         // hlt
        &[0x0f, 0x06],                   // clts
        &[0x0f, 0x08],                   // invd
        &[0x0f, 0x09],                   // wbinvd
        &[0x0f, 0x01, 0xf0],             // lmsw ax
        &[0x0f, 0x01, 0x15, 0, 0, 0, 0], // lgdt
        &[0x0f, 0x01, 0x1d, 0, 0, 0, 0], // lidt
        &[0x0f, 0x01, 0x3d, 0, 0, 0, 0], // invlpg
        &[0x0f, 0x00, 0xd0],             // lldt ax
        &[0x0f, 0x00, 0xd8],             // ltr ax
        &[0x0f, 0x20, 0xc0],             // mov eax, cr0
        &[0x0f, 0x22, 0xe0],             // mov cr4, eax
        &[0x0f, 0x23, 0xf8],             // mov dr7, eax
        &[0x0f, 0x30],                   // wrmsr
    ];
    for code in cases {
        assert_eq!(Machine::at(3, code).fault(), Exception::gp(0), "{code:x?}");
    }
}

#[test]
fn iopl_guards_cli_sti_and_ports() {
    for code in [0xfa, 0xfb] {
        let mut m = Machine::at(3, &[code]);
        assert_eq!(m.fault(), Exception::gp(0));
        m.s.eflags |= 0x3000;
        assert_eq!(m.execute(), Ok(Outcome::Retired));
    }
}

#[test]
fn sti_holds_interrupts_back_only_when_they_were_off() {
    let mut m = Machine::at(0, &[0xfb, 0xfb, 0x90]);
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert!(m.s.shadow_irq);
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert!(!m.s.shadow_irq);
}

#[test]
fn popf_changes_what_the_privilege_allows() {
    let all = 0x003f_7fd7;
    let cases = [(0, 0, 0x0024_7fd7), (3, 0, 0x0024_4dd7), (3, 3, 0x0024_7fd7)];
    for (cpl, iopl, expected) in cases {
        let mut m = Machine::at(cpl, &[0x9d]);
        m.s.eflags = 2 | iopl << 12;
        let esp = m.esp();
        m.store(esp, &[all]);
        assert_eq!(m.execute(), Ok(Outcome::Retired));
        assert_eq!(m.s.eflags, expected, "CPL {cpl}, IOPL {iopl}");
    }
    let mut m = Machine::at(3, &[0x9d]);
    m.s.eflags = 2 | Eflags::IF.bits();
    m.store(STACK3, &[0]);
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!(m.s.eflags, 2 | Eflags::IF.bits(), "CPL 3 cannot clear IF, and no fault tells");
}

#[test]
fn pushf_hides_vm_and_rf() {
    let mut m = Machine::at(0, &[0x9c]);
    m.s.eflags = 0x0025_0202;
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!(m.bus.peek32(STACK0 - 4), 0x0024_0202);
}

#[test]
fn the_port_bitmap_and_its_last_byte() {
    // in al,dx / in ax,dx / in eax,dx
    let port = |size: u32, dx: u32, limit: u32| {
        let code: &[u8] = match size {
            1 => &[0xec],
            2 => &[0x66, 0xed],
            _ => &[0xed],
        };
        let mut m = Machine::at(3, code);
        m.set(Gpr::Edx, dx);
        m.s.tr.limit = limit;
        // Map at 68h; port 15 forbidden, all else allowed.
        m.bus.load(TSS_AT + 0x69, &[0x80]);
        m.execute().err()
    };
    let gp = Some(Exception::gp(0));
    assert_eq!(port(1, 14, 0x80), None);
    assert_eq!(port(1, 15, 0x80), gp);
    assert_eq!(port(2, 14, 0x80), gp);
    assert_eq!(port(4, 12, 0x80), gp);
    assert_eq!(port(4, 16, 0x80), None);
    assert_eq!(port(2, 13, 0x80), None);
    // Two bytes are read: the last one alone does not do.
    assert_eq!(port(1, 0, 0x69), None);
    assert_eq!(port(1, 0, 0x68), gp);
    assert_eq!(port(1, 8, 0x69), gp);
    assert_eq!(port(4, 7, 0x69), None);
    assert_eq!(port(1, 0, 0x66), gp, "the map base itself is outside");
}

#[test]
fn port_accesses_reach_the_bus_with_their_size() {
    let mut m = Machine::at(0, &[0xe4, 0x40, 0xef, 0x66, 0xe7, 0x99]);
    m.bus.ports.insert(0x40, 0x1_ff12);
    m.set(Gpr::Edx, 0x1_03f8);
    for _ in 0..3 {
        assert_eq!(m.execute(), Ok(Outcome::Retired));
    }
    assert_eq!(m.bus.port_writes, [(0x3f8, 4, 0x1234_0012), (0x99, 2, 0x0012)]);
}

fn looks(cpl: u8, code: &[u8], selector: u16) -> Option<u32> {
    let mut m = Machine::at(cpl, code);
    m.set(Gpr::Ebx, u32::from(selector));
    m.set(Gpr::Eax, 0x7777_7777);
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    (m.s.eflags & ZF != 0).then_some(m.s.gpr[0] as u32)
}

#[test]
fn lar_and_lsl() {
    const LAR: &[u8] = &[0x0f, 0x02, 0xc3];
    const LSL: &[u8] = &[0x0f, 0x03, 0xc3];
    assert_eq!(looks(0, LAR, CODE0), Some(0x00c0_9b00));
    assert_eq!(looks(0, LSL, CODE0), Some(u32::MAX));
    assert_eq!(looks(0, LSL, CODE16), Some(0xffff));
    assert_eq!(looks(3, LAR, CODE0), None, "DPL");
    assert_eq!(looks(3, LAR, CONFORMING), Some(0x00c0_9f00));
    assert_eq!(looks(0, LAR, DATA0 | 3), None, "RPL");
    assert_eq!(looks(0, LAR, 0), None);
    assert_eq!(looks(0, LAR, 0x100), None);
    assert_eq!(looks(0, LAR, TSS), Some(0x8b00));
    assert_eq!(looks(0, LSL, TSS), Some(0xff));
    assert_eq!(looks(0, LAR, ABSENT), Some(0x00c0_1300), "presence does not matter");
    assert_eq!(looks(0, &[0x66, 0x0f, 0x02, 0xc3], CODE0), Some(0x7777_9b00));
    let mut m = Machine::at(0, LAR);
    m.set_gdt(GATE, gate(CODE0, 0, 0x8e, 0));
    m.set(Gpr::Ebx, u32::from(GATE));
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!(m.s.eflags & ZF, 0, "interrupt gates are none of LAR's types");
}

#[test]
fn verr_and_verw() {
    const VERR: &[u8] = &[0x0f, 0x00, 0xe3];
    const VERW: &[u8] = &[0x0f, 0x00, 0xeb];
    let ok = |code, selector| looks(3, code, selector).is_some();
    assert!(ok(VERR, DATA3) && ok(VERW, DATA3));
    assert!(!ok(VERR, DATA0) && !ok(VERW, DATA0));
    assert!(ok(VERR, CODE3) && !ok(VERW, CODE3));
    assert!(ok(VERR, CONFORMING));
    assert!(!ok(VERR, TSS) && !ok(VERR, 0));
    assert!(looks(0, VERR, EXECUTE_ONLY).is_none());
    assert!(looks(0, VERR, READ_ONLY).is_some() && looks(0, VERW, READ_ONLY).is_none());
}

#[test]
fn arpl_raises_the_rpl_only() {
    let mut m = Machine::at(3, &[0x63, 0xd8, 0x63, 0xd8]); // arpl ax, bx
    m.set(Gpr::Eax, 0x5555_0010);
    m.set(Gpr::Ebx, 3);
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!((m.s.gpr[0], m.s.eflags & ZF), (0x5555_0013, ZF));
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!((m.s.gpr[0], m.s.eflags & ZF), (0x5555_0013, 0));
}

#[test]
fn arpl_writes_memory_only_when_the_rpl_changes() {
    let mut m = Machine::at(3, &[0x66, 0x63, 0x1d, 0, 0, 6, 0]); // arpl [60000h], bx
    m.bus.load(0x6_0000, &[0x11, 0]);
    m.bus.read_only.push(0x6_0000..0x6_1000);
    m.set(Gpr::Ebx, 1);
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    let mut m = Machine::at(3, &[0x66, 0x63, 0x1d, 0, 0, 6, 0]);
    m.bus.load(0x6_0000, &[0x11, 0]);
    m.bus.read_only.push(0x6_0000..0x6_1000);
    m.set(Gpr::Ebx, 2);
    assert_eq!(m.fault(), Exception::page_fault(Lin(0x6_0000), 7));
}

#[test]
fn sensitive_stores_show_the_guests_values_at_cpl_3() {
    // sgdt [60000h]; sidt [60008h]; smsw eax; str ebx; sldt ecx
    let code = [
        0x0f, 0x01, 0x05, 0, 0, 6, 0, 0x0f, 0x01, 0x0d, 8, 0, 6, 0, 0x0f, 0x01, 0xe0, 0x0f, 0x00,
        0xcb, 0x0f, 0x00, 0xc1,
    ];
    let mut m = Machine::at(3, &code);
    for _ in 0..5 {
        assert_eq!(m.execute(), Ok(Outcome::Retired));
    }
    assert_eq!(m.words(0x6_0000), [0xff, GDT as u16, 0]);
    assert_eq!(m.words(0x6_0008), [0x7ff, IDT as u16, 0]);
    assert_eq!(m.s.gpr[..4], [m.s.cr0, 0, 0x1234_0000, u64::from(TSS)]);
}

#[test]
fn lgdt_with_16_bit_operands_takes_24_bits_of_base() {
    let mut m = Machine::at(0, &[0x66, 0x0f, 0x01, 0x15, 0, 0, 6, 0, 0x0f, 0x01, 0x15, 0, 0, 6, 0]);
    m.bus.load(0x6_0000, &[0xff, 0x01, 0x78, 0x56, 0x34, 0x12]);
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!((m.s.gdtr.base.low(), m.s.gdtr.limit), (0x34_5678, 0x1ff));
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!(m.s.gdtr.base.low(), 0x1234_5678);
}

#[test]
fn ltr_takes_an_available_tss_and_marks_it() {
    let ltr = |selector: u16| {
        let mut m = Machine::at(0, &[0x0f, 0x00, 0xd8]);
        m.set(Gpr::Eax, u32::from(selector));
        m.execute().map(|_| (m.access(TSS2), m.s.tr.selector))
    };
    assert_eq!(ltr(TSS2), Ok((0x8b, TSS2)));
    assert_eq!(ltr(0), Err(Exception::gp(0)));
    assert_eq!(ltr(TSS), Err(Exception::gp(0x28)), "busy");
    assert_eq!(ltr(LDT), Err(Exception::gp(0x38)));
    assert_eq!(ltr(0x34), Err(Exception::gp(0x34)), "in the LDT");
}

fn mov_cr(n: u8, value: u32) -> Machine {
    let mut m = Machine::at(0, &[0x0f, 0x22, 0xc0 | n << 3]);
    m.set(Gpr::Eax, value);
    m
}

#[test]
fn control_registers_check_their_bits() {
    assert_eq!(mov_cr(0, 0x8000_0000).fault(), Exception::gp(0), "PG without PE");
    assert_eq!(mov_cr(0, 0x2000_0001).fault(), Exception::gp(0), "NW without CD");
    assert_eq!(mov_cr(4, 1 << 13).fault(), Exception::gp(0));
    assert_eq!(mov_cr(1, 0).fault(), Exception::ud());
    let mut m = mov_cr(0, 0x8001_0001);
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!(m.s.cr0, 0x8001_0011, "ET is fixed");
    assert_eq!(m.bus.paging.last().map(|p| (p.0.cr0, p.1)), Some((m.s.cr0, PagingChange::Mode)));
    let mut m = mov_cr(3, 0x7000);
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!(m.bus.paging.last().map(|p| (p.0.cr3, p.1)), Some((0x7000, PagingChange::Cr3)));
    let mut m = mov_cr(4, 1 << 9);
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert!(m.bus.paging.is_empty(), "OSFXSR is none of paging's business");
}

#[test]
fn lmsw_cannot_clear_pe() {
    let mut m = Machine::at(0, &[0x0f, 0x01, 0xf0]);
    m.set(Gpr::Eax, 0xfffe);
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!(m.s.cr0 & 0xffff, 0x1f);
}

#[test]
fn debug_registers_have_fixed_bits_aliases_and_general_detect() {
    let mut m = Machine::at(0, &[0x0f, 0x23, 0xf0, 0x0f, 0x23, 0xe8, 0x0f, 0x21, 0xe0]);
    m.set(Gpr::Eax, 0);
    assert_eq!(m.execute(), Ok(Outcome::Retired)); // mov dr6, eax
    assert_eq!(m.s.dr[6], 0xffff_0ff0);
    m.set(Gpr::Eax, 0xffff_ffff);
    assert_eq!(m.execute(), Ok(Outcome::Retired)); // mov dr5, eax: DR7
    assert_eq!(m.s.dr[7], 0xffff_27ff);
    assert_eq!(m.fault(), Exception::debug(1 << 13));
    m.s.cr4 |= 8;
    assert_eq!(m.fault(), Exception::ud(), "DE takes the aliases away");
}

#[test]
fn model_specific_registers() {
    let mut m = Machine::at(0, &[0x0f, 0x30, 0x0f, 0x32]);
    m.set(Gpr::Ecx, 0x174);
    m.set(Gpr::Eax, 0x60);
    m.set(Gpr::Edx, 1);
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!(m.s.msr.sysenter_cs, 0x1_0000_0060);
    m.set(Gpr::Eax, 0);
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!(m.s.gpr[0], 0x60);
    m.s.set_eip(CODE);
    m.set(Gpr::Ecx, 0xc000_0080);
    assert_eq!(m.fault(), Exception::gp(0), "no EFER without NX");
    m.set(Gpr::Ecx, 0x277);
    m.set(Gpr::Eax, 0x0302_0100);
    assert_eq!(m.fault(), Exception::gp(0), "2 and 3 are no memory types");
}

#[test]
fn the_time_stamp_counter_can_be_set_and_hidden() {
    let mut m = Machine::at(0, &[0x0f, 0x30, 0x0f, 0x31]);
    m.set(Gpr::Ecx, 0x10);
    m.set(Gpr::Eax, 1000);
    m.set(Gpr::Edx, 0);
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!((m.s.gpr[0], m.s.gpr[2]), (1001, 0));
    let mut m = Machine::at(3, &[0x0f, 0x31]);
    m.s.cr4 = 4;
    assert_eq!(m.fault(), Exception::gp(0));
}

#[test]
fn sysenter_and_sysexit() {
    let mut m = Machine::at(3, &[0x0f, 0x34]);
    assert_eq!(m.fault(), Exception::gp(0), "no CS");
    m.s.msr.sysenter_cs = 0x80;
    m.s.msr.sysenter_eip = u64::from(HANDLER);
    m.s.msr.sysenter_esp = 0x9000;
    m.s.eflags = 0x202;
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!((m.s.cpl, m.s.eip(), m.esp(), m.s.eflags), (0, HANDLER, 0x9000, 2));
    assert_eq!((m.s.cs().selector, m.s.ss().selector), (0x80, 0x88));
    m.bus.load(HANDLER, &[0x0f, 0x35]);
    m.set(Gpr::Edx, CODE);
    m.set(Gpr::Ecx, STACK3);
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!((m.s.cpl, m.s.eip(), m.esp()), (3, CODE, STACK3));
    assert_eq!((m.s.cs().selector, m.s.ss().selector), (0x93, 0x9b));
}

#[test]
fn the_apic_base_register_is_there_without_an_apic_which_stays_off() {
    let mut m = Machine::at(0, &[0x0f, 0x32, 0x0f, 0x30, 0x0f, 0x32, 0x0f, 0x30]);
    m.interp = Interp::new(CpuModel::PENTIUM4).unwrap();
    m.set(Gpr::Ecx, 0x1b);
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!((m.s.gpr[0], m.s.gpr[2]), (0xfee0_0100, 0));
    m.set(Gpr::Eax, 0xfee0_0900);
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!(m.s.gpr[0], 0xfee0_0100);
    m.set(Gpr::Eax, 0xfee0_0101);
    assert_eq!(m.fault(), Exception::gp(0), "a reserved bit");
    let mut m = Machine::at(0, &[0x0f, 0x32]);
    m.interp = Interp::new(CpuModel::PENTIUM).unwrap();
    m.set(Gpr::Ecx, 0x1b);
    assert_eq!(m.fault(), Exception::gp(0));
}

#[test]
fn a_486_lacks_what_came_later() {
    for code in [&[0x0f, 0x31][..], &[0x0f, 0x32], &[0x0f, 0x34], &[0x0f, 0x20, 0xe0]] {
        let mut m = Machine::at(0, code);
        m.interp = Interp::new(CpuModel::I486).unwrap();
        assert_eq!(m.fault(), Exception::ud(), "{code:x?}");
    }
}

#[test]
fn invlpg_names_a_linear_address() {
    let mut m = Machine::at(0, &[0x0f, 0x01, 0x3d, 0x34, 0x12, 0, 0]);
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!(m.bus.invalidated, [0x1234]);
}
