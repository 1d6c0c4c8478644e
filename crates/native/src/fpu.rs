//! The x87 and SSE state that two outcomes of one case left: what differs.

use crate::wire::Output;
use ringer_cpu::FpuImage;
use std::fmt::Write as _;
use std::ops::Range;

/// Parts of an FXSAVE image that are compared: control and status words, tags; MXCSR; XMM0-7. (The
/// x87 registers follow by themselves: ten bytes of every sixteen.)
const PARTS: [(&str, Range<usize>); 5] = [
    ("control word", 0..2),
    ("status word", 2..4),
    ("tags", 4..5),
    ("mxcsr", 24..28),
    ("xmm", 160..288),
];

/// What differs in the x87 and SSE state, the x87 pointers aside.
#[must_use]
pub fn fpu(host: &Output, guest: &Output) -> Option<String> {
    let (a, b) = (&host.fpu.0, &guest.fpu.0);
    if let Some(k) = (0..8).find(|k| host.ymm[*k] != guest.ymm[*k]) {
        let show = |outcome: &Output| hex(&outcome.ymm[k]);
        return Some(format!("ymm{k}, upper half: host {}, guest {}", show(host), show(guest)));
    }
    if a[..5] == b[..5] && a[24..28] == b[24..28] && a[32..288] == b[32..288] {
        return None;
    }
    let part = PARTS.iter().find(|(_, range)| a[range.clone()] != b[range.clone()]);
    if let Some((name, range)) = part {
        let show = |image: &FpuImage| hex(&image.0[range.clone()]);
        return Some(format!("{name}: host {}, guest {}", show(&host.fpu), show(&guest.fpu)));
    }
    (0..8).map(|k| (k, 32 + 16 * k)).find_map(|(k, at)| {
        let (a, b) = (&a[at..at + 10], &b[at..at + 10]);
        (a != b).then(|| format!("st({k}): host {}, guest {}", hex(a), hex(b)))
    })
}

/// FOP, FIP, FCS, FDP and FDS: AMD's FXSAVE shows them while an unmasked x87 exception is pending and
/// zeros otherwise. The kernel keeps no selectors, and nothing while no exception is pending: they
/// are gone from a trap's frame, and from any case in which another thread got the processor.
///
/// FOP, FDP and FDS are compared in cases of a `single` instruction only: this host moves them with
/// every instruction, the guest's processor with one that raises an unmasked exception (SDM volume
/// 1, 8.1.8 and 8.1.9), and in a sequence the two come apart.
#[must_use]
pub fn pointers(host: &Output, guest: &Output, single: bool) -> Option<String> {
    const ES: u16 = 1 << 7;
    let shown = host.by_kernel == 0 && host.fpu.fsw() & ES != 0;
    let (a, b) = (&host.fpu.0, &guest.fpu.0);
    let same = |part: Range<usize>| a[part.clone()] == b[part];
    let lost = |part: Range<usize>| a[part].iter().all(|byte| *byte == 0);
    let code = (same(6..8) || !single) && same(8..12) && (same(12..14) || lost(12..14));
    let data = !single || (same(16..20) && (same(20..22) || lost(20..22))) || lost(16..22);
    // All of them are gone: the thread was preempted before FLDCW made the exception wait.
    let preempted = lost(6..22);
    (shown && !preempted && !(code && data))
        .then(|| format!("x87 pointers: host {}, guest {}", hex(&a[6..24]), hex(&b[6..24])))
}

/// Bytes, last first, as numbers are written.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().rev().fold(String::new(), |mut out, b| {
        let _ = write!(out, "{b:02x}");
        out
    })
}
