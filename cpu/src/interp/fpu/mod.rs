//! x87, MMX, SSE and AVX: executed by the host's own unit on the guest's saved state, so that
//! 80-bit results, transcendental functions and every status bit are exact.
//!
//! # How an instruction runs
//! The guest's registers are in `CpuState::fpu`, an FXSAVE image. A handler checks availability
//! ([`gate`]), reads the memory operand through the bus into a [`frame::HostFrame`], lets a *host operation* (the
//! same instruction, re-encoded to work on the frame; [`host_op`]) run between FXRSTOR and FXSAVE, writes
//! the memory result through the bus and only then commits the image. So a fault at any point leaves
//! the guest's state as it was.
//!
//! # What the host must never see
//! - An x87 exception that is pending and a waiting instruction: that would be a host SIGFPE. [`gate`]
//!   raises the guest's #MF first.
//! - An unmasked SIMD exception: it is masked for the run and raised afterwards ([`simd`]).
//! - The guest's instruction and data pointers are not the host's: [`image`] keeps them in the image.
//!
//! # Where the state is
//! Translated code keeps the guest's state in the host's registers (`CpuState::fpu_in_host`).
//! [`claim`] takes it back into the image, [`release`] gives it to the host; every handler claims.

mod arena;
mod avx;
mod control;
mod frame;
mod fused;
mod gate;
mod host;
mod host_op;
mod image;
mod inexact;
mod live;
mod loose;
mod maskmov;
mod memory;
mod simd;
mod x87;
mod xsave;

#[cfg(test)]
mod tests;

use super::Handler;
use crate::bus::Bus;
use iced_x86::{Code, CpuidFeature as F, EncodingKind, Mnemonic as M, OpCodeOperandKind as K};

pub use host::HostUnit;
pub use live::{
    HostPointers, claim, host_pointers, mxcsr, point_at, point_operand, release, with_host_x87,
};

/// The handler of `code`, if it belongs here.
pub(super) fn lookup<B: Bus>(code: Code) -> Option<Handler<B>> {
    let info = code.op_code();
    // The forms with a leading WAIT are two instructions to the processor and to the decoder.
    if info.fwait() {
        return None;
    }
    if code == Code::Wait {
        // As old as the 8086: the decoder does not count it among the x87's.
        return control::lookup(code);
    }
    if let Some(handler) = xsave::lookup(code) {
        return Some(handler);
    }
    let features = code.cpuid_features();
    if !features.iter().all(|f| ours(*f)) {
        return None;
    }
    if info.encoding() == EncodingKind::VEX {
        return avx::lookup(code);
    }
    if features.iter().any(|f| matches!(f, F::FPU | F::FPU287 | F::FPU387)) {
        return Some(control::lookup(code).unwrap_or(x87::arithmetic::<B>));
    }
    if features.iter().any(|f| is_vector(*f) || matches!(f, F::FXSR | F::CLFSH)) {
        return memory::lookup(code).or_else(|| vector(code));
    }
    None
}

/// Whether `code` is a non-control x87 instruction: one that FIP points to afterwards.
#[must_use]
pub fn moves_pointers(code: Code) -> bool {
    let x87 = |f: &F| matches!(f, F::FPU | F::FPU287 | F::FPU387);
    code.cpuid_features().iter().any(x87) && !control::is_control(code) && !code.op_code().fwait()
}

/// Features of which instructions belong here (CMOV: FCMOVcc; X64: forms that only 64-bit mode has).
fn ours(feature: F) -> bool {
    is_vector(feature)
        || matches!(feature, F::FPU | F::FPU287 | F::FPU387 | F::CMOV | F::FXSR | F::CLFSH | F::X64)
}

/// MMX, SSE, and what came later for their registers.
fn is_vector(feature: F) -> bool {
    use F::{
        AES, AVX, AVX2, F16C, FMA, MMX, PCLMULQDQ, SHA, SSE, SSE2, SSE3, SSE4_1, SSE4_2, SSSE3,
    };
    let later = matches!(feature, AES | PCLMULQDQ | SHA | AVX | AVX2 | FMA | F16C);
    later || matches!(feature, MMX | SSE | SSE2 | SSE3 | SSSE3 | SSE4_1 | SSE4_2)
}

/// The register and arithmetic instructions, by the kinds of registers that they touch.
fn vector<B: Bus>(code: Code) -> Option<Handler<B>> {
    let kinds = code.op_code();
    let kinds = kinds.op_kinds();
    let mm = kinds.iter().any(|k| matches!(k, K::mm_reg | K::mm_rm | K::mm_or_mem));
    let xmm = kinds.iter().any(|k| matches!(k, K::xmm_reg | K::xmm_rm | K::xmm_or_mem));
    match (mm, xmm) {
        (true, true) => Some(simd::mixed::<B>),
        (true, false) => Some(simd::mmx::<B>),
        (false, true) => Some(simd::sse::<B>),
        (false, false) if code.mnemonic() == M::Emms => Some(simd::mmx::<B>),
        (false, false) => None,
    }
}
