//! Inline sequences, run: translated blocks on the host's processor in a small window, each ending
//! at a callout, with the state they leave compared with what the instruction is defined to do.

use ringer_cpu::{CpuState, Eflags, Features, Lin, Pa, Pc, Segment};
use ringer_translator::context::{ExecContext, ExitReason, SharedContext};
use ringer_translator::runtime::blocks::{BlockId, BlockKey};
use ringer_translator::runtime::{CodeCache, set_gs_base};
use ringer_translator::{
    GoesOn, KnownThunks, Mode, Placement, Source, Translator, TranslatorOptions,
};
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use std::sync::atomic::{AtomicU32, Ordering};

const WINDOW: usize = 4 << 30;
const EIP: u32 = 0x40_1000;
/// Guest addresses that are mapped.
const DATA: u32 = 0x1_0000;
const DATA_LEN: usize = 0x1_0000;
const STACK: u32 = 0x1_8000;
const HLT: u8 = 0xf4;

const EAX: usize = 0;
const ECX: usize = 1;
const EDX: usize = 2;
const EBX: usize = 3;
const ESP: usize = 4;
const EBP: usize = 5;
const ESI: usize = 6;
const EDI: usize = 7;

/// A guest with 64 KiB of memory and its cache.
struct Guest {
    reserve: *mut std::ffi::c_void,
    base: u64,
    cache: CodeCache,
    context: SharedContext,
    mode: Mode,
    options: TranslatorOptions,
}

impl Guest {
    fn new() -> Self {
        // SAFETY: fresh mappings at addresses of the kernel's choice, and inside the first.
        let (reserve, base) = unsafe {
            let reserve = mmap_anonymous(
                std::ptr::null_mut(),
                2 * WINDOW,
                ProtFlags::empty(),
                MapFlags::PRIVATE | MapFlags::NORESERVE,
            )
            .expect("address space");
            let base = (reserve as usize).next_multiple_of(WINDOW);
            let data = (base + DATA as usize) as *mut std::ffi::c_void;
            let flags = MapFlags::PRIVATE | MapFlags::FIXED;
            mmap_anonymous(data, DATA_LEN, ProtFlags::READ | ProtFlags::WRITE, flags)
                .expect("data");
            (reserve, base as u64)
        };
        let cache = CodeCache::new(256 << 10).expect("cache");
        let mut guest = Self {
            reserve,
            base,
            context: SharedContext::new(context(base, cache.base()), true),
            cache,
            mode: Mode::CPL0 | Mode::IOPL_OK,
            options: TranslatorOptions::default(),
        };
        guest.context.cpu.set_gpr32([1, 2, 3, 4, STACK, 6, 7, 8]);
        guest
    }

    fn gpr(&self) -> [u32; 8] {
        self.context.cpu.gpr32()
    }

    fn flags(&self) -> u32 {
        self.context.host_flags as u32 & (Eflags::ARITH | Eflags::DF).bits()
    }

    fn set_flags(&mut self, flags: u32) {
        self.context.host_flags = u64::from(flags | 0x202);
    }

    fn bytes(&mut self, at: u32, len: usize) -> &mut [u8] {
        assert!(at >= DATA && (at - DATA) as usize + len <= DATA_LEN);
        // SAFETY: within the mapped data; `&mut self` makes this the only access.
        unsafe { std::slice::from_raw_parts_mut((self.base + u64::from(at)) as *mut u8, len) }
    }

    fn poke(&mut self, at: u32, value: u32) {
        self.bytes(at, 4).copy_from_slice(&value.to_le_bytes());
    }

    fn peek(&mut self, at: u32) -> u32 {
        u32::from_le_bytes(self.bytes(at, 4).try_into().expect("four"))
    }

    /// Runs `code` with an HLT behind it; answers where it left, relative to its start.
    fn run(&mut self, code: &[u8]) -> u32 {
        let id = self.place(code);
        self.enter(id)
    }

    /// Translates `code` with an HLT behind it.
    fn place(&mut self, code: &[u8]) -> BlockId {
        let mut bytes = code.to_vec();
        bytes.push(HLT);
        // IP of 16-bit code has 16 bits.
        let eip = EIP & self.mode.last_eip();
        let src = Source {
            eip: Pc::from(eip),
            linear: Lin::from(EIP),
            bytes: &bytes,
            page_left: bytes.len() as u32,
            max_instrs: 64,
            goes_on: GoesOn::NEVER,
            thunks: KnownThunks::NONE,
        };
        let (base, first_site) = self.cache.next_place(4096).expect("room");
        let target = Placement { base, stubs: self.cache.stub_addresses() };
        let t = Translator::new(self.options, Features::all())
            .translate(&src, self.mode, &target, first_site);
        let key = BlockKey { pa: Pa(0x1000), eip: Pc::from(eip), mode: self.mode, second: None };
        self.cache.insert(key, t).expect("room")
    }

    /// Runs block `id`; answers where it left, relative to its start.
    fn enter(&mut self, id: BlockId) -> u32 {
        set_gs_base(self.base).unwrap();
        // SAFETY: a block of this cache; GS base is the window; no code here takes a look-up.
        unsafe { self.cache.entry().enter(&mut self.context, self.cache.host_pc(id)) };
        let eip = EIP & self.mode.last_eip();
        self.context.cpu.rip.low().wrapping_sub(eip)
    }

    /// As [`Guest::run`], for code that must reach the HLT.
    fn run_through(&mut self, code: &[u8]) {
        assert_eq!(self.run(code), code.len() as u32, "left early");
        assert_eq!(self.context.exit_reason, ExitReason::Callout as u32);
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // SAFETY: mapped in `new`, unmapped once.
        let _ = unsafe { munmap(self.reserve, 2 * WINDOW) };
    }
}

fn context(window: u64, cache: u64) -> ExecContext {
    ExecContext {
        sys_flags: 2u32.wrapping_sub(0x202),
        exit_reason: 99,
        window_base: window,
        ..ExecContext::new(CpuState::reset(0), cache)
    }
}

/// Every combination of the arithmetic flags.
fn arithmetic_flags() -> impl Iterator<Item = u32> {
    let bits = [0, 2, 4, 6, 7, 11];
    (0..64u32).map(move |n| (0..6).fold(0, |f, k| f | ((n >> k) & 1) << bits[k]))
}

#[test]
fn stack_sequences_move_the_right_values() {
    let mut g = Guest::new();
    g.run_through(&[0x50, 0x54, 0x68, 0x78, 0x56, 0x34, 0x12, 0x6a, 0xfe]);
    assert_eq!(g.gpr()[ESP], STACK - 16);
    assert_eq!(g.peek(STACK - 4), 1);
    assert_eq!(g.peek(STACK - 8), STACK - 4, "PUSH ESP pushes the value before");
    assert_eq!(g.peek(STACK - 12), 0x1234_5678);
    assert_eq!(g.peek(STACK - 16), 0xffff_fffe);
    // pop ebx; pop dword [esp+4]; pop eax; pop esp
    g.poke(STACK - 4, DATA + 0x100);
    g.run_through(&[0x5b, 0x8f, 0x44, 0x24, 0x04, 0x58]);
    assert_eq!(g.gpr()[EBX], 0xffff_fffe);
    assert_eq!(g.gpr()[EAX], STACK - 4);
    assert_eq!(g.peek(STACK - 4), 0x1234_5678, "POP [ESP+4] uses the incremented ESP");
    g.poke(STACK - 4, DATA + 0x100);
    g.run_through(&[0x5c]);
    assert_eq!(g.gpr()[ESP], DATA + 0x100);
}

#[test]
fn pusha_popa_and_leave_keep_their_order() {
    let mut g = Guest::new();
    g.run_through(&[0x60]);
    let stored: Vec<u32> = (1..=8).map(|k| g.peek(STACK - 4 * k)).collect();
    assert_eq!(stored, [1, 2, 3, 4, STACK, 6, 7, 8]);
    g.context.cpu.set_gpr32([0, 0, 0, 0, STACK - 32, 0, 0, 0]);
    g.run_through(&[0x61]);
    assert_eq!(g.gpr(), [1, 2, 3, 4, STACK, 6, 7, 8]);
    g.context.cpu.gpr[EBP] = u64::from(DATA + 0x200);
    g.poke(DATA + 0x200, 0xabcd);
    g.run_through(&[0xc9]);
    assert_eq!((g.gpr()[ESP], g.gpr()[EBP]), (DATA + 0x204, 0xabcd));
}

#[test]
fn pushfd_shows_the_guest_s_flags() {
    for (flags, iflag, system) in [(0x8d5, 0x200, 0x3000), (0, 0, 0), (0x400, 0x200, 0x20_0000)] {
        let mut g = Guest::new();
        g.set_flags(flags);
        g.context.if_flag = iflag;
        g.context.sys_flags = (system | 2u32).wrapping_sub(0x202);
        g.run_through(&[0x9c]);
        assert_eq!(g.peek(STACK - 4), flags | iflag | system | 2);
        assert_eq!(g.flags(), flags);
        assert_eq!(g.gpr()[ESP], STACK - 4);
    }
}

#[test]
fn popfd_loads_all_arithmetic_flags_and_if() {
    let mut g = Guest::new();
    for before in [0, 0x8d5 | 0x400] {
        for flags in arithmetic_flags() {
            for iflag in [0, 0x200] {
                g.context.cpu.set_gpr32([0x1122_3344, 2, 3, 4, STACK - 4, 6, 7, 8]);
                g.poke(STACK - 4, flags | iflag | 2);
                g.set_flags(before);
                g.context.if_flag = 0x200 ^ iflag;
                g.run_through(&[0x9d]);
                assert_eq!(g.flags(), flags);
                assert_eq!(g.context.if_flag, iflag);
                assert_eq!(g.gpr(), [0x1122_3344, 2, 3, 4, STACK, 6, 7, 8]);
            }
        }
        g.cache.flush(&mut ());
    }
}

#[test]
fn popfd_of_a_system_flag_leaves_with_the_state_before_it() {
    for odd in [1 << 14, 1 << 8, 1 << 18, 1 << 10, 3 << 12] {
        let mut g = Guest::new();
        for flags in arithmetic_flags() {
            g.context.cpu.gpr[EAX] = 0x1122_3344;
            g.context.cpu.gpr[ESP] = u64::from(STACK - 4);
            g.poke(STACK - 4, odd | 2);
            g.set_flags(flags);
            let before = g.gpr();
            assert_eq!(g.run(&[0x9d]), 0, "a callout at the POPFD");
            assert_eq!((g.gpr(), g.flags(), g.context.if_flag), (before, flags, 0));
        }
    }
}

#[test]
fn popfd_below_iopl_leaves_if_alone() {
    let mut g = Guest::new();
    g.mode = Mode::USER;
    g.context.cpu.gpr[ESP] = u64::from(STACK - 4);
    g.context.if_flag = 0x200;
    g.context.doorbell().irq_pending.store(1, Ordering::Relaxed);
    g.poke(STACK - 4, 0x41 | 2);
    g.run_through(&[0x9d]);
    assert_eq!((g.flags(), g.context.if_flag), (0x41, 0x200));
}

#[test]
fn enabling_interrupts_sees_a_pending_one_behind_the_shadow() {
    let mut g = Guest::new();
    let sti_inc_inc = [0xfb, 0x40, 0x41];
    g.context.doorbell().irq_pending.store(1, Ordering::Relaxed);
    g.set_flags(0x8d5);
    assert_eq!(g.run(&sti_inc_inc), 2, "after the instruction behind STI");
    assert_eq!(g.context.exit_reason, ExitReason::Check as u32);
    assert_eq!((g.gpr()[EAX], g.gpr()[ECX], g.context.if_flag), (2, 2, 0x200));
    g.context.doorbell().irq_pending.store(0, Ordering::Relaxed);
    assert_eq!(g.run(&sti_inc_inc), 2);
    assert_eq!(g.context.exit_reason, ExitReason::Link as u32, "nothing pending: goes on");
    assert_eq!((g.gpr()[EAX], g.gpr()[ECX]), (3, 2));
    // POPFD has no shadow.
    g.context.doorbell().irq_pending.store(1, Ordering::Relaxed);
    g.context.cpu.gpr[ESP] = u64::from(STACK - 4);
    g.poke(STACK - 4, 0x202 | 0x81);
    assert_eq!(g.run(&[0x9d, 0x40]), 1);
    assert_eq!(g.context.exit_reason, ExitReason::Check as u32);
    assert_eq!((g.flags(), g.gpr()[EAX], g.gpr()[ESP]), (0x81, 3, STACK));
    // And with IF clear it does not look.
    g.context.cpu.gpr[ESP] = u64::from(STACK - 4);
    g.poke(STACK - 4, 2);
    g.run_through(&[0x9d]);
    g.run_through(&[0xfa]);
    assert_eq!(g.context.if_flag, 0);
}

#[test]
fn string_instructions_work_on_guest_addresses_in_both_directions() {
    let mut g = Guest::new();
    g.bytes(DATA, 8).copy_from_slice(b"abcdefgh");
    g.context.cpu.gpr[ESI] = u64::from(DATA);
    g.context.cpu.gpr[EDI] = u64::from(DATA + 0x100);
    g.context.cpu.gpr[ECX] = 8;
    g.run_through(&[0xf3, 0xa4]);
    assert_eq!(g.bytes(DATA + 0x100, 8), b"abcdefgh");
    assert_eq!((g.gpr()[ECX], g.gpr()[ESI], g.gpr()[EDI]), (0, DATA + 8, DATA + 0x108));
    g.set_flags(0x400);
    g.context.cpu.gpr[EAX] = u64::from(b'c');
    g.context.cpu.gpr[EDI] = u64::from(DATA + 7);
    g.context.cpu.gpr[ECX] = 8;
    g.run_through(&[0xf2, 0xae]);
    assert_eq!((g.gpr()[ECX], g.gpr()[EDI]), (2, DATA + 1), "stopped after 'c'");
    assert_eq!(g.flags() & 0x440, 0x440);
    g.set_flags(0);
    g.context.cpu.gpr[ESI] = u64::from(DATA);
    g.run_through(&[0xad]);
    assert_eq!((g.gpr()[EAX], g.gpr()[ESI]), (0x6463_6261, DATA + 4));
}

#[test]
fn exchange_swaps_registers_and_memory_of_each_size() {
    let mut g = Guest::new();
    g.poke(DATA, 0xaabb_ccdd);
    g.context.cpu.gpr[ECX] = u64::from(DATA);
    g.context.cpu.gpr[EAX] = 0x1122_3344;
    g.run_through(&[0x87, 0x01]);
    assert_eq!((g.gpr()[EAX], g.peek(DATA)), (0xaabb_ccdd, 0x1122_3344));
    g.run_through(&[0x86, 0x01]);
    assert_eq!((g.gpr()[EAX], g.peek(DATA)), (0xaabb_cc44, 0x1122_33dd));
    g.run_through(&[0x66, 0x87, 0x01]);
    assert_eq!((g.gpr()[EAX], g.peek(DATA)), (0xaabb_33dd, 0x1122_cc44));
}

#[test]
fn segment_bases_and_selectors_come_from_the_state() {
    let mut g = Guest::new();
    g.mode = Mode::USER | Mode::GS_BASED;
    g.context.cpu.seg[5].base = Lin::from(DATA + 0x40);
    g.context.cpu.seg[1].selector = 0x73;
    g.poke(DATA + 0x54, 0x5151_5151);
    // mov edx, gs:[14h]; mov ecx, cs
    g.run_through(&[0x65, 0x8b, 0x15, 0x14, 0, 0, 0, 0x8c, 0xc9]);
    assert_eq!((g.gpr()[EDX], g.gpr()[ECX]), (0x5151_5151, 0x73));
    // mov gs:[eax+ebx*4-4], ecx: the sum wraps at 4 GiB
    g.context.cpu.gpr[EAX] = 0xffff_fff0;
    g.context.cpu.gpr[EBX] = 8;
    g.run_through(&[0x65, 0x89, 0x4c, 0x98, 0xfc]);
    assert_eq!(g.peek(DATA + 0x4c), 0x73);
}

#[test]
fn effective_addresses_wrap_at_four_gib() {
    let mut g = Guest::new();
    g.poke(DATA + 8, 0x600d);
    g.context.cpu.gpr[EAX] = 0xffff_ff00;
    g.context.cpu.gpr[EBX] = u64::from(DATA + 8);
    // mov ecx, [eax+ebx+100h]; lea edx, [eax+ebx+100h]
    g.run_through(&[0x8b, 0x8c, 0x18, 0, 1, 0, 0, 0x8d, 0x94, 0x18, 0, 1, 0, 0]);
    assert_eq!((g.gpr()[ECX], g.gpr()[EDX]), (0x600d, DATA + 8));
}

#[test]
fn sequences_keep_the_flags_that_their_instructions_keep() {
    let codes: [&[u8]; 12] = [
        &[0x50],                         // push eax
        &[0x59],                         // pop ecx
        &[0x8f, 0x04, 0x24],             // pop dword [esp]
        &[0x60],                         // pusha
        &[0x1e],                         // push ds
        &[0x8c, 0xd8],                   // mov eax, ds
        &[0x9c],                         // pushf
        &[0xfa],                         // cli
        &[0x87, 0x04, 0x24],             // xchg eax, [esp]
        &[0xa4],                         // movsb
        &[0x8d, 0x44, 0x24, 0x04],       // lea eax, [esp+4]
        &[0x65, 0x8b, 0x44, 0x24, 0x04], // mov eax, gs:[esp+4]
    ];
    for code in codes {
        for flags in arithmetic_flags() {
            let mut g = Guest::new();
            g.mode |= Mode::GS_BASED;
            g.context.cpu.set_gpr32([1, 2, 3, 4, STACK - 64, 6, DATA, DATA + 64]);
            g.set_flags(flags);
            g.run_through(code);
            assert_eq!(g.flags(), flags, "{code:02x?}");
        }
    }
}

#[test]
fn the_budget_stops_before_the_block_that_exceeds_it() {
    let mut g = Guest::new();
    g.options |= TranslatorOptions::BUDGET | TranslatorOptions::COUNT;
    g.context.budget = 3;
    g.set_flags(0x8d5);
    g.run_through(&[0x90, 0x89, 0xd8]);
    assert_eq!((g.context.budget, g.context.retired, g.flags()), (1, 2, 0x8d5));
    assert_eq!(g.run(&[0x90, 0x89, 0xd8]), 0);
    assert_eq!(g.context.exit_reason, ExitReason::Budget as u32);
    assert_eq!((g.context.budget, g.context.retired, g.flags()), (1, 2, 0x8d5));
}

#[test]
fn loops_count_in_ecx_without_touching_flags() {
    let mut g = Guest::new();
    g.set_flags(0x8d5);
    for (ecx, taken) in [(2u32, true), (1, false), (0, true)] {
        g.context.cpu.gpr[ECX] = u64::from(ecx);
        let to = g.run(&[0xe2, 0x10]);
        assert_eq!(to, if taken { 0x12 } else { 2 });
        assert_eq!((g.gpr()[ECX], g.flags()), (ecx.wrapping_sub(1), 0x8d5));
    }
}

/// A guest in real mode with all segments at the mapped data, SP where the flat stack is, and
/// something in ESP's high word.
fn real_mode() -> Guest {
    let mut g = Guest::new();
    let segments = Mode::ES_64K | Mode::SS_64K | Mode::DS_64K | Mode::FS_64K | Mode::GS_64K;
    let code = Mode::REAL | Mode::CODE16 | Mode::STACK16 | Mode::CS_64K;
    g.mode = Mode::CPL0 | Mode::IOPL_OK | code | segments;
    g.context.cpu.seg = [Segment::real((DATA >> 4) as u16, 0); 6];
    g.context.cpu.gpr[ESP] = u64::from(HIGH_ESP | (STACK - DATA));
    g
}

const HIGH_ESP: u32 = 0xabcd_0000;

#[test]
fn pushf_and_popf_of_a_16_bit_stack_move_sp_and_low_words_only() {
    for flags in arithmetic_flags() {
        let mut g = real_mode();
        g.set_flags(flags);
        g.context.if_flag = 0x200;
        g.context.sys_flags = (0x20_7000 | 2u32).wrapping_sub(0x202);
        g.poke(STACK - 4, 0x5555_5555);
        g.run_through(&[0x9c]);
        assert_eq!(g.peek(STACK - 4), (flags | 0x7202) << 16 | 0x5555);
        assert_eq!(g.gpr()[ESP], HIGH_ESP | (STACK - 2 - DATA));
        g.set_flags(flags ^ 0x8d5);
        g.context.if_flag = 0;
        g.run_through(&[0x9d]);
        assert_eq!((g.flags(), g.context.if_flag), (flags, 0x200));
        assert_eq!(g.gpr()[ESP], HIGH_ESP | (STACK - DATA));
    }
}

#[test]
fn a_16_bit_stack_wraps_between_words_and_never_inside_one() {
    let mut g = real_mode();
    g.context.cpu.gpr[ESP] = u64::from(HIGH_ESP);
    g.run_through(&[0x50]);
    assert_eq!(g.gpr()[ESP], HIGH_ESP | 0xfffe);
    assert_eq!(g.peek(DATA + 0xfffc) >> 16, 1);
    g.context.cpu.gpr[ESP] = u64::from(HIGH_ESP | 1);
    let before = (g.gpr(), g.flags());
    assert_eq!(g.run(&[0x50]), 0, "the interpreter raises #SS");
    assert_eq!((g.gpr(), g.flags()), before);
}

#[test]
fn a_segment_load_in_real_mode_changes_selector_and_base() {
    let mut g = real_mode();
    g.poke(DATA + 0x20, 0x1203_0007);
    g.context.cpu.gpr[EBX] = 0x9999_0020;
    // les si, [bx]; mov fs, ax
    g.context.cpu.gpr[EAX] = 0x1_fedc;
    g.run_through(&[0xc4, 0x37, 0x8e, 0xe0]);
    let old = Segment::real(0, 0);
    let seg = g.context.cpu.seg;
    assert_eq!(seg[0], Segment { selector: 0x1203, base: Lin(0x1_2030), ..old });
    assert_eq!(seg[4], Segment { selector: 0xfedc, base: Lin(0xf_edc0), ..old });
    assert_eq!(g.gpr()[ESI], 7);
}

/// MXCSR as it is, but for the exception flags.
fn mxcsr() -> u32 {
    let mut value = 0_u32;
    // SAFETY: STMXCSR writes the four bytes of `value`.
    unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut value, options(nostack)) };
    value & !0x3f
}

fn direction_flag() -> bool {
    let flags: u64;
    // SAFETY: reads RFLAGS by way of the stack.
    unsafe { std::arch::asm!("pushfq", "pop {}", out(reg) flags) };
    flags & 0x400 != 0
}

#[test]
fn the_guests_mxcsr_and_direction_flag_hold_in_translated_code_only() {
    let mut g = Guest::new();
    let (round_up, flags) = (0x5f80_u32, 0x3f);
    g.context.cpu.fpu.0[24..28].copy_from_slice(&round_up.to_le_bytes());
    g.context.cpu.fpu.0[160..164].copy_from_slice(&1.0f32.to_le_bytes());
    g.context.cpu.fpu.0[176..180].copy_from_slice(&3.0f32.to_le_bytes());
    g.run_through(&[0xfd, 0xf3, 0x0f, 0x5e, 0xc1]); // std; divss xmm0, xmm1
    assert_eq!((mxcsr(), direction_flag()), (0x1f80, false));
    assert_eq!(g.context.cpu.fpu.mxcsr() & !flags, round_up);
    assert_eq!(g.context.cpu.fpu.mxcsr() & flags, 0x20, "inexact");
    let quotient = u32::from_le_bytes(g.context.cpu.fpu.0[160..164].try_into().unwrap());
    assert_eq!(quotient, 0x3eaa_aaab);
    assert_ne!(g.flags() & 0x400, 0);
    // Another one than the default is there again, too; a reserved bit harms nobody.
    g.context.host_mxcsr = 0x3f80;
    g.context.cpu.fpu.0[26] = 0xff;
    g.run_through(&[0x90]);
    let around = mxcsr();
    // SAFETY: LDMXCSR reads a constant without reserved bits.
    unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &0x1f80_u32, options(nostack)) };
    assert_eq!((around, g.context.cpu.fpu.mxcsr() & !flags), (0x3f80, round_up));
}

#[test]
fn what_the_guest_locks_is_locked_where_others_can_touch_memory() {
    const COUNTERS: [u32; 3] = [DATA + 0x40, DATA + 0x80, DATA + 0xc0];
    const ROUNDS: u32 = 20_000;
    let mut g = Guest::new();
    g.mode |= Mode::SHARED;
    let host = g.base;
    let at = |k: usize| COUNTERS[k].to_le_bytes();
    // lock inc dword [0]; mov eax, 2; lock xadd [1], eax; then a spin lock taken and given back with XCHG.
    let code = [
        &[0xf0, 0xff, 0x05][..],
        &at(0),
        &[0xb8, 2, 0, 0, 0, 0xf0, 0x0f, 0xc1, 0x05],
        &at(1),
        &[0xb8, 1, 0, 0, 0, 0x87, 0x05],
        &at(2),
    ]
    .concat();
    let id = g.place(&code);
    let shared = |k: usize| {
        // SAFETY: an aligned dword of the guest's data, which is mapped until the end of this test; both sides access it by
        // locked instructions only.
        unsafe { &*((host + u64::from(COUNTERS[k])) as *const AtomicU32) }
    };
    let (mut mine, mut taken) = (0, 0);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            let mut taken = 0;
            for _ in 0..ROUNDS {
                shared(0).fetch_add(1, Ordering::Relaxed);
                shared(1).fetch_add(2, Ordering::Relaxed);
                taken += shared(2).swap(0, Ordering::Relaxed);
            }
            taken
        });
        for _ in 0..ROUNDS {
            assert_eq!(g.enter(id), code.len() as u32);
            mine += 1 - g.gpr()[EAX];
        }
        taken = other.join().expect("the other processor");
    });
    assert_eq!([shared(0), shared(1)].map(|n| n.load(Ordering::Relaxed)), [2 * ROUNDS, 4 * ROUNDS]);
    // Each one that was stored was taken once, or is there still.
    assert_eq!(mine, taken + shared(2).load(Ordering::Relaxed));
}

#[test]
fn locked_instructions_do_the_same_with_and_without_the_lock() {
    let forms: [&[u8]; 6] = [
        &[0xf0, 0x11, 0x03],       // lock adc [ebx], eax
        &[0xf0, 0x0f, 0xb1, 0x0b], // lock cmpxchg [ebx], ecx
        &[0xf0, 0x0f, 0xc7, 0x0b], // lock cmpxchg8b [ebx]
        &[0xf0, 0xf6, 0x1b],       // lock neg byte [ebx]
        &[0xf0, 0x00, 0x23],       // lock add [ebx], ah
        &[0x66, 0x87, 0x43, 0x03], // xchg [ebx+3], ax: not aligned
    ];
    for code in forms {
        let outcome = |mode| {
            let mut g = Guest::new();
            g.mode |= mode;
            g.context.cpu.gpr[EAX] = 0x1234;
            g.context.cpu.gpr[EBX] = DATA.into();
            g.set_flags(0x41);
            g.bytes(DATA, 8).copy_from_slice(&[0x34, 0x12, 0, 0, 3, 0, 0, 0]);
            g.run_through(code);
            (g.gpr(), g.flags(), g.bytes(DATA, 8).to_vec())
        };
        assert_eq!(outcome(Mode::empty()), outcome(Mode::SHARED), "{code:x?}");
    }
}
