//! The processor that Ringer and the peer are.

use iced_x86::{EncodingKind, Mnemonic};
use ringer_casegen::rows::{Row, rows};
use ringer_cpu::{CpuModel, Features};

/// A Pentium 4 with the later instructions on general registers.
#[must_use]
pub fn model() -> CpuModel {
    let later = [
        Features::POPCNT,
        Features::MOVBE,
        Features::BMI1,
        Features::BMI2,
        Features::LZCNT,
        Features::ADX,
    ];
    let base = CpuModel::PENTIUM4.features();
    CpuModel::PENTIUM4.with_features(later.into_iter().fold(base, |all, one| all | one))
}

/// Its forms in `bitness`-bit code that the peer has too. In 16-bit code QEMU 7.2 knows no VEX prefix (SDM volume 2, 2.3: real and V86
/// mode alone do not), and takes the operand size of MOVBE for the other one; in any code its BLSI leaves the carry of BLSR.
pub fn forms(bitness: u32) -> Vec<Row> {
    let mut all = rows(model().features(), bitness);
    all.retain(|row| {
        let vex = row.code.op_code().encoding() == EncodingKind::VEX;
        let mnemonic = row.code.mnemonic();
        let narrow = bitness == 16 && (vex || mnemonic == Mnemonic::Movbe);
        !narrow && mnemonic != Mnemonic::Blsi
    });
    all
}

/// The same in QEMU's words.
pub const PEER: &str = "pentium3,+sse2,+clflush,+popcnt,+movbe,+bmi1,+bmi2,+abm,+adx";
