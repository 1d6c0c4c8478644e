//! Direct branches to a block that crosses a page: it can never be linked, and must not cost a trip
//! to the dispatcher each time either.

#[allow(dead_code, reason = "other tests use more of it")]
mod common;

use ringer_monitor::RunEnd;

#[test]
fn a_branch_to_a_block_that_crosses_a_page_stays_in_translated_code() {
    const ROUNDS: u32 = 200_000;
    let mut head = vec![0xb9];
    head.extend(ROUNDS.to_le_bytes()); // mov ecx, ROUNDS
    head.extend([0xe9, 0xef, 0x0f, 0x00, 0x00]); // jmp 10ff9h
    let tail = vec![
        0x49, 0x75, 0x02, 0xeb, 0x08, // 10ff9: dec ecx; jne 10ffe; jmp 11006h
        // 10ffe: add eax, 1, over the page's end
        0x81, 0xc0, 0x01, 0x00, 0x00, 0x00, // ends at 11004
        0xeb, 0xf3, // jmp 10ff9h
        0x2d, 0x3f, 0x0d, 0x03, 0x00, // 11006: sub eax, ROUNDS - 1
        0xe7, 0xf4, 0xeb, 0xfe, // out f4h, eax; jmp $
    ];
    let mut monitor = common::flat_machine(&[(0x1_0000, head), (0x1_0ff9, tail)], 0x1_0000, true);
    assert_eq!(monitor.run().unwrap(), RunEnd::DebugExit(0));
    let profile = monitor.profile();
    assert!(profile.dispatched < 1000, "{} times to the dispatcher", profile.dispatched);
    assert!(profile.block_entries > u64::from(ROUNDS));
}
