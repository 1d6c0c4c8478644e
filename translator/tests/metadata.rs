//! What is known of blocks counts in the translation cache's budget, and that count is what the host gives for it. In a
//! process of its own, since the host counts for the whole process.

use ringer_cpu::{Pa, Pc};
use ringer_translator::runtime::CodeCache;
use ringer_translator::runtime::blocks::{BlockKey, Registry};
use ringer_translator::{Counters, DirectExit, MapEntry, Mode, Translation, X87};

const BUDGET: usize = 16 << 20;

/// Bytes that this process has of its own.
fn private() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("the process has a status");
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).expect("RssAnon is told");
    let number = line.split_ascii_whitespace().nth(1).and_then(|word| word.parse::<usize>().ok());
    number.expect("a number of KiB") << 10
}

/// The shortest of blocks: a jump, at `eip`.
fn jump(eip: u32, first_site: u32) -> Translation {
    let map = MapEntry { host_off: 0, eip: Pc::from(eip), esp: 0, x87: X87::Other, shadow: false };
    let exit = DirectExit { site: first_site, patch_off: 1, target: Pc::from(eip + 2) };
    Translation {
        host: vec![0xe9, 0, 0, 0, 0],
        guest_len: 2,
        instrs: 1,
        map: vec![map],
        exits: vec![exit],
        strings: Vec::new(),
        guards: Vec::new(),
        fixups: Some(Vec::new()),
        crosses_page: false,
        counters: Counters::default(),
        lookups: Vec::new(),
    }
}

/// Fills the cache with jumps from `eip` on, each linked to the one before; the first EIP that had no room.
fn fill(cache: &mut CodeCache, mut eip: u32) -> u32 {
    let mode = Mode::CPL0;
    let mut last = None;
    while let Some((_, site)) = cache.next_place(4096) {
        let key = BlockKey { pa: Pa::from(eip), eip: Pc::from(eip), mode, second: None };
        let id = cache.insert(key, jump(eip, site)).expect("there was room");
        if let Some(site) = last.replace(site) {
            cache.link(site, id);
        }
        eip += 2;
    }
    eip
}

#[test]
fn short_blocks_fill_the_budget_with_what_is_known_of_them() {
    let mut cache = CodeCache::new(BUDGET as u64).expect("memory");
    let before = private();
    let mut eip = 0x10_0000;
    let mut most = 0;
    for round in 0..3 {
        eip = fill(&mut cache, eip);
        let (code, metadata) = (cache.used(), cache.metadata());
        assert!(code + metadata <= BUDGET && code + metadata > BUDGET / 8 * 7, "{code} {metadata}");
        assert!(metadata > 4 * code, "these are short: {code} {metadata}");
        let taken = private() - before;
        most = most.max(taken);
        // Lists that grow leave holes behind, in which the next round's fit.
        assert!(taken < metadata / 2 * 3, "round {round}: {taken}, not {metadata}");
        cache.flush(&mut ());
        assert_eq!(cache.metadata(), Registry::default().held());
        assert!(cache.next_place(4096).is_some());
    }
    assert!(most > BUDGET / 2, "something was measured: {most}");
}
