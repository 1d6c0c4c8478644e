//! What an instruction costs to interpret, and to translate: `cargo bench -p ringer-benches`.
//!
//! Absolute times mean nothing across machines; compare the two, and each with its own past.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ringer_cpu::interp::Interp;
use ringer_cpu::testing::FlatBus;
use ringer_cpu::{CpuModel, CpuState, Lin, Pc, SegAttr, Segment};
use ringer_translator::context::TransferKind;
use ringer_translator::{
    GoesOn, KnownThunks, Mode, Placement, Source, StubAddresses, Translator, TranslatorOptions,
};
use std::hint::black_box;

const CODE: u32 = 0x1000;

/// `mov ecx,1000; again: mov eax,[ebx+ecx*4]; add eax,edx; xor edx,eax; mov [ebx+ecx*4],eax;
/// dec ecx; jnz again; jmp` back to the start: what compilers make, in little.
const PROGRAM: &[u8] = &[
    0xb9, 0xe8, 0x03, 0x00, 0x00, 0x8b, 0x04, 0x8b, 0x01, 0xd0, 0x31, 0xc2, 0x89, 0x04, 0x8b, 0x49,
    0x75, 0xf4, 0xeb, 0xec,
];
/// Instructions of its loop.
const LOOP: u64 = 6;

fn flat_state(interp: &Interp<FlatBus>) -> CpuState {
    let mut state = interp.state();
    let data = SegAttr::PRESENT | SegAttr::S | SegAttr::WRITABLE | SegAttr::DB | SegAttr::G;
    for seg in &mut state.seg {
        *seg = Segment { selector: 16, attr: data, base: Lin(0), limit: u32::MAX };
    }
    state.seg[1].attr |= SegAttr::CODE;
    state.cr0 |= 1;
    state.set_eip(CODE);
    state.gpr[3] = 0x4000;
    state
}

fn interpret(c: &mut Criterion) {
    let mut interp = Interp::<FlatBus>::new(CpuModel::PENTIUM4).expect("memory for code");
    let mut bus = FlatBus::new(0x10000);
    bus.mem[CODE as usize..][..PROGRAM.len()].copy_from_slice(PROGRAM);
    let mut state = flat_state(&interp);
    let mut group = c.benchmark_group("interpreter");
    group.throughput(Throughput::Elements(1000));
    group.bench_function("1000 instructions", |b| {
        b.iter(|| {
            for _ in 0..1000 {
                black_box(interp.step(&mut state, &mut bus));
            }
        });
    });
    group.finish();
}

fn translate(c: &mut Criterion) {
    let features = CpuModel::PENTIUM4.features();
    let mut translator = Translator::new(TranslatorOptions::default(), features);
    let stub = 0x1_0000;
    let stubs = StubAddresses {
        exit_link: stub,
        exit_miss: stub,
        exit_callout: stub,
        exit_check: stub,
        exit_budget: stub,
        transfer: [[stub; 2]; TransferKind::COUNT],
    };
    let target = Placement { base: 0x2_0000, stubs };
    let bytes = &PROGRAM[5..];
    let source = Source {
        eip: Pc::from(CODE),
        linear: Lin::from(CODE),
        bytes,
        page_left: bytes.len() as u32,
        max_instrs: LOOP as u32,
        goes_on: GoesOn::NEVER,
        thunks: KnownThunks::NONE,
    };
    let mut group = c.benchmark_group("translator");
    group.throughput(Throughput::Elements(LOOP));
    group.bench_function("a block of 6 instructions", |b| {
        b.iter(|| black_box(translator.translate(&source, Mode::CPL0, &target, 0)));
    });
    group.finish();
}

criterion_group!(benches, interpret, translate);
criterion_main!(benches);
