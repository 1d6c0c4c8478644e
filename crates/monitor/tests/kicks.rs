//! Interrupt requests that arrive at any host instruction of translated code: the guest must not
//! notice one that it does not take. A thread kicks the vCPU as fast as it can while the guest, with
//! IF clear, reads its own flags in a loop.

mod common;

use ringer_monitor::RunEnd;
use std::sync::atomic::{AtomicBool, Ordering};

/// Reads of EFLAGS in a round of the loop.
const READS: usize = 24;
const ROUNDS: u32 = 1_500_000;

/// CLI; then in a loop: PUSHFD, POP EAX, OR EDX, EAX many times over, PUSHFD, POPFD, and REPE CMPSB
/// of equal bytes. IF and TF must never be seen set, and ZF must be after the comparison. Ends
/// through port F4h with 0, or with 1 at the first surprise.
fn guest() -> Vec<u8> {
    let mut code = vec![0xfa, 0x31, 0xd2, 0xbd]; // cli; xor edx, edx; mov ebp, ROUNDS
    code.extend(ROUNDS.to_le_bytes());
    let start = code.len();
    for _ in 0..READS {
        code.extend([0x9c, 0x58, 0x09, 0xc2]); // pushfd; pop eax; or edx, eax
    }
    code.extend([0x9c, 0x9d]); // pushfd; popfd
    code.extend([0xf7, 0xc2, 0x00, 0x03, 0x00, 0x00]); // test edx, 300h
    code.extend([0x75, 0x1a]); // jne bad
    code.extend([0xbe, 0x00, 0x00, 0x03, 0x00]); // mov esi, 30000h
    code.extend([0xbf, 0x00, 0x00, 0x04, 0x00]); // mov edi, 40000h
    code.extend([0xb9, 0x04, 0x00, 0x00, 0x00]); // mov ecx, 4
    code.extend([0xf3, 0xa6]); // repe cmpsb
    code.extend([0x75, 0x07]); // jne bad
    code.extend([0x4d, 0x0f, 0x85]); // dec ebp; jne start
    let back = start as i32 - (code.len() as i32 + 4);
    code.extend(back.to_le_bytes());
    // bad: with EBP not 0
    code.extend([0x31, 0xc0, 0x85, 0xed, 0x0f, 0x95, 0xc0]); // xor eax, eax; test ebp, ebp; setne al
    code.extend([0xe7, 0xf4, 0xeb, 0xfe]); // out f4h, eax; jmp $
    code
}

#[test]
fn kicks_at_any_host_instruction_are_invisible_with_if_clear() {
    let mut monitor = common::flat_machine(&[(0x1_0000, guest())], 0x1_0000, false);
    let kicker = monitor.kicker();
    let over = AtomicBool::new(false);
    let end = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                kicker.serial_input(b"");
            }
        });
        let end = monitor.run();
        over.store(true, Ordering::Relaxed);
        end
    });
    assert_eq!(end.unwrap(), RunEnd::DebugExit(0), "1: flags were not the guest's own");
}
