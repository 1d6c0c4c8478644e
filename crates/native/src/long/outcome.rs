//! Outcomes of one 64-bit case: what differs in them, and how they are shown.

use super::{Input, Output};
use crate::fpu::hex;
use ringer_cpu::FpuImage;
use std::arch::x86_64::__cpuid;
use std::ops::Range;

/// FOP, FIP and FDP in an image as FXSAVE with REX.W lays it out.
const POINTERS: Range<usize> = 6..24;
/// FSW.ES: an unmasked x87 exception is pending.
const ES: u16 = 1 << 7;
/// Where Linux's user addresses end.
const KERNEL: u64 = 0x7fff_ffff_f000;

/// Parts of an image as FXSAVE with REX.W lays it out. (The x87 registers follow by themselves: ten bytes of every sixteen.)
const PARTS: [(&str, Range<usize>); 6] = [
    ("control word", 0..2),
    ("status word", 2..4),
    ("tags", 4..5),
    ("x87 pointers", POINTERS),
    ("mxcsr", 24..28),
    ("xmm", 160..416),
];

/// Whether `image` tells where the last x87 instruction was: AMD's processors do while an exception is pending.
#[must_use]
pub fn shows_pointers(image: &FpuImage) -> bool {
    __cpuid(0).ebx == u32::from_le_bytes(*b"Genu") || image.fsw() & ES != 0
}

/// Which general register differs.
#[must_use]
pub fn registers(host: &Output, guest: &Output) -> Option<String> {
    let k = (0..16).find(|&k| host.gpr[k] != guest.gpr[k])?;
    Some(format!("register {k}: host {:x}, guest {:x}", host.gpr[k], guest.gpr[k]))
}

/// What differs in how they end.
#[must_use]
pub fn ending(host: &Output, guest: &Output) -> Option<String> {
    let of_fault = |o: &Output| match o.trap {
        // Of addresses that are its own the host's kernel does not tell whether they are there.
        14 if o.cr2 >= KERNEL => (o.trap, o.error & 2, o.cr2),
        14 => (o.trap, o.error & 3, o.cr2),
        8 | 10..=13 | 17 => (o.trap, o.error, 0),
        _ => (o.trap, 0, 0),
    };
    let (a, b) = (of_fault(host), of_fault(guest));
    if a != b {
        return Some(format!("ends {a:x?}, {b:x?}"));
    }
    (host.rip != guest.rip).then(|| format!("rip: host {:x}, guest {:x}", host.rip, guest.rip))
}

/// What differs in x87, MMX, SSE and AVX state.
#[must_use]
pub fn vectors(host: &Output, guest: &Output) -> Option<String> {
    let (a, b) = (&host.fpu.0, &guest.fpu.0);
    let part = PARTS.into_iter().find(|(name, range)| {
        let counts = *name != "x87 pointers" || shows_pointers(&host.fpu);
        counts && a[range.clone()] != b[range.clone()]
    });
    if let Some((name, range)) = part {
        // Of the long one the register that differs first.
        let at = range.clone().step_by(16).find(|&k| a[k..][..16] != b[k..][..16]);
        let range = match at {
            Some(at) if name == "xmm" => at..at + 16,
            _ => range,
        };
        let (from, host, guest) = (range.start, hex(&a[range.clone()]), hex(&b[range]));
        return Some(format!("{name} at {from}: host {host}, guest {guest}"));
    }
    let stack = (0..8).map(|k| (k, 32 + 16 * k)).find_map(|(k, at)| {
        let (a, b) = (&a[at..at + 10], &b[at..at + 10]);
        (a != b).then(|| format!("st({k}): host {}, guest {}", hex(a), hex(b)))
    });
    stack.or_else(|| {
        let k = (0..16).find(|&k| host.ymm[k] != guest.ymm[k])?;
        let (host, guest) = (hex(&host.ymm[k]), hex(&guest.ymm[k]));
        Some(format!("ymm{k}, upper half: host {host}, guest {guest}"))
    })
}

/// The state of an outcome, for reports.
#[must_use]
pub fn describe(o: &Output) -> String {
    let Output { gpr, rflags, rip, cr2, trap, error, .. } = o;
    let rest = state(&o.fpu.0, &o.ymm);
    format!(
        "rip {rip:x} rflags {rflags:x} trap {trap:x} error {error:x} cr2 {cr2:x} gpr {gpr:x?}{rest}"
    )
}

/// The state before a case, for reports.
#[must_use]
pub fn describe_input(i: &Input) -> String {
    let Input { gpr, rflags, rip, .. } = i;
    format!("rip {rip:x} rflags {rflags:x} gpr {gpr:x?}{}", state(&i.fpu.0, &i.ymm))
}

fn state(fpu: &[u8; 512], ymm: &[[u8; 16]; 16]) -> String {
    let words = format!(
        "\n    fcw {} fsw {} ftw {} fop {} fip {} fdp {} mxcsr {}",
        hex(&fpu[0..2]),
        hex(&fpu[2..4]),
        hex(&fpu[4..5]),
        hex(&fpu[6..8]),
        hex(&fpu[8..16]),
        hex(&fpu[16..24]),
        hex(&fpu[24..28])
    );
    let stack = (0..8).map(|k| format!("\n    st{k} {}", hex(&fpu[32 + 16 * k..][..10])));
    let vectors = (0..16).map(|k| {
        let low = &fpu[160 + 16 * k..][..16];
        format!("\n    ymm{k} {} {}", hex(&ymm[k]), hex(low))
    });
    std::iter::once(words).chain(stack).chain(vectors).collect()
}
