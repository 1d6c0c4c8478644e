//! Ten thousand states with something wrong in them: each is refused with one line, or what it says can
//! be and runs. Half of them have a right checksum, so that what is behind it is reached.

use ringer_machine::{
    BootSource, ClockKind, Engine, Flat, Machine, MachineConfig, MachineState, PcConfig, RunConfig,
    SerialSink, Sinks, StateError, Until,
};
use std::io;
use std::time::Duration;

const CASES: u64 = 10_000;
/// Bytes before the manifest.
const START: usize = 16;
/// The process may hold so many bytes more at the end.
const GROWTH: u64 = 128 << 20;

/// Asks RTC, PIT, PIC, keyboard controller and serial port, counts, and begins again.
#[rustfmt::skip]
const GUEST: &[u8] = &[
    0xb0, 0x0c, 0xe6, 0x70, 0xe4, 0x71,             // mov al, 0ch; out 70h, al; in al, 71h
    0xe4, 0x40, 0xe4, 0x42, 0xe4, 0x21, 0xe4, 0xa1, // in al, 40h; 42h; 21h; a1h
    0xe4, 0x60, 0xe4, 0x64, 0xe4, 0x61,             // in al, 60h; 64h; 61h
    0xba, 0xfd, 0x03, 0x00, 0x00, 0xec,             // mov edx, 3fdh; in al, dx
    0xb2, 0xf8, 0xee,                               // mov dl, f8h; out dx, al
    0xd9, 0xe8, 0xd8, 0xc1, 0x90,                   // fld1; fadd st, st(1); nop
    0xff, 0x05, 0x00, 0x90, 0x00, 0x00,             // inc dword ptr [9000h]
    0xeb, 0xd6,                                     // jmp to the start
];

struct Nowhere;

impl SerialSink for Nowhere {
    fn write(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }
}

fn machine() -> Machine {
    let pc = PcConfig { ram_size: 1 << 20, ..PcConfig::default() };
    let run = RunConfig {
        engine: Engine::Interp,
        clock: ClockKind::Virtual,
        tc_size: 1 << 20,
        ..RunConfig::default()
    };
    let source = BootSource::Flat(Flat::new(GUEST, 0x8000));
    let sinks = Sinks { serial: Box::new(Nowhere), debugcon: Box::new(Nowhere) };
    Machine::new(MachineConfig { pc, run }, &source, sinks).unwrap()
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// Where the manifest, the sections and the contents end.
fn ends(good: &[u8]) -> (usize, usize) {
    let manifest = START + u32::from_le_bytes(good[12..16].try_into().unwrap()) as usize;
    let text = std::str::from_utf8(&good[START..manifest]).unwrap();
    let lengths = text.split("\"length\":").skip(1).filter_map(|rest| {
        let digits: String = rest.trim().chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<usize>().ok()
    });
    (manifest, manifest + lengths.sum::<usize>())
}

fn mutate(good: &[u8], random: &mut Random) -> Vec<u8> {
    let (manifest, sections) = ends(good);
    let mut bytes = good.to_vec();
    for _ in 0..=random.below(3) {
        let len = bytes.len();
        match random.below(8) {
            0 => bytes[random.below(len)] ^= 1 << random.below(8),
            1 => bytes[random.below(manifest.min(len))] ^= 1 << random.below(8),
            2 | 3 => {
                let at = manifest + random.below(sections - manifest);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = if random.below(2) == 0 { 0xff } else { random.next() as u8 };
                }
            }
            4 => bytes.truncate(START + 4 + random.below(len - START - 4)),
            5 => {
                let end = manifest.min(len);
                let digits = (START..end).filter(|at| bytes[*at].is_ascii_digit());
                let digits: Vec<usize> = digits.collect();
                if let Some(at) = digits.get(random.below(digits.len())) {
                    bytes[*at] = b'0' + random.below(10) as u8;
                }
            }
            6 => bytes[12 + random.below(4)] = random.next() as u8,
            _ => {
                let (from, to) = (random.below(len), random.below(len));
                let part = bytes[from..(from + random.below(64)).min(len)].to_vec();
                bytes.splice(to..to, part);
            }
        }
    }
    if random.below(2) == 0 {
        let end = bytes.len() - 4;
        let sum = crc32fast::hash(&bytes[..end]);
        bytes[end..].copy_from_slice(&sum.to_le_bytes());
    }
    bytes
}

fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

fn take_over(machine: &mut Machine, bytes: &[u8]) -> Result<(), StateError> {
    machine.restore(&MachineState::from_bytes(bytes)?)
}

#[test]
fn ten_thousand_damaged_states_are_refused_or_run() {
    let given = std::env::var("RINGER_SEED").ok().and_then(|text| text.parse().ok());
    let seed = given.unwrap_or(0x5eed);
    eprintln!("RINGER_SEED={seed}");
    let mut random = Random(seed);
    let mut machine = machine();
    machine.run_until(&Until::new().instructions(2000)).unwrap();
    assert_eq!(machine.retired(), 2000);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    machine.save().unwrap().write(&path).unwrap();
    let good = std::fs::read(&path).unwrap();
    take_over(&mut machine, &good).unwrap();
    let before = resident();
    let (mut refused, mut behind, mut ran) = (0, 0, 0);
    for case in 0..CASES {
        let bytes = mutate(&good, &mut random);
        match take_over(&mut machine, &bytes) {
            Ok(()) => {
                let until = Until::new().instructions(machine.retired().saturating_add(300));
                let _ = machine.run_until(&until.timeout(Duration::from_millis(20)));
                ran += 1;
            }
            Err(e) => {
                let text = e.to_string();
                assert!(!text.contains('\n') && text.len() < 500, "case {case}: {text}");
                refused += 1;
                behind += u32::from(!matches!(e, StateError::Checksum { .. }));
            }
        }
    }
    eprintln!("{refused} refused, {behind} of them not by the checksum; {ran} ran");
    assert!(behind > 1000 && ran > 100);
    assert!(resident() < before + GROWTH, "from {before} to {}", resident());
    // None has done lasting harm.
    take_over(&mut machine, &good).unwrap();
    machine.run_until(&Until::new().instructions(4000)).unwrap();
    assert_eq!(machine.retired(), 4000);
}
