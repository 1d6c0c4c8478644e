//! The blocks that may be entered along with one: those that are mapped wherever it is, and valid.

use ringer_cpu::{Frame, Pa, Pc};
use ringer_translator::runtime::CodeCache;
use ringer_translator::runtime::blocks::{BlockId, BlockKey};
use ringer_translator::{Counters, MapEntry, Mode, Translation, X87};

fn block(cache: &mut CodeCache, key: BlockKey) -> BlockId {
    let map = MapEntry { host_off: 0, eip: key.eip, esp: 0, x87: X87::Other, shadow: false };
    let translation = Translation {
        host: vec![0x0f, 0x0b],
        guest_len: 4,
        instrs: 1,
        map: vec![map],
        exits: Vec::new(),
        strings: Vec::new(),
        guards: Vec::new(),
        fixups: None,
        crosses_page: key.second.is_some(),
        counters: Counters::default(),
        lookups: Vec::new(),
    };
    cache.insert(key, translation).expect("there is room")
}

#[test]
fn blocks_of_a_page_go_together_if_they_are_of_one_mode_at_one_distance_and_valid() {
    let mut cache = CodeCache::new(1 << 20).expect("memory");
    let mode = Mode::USER;
    let key =
        |pa: u32, eip: u32| BlockKey { pa: Pa::from(pa), eip: Pc::from(eip), mode, second: None };
    let first = key(0x5010, 0x40_0010);
    let second = key(0x5800, 0x40_0800);
    let crossing = BlockKey { second: Some(Frame(9)), ..key(0x5ffe, 0x40_0ffe) };
    let ids = [first, second].map(|key| block(&mut cache, key));
    block(&mut cache, crossing);
    block(&mut cache, key(0x5020, 0x50_0020)); // mapped elsewhere, too
    block(&mut cache, key(0x5030, 0x40_0040)); // and with another place in the page
    block(&mut cache, key(0x6050, 0x40_1050)); // the next page
    block(&mut cache, BlockKey { mode: Mode::CPL0, ..key(0x5060, 0x40_0060) });
    let found = |cache: &CodeCache, key| -> Vec<(Pc, u32)> {
        let mut found = cache.beside(&key).to_vec();
        found.sort_unstable();
        found
    };
    let entry =
        |cache: &CodeCache, k: usize| (cache.block(ids[k]).key.eip, cache.block(ids[k]).host_off);
    let both = [entry(&cache, 0), entry(&cache, 1)];
    assert_eq!(found(&cache, first), both);
    assert_eq!(found(&cache, key(0x5999, 0x40_0999)), both, "whether or not it has a block");
    assert_eq!(found(&cache, crossing), []);
    // A block of the same bytes that was made anew; then its bytes change.
    let again = block(&mut cache, second);
    let newer = (second.eip, cache.block(again).host_off);
    assert_eq!(found(&cache, first), [both[0], newer]);
    cache.invalidate(Pa(0x5801), 1, &mut ());
    assert_eq!(found(&cache, first), both[..1]);
    cache.flush(&mut ());
    assert_eq!(found(&cache, first), []);
}
