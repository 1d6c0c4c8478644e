//! The host's own state is the host's again wherever code runs that is not the guest's.

#[allow(dead_code, reason = "other tests use more of it")]
mod common;

use ringer_cpu::state::cr4;
use ringer_devices::SerialSink;
use ringer_monitor::{Engine, RunEnd};
use std::hint::black_box;
use std::sync::mpsc::{Sender, channel};

/// A sink that divides, as any code may: what it finds is that of the thread that `run` was called on.
struct Divider(Sender<[u64; 2]>);

impl SerialSink for Divider {
    fn write(&mut self, _: &[u8]) -> std::io::Result<()> {
        let third = black_box(1.0f64) / black_box(3.0);
        let infinity = black_box(1.0f64) / black_box(0.0);
        let _ = self.0.send([third.to_bits(), infinity.to_bits()]);
        Ok(())
    }
}

const CODE: u32 = 0x1_0000;
const MXCSR: u32 = 0x2_0000;
const AFTER: u32 = 0x2_0004;
const ROUNDS: u32 = 50;

/// Loads MXCSR; [`ROUNDS`] times computes with SSE and sends a character; stores MXCSR, and ends through
/// port F4h with 0 when it is as it was loaded.
fn guest() -> Vec<u8> {
    let mut code = vec![0x0f, 0xae, 0x15]; // ldmxcsr [MXCSR]
    code.extend(MXCSR.to_le_bytes());
    code.push(0xb9); // mov ecx, ROUNDS
    code.extend(ROUNDS.to_le_bytes());
    let start = code.len();
    code.extend([0x0f, 0x58, 0xc1]); // addps xmm0, xmm1: zeros, exact
    code.extend([0x66, 0xba, 0xf8, 0x03, 0xb0, 0x41, 0xee]); // mov dx, 3f8h; mov al, 'A'; out dx, al
    code.extend([0x0f, 0x58, 0xc1, 0x49, 0x75]); // addps xmm0, xmm1; dec ecx; jne start
    code.push((start as i32 - (code.len() as i32 + 1)) as u8);
    code.extend([0x0f, 0xae, 0x1d]); // stmxcsr [AFTER]
    code.extend(AFTER.to_le_bytes());
    code.push(0xa1); // mov eax, [AFTER]
    code.extend(AFTER.to_le_bytes());
    code.extend([0x33, 0x05]); // xor eax, [MXCSR]
    code.extend(MXCSR.to_le_bytes());
    code.extend([0xe7, 0xf4, 0xeb, 0xfe]); // out f4h, eax; jmp $
    code
}

fn divides_as_ever(engine: Engine, guests_mxcsr: u32) {
    let (sender, results) = channel();
    let pieces = [(CODE, guest()), (MXCSR, guests_mxcsr.to_le_bytes().to_vec())];
    let sink = Box::new(Divider(sender));
    let mut monitor = common::flat_machine_with(engine, sink, &pieces, CODE, false);
    monitor.state_mut().cr4 |= cr4::OSFXSR | cr4::OSXMMEXCPT;
    assert_eq!(monitor.run().unwrap(), RunEnd::DebugExit(0), "other: MXCSR changed by these bits");
    drop(monitor);
    let results: Vec<[u64; 2]> = results.iter().collect();
    assert!(!results.is_empty());
    for [third, infinity] in results {
        assert_eq!(third, 0x3fd5_5555_5555_5555, "rounded to nearest");
        assert_eq!(infinity, f64::INFINITY.to_bits());
    }
}

#[test]
fn a_sink_rounds_to_nearest_whatever_the_guest_does() {
    for engine in [Engine::Bt, Engine::Interp, Engine::Lockstep] {
        divides_as_ever(engine, 0x5f80);
    }
}

#[test]
fn a_sink_may_divide_by_zero_whatever_the_guest_unmasked() {
    for engine in [Engine::Bt, Engine::Interp, Engine::Lockstep] {
        divides_as_ever(engine, 0x0000);
    }
}
