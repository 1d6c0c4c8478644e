//! What a profile records: where time goes, that the counts of places add up to those of the run, and that
//! the guest does not notice.

#[allow(dead_code, reason = "other tests use more of it")]
mod common;

use ringer_monitor::recording::{FaultKind, GuestClass, LookupKind, RecordOptions, Recording};
use ringer_monitor::{ClockKind, Marker, Monitor, Profile, Row, RunEnd, Until};
use std::time::{Duration, Instant};

const CODE: u32 = 0x1_0000;
/// The inner loop of [`worker`].
const LOOP: u32 = CODE + 0x40;
/// The function that it calls, in another page.
const FAR: u32 = 0x1_2000;
const MARK_PORT: u16 = 0x80;

/// `rounds` times: marks the moment, runs a loop of `turns`, calls a function in another page, does a
/// PUSHF; then ends with 0.
fn worker(rounds: u32, turns: u32) -> Vec<(u32, Vec<u8>)> {
    let mut head = vec![0xbe];
    head.extend(rounds.to_le_bytes()); // mov esi, rounds
    head.extend([0xeb, 0x39]); // jmp 40h
    assert_eq!(head.len(), 7);
    let mut body = vec![0x89, 0xf0, 0xe6, MARK_PORT as u8, 0xb9]; // mov eax, esi; out 80h, al
    body.extend(turns.to_le_bytes()); // mov ecx, turns
    body.extend([0x83, 0xc0, 0x03, 0x49, 0x75, 0xfa]); // 1: add eax, 3; dec ecx; jne 1b
    body.extend([0xba, 0, 0x20, 0x01, 0, 0xff, 0xd2]); // mov edx, FAR; call edx
    body.extend([0x4e, 0x0f, 0x85]); // dec esi; jne 40h
    let next = CODE + 0x40 + body.len() as u32 + 4;
    body.extend(LOOP.wrapping_sub(next).to_le_bytes());
    body.extend([0x31, 0xc0, 0xe7, 0xf4, 0xeb, 0xfe]); // xor eax, eax; out f4h, eax; jmp $
    let far = vec![0x8b, 0x1d, 0, 0, 0x20, 0, 0xc3]; // mov ebx, [200000h]; ret
    vec![(CODE, head), (LOOP, body), (FAR, far)]
}

fn options(samples_per_second: u32) -> RecordOptions {
    RecordOptions { samples_per_second, mark_port: Some(MARK_PORT), marker: Marker::default() }
}

fn run(monitor: &mut Monitor, options: &RecordOptions) -> (Profile, Recording) {
    monitor.record(options);
    assert_eq!(monitor.run().unwrap(), RunEnd::DebugExit(0));
    (monitor.profile(), monitor.recording(4))
}

fn profiled(clock: ClockKind, rounds: u32, turns: u32) -> Monitor {
    common::profiled_machine(clock, &worker(rounds, turns), CODE)
}

#[test]
fn the_hottest_block_is_the_loop_and_has_its_code() {
    let (_, recording) = run(&mut profiled(ClockKind::Real, 20, 20_000_000), &options(2_000));
    let sampling = recording.sampling.expect("samples were asked for");
    assert!(sampling.samples > 20 && sampling.cost > 0, "{sampling:?}");
    let hot = &recording.blocks[0];
    assert_eq!(hot.spot.linear, LOOP + 9, "{hot:?}");
    assert!(hot.samples * 10 > sampling.in_blocks * 9, "{} of {sampling:?}", hot.samples);
    assert_eq!((hot.spot.user, hot.physical), (false, u64::from(LOOP + 9)));
    assert!(hot.mode.starts_with("32-bit, CPL 0 (sse_off"), "{}", hot.mode);
    let listing = hot.listing.as_ref().expect("one of the four hottest");
    let guest: Vec<&str> = listing.guest.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(guest[..2], ["add eax, 3", "dec ecx"], "{guest:?}");
    assert_eq!(listing.guest[0].class, GuestClass::Innocuous);
    assert_eq!(listing.guest[1].class, GuestClass::Rewritten);
    let of_add = listing.host.iter().find(|line| line.text == "add eax, 3").expect("host code");
    assert_eq!(of_add.guest, Some(0));
    let on_lines: u64 = listing.host.iter().map(|line| line.samples).sum();
    assert_eq!(on_lines, hot.samples, "each sample has its host instruction");
    let to_itself = (LOOP + 9, true);
    assert!(listing.direct.contains(&to_itself), "linked to itself: {:?}", listing.direct);
}

#[test]
fn the_counts_of_places_add_up_to_those_of_the_run() {
    let (profile, recording) = run(&mut profiled(ClockKind::Virtual, 300, 50), &options(5_000));
    let blocks = &recording.blocks;
    assert_eq!(blocks.iter().map(|b| b.entries).sum::<u64>(), profile.block_entries);
    assert_eq!(recording.callouts.iter().map(|c| c.count).sum::<u64>(), profile.callouts);
    let out = recording.callouts.iter().find(|c| c.spot.linear == LOOP + 2).expect("OUT");
    assert!(out.count >= 298, "{out:?}");
    assert_eq!(
        (out.row, out.why.as_str()),
        (Row::CalloutIo, "rewritten, but it reaches a device here")
    );
    let looked: u64 = recording.lookups.iter().map(|l| l.count - l.misses).sum();
    assert_eq!(looked, profile.inline_lookups);
    let ret = recording.lookups.iter().find(|l| l.kind == LookupKind::Return).expect("RET");
    assert_eq!((ret.spot.linear, ret.text.as_str()), (FAR + 6, "ret"));
    assert!(ret.count > 290 && ret.misses < 4, "{ret:?}");
    let call = recording.lookups.iter().find(|l| l.kind == LookupKind::Call).expect("CALL");
    assert!(call.count > 290 && call.text == "call edx", "{call:?}");
    let hidden = recording.faults.iter().filter(|f| f.kind == FaultKind::Hidden);
    assert_eq!(hidden.map(|f| f.count).sum::<u64>(), profile.hidden_faults);
    let sampling = recording.sampling.expect("sampled");
    assert_eq!(recording.rows.iter().sum::<u64>(), sampling.samples);
    assert_eq!(recording.places.iter().map(|p| p.samples).sum::<u64>(), sampling.samples);
    assert_eq!(blocks.iter().map(|b| b.samples).sum::<u64>(), sampling.in_blocks);
    let end = recording.moments.last().expect("the end");
    assert_eq!(
        (end.entries, end.translated),
        (profile.block_entries, profile.instructions_translated)
    );
}

#[test]
fn the_ledger_has_all_the_time_and_no_more() {
    let mut monitor = profiled(ClockKind::Real, 50, 100_000);
    let halved = Until { timeout: Some(Duration::from_millis(3)), ..Until::default() };
    while monitor.run_until(&halved).unwrap() == RunEnd::Timeout {
        // What is done between two runs is nobody's time.
        let before = Instant::now();
        monitor.flush_cache();
        while before.elapsed() < Duration::from_millis(2) {}
    }
    let profile = monitor.profile();
    let rows: f64 = profile.ledger.iter().map(|row| row.seconds).sum();
    assert!(profile.residual_seconds >= 0.0, "{profile}");
    assert!((rows + profile.residual_seconds - profile.seconds).abs() < 1e-9, "{profile}");
}

#[test]
fn in_virtual_time_sampling_changes_no_counter() {
    let counters = |samples: u32| {
        let (p, r) = run(&mut profiled(ClockKind::Virtual, 400, 10_000), &options(samples));
        let instructions = p.instructions_translated + p.instructions_interpreted;
        let marks: Vec<u64> = r.marks.iter().map(|mark| mark.instructions).collect();
        (instructions, p.block_entries, p.dispatched, p.callouts, p.hidden_faults, marks)
    };
    let quiet = counters(0);
    assert_eq!(counters(20_000), quiet);
    assert_eq!(counters(20_000), quiet);
}

#[test]
fn marks_are_exact_and_in_order() {
    let (_, recording) = run(&mut profiled(ClockKind::Virtual, 5, 1_000), &options(0));
    assert!(recording.sampling.is_none());
    let texts: Vec<&str> = recording.marks.iter().map(|mark| mark.text.as_str()).collect();
    assert_eq!(texts, ["0x5", "0x4", "0x3", "0x2", "0x1"]);
    // MOV, JMP, MOV; then in each round 2 + 3 * 1000 + 2 + 2 + 2 and MOV again.
    let at: Vec<u64> = recording.marks.iter().map(|mark| mark.instructions).collect();
    let round = 1 + 1 + 1 + 3 * 1000 + 2 + 2 + 2;
    assert_eq!(at, (0..5).map(|k| 3 + k * round).collect::<Vec<u64>>());
    assert!(recording.marks.is_sorted_by_key(|mark| mark.at));
}

#[test]
fn what_is_evicted_keeps_its_samples_and_its_code() {
    let mut monitor = profiled(ClockKind::Real, 100, 20_000_000);
    monitor.record(&options(5_000));
    let some = Until { timeout: Some(Duration::from_millis(100)), ..Until::default() };
    let mut tries = 0;
    let before = loop {
        let end = monitor.run_until(&some).unwrap();
        let recording = monitor.recording(1);
        tries += 1;
        assert!(tries < 100, "never sampled; the last run ended by {end:?}");
        if recording.blocks[0].samples > 3 {
            break recording;
        }
    };
    monitor.flush_cache();
    let after = monitor.recording(1);
    let (old, new) = (&before.blocks[0], &after.blocks[0]);
    assert_eq!((old.spot, old.samples, old.entries), (new.spot, new.samples, new.entries));
    assert_eq!((old.cache_offset.is_some(), new.cache_offset), (true, None));
    let lines = |r: &Recording| r.blocks[0].listing.as_ref().map(|l| l.host.len());
    assert_eq!(lines(&before), lines(&after));
    assert!(after.cache.blocks.is_empty());
    assert_eq!(after.moments.last().map(|m| m.entries), before.moments.last().map(|m| m.entries));
}

#[test]
fn without_a_profile_nothing_is_recorded() {
    let mut monitor = common::flat_machine(&worker(3, 10), CODE, false);
    let (_, recording) = run(&mut monitor, &options(20_000));
    assert!(recording.sampling.is_none() && recording.blocks.is_empty());
    assert!(recording.marks.is_empty() && recording.moments.is_empty());
}
