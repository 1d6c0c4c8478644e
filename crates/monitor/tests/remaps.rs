//! A page that the guest maps anew all the time, as a kernel's slots for memory that it has no place for: the accesses
//! find what is there each time, and the host is not asked to map each.

#[allow(dead_code, reason = "other tests use more of it")]
mod common;

use ringer_monitor::{Engine, RunEnd};

const CODE: u32 = 0x1_0000;
const DIRECTORY: u32 = 0x10_0000;
const TABLE: u32 = 0x10_1000;
const ROUNDS: u32 = 600;

/// Paging on, 4 MiB as they are and the next 4 MiB by a table; then `ROUNDS` times: the first entry of the table becomes one of
/// two frames, INVLPG of its page, `accesses`, which use EBX and see the rounds left in ECX. Ends with EBX less `sum`.
fn guest(accesses: &[u8], sum: u32) -> Vec<(u32, Vec<u8>)> {
    let mut code = vec![0xb8];
    code.extend(DIRECTORY.to_le_bytes()); // mov eax, DIRECTORY
    code.extend([0x0f, 0x22, 0xd8]); // mov cr3, eax
    code.extend([0x0f, 0x20, 0xe0, 0x83, 0xc8, 0x10, 0x0f, 0x22, 0xe0]); // CR4.PSE
    code.extend([0x0f, 0x20, 0xc0, 0x0d, 0, 0, 0, 0x80, 0x0f, 0x22, 0xc0]); // CR0.PG
    code.extend([0x31, 0xdb, 0xb9]);
    code.extend(ROUNDS.to_le_bytes()); // xor ebx, ebx; mov ecx, ROUNDS
    let head = code.len();
    code.extend([0x89, 0xc8, 0x83, 0xe0, 0x01, 0xc1, 0xe0, 0x0c]); // mov eax, ecx; and eax, 1; shl eax, 12
    code.extend([0x05, 0x03, 0, 0x20, 0, 0xa3]); // add eax, 200003h
    code.extend(TABLE.to_le_bytes()); // mov [TABLE], eax
    code.extend([0x0f, 0x01, 0x3d, 0, 0, 0x40, 0]); // invlpg [400000h]
    code.extend(accesses);
    code.extend([0x49, 0x0f, 0x85]); // dec ecx; jne head
    let back = head as i32 - (code.len() as i32 + 4);
    code.extend(back.to_le_bytes());
    code.extend([0x89, 0xd8, 0x2d]);
    code.extend(sum.to_le_bytes()); // mov eax, ebx; sub eax, sum
    code.extend([0xe7, 0xf4, 0xeb, 0xfe]); // out f4h, eax; jmp $
    let directory = [0x83u32.to_le_bytes(), (TABLE | 3).to_le_bytes()].concat();
    // In each frame a routine: mov eax, 0; ret
    let routine = vec![0xb8, 0, 0, 0, 0, 0xc3];
    let routines = [0x20_0100, 0x20_1100].map(|at| (at, routine.clone()));
    [vec![(CODE, code), (DIRECTORY, directory)], routines.to_vec()].concat()
}

/// Under every engine it ends well; what the translator's run met.
fn run(accesses: &[u8], sum: u32) -> ringer_monitor::Profile {
    for engine in [Engine::Interp, Engine::Lockstep] {
        let mut monitor = common::flat_machine_under(engine, &guest(accesses, sum), CODE, false);
        assert_eq!(monitor.run().unwrap(), RunEnd::DebugExit(0), "{engine}");
    }
    let mut monitor = common::flat_machine(&guest(accesses, sum), CODE, false);
    assert_eq!(monitor.run().unwrap(), RunEnd::DebugExit(0));
    monitor.profile()
}

#[test]
fn a_page_that_goes_at_each_turn_is_not_mapped_each_time() {
    // mov [400000h], ecx; add ebx, [400000h]
    let accesses = [0x89, 0x0d, 0, 0, 0x40, 0, 0x03, 0x1d, 0, 0, 0x40, 0];
    let profile = run(&accesses, ROUNDS * (ROUNDS + 1) / 2);
    let traps = profile.hidden_faults + profile.churn_faults;
    assert!(traps < 40, "{} hidden, {} churn", profile.hidden_faults, profile.churn_faults);
    // The first access of a turn is the interpreter's, and the second one finds what that entered; without SHRX both are.
    assert!(u64::from(ROUNDS) < profile.callouts, "{} callouts", profile.callouts);
}

#[test]
fn a_page_that_is_used_a_lot_between_its_changes_is_mapped() {
    // push ecx; mov ecx, 500; 1: add ebx, 1; mov [400010h], ebx; mov ebx, [400010h]; dec ecx; jne 1b; pop ecx
    let mut accesses = vec![0x51, 0xb9, 0xf4, 0x01, 0, 0, 0x83, 0xc3, 0x01];
    accesses.extend([0x89, 0x1d, 0x10, 0, 0x40, 0, 0x8b, 0x1d, 0x10, 0, 0x40, 0]);
    accesses.extend([0x49, 0x75, 0xee, 0x59]);
    let profile = run(&accesses, ROUNDS * 500);
    let interpreted = profile.instructions_interpreted;
    assert!(interpreted < u64::from(ROUNDS) * 500 / 4, "{interpreted} of the accesses");
}

/// What has been made of code must go when it is written, by whatever way.
#[test]
fn code_that_is_written_by_way_of_such_a_page_is_seen() {
    // mov [400101h], ecx; lea edx, [eax+fdh]; call edx; add ebx, eax: the number in the routine, which is there by its other
    // address; inc dword [400101h]; call edx; add ebx, eax
    let accesses = [
        0x89, 0x0d, 0x01, 0x01, 0x40, 0, 0x8d, 0x90, 0xfd, 0, 0, 0, 0xff, 0xd2, 0x01, 0xc3, 0xff,
        0x05, 0x01, 0x01, 0x40, 0, 0xff, 0xd2, 0x01, 0xc3,
    ];
    run(&accesses, ROUNDS * (ROUNDS + 1) + ROUNDS);
}
