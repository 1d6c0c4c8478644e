//! Interrupt requests that arrive at any host instruction of translated code: the guest must not
//! notice one that it does not take. A thread kicks the vCPU as fast as it can while the guest, with
//! IF clear, reads its own flags in a loop. How far the guest comes under such a storm depends on the
//! host, so the storm ends after a while and the guest finishes in peace.

#[allow(dead_code, reason = "other tests use more of it")]
mod common;

use ringer_cpu::Segment;
use ringer_monitor::{Monitor, RunEnd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long the kicks go on at most.
const STORM: Duration = Duration::from_secs(4);

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
    let end = run_kicked(&mut monitor);
    assert_eq!(end, RunEnd::DebugExit(0), "1: flags were not the guest's own");
}

/// Runs the guest while another thread kicks as fast as it can, for [`STORM`] at most.
fn run_kicked(monitor: &mut Monitor) -> RunEnd {
    let kicker = monitor.kicker();
    let over = AtomicBool::new(false);
    let end = std::thread::scope(|scope| {
        scope.spawn(|| {
            let begin = Instant::now();
            while !over.load(Ordering::Relaxed) && begin.elapsed() < STORM {
                kicker.serial_input(0, b"");
            }
        });
        let end = monitor.run();
        over.store(true, Ordering::Relaxed);
        end
    });
    end.unwrap()
}

/// Real-mode code at CS:0, in a loop: REP MOVSW and REPE CMPSB with 16-bit registers whose high
/// words must stay, AH from memory, pushes on a 16-bit stack, and a segment load. Ends as [`guest`].
fn real_mode_guest() -> Vec<u8> {
    let mut code = vec![0xfa, 0x66, 0xbd]; // cli; mov ebp, ROUNDS / 4
    code.extend((ROUNDS / 4).to_le_bytes());
    let start = code.len();
    let mut to_bad = Vec::new();
    let mut round = |bytes: &[u8], check: bool| {
        code.extend(bytes);
        if check {
            code.extend([0x75, 0]); // jne bad
            to_bad.push(code.len());
        }
    };
    round(&[0x66, 0xb9, 0x28, 0x00, 0x34, 0x12], false); // mov ecx, 12340028h
    round(&[0x66, 0xbe, 0x00, 0x01, 0xcd, 0xab], false); // mov esi, abcd0100h
    round(&[0x66, 0xbf, 0x00, 0x03, 0xef, 0xbe], false); // mov edi, beef0300h
    round(&[0xf3, 0xa5], false); // rep movsw
    round(&[0x66, 0x81, 0xf9, 0x00, 0x00, 0x34, 0x12], true); // cmp ecx, 12340000h
    round(&[0x66, 0x81, 0xfe, 0x50, 0x01, 0xcd, 0xab], true); // cmp esi, abcd0150h
    round(&[0x66, 0x81, 0xff, 0x50, 0x03, 0xef, 0xbe], true); // cmp edi, beef0350h
    round(&[0xb9, 0x50, 0x00, 0xbe, 0x00, 0x01], false); // mov cx, 50h; mov si, 100h
    round(&[0xbf, 0x00, 0x03, 0xf3, 0xa6], true); // mov di, 300h; repe cmpsb
    round(&[0x66, 0x81, 0xf9, 0x00, 0x00, 0x34, 0x12], true); // cmp ecx, 12340000h
    round(&[0x8a, 0x64, 0xff, 0x50, 0x5a], false); // mov ah, [si-1]; push ax; pop dx
    round(&[0x06, 0x8e, 0xc2, 0x07, 0x39, 0xc2], true); // push es; mov es, dx; pop es; cmp dx, ax
    code.extend([0x66, 0x4d, 0x0f, 0x85]); // dec ebp; jne start
    let back = start as i16 - (code.len() as i16 + 2);
    code.extend(back.to_le_bytes());
    for at in to_bad {
        code[at - 1] = (code.len() - at) as u8;
    }
    // bad: with EBP not 0: test ebp, ebp; setne al; out f4h, al; jmp $
    code.extend([0x66, 0x85, 0xed, 0x0f, 0x95, 0xc0, 0xe6, 0xf4, 0xeb, 0xfe]);
    code
}

#[test]
fn kicks_at_any_host_instruction_are_invisible_in_real_mode() {
    let data: Vec<u8> = (0..0x400u32).map(|k| (k * 7) as u8).collect();
    let pieces = [(0x1_0000, real_mode_guest()), (0x3_0008, data)];
    let mut monitor = common::flat_machine(&pieces, 0, false);
    let state = monitor.state_mut();
    state.cr0 = 0;
    state.seg = [Segment::real(0x3000, 0); 6];
    state.seg[1] = Segment::real(0x1000, 0);
    state.gpr[4] = 0x1234_8000;
    let end = run_kicked(&mut monitor);
    assert_eq!(end, RunEnd::DebugExit(0), "1: a register was not the guest's own");
}
