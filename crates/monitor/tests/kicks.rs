//! Interrupt requests that arrive at any host instruction of translated code: the guest must not
//! notice one that it does not take. A thread kicks the vCPU as fast as it can while the guest, with
//! IF clear, reads its own flags in a loop.

use ringer_cpu::{CpuModel, SegAttr, Segment};
use ringer_devices::{Board, BoardConfig, SerialSink};
use ringer_mmu::GuestMemory;
use ringer_monitor::{ClockKind, Engine, Monitor, MonitorConfig, RunEnd, TranslatorOptions};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const CODE: u32 = 0x1_0000;

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

struct Nowhere;

impl SerialSink for Nowhere {
    fn write(&mut self, _: &[u8]) -> std::io::Result<()> {
        Ok(())
    }
}

fn machine() -> Monitor {
    let mut memory = GuestMemory::new(4 << 20).unwrap();
    assert!(memory.write(u64::from(CODE), &guest()));
    let config =
        BoardConfig { ram_size: 4 << 20, debug_exit: true, rtc_epoch_s: 0, log_post: false };
    let board = Board::new(config, Box::new(Nowhere), Box::new(Nowhere));
    let cfg = MonitorConfig {
        model: CpuModel::Pentium4,
        engine: Engine::Bt,
        tc_size: 16 << 20,
        clock: ClockKind::Real,
        max_instructions: None,
        timeout: Some(Duration::from_secs(60)),
        profile: false,
        options: TranslatorOptions::default(),
    };
    let mut monitor = Monitor::new(cfg, memory, board).unwrap();
    let data = SegAttr::PRESENT | SegAttr::S | SegAttr::WRITABLE | SegAttr::ACCESSED;
    let attr = data | SegAttr::DB | SegAttr::G;
    let state = monitor.state_mut();
    for seg in &mut state.seg {
        *seg = Segment { selector: 0x10, attr, base: 0, limit: u32::MAX };
    }
    state.seg[1].attr |= SegAttr::CODE;
    state.seg[1].selector = 8;
    state.cr0 |= 1;
    state.gpr[4] = 0x8_0000;
    state.eip = CODE;
    monitor
}

#[test]
fn kicks_at_any_host_instruction_are_invisible_with_if_clear() {
    let mut monitor = machine();
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
