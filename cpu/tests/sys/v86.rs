//! Virtual-8086 mode, with and without VME.

use crate::machine::*;
use ringer_cpu::{Eflags, Exception, Outcome, SegReg};

const VME: u32 = 1;
const VIF: u32 = 1 << 19;
const VIP: u32 = 1 << 20;
const VM: u32 = 1 << 17;

fn machine(code: &[u8], iopl: u32, cr4: u32) -> Machine {
    let mut m = Machine::at(0, code);
    m.enter_v86(iopl);
    m.s.cr4 = u64::from(cr4);
    // The I/O map begins at 88h, the redirection bitmap at 68h; an INT's own vector table at 0.
    m.bus.load(TSS_AT + 0x66, &0x88u16.to_le_bytes());
    m.bus.load(0x21 * 4, &[0x10, 0, 0, 0x11]);
    m
}

#[test]
fn an_exception_pushes_the_data_segments_and_nulls_them() {
    let mut m = machine(&[0xf4], 0, 0); // hlt
    m.handle(13);
    for (n, seg) in [SegReg::Es, SegReg::Ds, SegReg::Fs, SegReg::Gs].into_iter().enumerate() {
        m.s.seg[seg as usize].selector = 0x100 + n as u16;
    }
    m.step();
    let frame: [u32; 10] = m.dwords(ESP0 - 40);
    let flags = 2 | VM | 1 << 16;
    assert_eq!(frame, [0, 0, 0x1000, flags, 0x8000, 0, 0x100, 0x101, 0x102, 0x103]);
    assert_eq!((m.s.cpl, m.s.eip(), m.s.v86()), (0, HANDLER, false));
    assert_eq!([SegReg::Es, SegReg::Ds, SegReg::Fs, SegReg::Gs].map(|s| m.selector(s)), [0; 4]);
}

#[test]
fn iret_returns_to_where_the_exception_came_from() {
    let mut m = machine(&[0xf4], 0, 0);
    m.handle(13);
    m.bus.load(HANDLER, &[0x83, 0xc4, 4, 0xcf]); // add esp, 4; iretd
    let before = m.s;
    m.step();
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!(m.s.seg, before.seg);
    assert_eq!((m.s.eip(), m.esp(), m.s.eflags), (0, 0x8000, before.eflags | 1 << 16));
}

#[test]
fn the_handler_must_be_non_conforming_ring_0_code() {
    for selector in [CONFORMING, CODE3] {
        let mut m = machine(&[0xcd, 0x21], 3, 0);
        m.set_idt(0x21, gate(selector, HANDLER, 0xee, 0));
        assert_eq!(m.fault(), Exception::gp(u32::from(selector & !3)));
    }
}

#[test]
fn without_vme_iopl_guards_the_sensitive_instructions() {
    for code in [&[0xfa][..], &[0xfb], &[0x9c], &[0x9d], &[0xcd, 0x21], &[0xcf]] {
        assert_eq!(machine(code, 0, 0).fault(), Exception::gp(0), "{code:x?}");
        let mut m = machine(code, 3, 0);
        m.set_idt(0x21, gate(CODE0, HANDLER, 0xee, 0));
        assert_eq!(m.execute(), Ok(Outcome::Retired), "{code:x?}");
    }
    // INT3 asks for the gate's DPL only.
    let mut m = machine(&[0xcc], 0, 0);
    m.set_idt(3, gate(CODE0, HANDLER, 0xee, 0));
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!(m.s.cpl, 0);
}

#[test]
fn with_vme_cli_sti_act_on_vif() {
    let mut m = machine(&[0xfb, 0xfa, 0xfb], 0, VME);
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!(m.s.eflags & (VIF | 1 << 9), VIF);
    assert!(!m.s.shadow_irq);
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!(m.s.eflags & VIF, 0);
    m.s.eflags |= VIP;
    assert_eq!(m.fault(), Exception::gp(0));
}

#[test]
fn with_vme_pushf_shows_vif_as_if_and_popf_loads_it() {
    let mut m = machine(&[0x9c, 0x9d], 0, VME);
    m.s.eflags |= VIF;
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!(m.words(0x7ffe), [0x3202]);
    m.s.eflags &= !VIF;
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!(m.s.eflags & (VIF | 0x3200), VIF);
    // TF, or IF with VIP, goes to the monitor.
    for image in [0x0102u16, 0x0202] {
        let mut m = machine(&[0x9d], 0, VME);
        m.s.eflags |= VIP;
        m.bus.load(0x8000, &image.to_le_bytes());
        assert_eq!(m.fault(), Exception::gp(0));
    }
    assert_eq!(machine(&[0x66, 0x9c], 0, VME).fault(), Exception::gp(0), "32-bit PUSHF");
}

#[test]
fn with_vme_the_bitmap_sends_int_to_the_program_itself() {
    let mut m = machine(&[0xcd, 0x21], 0, VME);
    m.s.eflags |= VIF;
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert!(m.s.v86());
    assert_eq!((m.s.cs().base.low(), m.s.eip(), m.esp()), (0x1_1000, 0x10, 0x7ffa));
    assert_eq!(m.words(0x7ffa), [2, 0x1000, 0x3202]);
    assert_eq!(m.s.eflags & VIF, 0);
    // And IRET of the 8086 program comes back.
    m.bus.load(0x1_1010, &[0xcf]);
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!((m.s.cs().base.low(), m.s.eip(), m.esp()), (CODE, 2, 0x8000));
    assert_ne!(m.s.eflags & VIF, 0);

    let mut m = machine(&[0xcd, 0x21], 0, VME);
    m.bus.load(TSS_AT + 0x68 + 4, &[1 << 1]);
    assert_eq!(m.fault(), Exception::gp(0), "the bit is set and IOPL < 3");
    let mut m = machine(&[0xcd, 0x21], 3, VME);
    m.s.eflags |= Eflags::IF.bits();
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!((m.words(0x7ffe), m.s.eflags & 0x200), ([0x3202], 0), "IOPL 3 owns IF");
}

#[test]
fn protected_mode_virtual_interrupts() {
    let mut m = Machine::at(3, &[0xfb, 0xfa]);
    assert_eq!(m.fault(), Exception::gp(0));
    m.s.cr4 = 2;
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!(m.s.eflags & (VIF | 0x200), VIF);
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!(m.s.eflags & VIF, 0);
}

#[test]
fn privileged_and_selector_instructions_fault() {
    let gp: [&[u8]; 8] = [
        &[0xf4],
        &[0x0f, 0x06],
        &[0x0f, 0x20, 0xc0],
        &[0x0f, 0x22, 0xd8],
        &[0x0f, 0x32],
        &[0x0f, 0x09],
        &[0x0f, 0x01, 0xf0], // lmsw ax
        &[0x0f, 0x21, 0xc0],
    ];
    for code in gp {
        assert_eq!(machine(code, 3, 0).fault(), Exception::gp(0), "{code:x?}");
    }
    let ud: [&[u8]; 5] = [
        &[0x0f, 0x00, 0xc8], // str ax
        &[0x0f, 0x00, 0xd0], // lldt ax
        &[0x0f, 0x02, 0xc0], // lar
        &[0x0f, 0x00, 0xe0], // verr ax
        &[0x63, 0xc0],       // arpl
    ];
    for code in ud {
        assert_eq!(machine(code, 3, 0).fault(), Exception::ud(), "{code:x?}");
    }
}

#[test]
fn ports_ask_the_bitmap_whatever_the_iopl() {
    let mut m = machine(&[0xec], 3, 0); // in al, dx with DX = 0
    m.bus.load(TSS_AT + 0x88, &[1]);
    assert_eq!(m.fault(), Exception::gp(0));
    m.bus.load(TSS_AT + 0x88, &[0xfe]);
    assert_eq!(m.execute(), Ok(Outcome::Retired));
}
