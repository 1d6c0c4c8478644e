//! Windows against an inline software TLB, measured on this host: the figures in docs/windows.md.
//!
//! `cargo run --release -p ringer-mmu --example spike`
//!
//! Steady loops are the sequences that a translator would emit, written in Rust and kept from being
//! vectorised. Cases with misses run the crate's own code: `Mmu::read` for the software TLB,
//! `Windows::fault` for windows. The latter is called directly, so that the host's signal delivery
//! (about 1.5 us) must be added to every fill.

use ringer_cpu::addr::{Frame, Lin, Pa, Page};
use ringer_cpu::{PagingChange, PagingRegs, Privilege};
use ringer_mmu::{DropSink, Fill, GuestMemory, Mmu, PhysIo, WindowId, Windows};
use std::hint::black_box;
use std::time::Instant;

const MIB: u32 = 1 << 20;
const SIGNAL_NS: f64 = 1500.0;
/// Entries: present, writable, user, accessed, dirty.
const FLAGS: u32 = 0x67;

struct Nothing;

impl PhysIo for Nothing {
    fn mmio_read(&mut self, _: Option<&mut GuestMemory>, _: Pa, _: u8) -> u64 {
        u64::MAX
    }
    fn mmio_write(&mut self, _: &mut GuestMemory, _: Pa, _: u8, _: u64) {}
    fn code_write(&mut self, _: Pa, _: u32) {}
}

impl DropSink for Nothing {
    fn dropped(&mut self, _: WindowId, _: Page, _: u32) {}
    fn window_gone(&mut self, _: WindowId) {}
}

/// The inline software TLB: tag compare and addend, 4096 entries.
struct InlineTlb {
    entries: Vec<(u32, u64)>,
}

impl InlineTlb {
    fn new(base: u64) -> Self {
        let entries = (0..4096).map(|page| (page, base)).collect();
        Self { entries }
    }

    #[inline(always)]
    fn host(&mut self, lin: u32, base: u64) -> u64 {
        let page = lin >> 12;
        let entry = &mut self.entries[page as usize & 4095];
        if entry.0 != page {
            *entry = (page, base);
        }
        entry.1 + u64::from(lin)
    }
}

/// Nanoseconds a call of `f`, the best of five rounds of `n` calls.
fn time(n: u32, mut f: impl FnMut(u32)) -> f64 {
    let round = |f: &mut dyn FnMut(u32)| {
        let start = Instant::now();
        for k in 0..n {
            f(k);
        }
        start.elapsed().as_nanos() as f64 / f64::from(n)
    };
    (0..5).map(|_| round(&mut f)).fold(f64::MAX, f64::min)
}

fn read_host(at: u64) -> u32 {
    // SAFETY: the callers made sure that the page at `at` is mapped in a window, for the length of
    // the measurement.
    unsafe { std::ptr::read_volatile(at as *const u32) }
}

fn machine() -> (Mmu, GuestMemory) {
    (Mmu::new(), GuestMemory::new(256 << 20).expect("guest memory"))
}

fn put(memory: &mut GuestMemory, pa: u32, value: u32) {
    assert!(memory.dma_write(Pa::from(pa), &value.to_le_bytes()));
}

fn load_cr3(mmu: &mut Mmu, memory: &GuestMemory, windows: &mut Windows, cr3: u32) -> u64 {
    let regs = PagingRegs { cr0: 0x8001_0001, cr3: u64::from(cr3), cr4: 0x10, efer: 0 };
    mmu.paging_changed(&regs, PagingChange::Cr3);
    windows.on_cr3_load();
    windows.activate(mmu.paging(), memory, Privilege::User, &mut Nothing).base
}

fn row(name: &str, native: Option<f64>, window: f64, soft: f64) {
    let native = native.map_or("-".to_owned(), |n| format!("{n:.2}"));
    println!("| {name} | {native} | {window:.2} | {soft:.2} |");
}

fn steady() {
    let (mut mmu, mut memory) = machine();
    let mut windows = Windows::new(4, 30_000).expect("windows");
    let base = windows.activate(mmu.paging(), &memory, Privilege::Supervisor, &mut Nothing).base;
    let fill = windows.fault(mmu.paging(), &mut memory, Lin::from(16 * MIB), true, &mut Nothing);
    assert_eq!(fill, Fill::Mapped);
    let words = 4 * MIB / 4;
    let mut host = vec![0u32; words as usize];
    // A random cycle through 4 MiB, by an odd multiplier.
    for k in 0..words {
        let next = (k.wrapping_mul(5).wrapping_add(7919)) % words;
        host[k as usize] = 16 * MIB + next * 4;
        put(&mut memory, 16 * MIB + k * 4, 16 * MIB + next * 4);
    }
    let mut tlb = InlineTlb::new(base);
    let direct = host.as_ptr() as u64 - u64::from(16 * MIB);
    let lin = |k: u32| 16 * MIB + (k % words) * 4;
    let stream = [
        time(4 << 20, |k| _ = black_box(read_host(direct + u64::from(lin(k))))),
        time(4 << 20, |k| _ = black_box(read_host(base + u64::from(lin(k))))),
        time(4 << 20, |k| _ = black_box(read_host(tlb.host(lin(k), base)))),
    ];
    row("streaming over 4 MiB, ns an access", Some(stream[0]), stream[1], stream[2]);
    let mut p = 16 * MIB;
    let native = time(4 << 20, |_| p = read_host(direct + u64::from(p)));
    let window = time(4 << 20, |_| p = read_host(base + u64::from(p)));
    let soft = time(4 << 20, |_| p = read_host(tlb.host(p, base)));
    row("pointer chase through 4 MiB, ns a step", Some(native), window, soft);
    let mut b = [0; 4];
    let api = time(1 << 20, |k| {
        let at = 16 * MIB + (k & 1023) * 4;
        let _ = mmu.read(&mut memory, &mut Nothing, Lin::from(at), &mut b, Privilege::Supervisor);
        black_box(b);
    });
    println!("| Mmu::read of 4 bytes that hits, ns | - | - | {api:.2} |");
}

/// Makes the host allocate all of guest RAM, so that no case pays for that.
fn warm(memory: &mut GuestMemory) {
    for page in 0..256u64 << 8 {
        memory.dma_write(Frame(page).start(), &[0]);
    }
}

/// An address space at `dir` whose pages from 8000000h on are mapped to scattered frames.
fn space(memory: &mut GuestMemory, dir: u32, pages: u32, frame: impl Fn(u32) -> u32) {
    for k in 0..pages {
        let table = dir + 0x1000 + (k >> 10) * 0x1000;
        put(memory, dir + (32 + (k >> 10)) * 4, table | FLAGS);
        put(memory, table + (k & 1023) * 4, frame(k) << 12 | FLAGS);
    }
}

const USER: u32 = 0x800_0000;

/// Touches `pages` pages `times` times each: nanoseconds an access by window and by software TLB.
fn touch(
    mmu: &mut Mmu,
    memory: &mut GuestMemory,
    windows: &mut Windows,
    dir: u32,
    pages: u32,
    times: u32,
) -> [f64; 2] {
    let mut nothing = Nothing;
    let fills = windows.stats().hidden_fills;
    let start = Instant::now();
    let base = load_cr3(mmu, memory, windows, dir);
    for k in 0..pages {
        let lin = USER + (k << 12);
        if !windows.maps(Lin::from(lin), true) {
            let fill = windows.fault(mmu.paging(), memory, Lin::from(lin), true, &mut Nothing);
            assert_eq!(fill, Fill::Mapped);
        }
        for n in 0..times {
            black_box(read_host(base + u64::from(lin + n % 1024 * 4)));
        }
    }
    let fills = (windows.stats().hidden_fills - fills) as f64;
    let window = start.elapsed().as_nanos() as f64 + fills * SIGNAL_NS;
    mmu.flush_tlb();
    let start = Instant::now();
    let mut b = [0; 4];
    for k in 0..pages {
        for n in 0..times {
            let lin = USER + (k << 12) + n % 1024 * 4;
            mmu.read(memory, &mut nothing, Lin::from(lin), &mut b, Privilege::User)
                .expect("mapped");
            black_box(b);
        }
    }
    let soft = start.elapsed().as_nanos() as f64;
    let accesses = f64::from(pages) * f64::from(times);
    [window / accesses, soft / accesses]
}

fn churn() {
    for times in [10, 100, 1000, 10_000] {
        let (mut mmu, mut memory) = machine();
        warm(&mut memory);
        let mut windows = Windows::new(8, 30_000).expect("windows");
        let mut sum = [0.0; 2];
        let rounds = 200;
        for k in 0..rounds {
            let dir = MIB + (k % 16) * 0x1_0000;
            // Every process image lies elsewhere, in runs of four pages.
            space(&mut memory, dir, 40, |n| 0x1000 + (k * 64 + (n / 4 * 8) + n % 4) % 0x8000);
            let t = touch(&mut mmu, &mut memory, &mut windows, dir, 40, times);
            sum = [sum[0] + t[0], sum[1] + t[1]];
        }
        let name = format!("40-page process, {times} accesses a page, ns an access");
        row(&name, None, sum[0] / f64::from(rounds), sum[1] / f64::from(rounds));
    }
}

fn scattered() {
    for (name, budget) in [("10,000 scattered pages", 30_000), ("the same, budget 4,000", 4_000)] {
        let (mut mmu, mut memory) = machine();
        warm(&mut memory);
        let mut windows = Windows::new(8, budget).expect("windows");
        space(&mut memory, MIB, 10_000, |n| 0xf000 - n * 2 % 0x8000);
        let t = touch(&mut mmu, &mut memory, &mut windows, MIB, 10_000, 1);
        row(&format!("{name}, each once, ns"), None, t[0], t[1]);
    }
}

fn flushes() {
    let (mut mmu, mut memory) = machine();
    let mut windows = Windows::new(8, 30_000).expect("windows");
    space(&mut memory, MIB, 10 * 1024, |n| 0x4000 + n % 0x8000);
    for k in 0..10 {
        load_cr3(&mut mmu, &memory, &mut windows, MIB);
        windows.fault(mmu.paging(), &mut memory, Lin::from(USER + (k << 22)), true, &mut Nothing);
    }
    let clean = time(2000, |_| _ = load_cr3(&mut mmu, &memory, &mut windows, MIB));
    let changed = time(2000, |k| {
        put(&mut memory, MIB + 0x1000 + (k & 1023) * 4, (0x4000 + k) << 12 | FLAGS);
        load_cr3(&mut mmu, &memory, &mut windows, MIB);
    });
    let switch = time(100_000, |k| {
        _ = windows.activate(mmu.paging(), &memory, Privilege::ALL[k as usize & 1], &mut Nothing)
    });
    println!("| CR3 load, 11 copied tables, nothing changed, ns | - | {clean:.0} | - |");
    println!("| the same with one entry changed, ns | - | {changed:.0} | - |");
    println!("| user to supervisor, ns | - | {switch:.1} | - |");
}

fn protection() {
    let (mut mmu, mut memory) = machine();
    let mut windows = Windows::new(4, 30_000).expect("windows");
    windows.activate(mmu.paging(), &memory, Privilege::Supervisor, &mut Nothing);
    windows.fault(mmu.paging(), &mut memory, Lin::from(16 * MIB), true, &mut Nothing);
    let start = Instant::now();
    for frame in (0x1000..0x1800).map(Frame) {
        mmu.set_code_page(&mut memory, frame, true);
        windows.protect_frame(&memory, frame);
    }
    let ns = start.elapsed().as_nanos() as f64 / 2048.0;
    println!("| protect a page of kernel text (2,048 in a row), ns | - | {ns:.0} | - |");
}

fn main() {
    println!("| case | native | window | software TLB |");
    println!("| --- | --- | --- | --- |");
    steady();
    churn();
    scattered();
    flushes();
    protection();
}
