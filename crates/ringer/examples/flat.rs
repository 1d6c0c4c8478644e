//! Runs a flat binary and reads its registers and memory.
//!
//! `cargo run --release -p ringer --example flat [FILE]`: FILE is 32-bit code for address 8000h that ends
//! with HLT; without it a small program is run.

use ringer::{BootSource, Flat, Gpr, Machine, Stop, Until};
use std::error::Error;
use std::time::Duration;

/// Where the program goes.
const LOAD: u32 = 0x8000;
/// Where it leaves its table.
const TABLE: u64 = 0x9000;

/// The Fibonacci numbers as 32-bit words from 9000h on, until one has 32 bits; how many in ECX.
#[rustfmt::skip]
const FIBONACCI: &[u8] = &[
    0xbf, 0x00, 0x90, 0x00, 0x00, // mov edi, 9000h
    0x31, 0xc9,                   // xor ecx, ecx
    0x31, 0xc0,                   // xor eax, eax
    0xba, 0x01, 0x00, 0x00, 0x00, // mov edx, 1
    0xfc,                         // cld
    0xab,                         // next: stosd
    0x41,                         // inc ecx
    0x0f, 0xc1, 0xc2,             // xadd edx, eax
    0x85, 0xc0,                   // test eax, eax
    0x79, 0xf7,                   // jns next
    0xf4,                         // hlt
];

fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args_os().nth(1);
    let program = file.as_ref().map_or_else(|| Ok(FIBONACCI.to_vec()), std::fs::read)?;
    let boot = BootSource::Flat(Flat::new(program, LOAD));
    let mut machine = Machine::builder().memory(1 << 20).boot(boot).build()?;

    let until = Until::new().halt().reset().timeout(Duration::from_secs(10));
    let stop = machine.run(&until)?;
    let registers = machine.registers();
    println!("{stop}, at {:#x}", registers.linear_rip());
    for name in [Gpr::Eax, Gpr::Ecx, Gpr::Edx, Gpr::Ebx, Gpr::Esp, Gpr::Ebp, Gpr::Esi, Gpr::Edi] {
        println!("{name:?} {:08x}", registers[name]);
    }
    if file.is_none() {
        let numbers = table(&machine, registers[Gpr::Ecx] as usize)?;
        println!("{numbers:?}");
        assert_eq!((stop, numbers.len(), numbers.last()), (Stop::Halt, 47, Some(&1_836_311_903)));
    }
    Ok(())
}

fn table(machine: &Machine, count: usize) -> Result<Vec<u32>, ringer::Error> {
    let mut words = vec![[0; 4]; count];
    machine.read_memory(TABLE, words.as_flattened_mut())?;
    Ok(words.into_iter().map(u32::from_le_bytes).collect())
}
