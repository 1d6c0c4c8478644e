//! Supervisor code under two page directories that agree on most of it and not on one page, which changes in one of them and is
//! written to: the tables that the address spaces share never lead to code of another page, nor to what it was.

#[allow(dead_code, reason = "other tests use more of it")]
mod common;

use ringer_monitor::{Engine, RunEnd};

const CODE: u32 = 0x1_0000;
const DIRECTORIES: [u32; 2] = [0x10_0000, 0x10_2000];
const TABLES: [u32; 2] = [0x10_1000, 0x10_3000];
/// Two pages with two functions each, which may be at [`SHOWN`].
const FRAMES: [u32; 2] = [0x20_1000, 0x20_2000];
const SHOWN: u32 = 0x40_0000;
const ROUNDS: u32 = 100;
/// What the functions add to EBX.
const ADDED: [[u8; 2]; 2] = [[1, 3], [0x10, 0x30]];

fn load_cr3(code: &mut Vec<u8>, directory: u32) {
    code.push(0xb8);
    code.extend(directory.to_le_bytes()); // mov eax, directory
    code.extend([0x0f, 0x22, 0xd8]); // mov cr3, eax
}

fn functions(added: [u8; 2]) -> Vec<u8> {
    let mut page = vec![0x83, 0xc3, added[0], 0xc3]; // add ebx, imm8; ret
    page.resize(0x40, 0x90);
    page.extend([0x83, 0xc3, added[1], 0xc3]);
    page
}

/// What EBX comes to.
fn sum() -> u32 {
    let mut added = ADDED.map(|page| page.map(u32::from));
    let mut first = 0;
    let mut sum = 0u32;
    for _ in 0..ROUNDS {
        added[1][0] += 1;
        first ^= 1;
        sum += added[first].iter().sum::<u32>() + added[1].iter().sum::<u32>();
    }
    sum
}

fn guest() -> Vec<(u32, Vec<u8>)> {
    let mut code = Vec::new();
    load_cr3(&mut code, DIRECTORIES[0]);
    code.extend([0x0f, 0x20, 0xe0, 0x83, 0xc8, 0x10, 0x0f, 0x22, 0xe0]); // CR4.PSE
    code.extend([0x0f, 0x20, 0xc0, 0x0d, 0, 0, 0, 0x80, 0x0f, 0x22, 0xc0]); // CR0.PG
    code.extend([0x31, 0xdb, 0xb9]);
    code.extend(ROUNDS.to_le_bytes()); // xor ebx, ebx; mov ecx, ROUNDS
    let head = code.len();
    code.extend([0xfe, 0x05]);
    code.extend((FRAMES[1] + 2).to_le_bytes()); // inc byte [the second page's first function's operand]
    code.extend([0x81, 0x35]);
    code.extend(TABLES[0].to_le_bytes());
    code.extend((FRAMES[0] ^ FRAMES[1]).to_le_bytes()); // xor dword [TABLES[0]], the other page
    for directory in DIRECTORIES {
        load_cr3(&mut code, directory);
        for function in [SHOWN, SHOWN + 0x40] {
            code.push(0xb8);
            code.extend(function.to_le_bytes()); // mov eax, function
            code.extend([0xff, 0xd0]); // call eax
        }
    }
    code.extend([0x49, 0x0f, 0x85]); // dec ecx; jne head
    let back = head as i32 - (code.len() as i32 + 4);
    code.extend(back.to_le_bytes());
    code.extend([0x89, 0xd8, 0x2d]);
    code.extend(sum().to_le_bytes()); // mov eax, ebx; sub eax, sum
    code.extend([0xe7, 0xf4, 0xeb, 0xfe]); // out f4h, eax; jmp $
    let mut memory = vec![(CODE, code)];
    for (k, table) in TABLES.into_iter().enumerate() {
        let directory = [0x83u32.to_le_bytes(), (table | 3).to_le_bytes()].concat();
        memory.push((DIRECTORIES[k], directory));
        memory.push((table, (FRAMES[k] | 3).to_le_bytes().to_vec()));
        memory.push((FRAMES[k], functions(ADDED[k])));
    }
    memory
}

#[test]
fn a_shared_table_leads_to_no_code_of_another_address_space() {
    for engine in [Engine::Interp, Engine::Lockstep, Engine::Bt] {
        let mut monitor = common::flat_machine_under(engine, &guest(), CODE, false);
        assert_eq!(monitor.run().unwrap(), RunEnd::DebugExit(0), "{engine}");
    }
}
