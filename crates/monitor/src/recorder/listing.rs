//! A block's guest and host code, instruction by instruction.

use super::blocks::Code;
use crate::recording::{GuestClass, GuestRecord, HostRecord, ListingRecord, LookupKind};
use ringer_translator::classify::Treatment;
use ringer_translator::listing::{Line, guest_lines, host_lines};
use ringer_translator::{MapEntry, StubAddresses, Translator};

/// The listing of `code`; `stubs` are those that it leaves to.
pub(super) fn listing(
    code: &Code,
    translator: &Translator,
    stubs: &StubAddresses,
) -> ListingRecord {
    let mut guest = guest(code, translator);
    let mut host: Vec<HostRecord> = host_lines(&code.host, code.base, &names(stubs))
        .into_iter()
        .map(|line| HostRecord {
            offset: line.at,
            bytes: line.bytes,
            text: line.text,
            guest: owner(code, line.at, guest.len()),
            samples: 0,
        })
        .collect();
    for (off, samples) in &code.at {
        let after = host.partition_point(|line| line.offset <= *off);
        let Some(line) = after.checked_sub(1).and_then(|at| host.get_mut(at)) else { continue };
        line.samples += samples;
        if let Some(owner) = line.guest.and_then(|at| guest.get_mut(at)) {
            owner.samples += samples;
        }
    }
    ListingRecord {
        guest,
        host,
        direct: code.direct.iter().map(|(to, linked)| (linear(code, to.low()), *linked)).collect(),
        lookups: code
            .lookups
            .iter()
            .map(|(site, count)| (LookupKind::of(site.flow), *count))
            .collect(),
    }
}

fn linear(code: &Code, eip: u32) -> u32 {
    eip.wrapping_add(code.cs_base)
}

fn guest(code: &Code, translator: &Translator) -> Vec<GuestRecord> {
    let most = (code.instrs as usize + 1).max(code.map.len());
    let lines = guest_lines(&code.guest, code.eip, code.mode, most);
    let own = |eip: u32| code.map.iter().take(code.instrs as usize).any(|e| e.eip.low() == eip);
    let record = |line: Line| {
        let class = match translator.treatment(line.code).0 {
            _ if !own(line.at) => GuestClass::Callout,
            Treatment::Innocuous => GuestClass::Innocuous,
            Treatment::Rewritten(_) | Treatment::Callout => GuestClass::Rewritten,
        };
        let (bytes, text) = (line.bytes, line.text);
        GuestRecord { linear: linear(code, line.at), bytes, text, class, samples: 0 }
    };
    lines.into_iter().map(record).collect()
}

/// The guest instruction that the host code at `off` stands for, as an index in the listing of `guest`
/// instructions. The map also has the thunks' instructions, which lie elsewhere, and the place where the
/// block is left; and what is behind its straight line belongs to several.
fn owner(code: &Code, off: u32, guest: usize) -> Option<usize> {
    let index = code.map.partition_point(|e| e.host_off <= off).checked_sub(1)?;
    let entry = code.map[index];
    let last = index + 1 == code.map.len();
    if last && index >= code.instrs as usize {
        return None;
    }
    // Instructions of the block itself have ascending EIPs in the map, thunks between them.
    let begins = |e: &&MapEntry| {
        let by = e.eip.low().wrapping_sub(code.eip.low());
        (by as usize) < code.guest.len()
    };
    begins(&&entry).then_some(())?;
    let before = code.map[..index].iter().filter(begins).count();
    (before < guest).then_some(before)
}

fn names(stubs: &StubAddresses) -> [(u64, &'static str); 5] {
    [
        (stubs.exit_link, "dispatcher: link"),
        (stubs.exit_miss, "dispatcher: look-up"),
        (stubs.exit_callout, "interpreter"),
        (stubs.exit_check, "interrupt"),
        (stubs.exit_budget, "budget"),
    ]
}
