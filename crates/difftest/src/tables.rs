//! The guest's tables as they are before the first case: GDT, IDT, TSS, page tables, real-mode
//! vectors.
//!
//! Invariant: the constant descriptors never change, except for their accessed bits, which are set
//! from the start; so no case depends on the one before it.

use crate::layout::*;

/// Descriptors that segment loads, LAR, LSL, VERR and far transfers meet, by selector. All are in
/// the GDT for good.
pub const ODD: &[(u16, u64)] = &[
    (0x48, descriptor(0, 0xf_ffff, 0x9f, 0xc)), // conforming code, readable
    (0x50, descriptor(0, 0xf_ffff, 0xf9, 0xc)), // execute-only code, DPL 3
    (0x58, descriptor(0x1_0000, 0xfff, 0xf1, 0x4)), // read-only data, DPL 3
    (0x60, descriptor(0x1_0000, 0xfff, 0x73, 0x4)), // data that is not present
    (0x68, descriptor(0, 0xf_ffff, 0x7b, 0xc)), // code that is not present
    (0x70, gate(CODE0, RETF, 0xec, 0)),         // call gate, DPL 3
    (0x78, gate(CODE0, RETF_8, 0xec, 2)),       // call gate with two parameters
    (0x80, gate(CODE0, RETF, 0x8c, 0)),         // call gate, DPL 0
    (0x88, descriptor(0x1_0000, 0xfff, 0xe2, 0)), // an LDT
    (0x90, descriptor(0x1_0000, 0x67, 0xe9, 0)), // an available TSS, DPL 3
    (0x98, descriptor(0x1_0000, 0x2b, 0xe1, 0)), // an available 16-bit TSS
    (0xa0, descriptor(0x1_0000, 0x1fff, 0xf7, 0x4)), // expand-down data
    (0xa8, descriptor(0, 0xf_ffff, 0xb3, 0xc)), // data, DPL 1
    (0xb0, descriptor(0, 0xf_ffff, 0xbb, 0xc)), // code, DPL 1
    (0xb8, 0),                                  // nothing
    (0xc0, descriptor(0x4001_0000, 0x3, 0xf3, 0xc)), // 16 KiB of data, DPL 3, in pages
    (0xc8, gate(CODE0, RETF & 0xffff, 0xe4, 0)), // a 16-bit call gate
    (0xd0, gate(TSS0, 0, 0xe5, 0)),             // a task gate to the busy TSS
    (0xd8, descriptor(0, 0xf_ffff, 0xff, 0xc)), // conforming code, DPL 3
];

/// A segment descriptor: base, 20-bit limit, access byte, flags (G, D/B, 0, AVL).
pub const fn descriptor(base: u32, limit: u32, access: u8, flags: u8) -> u64 {
    let (base, limit) = (base as u64, limit as u64);
    (limit & 0xffff)
        | (base & 0xff_ffff) << 16
        | (access as u64) << 40
        | (limit >> 16 & 15) << 48
        | (flags as u64 & 15) << 52
        | (base >> 24) << 56
}

/// A gate: target, access byte, parameter count.
pub const fn gate(selector: u16, offset: u32, access: u8, count: u8) -> u64 {
    let offset = offset as u64;
    (offset & 0xffff)
        | (selector as u64) << 16
        | (count as u64) << 32
        | (access as u64) << 40
        | (offset >> 16) << 48
}

/// Pieces of memory: physical address and bytes.
pub fn initial() -> Vec<(u32, Vec<u8>)> {
    let linear = |a: u32| a - HIGH + IMAGE;
    vec![
        (linear(GDT), qwords(&gdt())),
        (linear(IDT), qwords(&idt())),
        (linear(TSS_MAIN), tss_main()),
        (linear(TSS_FAULT), tss_fault()),
        (PD_RUN, dwords(&pd_run())),
        (PD_CASE, dwords(&pd_case())),
        (PT_ARENA, vec![0; 4096]),
        (PT_RUNNER, dwords(&pt_runner())),
        (REAL_VECTORS, dwords(&(0..256).map(|v| REAL_STUBS + 16 * v).collect::<Vec<_>>())),
        // Firmware may have left something in the rest of the real-mode data segment.
        (0x1_4000, vec![0; 0xc000]),
        (CODE_PAGES, vec![0xcc; 0x1_0000]),
    ]
}

fn gdt() -> Vec<u64> {
    let mut table = vec![0; 64];
    let mut set = |selector: u16, d: u64| table[usize::from(selector) / 8] = d;
    set(CODE0, descriptor(0, 0xf_ffff, 0x9b, 0xc));
    set(DATA0, descriptor(0, 0xf_ffff, 0x93, 0xc));
    set(0x18, descriptor(0, 0xf_ffff, 0xfb, 0xc));
    set(0x20, descriptor(0, 0xf_ffff, 0xf3, 0xc));
    set(TSS0, descriptor(TSS_MAIN, 0x67, 0x89, 0));
    set(TSS_DF, descriptor(TSS_FAULT, 0x67, 0x89, 0));
    set(CODE16, descriptor(0, 0xffff, 0x9b, 0));
    set(DATA16, descriptor(0, 0xffff, 0x93, 0));
    for &(selector, d) in ODD {
        set(selector, d);
    }
    table
}

fn idt() -> Vec<u64> {
    let stub = |v: u32| STUBS + 16 * v;
    let mut table: Vec<u64> = (0..256u32)
        .map(|v| {
            // INT n may be executed at CPL 3 for INT3, INTO, BOUND's vector and odd n from 20h on.
            let open = matches!(v, 3 | 4) || (v >= 0x20 && v % 2 == 1);
            gate(CODE0, stub(v), if open { 0xee } else { 0x8e }, 0)
        })
        .collect();
    table[8] = gate(TSS_DF, 0, 0x85, 0);
    table[0x30] = gate(CODE0, IRETD, 0xee, 0);
    table[0x31] = gate(CODE0, IRETD, 0xef, 0);
    table[0xe0] = gate(CODE0, TIMER, 0x8e, 0);
    table
}

fn tss_main() -> Vec<u8> {
    let mut tss = vec![0u32; 26];
    tss[1] = STACK_TOP;
    tss[2] = u32::from(DATA0);
    // Stacks for CPL 1 and 2, which call gates to conforming code never use.
    tss[25] = 0x68 << 16;
    dwords(&tss)
}

fn tss_fault() -> Vec<u8> {
    let data = u32::from(DATA0);
    let mut tss = vec![0u32; 26];
    tss[7] = PD_RUN;
    tss[8] = DOUBLE_FAULT;
    tss[9] = 2;
    tss[14] = STACK_TOP - 0x400;
    for (at, selector) in [(18, data), (19, u32::from(CODE0)), (20, data), (21, data)] {
        tss[at] = selector;
    }
    tss[25] = 0x68 << 16;
    dwords(&tss)
}

/// Present, writable, accessed, dirty; supervisor.
const SUPERVISOR: u32 = 0x63;

fn pd_run() -> Vec<u32> {
    let mut pd = vec![0; 1024];
    for (k, pde) in pd.iter_mut().enumerate().take((RAM >> 22) as usize) {
        *pde = (k as u32) << 22 | 0x80 | SUPERVISOR;
    }
    pd[(HIGH >> 22) as usize] = PT_RUNNER | SUPERVISOR;
    pd
}

fn pd_case() -> Vec<u32> {
    let mut pd = vec![0; 1024];
    pd[(HIGH >> 22) as usize] = PT_RUNNER | SUPERVISOR;
    pd
}

fn pt_runner() -> Vec<u32> {
    let mut pt = vec![0; 1024];
    for page in 0..16u32 {
        pt[page as usize] = (IMAGE + page * 0x1000) | 0x61;
    }
    for linear in [SAVE, SAVE + 0x1000, GDT, IDT, TSS_MAIN] {
        let page = (linear - HIGH) >> 12;
        pt[page as usize] = (IMAGE + page * 0x1000) | SUPERVISOR;
    }
    pt
}

fn dwords(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn qwords(values: &[u64]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}
