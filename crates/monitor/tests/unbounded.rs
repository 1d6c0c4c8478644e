//! Instructions that go on for as long as their counts say, and what repeats without retiring: a run ends in time in the middle
//! of each, under every engine. (ENTER copies 31 frame pointers at most, a task switch reads and writes two tables of fixed
//! length, and an exception in the delivery of an exception is a double fault and then a shutdown: none of them has a loop
//! that a guest sets the length of. Devices make no transfers of their own but what an access asks for.)

#[allow(dead_code, reason = "other tests use more of it")]
mod common;

use ringer_monitor::{Engine, RunEnd, Until};
use std::time::{Duration, Instant};

const ENGINES: [Engine; 3] = [Engine::Bt, Engine::Interp, Engine::Lockstep];
const CODE: u32 = 0x1_0000;
/// An absent port, the CMOS, the keyboard's status, PCI's data, the PIC's mask.
const PORTS: [u16; 5] = [0x1234, 0x71, 0x64, 0xcfc, 0x21];
const LIMIT: Duration = Duration::from_millis(60);
/// On a busy host.
const LATE: Duration = Duration::from_secs(5);

/// mov ecx, -1; mov edx, port; mov esi, 200000h; mov edi, 300000h; `repeated`; jmp to the start.
fn endless(port: u16, repeated: &[u8]) -> Vec<u8> {
    let mut code = vec![0xb9, 0xff, 0xff, 0xff, 0xff, 0xba];
    code.extend(u32::from(port).to_le_bytes());
    code.extend([0xbe, 0, 0, 0x20, 0, 0xbf, 0, 0, 0x30, 0]);
    code.extend(repeated);
    let back = -(code.len() as i32 + 2);
    code.extend([0xeb, back as u8]);
    code
}

fn ends(engine: Engine, code: Vec<u8>) {
    let shown = format!("{engine} {code:02x?}");
    let mut monitor = common::flat_machine_under(engine, &[(CODE, code)], CODE, false);
    let started = Instant::now();
    let end = monitor.run_until(&Until { timeout: Some(LIMIT), ..Until::default() }).unwrap();
    assert_eq!(end, RunEnd::Timeout, "{shown}");
    assert!(started.elapsed() < LIMIT + LATE, "{shown}: {:?}", started.elapsed());
}

#[test]
fn transfers_to_and_from_ports_end_in_time() {
    for engine in ENGINES {
        // rep insb, insd, outsb, outsd
        for repeated in [&[0xf3, 0x6c], &[0xf3, 0x6d], &[0xf3, 0x6e], &[0xf3, 0x6f]] {
            PORTS.iter().for_each(|port| ends(engine, endless(*port, repeated)));
        }
    }
}

#[test]
fn string_instructions_over_the_whole_address_space_end_in_time() {
    for engine in ENGINES {
        // lodsb, cmpsb and scasb read all of it, memory and what is none
        for repeated in [&[0xf3, 0xac][..], &[0xf3, 0xa6], &[0xf2, 0xaf], &[0xf3, 0xad]] {
            ends(engine, endless(0, repeated));
        }
    }
}

#[test]
fn stores_that_overwrite_everything_end_in_time() {
    for engine in ENGINES {
        // cld or std; movsb, movsd, stosd: over the code too, whose remainder is what was decoded
        for repeated in [&[0xf3, 0xa4][..], &[0xf3, 0xa5], &[0xfd, 0xf3, 0xa5], &[0xfd, 0xf3, 0xab]]
        {
            let mut code = endless(0, repeated);
            code.extend([0x90; 8]);
            let mut monitor = common::flat_machine_under(engine, &[(CODE, code)], CODE, false);
            let started = Instant::now();
            let until = Until { timeout: Some(LIMIT), ..Until::default() };
            let end = monitor.run_until(&until).unwrap();
            let ended = matches!(end, RunEnd::Timeout | RunEnd::TripleFault { .. });
            assert!(ended, "{engine} {repeated:02x?}: {end:?}");
            assert!(started.elapsed() < LIMIT + LATE, "{engine}: {:?}", started.elapsed());
        }
    }
}

#[test]
fn frames_of_every_depth_end_in_time() {
    for engine in ENGINES {
        // enter 0, 31; mov esp, 80000h
        ends(engine, endless(0, &[0xc8, 0, 0, 31, 0xbc, 0, 0, 8, 0]));
    }
}
