//! The counters of a run, put together for reports.

use crate::profile::{LedgerRow, Profile, Row};
use crate::vcpu::{Chassis, Vcpu};

/// What `seconds` of the engine named `engine` cost and where the time went.
pub(crate) fn profile(vcpu: &Vcpu, chassis: &Chassis, engine: String, seconds: f64) -> Profile {
    let mut p = Profile { engine, seconds, ..Profile::default() };
    count_accesses(&mut p, chassis);
    count_blocks(&mut p, vcpu, chassis);
    p.hot_callouts = vcpu.callouts.hottest();
    let w = vcpu.spaces.stats();
    p.window_pages = w.pages_mapped;
    p.windows_created = w.windows_created;
    p.windows_evicted = w.windows_evicted;
    let ledger = &chassis.bus.io.ledger;
    let mut claimed = 0.0;
    for &row in Row::ALL {
        let seconds = ledger.spent(row) as f64 / 1e9;
        claimed += seconds;
        p.ledger.push(LedgerRow { name: row.name(), seconds, count: ledger.entered(row) });
    }
    p.residual_seconds = seconds - claimed;
    p
}

fn count_accesses(p: &mut Profile, chassis: &Chassis) {
    let c = &chassis.bus.io.counters;
    p.instructions_interpreted = c.interpreted;
    p.interrupts = c.interrupts;
    p.callouts = c.callout_exits;
    p.hidden_faults = c.hidden_faults;
    p.prefills = c.prefills;
    p.true_faults = c.true_faults;
    p.mmio_faults = c.mmio_faults;
    p.code_write_faults = c.code_write_faults;
    p.other_faults = c.other_faults;
    p.port_io = c.port_io;
    p.mmio = c.mmio;
}

fn count_blocks(p: &mut Profile, vcpu: &Vcpu, chassis: &Chassis) {
    let cache = &chassis.code.cache;
    let s = cache.stats();
    let context = &vcpu.context;
    p.instructions_translated = vcpu.translated;
    p.translated_percent = percent(vcpu.translated, vcpu.translated + p.instructions_interpreted);
    p.block_entries = context.blocks;
    p.inline_lookups = context.lookups.saturating_sub(chassis.bus.io.counters.miss_exits);
    p.dispatched = vcpu.dispatched;
    p.direct_links = context.blocks.saturating_sub(p.inline_lookups).saturating_sub(p.dispatched);
    p.undispatched_percent = percent(p.direct_links + p.inline_lookups, context.blocks.max(1));
    p.blocks_translated = s.translated;
    p.guest_bytes = s.guest_bytes;
    p.host_bytes = s.host_bytes;
    p.expansion = s.host_bytes as f64 / s.guest_bytes.max(1) as f64;
    p.cache_used = cache.used() as u64;
    p.evictions = s.flushes;
    p.invalidations = s.invalidated;
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 }
}
