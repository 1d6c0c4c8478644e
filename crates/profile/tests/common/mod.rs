//! A profile with something in every part of it.

#![allow(dead_code, reason = "each test uses a part")]

use ringer_profile::{
    Address, Block, Build, ByExit, CacheMap, CalloutSite, Class, Extent, ExtentState, FORMAT,
    FaultSite, Faults, Guest, GuestFile, GuestLine, Host, HostLine, HotCallout, IndirectSite,
    InvalidationSite, LedgerRow, Mark, Meta, Page, Place, ProfileFile, Sampling, Stack, Summary,
    SymbolTime, Tick,
};

/// Names with all that HTML, JSON, folded stacks and file formats treat specially.
pub const HOSTILE: &str = "</script><b>&amp; \"operator<<\"(a;b) 'x' é";

pub const ROWS: [(&str, f64, u64); 8] = [
    ("translated code", 1.5, 900),
    ("interpreter (cold code)", 0.2, 4_000),
    ("translating", 0.1, 1_500),
    ("dispatcher", 0.05, 70_000),
    ("callout: port I/O", 0.08, 3_000),
    ("callout: flags (popf, sti, cli)", 0.02, 1_000),
    ("hidden faults", 0.15, 12_000),
    ("idle (HLT)", 0.4, 120),
];

pub fn place(eip: u32, symbol: &str, offset: u64) -> Place {
    Place { eip: eip.into(), symbol: (!symbol.is_empty()).then(|| symbol.to_owned()), offset }
}

fn meta() -> Meta {
    let words = ["profile", "--kernel", "vmlinuz", "--symbols", "System.map"];
    Meta {
        ringer: Build { version: "0.1.0".into(), commit: Some("0123abcd".into()) },
        host: Host { cpu: "A Processor 9000".into(), kernel: "6.1.0".into(), cpus: 2 },
        date: "2026-11-29T02:00:00Z".into(),
        arguments: words.map(str::to_owned).to_vec(),
        disabled: Vec::new(),
        clock: "real".into(),
        cpu: "pentium4".into(),
        memory: 512 << 20,
        cache_size: 64 << 20,
        guest: Guest {
            name: "vmlinuz".into(),
            digest: "abcd1234".into(),
            command_line: Some("console=ttyS0 <quiet>".into()),
            files: vec![GuestFile {
                role: "kernel".into(),
                path: "vmlinuz".into(),
                bytes: 5_000_000,
                digest: "11112222".into(),
            }],
            symbols: vec!["System.map".into()],
        },
        end: "powered off".into(),
    }
}

fn summary() -> Summary {
    let row = |(name, seconds, count): (&str, f64, u64)| LedgerRow {
        name: name.to_owned(),
        seconds,
        count,
    };
    Summary {
        engine: "bt".into(),
        seconds: 2.5125,
        instructions_translated: 987_654_321,
        instructions_interpreted: 1_234_567,
        translated_percent: 99.875,
        block_entries: 200_000_000,
        direct_links: 150_000_000,
        inline_lookups: 49_930_000,
        dispatched: 70_000,
        undispatched_percent: 99.965,
        blocks_translated: 1_500,
        guest_bytes: 40_000,
        host_bytes: 92_000,
        expansion: 2.3,
        cache_used: 1_048_576,
        evictions: 0,
        invalidations: 17,
        interrupts: 480,
        callouts: 4_000,
        hidden_faults: 12_000,
        prefills: 310,
        true_faults: 220,
        mmio_faults: 40,
        code_write_faults: 25,
        churn_faults: 0,
        other_faults: 3,
        window_pages: 30_000,
        windows_created: 12,
        windows_evicted: 2,
        set_aside: 5,
        inline_mapped: 40,
        inline_aside: 60,
        port_io: 5_600,
        mmio: 48,
        hot_callouts: vec![HotCallout { instruction: "OUT DX, AL".into(), count: 3_000 }],
        ledger: ROWS.map(row).to_vec(),
        residual_seconds: 0.0125,
        residual_note: None,
    }
}

fn tick(k: u32) -> Tick {
    let wave = u64::from(k % 7) + 1;
    Tick {
        start: f64::from(k) * 0.1,
        seconds: 0.1,
        instructions_translated: 40_000_000 * wave,
        instructions_interpreted: 50_000,
        block_entries: 8_000_000 * wave,
        direct_links: 6_000_000 * wave,
        inline_lookups: 1_990_000 * wave,
        dispatched: 10_000 * wave,
        blocks_translated: 60 + u64::from(25 - k) * 8,
        invalidations: u64::from(k == 12) * 17,
        callouts: 160 * wave,
        interrupts: 19,
        hidden_faults: 480,
        true_faults: 9,
        mmio_faults: 2,
        code_write_faults: 1,
        churn_faults: 0,
        other_faults: 0,
        port_io: 220,
        mmio: 2,
        cache_used: 40_000 * u64::from(k + 1),
        ledger: ROWS.iter().map(|(_, seconds, _)| seconds / 25.0).collect(),
    }
}

/// A block of three instructions, one of them a callout.
pub fn block(eip: u32, symbol: &str, samples: u64) -> Block {
    let guest = |k: u64, bytes: &str, text: &str, class| GuestLine {
        address: Address(u64::from(eip) + k),
        bytes: bytes.into(),
        text: text.into(),
        class,
        why: (class == Class::Callout).then(|| "it reaches a device".to_owned()),
        samples: samples / 2,
        faults: 0,
    };
    let host = |offset, bytes: &str, text: &str, guest| HostLine {
        offset,
        bytes: bytes.into(),
        text: text.into(),
        guest,
        samples: samples / 4,
    };
    Block {
        place: place(eip, symbol, 4),
        physical: Address(u64::from(eip & 0x0fff_ffff)),
        guest_bytes: 6,
        instructions: 3,
        host_bytes: 21,
        expansion: 3.5,
        mode: "32-bit, CPL 0, flat".into(),
        cpl: 0,
        samples,
        seconds: samples as f64 / 1000.0,
        entries: Some(samples * 1_000),
        translations: 1,
        state: ExtentState::Hot,
        cache_offset: 0x2000,
        exits: vec![ByExit {
            kind: "callout".into(),
            target: Some(Address(u64::from(eip) + 5)),
            linked: false,
            count: Some(12),
        }],
        callouts: 12,
        faults: Faults { hidden: 3, ..Faults::default() },
        guest: vec![
            guest(0, "83442408fb", "add dword [esp+8], -5", Class::Innocuous),
            guest(5, "50", "push eax", Class::Rewritten),
            guest(6, "ee", "out dx, al", Class::Callout),
        ],
        host: vec![
            host(0, "65674183442408fb", "add dword [gs:r12d+8], -5", Some(0)),
            host(8, "656741894424fc", "mov [gs:r12d-4], eax", Some(1)),
            host(15, "458d6424fc", "lea r12d, [r12-4]", Some(1)),
            host(20, "e900000000", "jmp callout", None),
        ],
    }
}

fn sites(file: &mut ProfileFile) {
    let at = place(0xc010_2345, "schedule", 0x45);
    file.indirect_sites = vec![IndirectSite {
        place: at.clone(),
        instruction: "ret".into(),
        kind: "return".into(),
        hits: 9_990,
        misses: 10,
    }];
    file.callout_sites = vec![CalloutSite {
        place: place(0xc010_9999, HOSTILE, 2),
        instruction: "out dx, al".into(),
        row: "callout: port I/O".into(),
        why: "it reaches a device".into(),
        count: 3_000,
        seconds: Some(0.08),
    }];
    file.fault_sites = vec![FaultSite {
        place: at.clone(),
        instruction: "mov eax, [ebx]".into(),
        kind: "hidden".into(),
        count: 700,
    }];
    file.invalidation_sites = vec![InvalidationSite {
        page: Address(0x10_9000),
        symbol: Some("text_poke".into()),
        writer: Some(at),
        cause: "guest".into(),
        count: 5,
        blocks: 17,
    }];
}

fn cache() -> CacheMap {
    let extent = |k: u64, state, samples| Extent {
        start: 4096 + k * 8192,
        len: 8192,
        state,
        place: place(0xc010_0000 + k as u32, "schedule", k),
        samples,
    };
    let stub = Extent { start: 0, len: 4096, state: ExtentState::Stub, ..Extent::default() };
    let cold = (0..40).map(|k| extent(k, ExtentState::Cold, 0));
    let hot = (40..80).map(|k| extent(k, ExtentState::Hot, k));
    let gone = (80..90).map(|k| extent(k, ExtentState::Invalidated, 0));
    let extents = [stub].into_iter().chain(cold).chain(hot).chain(gone).collect();
    CacheMap { size: 64 << 20, used: 1 << 20, extents }
}

/// The profile.
pub fn sample() -> ProfileFile {
    let symbol = |name: &str, cpl, samples: u64| SymbolTime {
        name: name.into(),
        cpl,
        samples,
        seconds: samples as f64 / 1000.0,
        blocks: 3,
        callouts: 1,
        faults: 2,
    };
    let stack = |cpl, frames: &[Place], samples: u64| Stack {
        activity: "translated code".into(),
        cpl,
        frames: frames.to_vec(),
        samples,
        seconds: samples as f64 / 1000.0,
    };
    let (idle, main) = (place(0xc010_0000, "cpu_idle", 9), place(0x0804_8000, "", 0));
    let mut file = ProfileFile {
        format: FORMAT,
        meta: meta(),
        summary: summary(),
        sampling: Some(Sampling {
            method: "timer".into(),
            interval: 0.001,
            samples: 2_000,
            translated: 1_500,
            lost: 1,
            cost_seconds: 0.01,
        }),
        timeline: (0..25).map(tick).collect(),
        marks: vec![Mark {
            at: 1.25,
            instructions: 500_000_000,
            kind: "serial".into(),
            text: "Freeing <unused> memory".into(),
        }],
        blocks: vec![block(0xc010_2300, "schedule", 400), block(0xc020_0000, HOSTILE, 300)],
        pages: vec![Page {
            linear: Address(0xc010_2000),
            physical: Address(0x10_2000),
            symbol: Some("schedule".into()),
            samples: 400,
            seconds: 0.4,
            blocks: 9,
            host_bytes: 4_000,
            invalidations: 1,
            callouts: 12,
            faults: 3,
        }],
        symbols: vec![
            symbol("schedule", 0, 700),
            symbol(HOSTILE, 0, 500),
            symbol("[08048000]", 3, 300),
        ],
        stacks: vec![
            stack(0, &[idle.clone(), place(0xc010_2300, "schedule", 4)], 700),
            stack(0, &[idle, place(0xc020_0000, HOSTILE, 4)], 500),
            stack(3, &[main], 300),
        ],
        cache: cache(),
        ..ProfileFile::default()
    };
    sites(&mut file);
    file
}
