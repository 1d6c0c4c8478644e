//! A triple fault leaves the same processor under each engine: its registers as before the instruction.

#[allow(dead_code, reason = "other tests use more of it")]
mod common;

use common::virtual_machine;
use ringer_cpu::{CpuState, Eflags};
use ringer_monitor::{Engine, RunEnd};

const CODE: u32 = 0x1_0000;
/// What LIDT loads: a limit and a base of zero.
const IDT: u32 = 0x2_0000;
/// What LGDT loads, in the place of a null descriptor; flat code for selector 8 behind it.
const GDT: u32 = 0x2_1000;
/// Maps the first 4 MiB one to one, and nothing else.
const DIRECTORY: u32 = 0x3_0000;

/// Ends the run with a triple fault at `at`, in each engine, translated at once: what is left.
fn dies(code: &[u8], at: u32) -> [CpuState; 3] {
    [Engine::Interp, Engine::Bt, Engine::Lockstep].map(|engine| {
        let mut all = vec![0x0f, 0x01, 0x1d]; // lidt [IDT]
        all.extend(IDT.to_le_bytes());
        all.extend([0x0f, 0x01, 0x15]); // lgdt [GDT]
        all.extend(GDT.to_le_bytes());
        all.extend(code);
        let entry = 0x83u32.to_le_bytes().to_vec(); // 4 MiB, present, writable
        let gdt = [0x0f, 0, 0, 0x10, 2, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0x9b, 0xcf, 0];
        let pieces = [(CODE, all), (IDT, vec![0; 6]), (GDT, gdt.to_vec()), (DIRECTORY, entry)];
        let mut monitor = virtual_machine(engine, &pieces, CODE);
        monitor.testing().translate_at_visit(1);
        assert_eq!(monitor.run().unwrap(), RunEnd::TripleFault { cs: 8, eip: at }, "{engine}");
        *monitor.state()
    })
}

fn seen(cpu: &CpuState) -> ([u32; 8], u32, u32, u64) {
    (cpu.gpr32(), cpu.eip(), cpu.eflags, cpu.cr2)
}

#[test]
fn behind_an_iret_that_set_rf() {
    let mut code = vec![0x68, 0x02, 0x00, 0x01, 0x00]; // push 10002h
    code.push(0x0e); // push cs
    code.push(0x68);
    code.extend((CODE + 0x20).to_le_bytes()); // push CODE + 20h
    code.push(0xcf); // iretd
    let long = code.len() + 14;
    code.extend(vec![0x90; 0x20 - long]);
    code.extend([0x0f, 0x0b]); // ud2
    for cpu in dies(&code, CODE + 0x20) {
        assert_eq!((cpu.eip(), cpu.eflags), (CODE + 0x20, Eflags::FIXED_ONE));
    }
}

#[test]
fn in_a_rep_of_more_than_one_pass() {
    let mut code = vec![0xb8];
    code.extend(DIRECTORY.to_le_bytes()); // mov eax, DIRECTORY
    code.extend([0x0f, 0x22, 0xd8]); // mov cr3, eax
    code.extend([0xb8, 0x10, 0, 0, 0, 0x0f, 0x22, 0xe0]); // mov eax, 10h (PSE); mov cr4, eax
    code.extend([0x0f, 0x20, 0xc0, 0x0d, 0, 0, 0, 0x80, 0x0f, 0x22, 0xc0]); // or cr0, 80000000h
    code.extend([0xbf, 0, 0xf0, 0x3f, 0]); // mov edi, 3ff000h
    code.extend([0xb9, 0, 0x20, 0, 0]); // mov ecx, 2000h
    let at = CODE + 14 + code.len() as u32;
    code.extend([0xf3, 0xaa]); // rep stosb
    let [interp, bt, lockstep] = dies(&code, at).map(|cpu| seen(&cpu));
    let (gpr, eip, eflags, cr2) = interp;
    assert_eq!((gpr[1], gpr[7], eip, cr2), (0x1000, 0x40_0000, at, 0x40_0000));
    assert_eq!(eflags & Eflags::RF.bits(), 0);
    assert_eq!((bt, lockstep), (interp, interp));
}
