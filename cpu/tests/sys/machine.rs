//! A processor in protected mode with a GDT, an IDT, an LDT and two TSSs in memory.

use ringer_cpu::testing::FlatBus;
use ringer_cpu::{
    CpuModel, CpuState, Exception, Gpr, Interp, Lin, Outcome, SegAttr, SegReg, Segment, Selector,
    TableReg,
};

pub const GDT: u32 = 0x1000;
pub const IDT: u32 = 0x2000;
pub const LDT_AT: u32 = 0x3000;
pub const TSS_AT: u32 = 0x4000;
pub const TSS2_AT: u32 = 0x5000;
/// Code under test.
pub const CODE: u32 = 0x10000;
/// Where handlers and gate targets point.
pub const HANDLER: u32 = 0x11000;
pub const STACK0: u32 = 0x20000;
pub const STACK3: u32 = 0x30000;
/// What TSS.ESP0 says.
pub const ESP0: u32 = 0x28000;

pub const CODE0: u16 = 0x08;
pub const DATA0: u16 = 0x10;
pub const CODE3: u16 = 0x1b;
pub const DATA3: u16 = 0x23;
pub const TSS: u16 = 0x28;
pub const TSS2: u16 = 0x30;
pub const LDT: u16 = 0x38;
/// Conforming code, DPL 0.
pub const CONFORMING: u16 = 0x40;
/// Call gates; what they name is the test's business.
pub const GATE: u16 = 0x48;
/// Data, not present.
pub const ABSENT: u16 = 0x50;
/// Code that cannot be read.
pub const EXECUTE_ONLY: u16 = 0x58;
/// Data that cannot be written.
pub const READ_ONLY: u16 = 0x60;
/// 16-bit code, limit 64 KiB, base at [`CODE`].
pub const CODE16: u16 = 0x68;
/// 16-bit data, limit 64 KiB, base 0.
pub const DATA16: u16 = 0x70;
/// Data that no load has touched yet.
pub const FRESH: u16 = 0x78;
/// Code DPL 0 whose last byte is at [`HANDLER`] - 1.
pub const SHORT: u16 = 0x80;
/// Code, not present.
pub const ABSENT_CODE: u16 = 0x88;

/// Access bytes.
pub const P_CODE: u8 = 0x9b;
pub const P_DATA: u8 = 0x93;
/// Flag nibbles: 4 KiB granular and 32-bit; byte granular and 16-bit.
pub const BIG: u8 = 0xc;
pub const SMALL: u8 = 0;

pub fn descriptor(base: u32, limit: u32, access: u8, flags: u8) -> u64 {
    let raw = u64::from(limit & 0xffff)
        | u64::from(base & 0xff_ffff) << 16
        | u64::from(access) << 40
        | u64::from(limit >> 16 & 15) << 48
        | u64::from(flags) << 52;
    raw | u64::from(base >> 24) << 56
}

/// A gate descriptor; `access` has P, DPL and the type.
pub fn gate(selector: u16, offset: u32, access: u8, parameters: u8) -> u64 {
    u64::from(offset & 0xffff)
        | u64::from(selector) << 16
        | u64::from(parameters) << 32
        | u64::from(access) << 40
        | u64::from(offset >> 16) << 48
}

pub struct Machine {
    pub interp: Interp<FlatBus>,
    pub s: CpuState,
    pub bus: FlatBus,
}

fn flat(selector: u16, code: bool) -> Segment {
    let mut attr = SegAttr::PRESENT | SegAttr::S | SegAttr::WRITABLE | SegAttr::ACCESSED;
    attr |= SegAttr::DB | SegAttr::G | SegAttr::from_bits_retain((selector & 3) << 5);
    if code {
        attr |= SegAttr::CODE;
    }
    Segment { selector, attr, base: Lin(0), limit: u32::MAX }
}

impl Machine {
    /// Real mode before `code` at 1000h:0, which is [`CODE`].
    pub fn real(code: &[u8]) -> Self {
        let interp = Interp::new(CpuModel::PENTIUM4).unwrap();
        let mut s = interp.state();
        let mut bus = FlatBus::new(0x11_0000);
        bus.load(CODE, code);
        s.seg = [Segment::real(0, 0); 6];
        s.seg[SegReg::Cs as usize] = Segment::real(0x1000, 0);
        s.set_eip(0);
        s.gpr = [0x1234_0000; 16];
        s.gpr[Gpr::Esp as usize] = 0x8000;
        s.idtr = TableReg { base: Lin(0), limit: 0x3ff };
        Self { interp, s, bus }
    }

    /// Protected mode at privilege `cpl` (0 or 3) before `code` at [`CODE`].
    pub fn at(cpl: u8, code: &[u8]) -> Self {
        let mut m = Self::real(code);
        m.s.cr0 |= 1;
        m.s.gdtr = TableReg { base: Lin::from(GDT), limit: 0xff };
        m.s.idtr = TableReg { base: Lin::from(IDT), limit: 0x7ff };
        m.tables();
        m.s.set_eip(CODE);
        m.s.cpl = cpl;
        let (cs, ds, esp) = if cpl == 0 { (CODE0, DATA0, STACK0) } else { (CODE3, DATA3, STACK3) };
        m.s.seg = [flat(ds, false); 6];
        m.s.seg[SegReg::Cs as usize] = flat(cs, true);
        m.s.set_reg32(Gpr::Esp, esp);
        m
    }

    fn tables(&mut self) {
        let user = 0x60;
        let entries = [
            (CODE0, descriptor(0, 0xf_ffff, P_CODE, BIG)),
            (DATA0, descriptor(0, 0xf_ffff, P_DATA, BIG)),
            (CODE3, descriptor(0, 0xf_ffff, P_CODE | user, BIG)),
            (DATA3, descriptor(0, 0xf_ffff, P_DATA | user, BIG)),
            (TSS, descriptor(TSS_AT, 0xff, 0x8b, SMALL)),
            (TSS2, descriptor(TSS2_AT, 0x67, 0x89, SMALL)),
            (LDT, descriptor(LDT_AT, 0x0f, 0x82, SMALL)),
            (CONFORMING, descriptor(0, 0xf_ffff, 0x9f, BIG)),
            (ABSENT, descriptor(0, 0xf_ffff, P_DATA & 0x7f, BIG)),
            (EXECUTE_ONLY, descriptor(0, 0xf_ffff, 0x99, BIG)),
            (READ_ONLY, descriptor(0, 0xf_ffff, 0x91, BIG)),
            (CODE16, descriptor(CODE, 0xffff, P_CODE, SMALL)),
            (DATA16, descriptor(0, 0xffff, P_DATA, SMALL)),
            (FRESH, descriptor(0, 0xf_ffff, 0x92, BIG)),
            (SHORT, descriptor(0, HANDLER - 1, P_CODE, 4)),
            (ABSENT_CODE, descriptor(0, 0xf_ffff, P_CODE & 0x7f, BIG)),
        ];
        for (selector, value) in entries {
            self.set_gdt(selector, value);
        }
        self.bus.load(TSS_AT + 4, &ESP0.to_le_bytes());
        self.bus.load(TSS_AT + 8, &DATA0.to_le_bytes());
        self.bus.load(TSS_AT + 0x66, &0x68u16.to_le_bytes());
        self.s.tr = Segment {
            selector: TSS,
            attr: SegAttr::from_bits_retain(0x8b),
            base: Lin::from(TSS_AT),
            limit: 0xff,
        };
        self.s.ldtr = Segment { attr: SegAttr::NULL, ..Segment::default() };
    }

    pub fn set_gdt(&mut self, selector: u16, value: u64) {
        self.bus.load(GDT + Selector(selector).offset(), &value.to_le_bytes());
    }

    pub fn set_idt(&mut self, vector: u8, value: u64) {
        self.bus.load(IDT + u32::from(vector) * 8, &value.to_le_bytes());
    }

    /// Points `vector` to a 32-bit interrupt gate to [`HANDLER`] at privilege 0.
    pub fn handle(&mut self, vector: u8) {
        self.set_idt(vector, gate(CODE0, HANDLER, 0x8e, 0));
    }

    /// The access byte of a GDT entry.
    pub fn access(&self, selector: u16) -> u8 {
        self.bus.peek(GDT + Selector(selector).offset() + 5)
    }

    pub fn step(&mut self) -> Outcome {
        self.interp.step(&mut self.s, &mut self.bus)
    }

    /// Executes one instruction without delivering what it raises.
    pub fn execute(&mut self) -> Result<Outcome, Exception> {
        self.interp.execute(&mut self.s, &mut self.bus)
    }

    /// The exception that the next instruction raises; checks that it changed no register.
    pub fn fault(&mut self) -> Exception {
        let before = self.s;
        let raised = self.execute().expect_err("the instruction must fault");
        assert_eq!(self.s, before, "a fault leaves the state alone");
        raised
    }

    pub fn deliver(&mut self, exception: Exception) -> Outcome {
        self.interp.deliver(&mut self.s, &mut self.bus, exception)
    }

    pub fn esp(&self) -> u32 {
        self.s.reg32(Gpr::Esp)
    }

    pub fn set(&mut self, r: Gpr, value: u32) {
        self.s.set_reg32(r, value);
    }

    pub fn selector(&self, seg: SegReg) -> u16 {
        self.s.seg[seg as usize].selector
    }

    /// `count` dwords at linear `at`.
    pub fn dwords<const N: usize>(&self, at: u32) -> [u32; N] {
        std::array::from_fn(|n| self.bus.peek32(at + 4 * n as u32))
    }

    /// `count` words at linear `at`.
    pub fn words<const N: usize>(&self, at: u32) -> [u16; N] {
        std::array::from_fn(|n| self.bus.peek32(at + 2 * n as u32) as u16)
    }

    /// Stores dwords at linear `at`.
    pub fn store(&mut self, at: u32, values: &[u32]) {
        for (n, value) in values.iter().enumerate() {
            self.bus.load(at + 4 * n as u32, &value.to_le_bytes());
        }
    }

    /// Turns the state into V86 mode with the given IOPL, CS 1000h:0, SS 0:8000h.
    pub fn enter_v86(&mut self, iopl: u32) {
        self.s.eflags = 2 | 1 << 17 | iopl << 12;
        self.s.cpl = 3;
        self.s.seg = [Segment::real(0x0700, 3); 6];
        self.s.seg[SegReg::Cs as usize] = Segment::real(0x1000, 3);
        self.s.seg[SegReg::Ss as usize] = Segment::real(0, 3);
        self.s.set_eip(0);
        self.set(Gpr::Esp, 0x8000);
    }
}
