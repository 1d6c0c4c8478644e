//! Tests of the FPU families: single cases by the manual, and sweeps against the host executing the
//! same bytes.

mod avx;
mod coverage;
mod environment;
mod long;
mod native;
mod simd;
mod sweep;
mod x87;

use crate::addr::Lin;
use crate::exception::Exception;
use crate::interp::{Interp, Outcome};
use crate::model::{CpuModel, Features};
use crate::segment::{SegAttr, Segment};
use crate::state::{CpuState, FpuImage, SegReg, cr0, cr4, efer};
use crate::testing::FlatBus;

/// Where the code of a test stands; CS's base is 0.
pub(super) const CODE: u32 = 0x1000;
/// Where its data stands.
pub(super) const DATA: u32 = 0x2000;
/// CS's selector.
pub(super) const CS: u16 = 0x08;
/// The other segments' selector.
pub(super) const DS: u16 = 0x10;

/// A processor with a flat memory.
pub(super) struct Machine {
    pub s: CpuState,
    pub bus: FlatBus,
    interp: Interp<FlatBus>,
}

impl Machine {
    /// A Pentium 4 in flat 32-bit protected mode at CPL 0, with SSE enabled.
    pub fn new() -> Self {
        Self::with_model(CpuModel::PENTIUM4)
    }

    pub fn with_model(model: CpuModel) -> Self {
        Self::with_features(model, model.features())
    }

    /// `CpuModel::MAX` in 64-bit mode at CPL 0, with everything enabled that the host has.
    pub fn in_64_bit_mode() -> Self {
        let model = CpuModel::MAX;
        let mut m = Self::with_features(model, model.features() | Features::LM);
        let cs = &mut m.s.seg[SegReg::Cs as usize].attr;
        *cs = (*cs - SegAttr::DB) | SegAttr::L;
        m.s.cr0 |= cr0::PG;
        m.s.cr4 |= cr4::PAE | cr4::OSXSAVE;
        m.s.msr.efer = efer::LMA;
        m.s.xcr0 = model.xcr0();
        m
    }

    fn with_features(model: CpuModel, features: Features) -> Self {
        let interp = Interp::with_features(model, features).unwrap();
        let mut s = interp.state();
        let attr = SegAttr::PRESENT | SegAttr::S | SegAttr::WRITABLE | SegAttr::DB;
        let flat = Segment { selector: DS, attr, base: Lin(0), limit: u32::MAX };
        s.seg = [flat; 6];
        s.seg[SegReg::Cs as usize] = Segment { selector: CS, attr: attr | SegAttr::CODE, ..flat };
        s.cr0 = cr0::PE | cr0::NE | cr0::ET;
        s.cr4 = cr4::OSFXSR | cr4::OSXMMEXCPT;
        s.set_eip(CODE);
        Self { s, bus: FlatBus::new(0x4000), interp }
    }

    pub fn model(&self) -> CpuModel {
        self.interp.unit().model
    }

    /// Executes the instructions in `bytes`, one call each; the first exception ends it.
    pub fn run(&mut self, bytes: &[u8]) -> Result<(), Exception> {
        self.bus.load(CODE, &[0x90; 64]);
        self.bus.load(CODE, bytes);
        self.s.set_eip(CODE);
        let end = CODE + bytes.len() as u32;
        while self.s.eip() != end {
            let outcome = self.interp.execute(&mut self.s, &mut self.bus)?;
            assert_eq!(outcome, Outcome::Retired, "at {:#x}", self.s.eip());
        }
        Ok(())
    }

    /// Executes one instruction.
    pub fn one(&mut self, bytes: &[u8]) -> Result<Outcome, Exception> {
        self.bus.load(CODE, &[0x90; 64]);
        self.bus.load(CODE, bytes);
        self.s.set_eip(CODE);
        self.interp.execute(&mut self.s, &mut self.bus)
    }

    pub fn bytes<const N: usize>(&self, at: u32) -> [u8; N] {
        std::array::from_fn(|k| self.bus.peek(at + k as u32))
    }

    pub fn word(&self, at: u32) -> u16 {
        u16::from_le_bytes(self.bytes(at))
    }

    pub fn xmm(&self, n: usize) -> [u8; 16] {
        std::array::from_fn(|k| self.s.fpu.0[160 + 16 * n + k])
    }

    pub fn set_xmm(&mut self, n: usize, value: [u8; 16]) {
        self.s.fpu.0[160 + 16 * n..][..16].copy_from_slice(&value);
    }

    pub fn set_mxcsr(&mut self, value: u32) {
        self.s.fpu.0[24..28].copy_from_slice(&value.to_le_bytes());
    }

    /// ST(n)'s ten bytes.
    pub fn st(&self, n: usize) -> [u8; 10] {
        std::array::from_fn(|k| self.s.fpu.0[32 + 16 * n + k])
    }
}

/// Four singles as an XMM value.
pub(super) fn ps(v: [f32; 4]) -> [u8; 16] {
    std::array::from_fn(|k| v[k / 4].to_le_bytes()[k % 4])
}

/// Two doubles as an XMM value.
pub(super) fn pd(v: [f64; 2]) -> [u8; 16] {
    std::array::from_fn(|k| v[k / 8].to_le_bytes()[k % 8])
}

/// An instruction with the memory operand `[DATA]`: `opcode` and ModRM's reg field.
pub(super) fn at_data(opcode: &[u8], reg: u8) -> Vec<u8> {
    at(opcode, reg, DATA)
}

/// An instruction with the memory operand `[address]`.
pub(super) fn at(opcode: &[u8], reg: u8, address: u32) -> Vec<u8> {
    [opcode, &[5 | reg << 3], &address.to_le_bytes()].concat()
}

/// The image apart from what the host is not asked for: the pointers and MXCSR_MASK.
pub(super) fn comparable(image: &FpuImage) -> Vec<u8> {
    let mut bytes = image.0[..288].to_vec();
    bytes[6..24].fill(0);
    bytes[28..32].fill(0);
    bytes
}
