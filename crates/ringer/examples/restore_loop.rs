//! Restores a saved state ten thousand times, each time with another input: what a fuzzer does.
//!
//! The guest reads a string and hashes it; an exclamation mark makes it crash. The machine is saved where
//! the input would be read, and each round starts there.
//!
//! `cargo run --release -p ringer --example restore_loop [ROUNDS]`

use ringer::{BootSource, ClockKind, Flat, Gpr, Machine, Stop, Until};
use std::error::Error;
use std::time::{Duration, Instant};

const LOAD: u32 = 0x8000;
/// Where the guest is about to read its input.
const READY: u64 = 0x8007;
/// Where the input is, a string that ends with a 0.
const INPUT: u64 = 0x9000;

#[rustfmt::skip]
const GUEST: &[u8] = &[
    0xbe, 0x00, 0x90, 0, 0,       // mov esi, 9000h
    0x31, 0xdb,                   // xor ebx, ebx
    0xfc,                         // cld
    0xac,                         // next: lodsb
    0x84, 0xc0,                   // test al, al
    0x74, 0x13,                   // jz done
    0x3c, 0x21,                   // cmp al, '!'
    0x75, 0x02,                   // jne hash
    0x0f, 0x0b,                   // ud2, with no handler
    0x69, 0xdb, 0x1f, 0, 0, 0,    // hash: imul ebx, ebx, 31
    0x0f, 0xb6, 0xc0,             // movzx eax, al
    0x01, 0xc3,                   // add ebx, eax
    0xeb, 0xe8,                   // jmp next
    0xf4,                         // done: hlt
];

/// A string of printable characters.
fn input(random: &mut u64) -> Vec<u8> {
    let mut next = || {
        *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        *random >> 33
    };
    let len = 1 + next() % 30;
    (0..len).map(|_| b'!' + (next() % 90) as u8).collect()
}

/// What the guest should come to: its hash, or none if it crashes.
fn expected(input: &[u8]) -> Option<u64> {
    let hash = |h: u32, b: &u8| h.wrapping_mul(31).wrapping_add(u32::from(*b));
    (!input.contains(&b'!')).then(|| u64::from(input.iter().fold(0, hash)))
}

fn main() -> Result<(), Box<dyn Error>> {
    let rounds = std::env::args().nth(1).map_or(Ok(10_000), |n| n.parse())?;
    let mut machine = Machine::builder()
        .memory(1 << 20)
        .clock(ClockKind::Virtual)
        .boot(BootSource::Flat(Flat::new(GUEST, LOAD)))
        .build()?;
    let stop = machine.run(&Until::new().breakpoint(READY))?;
    assert_eq!(stop, Stop::Breakpoint { cs: 8, eip: READY as u32 });
    let state = machine.save()?;

    let until = Until::new().halt().reset().timeout(Duration::from_secs(10));
    let (mut random, mut crashes) = (1, 0);
    let began = Instant::now();
    for round in 0..rounds {
        machine.restore(&state)?;
        let mut text = input(&mut random);
        let expected = expected(&text);
        text.push(0);
        machine.write_memory(INPUT, &text)?;
        let found = match machine.run(&until)? {
            Stop::Halt => Some(machine.registers()[Gpr::Ebx]),
            Stop::TripleFault { .. } => None,
            other => return Err(format!("round {round}: {other}").into()),
        };
        assert_eq!(found, expected, "round {round}");
        crashes += u32::from(found.is_none());
    }
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{rounds} rounds in {seconds:.2} s, {:.0} a second; {crashes} inputs crashed the guest",
        f64::from(rounds) / seconds
    );
    Ok(())
}
