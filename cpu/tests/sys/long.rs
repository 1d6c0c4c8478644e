//! Long mode: into it and out of it, its gates and stacks, the fast system calls. SDM volume 3A, 5.8, 6.14 and 9.8.5.

use crate::machine::{
    CODE, CODE0, CODE3, DATA0, DATA3, GATE, GDT, HANDLER, IDT, LDT, Machine, P_CODE, SMALL, STACK0,
    TSS, TSS_AT, descriptor, gate,
};
use ringer_cpu::state::{cr0, cr4, efer};
use ringer_cpu::{
    CpuModel, Eflags, Exception, Gpr, Interp, Lin, Outcome, Pc, SegAttr, SegReg, Segment, Vector,
};

/// 64-bit code at privilege 0 and 3, above the tables' other descriptors.
const LONG0: u16 = 0x90;
const LONG3: u16 = 0x9b;
/// Flag nibble: L.
const LONG: u8 = 0xa;
/// The upper half of the canonical addresses begins here; the tests' memory shows there too.
const KERNEL: u64 = 0xffff_8000_0000_0000;
const IST1: u64 = KERNEL + 0x2_4008;

impl Machine {
    /// Paging, PAE and LME on, at privilege `cpl` before `code` at [`CODE`], in 64-bit mode or in compatibility mode.
    fn long(cpl: u8, is_64_bit: bool, code: &[u8]) -> Self {
        let mut m = Self::at(cpl, code);
        m.interp = Interp::new(CpuModel::X86_64_V1).unwrap();
        m.s.cr0 |= cr0::PG;
        m.s.cr4 = cr4::PAE | cr4::FSGSBASE;
        m.s.msr.efer = efer::LME | efer::LMA | efer::SCE;
        m.set_gdt(LONG0, descriptor(0, 0, P_CODE, LONG));
        m.set_gdt(LONG3, descriptor(0, 0, P_CODE | 0x60, LONG));
        m.bus.load(TSS_AT + 4, &(KERNEL + 0x2_8000).to_le_bytes());
        m.bus.load(TSS_AT + 36, &IST1.to_le_bytes());
        m.s.tr.base = Lin(KERNEL + u64::from(TSS_AT));
        m.s.gdtr.base = Lin(KERNEL + u64::from(GDT));
        m.s.idtr.base = Lin(KERNEL + u64::from(IDT));
        if is_64_bit {
            let cs = &mut m.s.seg[SegReg::Cs as usize];
            cs.attr = (cs.attr - SegAttr::DB) | SegAttr::L;
            cs.selector = if cpl == 0 { LONG0 } else { LONG3 };
        }
        m
    }

    /// Points `vector` to [`HANDLER`] in the upper half, by the gate of long mode with `access` and `ist`.
    fn handle_long(&mut self, vector: u8, access: u8, ist: u8) {
        let at = IDT + u32::from(vector) * 16;
        self.bus.load(at, &gate(LONG0, HANDLER, access, ist).to_le_bytes());
        self.bus.load(at + 8, &(KERNEL >> 32).to_le_bytes());
    }

    fn qwords<const N: usize>(&self, at: u64) -> [u64; N] {
        std::array::from_fn(|n| {
            let at = at as u32 + 8 * n as u32;
            u64::from(self.bus.peek32(at)) | u64::from(self.bus.peek32(at + 4)) << 32
        })
    }

    fn rsp(&self) -> u64 {
        self.s.gpr[Gpr::Esp as usize]
    }
}

/// mov cr0, rax, in either size of code.
const MOV_CR0: [u8; 3] = [0x0f, 0x22, 0xc0];

#[test]
fn paging_with_lme_is_long_mode_and_its_end_is_the_end() {
    let mut m = Machine::long(0, false, &MOV_CR0);
    m.s.msr.efer = efer::LME;
    m.s.cr0 &= !cr0::PG;
    m.s.gpr[0] = m.s.cr0 | cr0::PG;
    assert_eq!(m.step(), Outcome::Retired);
    assert!(m.s.in_long_mode() && !m.s.in_64_bit_mode());
    assert_eq!(m.bus.paging.last().unwrap().0.efer, efer::LME | efer::LMA);
    m.s.gpr[9] = 9;
    m.s.set_eip(CODE);
    m.s.gpr[0] = m.s.cr0 & !cr0::PG;
    assert_eq!(m.step(), Outcome::Retired);
    assert!(!m.s.in_long_mode());
    assert_eq!((m.s.msr.efer, m.s.gpr[9], m.s.idtr.base.get()), (efer::LME, 0, u64::from(IDT)));
}

#[test]
fn long_mode_asks_for_pae_and_is_not_entered_or_left_from_64_bit_code() {
    let mut m = Machine::long(0, false, &MOV_CR0);
    m.s.msr.efer = efer::LME;
    m.s.cr0 &= !cr0::PG;
    m.s.cr4 = 0;
    m.s.gpr[0] = m.s.cr0 | cr0::PG;
    assert_eq!(m.fault(), Exception::gp(0));
    let mut m = Machine::long(0, true, &MOV_CR0);
    m.s.gpr[0] = m.s.cr0 & !cr0::PG;
    assert_eq!(m.fault(), Exception::gp(0));
    let mut m = Machine::long(0, true, &[0x0f, 0x22, 0xe0]); // mov cr4, rax
    assert_eq!((m.s.gpr[0] & cr4::PAE, m.fault()), (0, Exception::gp(0)));
    let mut m = Machine::long(0, true, &[0x0f, 0x22, 0xd8]); // mov cr3, rax
    m.s.gpr[0] = 1 << 40;
    assert_eq!(m.fault(), Exception::gp(0));
}

#[test]
fn far_transfers_lead_from_one_submode_to_the_other() {
    let mut code = vec![0xea];
    code.extend(HANDLER.to_le_bytes());
    code.extend(LONG0.to_le_bytes());
    let mut m = Machine::long(0, false, &code);
    assert_eq!(m.step(), Outcome::Retired);
    assert!(m.s.in_64_bit_mode() && m.s.rip == Pc(u64::from(HANDLER)));
    // push CODE0; push CODE; lret (of 64 bits)
    m.bus.load(HANDLER, &[0x6a, CODE0 as u8, 0x68, 0, 0, 1, 0, 0x48, 0xcb]);
    m.s.gpr[Gpr::Eax as usize] = 0x1_2345_6789;
    m.s.gpr[8] = 0x8_0000_0000;
    for _ in 0..3 {
        assert_eq!(m.step(), Outcome::Retired);
    }
    assert!(!m.s.in_64_bit_mode() && m.s.rip == Pc(u64::from(CODE)));
    assert_eq!((m.s.gpr[0], m.s.gpr[8]), (0x2345_6789, 0x8_0000_0000), "upper halves, and R8");
    // A code segment of both sizes is none.
    m.set_gdt(LONG0, descriptor(0, 0, P_CODE, LONG | 4));
    m.s.set_eip(CODE);
    assert_eq!(m.fault(), Exception::gp(u32::from(LONG0)));
}

#[test]
fn an_interrupt_pushes_the_stack_and_aligns_it() {
    for is_64_bit in [true, false] {
        let mut m = Machine::long(0, is_64_bit, &[0xcd, 0x40]);
        m.handle_long(0x40, 0x8e, 0);
        m.s.gpr[Gpr::Esp as usize] = u64::from(STACK0) + 5;
        m.s.eflags |= Eflags::IF.bits();
        let (cs, ss) = (m.selector(SegReg::Cs), m.selector(SegReg::Ss));
        assert_eq!(m.step(), Outcome::Retired);
        assert!(m.s.in_64_bit_mode());
        assert_eq!(m.s.rip, Pc(KERNEL + u64::from(HANDLER)));
        assert_eq!(m.rsp(), u64::from(STACK0) - 40);
        let pushed =
            [u64::from(CODE) + 2, u64::from(cs), 0x202, u64::from(STACK0) + 5, u64::from(ss)];
        assert_eq!(m.qwords(m.rsp()), pushed);
        assert_eq!(m.s.eflags & Eflags::IF.bits(), 0);
        assert_eq!(m.selector(SegReg::Ss), ss);
    }
}

#[test]
fn from_the_outer_level_the_stack_segment_is_null_and_iretq_goes_back() {
    let mut m = Machine::long(3, true, &[0x0f, 0x0b]);
    m.handle_long(Vector::Gp as u8, 0x8e, 0);
    m.s.seg[SegReg::Fs as usize] = Segment { base: Lin(0x1234_5678_9000), ..Segment::default() };
    let stack = m.rsp();
    assert_eq!(m.deliver(Exception::gp(0x18)), Outcome::Delivered(Vector::Gp));
    assert_eq!((m.s.cpl, m.selector(SegReg::Cs), m.selector(SegReg::Ss)), (0, LONG0, 0));
    assert_eq!(m.rsp(), KERNEL + 0x2_8000 - 48);
    let [error, rip, cs, _, rsp, ss] = m.qwords(m.rsp());
    assert_eq!((error, rip, cs), (0x18, u64::from(CODE), u64::from(LONG3)));
    assert_eq!((rsp, ss), (stack, u64::from(DATA3)));
    // add rsp, 8; iretq
    m.bus.load(HANDLER, &[0x48, 0x83, 0xc4, 0x08, 0x48, 0xcf]);
    assert_eq!((m.step(), m.step()), (Outcome::Retired, Outcome::Retired));
    assert_eq!((m.s.cpl, m.rsp(), m.s.rip), (3, stack, Pc(u64::from(CODE))));
    assert_eq!((m.selector(SegReg::Cs), m.selector(SegReg::Ss)), (LONG3, DATA3));
    assert_eq!(m.s.seg[SegReg::Fs as usize].base, Lin(0x1234_5678_9000), "bases stay");
}

#[test]
fn an_entry_of_the_interrupt_stack_table_is_taken_at_any_level() {
    for cpl in [0, 3] {
        let mut m = Machine::long(cpl, true, &[0x90]);
        m.handle_long(Vector::Nmi as u8, 0x8e, 1);
        let delivered = m.interp.nmi(&mut m.s, &mut m.bus);
        assert_eq!(delivered, Outcome::Delivered(Vector::Nmi));
        assert_eq!(m.rsp(), (IST1 & !15) - 40);
        let kept = if cpl == 0 { DATA0 } else { 0 };
        assert_eq!(m.selector(SegReg::Ss), kept);
    }
}

#[test]
fn gates_of_other_modes_are_gp() {
    for access in [0x85, 0x86, 0x87, 0x8c, 0x8f & !8] {
        let mut m = Machine::long(0, true, &[0xcd, 0x40]);
        m.handle_long(0x40, access, 0);
        assert_eq!(m.fault(), Exception::gp(0x40 * 8 + 2), "{access:x}");
    }
    let mut m = Machine::long(0, true, &[0xcd, 0x40]);
    m.handle_long(0x40, 0x8e, 0);
    m.bus.load(IDT + 0x400, &gate(CODE0, HANDLER, 0x8e, 0).to_le_bytes());
    assert_eq!(m.fault(), Exception::gp(u32::from(CODE0)), "a handler of 32 bits");
    let mut m = Machine::long(0, true, &[0x48, 0xcf]);
    m.s.eflags |= Eflags::NT.bits();
    assert_eq!(m.fault(), Exception::gp(0), "IRET from a nested task");
}

#[test]
fn a_call_gate_has_16_bytes_and_leads_to_64_bit_code() {
    // call far [CODE + 10h], in 64-bit code
    let mut m = Machine::long(3, true, &[0xff, 0x1c, 0x25, 0x10, 0, 1, 0]);
    m.bus.load(CODE + 0x14, &GATE.to_le_bytes());
    m.set_gdt(GATE, gate(LONG0, HANDLER, 0xec, 0));
    m.set_gdt(GATE + 8, KERNEL >> 32);
    let before = m.rsp();
    assert_eq!(m.step(), Outcome::Retired);
    assert_eq!((m.s.cpl, m.s.rip), (0, Pc(KERNEL + u64::from(HANDLER))));
    let pushed = [u64::from(CODE) + 7, u64::from(LONG3), before, u64::from(DATA3)];
    assert_eq!(m.qwords(m.rsp()), pushed);
    assert_eq!(m.rsp(), KERNEL + 0x2_8000 - 32);
    let mut m = Machine::long(3, true, &[0xff, 0x1c, 0x25, 0x10, 0, 1, 0]);
    m.bus.load(CODE + 0x14, &GATE.to_le_bytes());
    m.set_gdt(GATE, gate(LONG0, HANDLER, 0xec, 0));
    m.set_gdt(GATE + 8, KERNEL >> 32 | 1 << 40);
    assert_eq!(m.fault(), Exception::gp(u32::from(GATE)), "a type behind the first eight bytes");
}

#[test]
fn ltr_and_lldt_load_16_bytes() {
    let mut m = Machine::long(0, true, &[0x0f, 0x00, 0xd8, 0x0f, 0x00, 0xd3]); // ltr ax; lldt bx
    m.set_gdt(TSS, descriptor(TSS_AT, 0xff, 0x89, SMALL));
    m.set_gdt(TSS + 8, KERNEL >> 32);
    (m.s.gpr[0], m.s.gpr[3]) = (u64::from(TSS), u64::from(LDT));
    m.set_gdt(LDT + 8, 0x1_0000);
    assert_eq!(m.step(), Outcome::Retired);
    assert_eq!(m.s.tr.base, Lin(KERNEL + u64::from(TSS_AT)));
    assert_eq!(m.access(TSS), 0x8b);
    assert_eq!(m.fault(), Exception::gp(u32::from(LDT)), "a base that is not canonical");
    m.set_gdt(LDT + 8, 0x12);
    assert_eq!(m.step(), Outcome::Retired);
    assert_eq!(m.s.ldtr.base, Lin(0x12_0000_3000));
}

#[test]
fn syscall_and_sysret_go_in_and_out() {
    let mut m = Machine::long(3, true, &[0x0f, 0x05]);
    m.s.msr.star = u64::from(LONG0) << 32 | u64::from(CODE3 - 16) << 48;
    m.s.msr.lstar = KERNEL + u64::from(HANDLER);
    m.s.msr.fmask = u64::from(Eflags::IF.bits());
    m.s.eflags |= (Eflags::IF | Eflags::CF).bits();
    let stack = m.rsp();
    assert_eq!(m.step(), Outcome::Retired);
    assert_eq!((m.s.cpl, m.s.rip, m.rsp()), (0, Pc(m.s.msr.lstar), stack));
    assert_eq!((m.s.gpr[1], m.s.gpr[11]), (u64::from(CODE) + 2, 0x203));
    assert_eq!((m.s.eflags, m.selector(SegReg::Ss)), (3, LONG0 + 8));
    m.bus.load(HANDLER, &[0x48, 0x0f, 0x07]); // sysretq
    assert_eq!(m.step(), Outcome::Retired);
    assert_eq!((m.s.cpl, m.s.rip, m.s.eflags), (3, Pc(u64::from(CODE) + 2), 0x203));
    assert_eq!((m.selector(SegReg::Cs), m.selector(SegReg::Ss)), (CODE3, CODE3 - 8));
    assert!(m.s.in_64_bit_mode());
}

#[test]
fn the_fast_calls_are_checked() {
    let mut m = Machine::long(0, true, &[0x48, 0x0f, 0x07]);
    m.s.gpr[1] = 0x8000_0000_0000;
    assert_eq!(m.fault(), Exception::gp(0), "a return address that is not canonical");
    m.s.msr.efer &= !efer::SCE;
    assert_eq!(m.fault(), Exception::ud());
    let mut m = Machine::long(3, false, &[0x0f, 0x05]);
    assert_eq!(m.fault(), Exception::ud(), "SYSCALL of compatibility mode");
    let mut m = Machine::long(3, true, &[0x0f, 0x01, 0xf8]);
    assert_eq!(m.fault(), Exception::gp(0), "SWAPGS of user code");
}

#[test]
fn the_bases_of_fs_and_gs_are_registers() {
    // swapgs; rdgsbase rax; wrfsbase rdx; mov rcx, fs:[0x10]
    let code = [
        0x0f, 0x01, 0xf8, 0xf3, 0x48, 0x0f, 0xae, 0xc8, 0xf3, 0x48, 0x0f, 0xae, 0xd2, 0x64, 0x48,
        0x8b, 0x0c, 0x25, 0x10, 0, 0, 0,
    ];
    let mut m = Machine::long(0, true, &code);
    m.s.msr.kernel_gs_base = KERNEL + 7;
    m.s.gpr[2] = KERNEL + 0x6000;
    m.bus.load(0x6010, &0x1122_3344_5566_7788u64.to_le_bytes());
    for _ in 0..4 {
        assert_eq!(m.step(), Outcome::Retired);
    }
    assert_eq!((m.s.gpr[0], m.s.gpr[1]), (KERNEL + 7, 0x1122_3344_5566_7788));
    assert_eq!(m.s.msr.kernel_gs_base, 0);
    m.s.gpr[2] = 1 << 47;
    m.s.rip = Pc(u64::from(CODE) + 8);
    assert_eq!(m.fault(), Exception::gp(0));
    m.s.cr4 = cr4::PAE;
    assert_eq!(m.fault(), Exception::ud());
}

#[test]
fn wrmsr_takes_canonical_bases_alone_and_lme_only_without_paging() {
    let mut m = Machine::long(0, true, &[0x0f, 0x30]);
    for (register, value, good) in [
        (0xc000_0100_u64, KERNEL + 8, true),
        (0xc000_0101, 1 << 47, false),
        (0xc000_0082, 1 << 63, false),
        (0xc000_0084, 1 << 32, false),
        (0xc000_0080, efer::SCE, false),
        (0xc000_0080, efer::LME | efer::NXE, true),
    ] {
        m.s.rip = Pc(u64::from(CODE));
        m.s.gpr[1] = register;
        (m.s.gpr[0], m.s.gpr[2]) = (value & 0xffff_ffff, value >> 32);
        match good {
            true => assert_eq!(m.step(), Outcome::Retired, "{register:x}"),
            false => assert_eq!(m.fault(), Exception::gp(0), "{register:x}"),
        }
    }
    assert_eq!(m.s.seg[SegReg::Fs as usize].base, Lin(KERNEL + 8));
    assert_eq!(m.s.msr.efer, efer::LME | efer::LMA | efer::NXE);
}

#[test]
fn a_null_stack_segment_is_the_kernels_alone() {
    let code = [0x8e, 0xd0]; // mov ss, eax
    for (cpl, is_64_bit, selector, good) in
        [(0, true, 0, true), (0, true, 3, false), (0, false, 0, false), (3, true, 3, false)]
    {
        let mut m = Machine::long(cpl, is_64_bit, &code);
        m.s.gpr[0] = selector;
        match good {
            true => assert_eq!(m.step(), Outcome::Retired),
            false => assert_eq!(m.fault(), Exception::gp(0), "{cpl} {is_64_bit} {selector}"),
        }
    }
}
