//! The counters of a run, put together for reports.

use crate::profile::{LedgerRow, Profile, Row};
use crate::recording::Moment;
use crate::vcpu::{Chassis, Vcpu};
use ringer_translator::context::{Counts, counted_at};

/// What `ran` nanoseconds of the engine named `engine` cost and where the time went.
pub(crate) fn profile(vcpu: &Vcpu, chassis: &Chassis, engine: String, ran: u64) -> Profile {
    let mut p = Profile { engine, seconds: ran as f64 / 1e9, ..Profile::default() };
    count_accesses(&mut p, chassis);
    count_blocks(&mut p, vcpu, chassis);
    p.hot_callouts =
        chassis.bus.io.recorder.as_ref().map(|r| r.hottest_forms()).unwrap_or_default();
    let w = vcpu.spaces.stats();
    p.window_pages = w.pages_mapped;
    p.windows_created = w.windows_created;
    p.windows_evicted = w.windows_evicted;
    p.inline_mapped = w.entered_mapped;
    p.inline_aside = w.entered_aside;
    p.set_aside = chassis.code.set_aside();
    let ledger = &chassis.bus.io.ledger;
    let mut rest = ran;
    for &row in Row::ALL {
        let spent = ledger.spent(row);
        // The ledger keeps time within runs only, so no row claims what is not in `ran`.
        rest = rest.saturating_sub(spent);
        let seconds = spent as f64 / 1e9;
        p.ledger.push(LedgerRow { name: row.name(), seconds, count: ledger.entered(row) });
    }
    p.residual_seconds = rest as f64 / 1e9;
    p
}

/// The counters `at` nanoseconds of the run.
pub(crate) fn moment(vcpu: &Vcpu, chassis: &Chassis, at: u64) -> Moment {
    let (io, cache) = (&chassis.bus.io, &chassis.code.cache);
    let stats = cache.stats();
    let (entries, lookups) = entered(vcpu, chassis);
    Moment {
        at,
        counters: io.counters,
        ledger: Row::ALL.iter().map(|row| io.ledger.spent(*row)).collect(),
        translated: vcpu.translated,
        entries,
        lookups,
        dispatched: vcpu.dispatched,
        blocks_translated: stats.translated,
        invalidations: stats.invalidated,
        cache_used: cache.used() as u64,
    }
}

/// Blocks entered and look-ups made, of which translated code keeps count one by one.
fn entered(vcpu: &Vcpu, chassis: &Chassis) -> (u64, u64) {
    let before = chassis.bus.io.recorder.as_ref().map(|r| r.counted()).unwrap_or_default();
    let next = chassis.code.cache.next_counters();
    let live = |counts: Option<&Counts>, used: u32| {
        let counts = counts.map_or(&[][..], |counts| &counts[..]);
        let used = counted_at(used).min(counts.len());
        counts[..used].iter().chain(counts.last()).sum::<u64>()
    };
    let context = &vcpu.context;
    let entries = before.0 + live(context.entries(), next.entry);
    (entries, before.1 + live(context.lookups(), next.first_lookup))
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
    p.churn_faults = c.churn_faults;
    p.other_faults = c.other_faults;
    p.port_io = c.port_io;
    p.mmio = c.mmio;
}

fn count_blocks(p: &mut Profile, vcpu: &Vcpu, chassis: &Chassis) {
    let cache = &chassis.code.cache;
    let s = cache.stats();
    let (entries, lookups) = entered(vcpu, chassis);
    p.instructions_translated = vcpu.translated;
    p.translated_percent = percent(vcpu.translated, vcpu.translated + p.instructions_interpreted);
    p.block_entries = entries;
    p.inline_lookups = lookups.saturating_sub(chassis.bus.io.counters.miss_exits);
    p.dispatched = vcpu.dispatched;
    p.direct_links = entries.saturating_sub(p.inline_lookups).saturating_sub(p.dispatched);
    p.undispatched_percent = percent(p.direct_links + p.inline_lookups, entries.max(1));
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
