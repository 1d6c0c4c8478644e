//! A processor in flat 32-bit protected mode (or 16-bit real mode) before a few bytes of code.

use ringer_cpu::testing::FlatBus;
use ringer_cpu::{
    CpuModel, CpuState, Eflags, Exception, Gpr, Interp, Lin, Outcome, SegAttr, SegReg, Segment,
};

/// Where the code of every test begins.
pub const CODE: u32 = 0x1000;
/// Where the stack begins.
pub const STACK: u32 = 0x8000;

pub struct Machine {
    pub interp: Interp<FlatBus>,
    pub s: CpuState,
    pub bus: FlatBus,
}

fn flat(code: bool) -> Segment {
    let kind = if code { SegAttr::CODE } else { SegAttr::empty() };
    let attr = SegAttr::PRESENT | SegAttr::S | SegAttr::WRITABLE | SegAttr::ACCESSED | kind;
    Segment {
        selector: if code { 8 } else { 16 },
        attr: attr | SegAttr::DB | SegAttr::G,
        base: Lin(0),
        limit: u32::MAX,
    }
}

impl Machine {
    /// Flat 32-bit protected mode at CPL 0, ESP at [`STACK`].
    pub fn flat(code: &[u8]) -> Self {
        let mut m = Self::real(code);
        m.s.cr0 |= 1;
        m.s.seg = [flat(false); 6];
        m.s.seg[SegReg::Cs as usize] = flat(true);
        m
    }

    /// Real mode with all bases 0.
    pub fn real(code: &[u8]) -> Self {
        Self::model(CpuModel::PENTIUM4, code)
    }

    pub fn model(model: CpuModel, code: &[u8]) -> Self {
        let interp = Interp::new(model).unwrap();
        let mut s = interp.state();
        let mut bus = FlatBus::new(0x2_0000);
        bus.load(CODE, code);
        s.seg = [Segment::real(0, 0); 6];
        s.set_eip(CODE);
        s.gpr = [0; 16];
        s.set_reg32(Gpr::Esp, STACK);
        Self { interp, s, bus }
    }

    /// CPL 3 with the flat segments.
    pub fn user(code: &[u8]) -> Self {
        let mut m = Self::flat(code);
        m.s.cpl = 3;
        for seg in &mut m.s.seg {
            seg.selector |= 3;
            seg.attr |= SegAttr::DPL;
        }
        m
    }

    pub fn run(&mut self) -> Result<Outcome, Exception> {
        self.interp.execute(&mut self.s, &mut self.bus)
    }

    #[track_caller]
    pub fn retire(&mut self) {
        assert_eq!(self.run(), Ok(Outcome::Retired));
    }

    /// Runs an instruction that must fault, and checks that it left the state as it was.
    #[track_caller]
    pub fn fault(&mut self) -> Exception {
        let before = self.s;
        let exception = self.run().expect_err("an exception");
        assert_eq!(self.s, before, "a fault leaves the state");
        exception
    }

    pub fn set(&mut self, r: Gpr, value: u32) -> &mut Self {
        self.s.set_reg32(r, value);
        self
    }

    pub fn get(&self, r: Gpr) -> u32 {
        self.s.reg32(r)
    }

    pub fn flag(&self, f: Eflags) -> bool {
        self.s.eflags & f.bits() != 0
    }
}
