//! The 80286's own ways, each on captures written here as that processor would have made them: they pass as adapted on both
//! engines, a capture that is wrong in anything else fails, and so does an engine that does anything but what is derived.

mod common;

use common::{Capture, file_286};
use ringer_cpu::CpuModel;
use ringer_testkit::hw::engine::{Machine, Reference};
use ringer_testkit::hw::moo::{Case, REGISTERS, Regs};
use ringer_testkit::hw::reasons::Derived;
use ringer_testkit::hw::report::Suite;
use ringer_testkit::hw::setting::{RunMode, Setting};
use ringer_testkit::hw::{self, Engines, Options, adapt, compare, moo};

const AX: u32 = 2;
const BX: u32 = 3;
const CX: u32 = 4;
const SI: u32 = 6;
const DI: u32 = 7;
const BP: u32 = 8;
const SP: u32 = 9;
const CS: u32 = 10;
const DS: u32 = 11;
const ES: u32 = 12;
const SS: u32 = 15;
const IP: u32 = 16;
const FLAGS: u32 = 17;

/// Where the tests' exceptions lead, 5000h:0, and what is there.
const HANDLER: [u8; 4] = [0, 0, 0, 0x50];
const HLT_AT_HANDLER: (u32, u8) = (0x5_0000, 0xf4);
/// CF PF AF ZF SF and bit 1, which is always set.
const SOME_FLAGS: u32 = 0xd7;
/// None of them.
const NO_FLAGS: u32 = 2;

/// All registers of the 286, with `more` on top.
fn start(more: &[(u32, u32)]) -> Vec<(u32, u32)> {
    let mut regs: Vec<(u32, u32)> = [AX, BX, CX, 5, SI, DI, BP].map(|n| (n, 0)).to_vec();
    let usual = [(SP, 0x100), (CS, 0x1000), (DS, 0x2000), (ES, 0x2800), (SS, 0x3000), (IP, 0x50)];
    regs.extend(usual);
    regs.push((FLAGS, NO_FLAGS));
    for (n, value) in more {
        regs.retain(|(k, _)| k != n);
        regs.push((*n, *value));
    }
    regs
}

/// What the instruction's segments hold where `at` counts from.
fn words(at: u32, words: &[u16]) -> Vec<(u32, u8)> {
    (at..).zip(words.iter().flat_map(|w| w.to_le_bytes())).collect()
}

/// The capture of `code` that raises `vector`, with SP and FLAGS (in the frame) as given.
fn fault(vector: u8, code: &[u8], regs: &[(u32, u32)], sp: u32, flags: u32) -> Capture {
    let before = start(regs);
    let handler = (4 * u32::from(vector)..).zip(HANDLER);
    let frame = words(0x3_0000 + sp, &[0x50, 0x1000, flags as u16]);
    let mut after = vec![(SP, sp), (CS, 0x5000), (IP, 1)];
    if before.iter().any(|r| r.0 == FLAGS && r.1 != flags) {
        after.push((FLAGS, flags));
    }
    Capture {
        name: "captured",
        code: code.to_vec(),
        before,
        ram_before: handler.chain([HLT_AT_HANDLER]).collect(),
        after,
        ram_after: frame,
        exception: Some((vector, 0x3_0000 + sp + 4)),
    }
}

/// POP [BX] and POP [BP+0] at FFFFh: the frame lies where it does after the POP.
fn pops() -> Vec<Capture> {
    let pop = |code: &[u8], register| {
        let mut test = fault(13, code, &[(register, 0xffff)], 0xfc, NO_FLAGS);
        test.ram_before.extend(words(0x3_0100, &[0x1234]));
        test
    };
    vec![pop(&[0x8f, 0x07], BX), pop(&[0x8f, 0x46, 0], BP), pop(&[0x36, 0x8f, 0x07], BX)]
}

/// LES AX,[BX] and [BP+0], and CALL far [BX], with the pointer at FFFEh.
fn pointers() -> Vec<Capture> {
    let wrapped = |segment: u32| [words(segment + 0xfffe, &[0x22]), words(segment, &[0x6000])];
    let les = |code: &[u8], register, segment| Capture {
        name: "captured",
        code: code.to_vec(),
        before: start(&[(register, 0xfffe)]),
        ram_before: wrapped(segment).concat(),
        after: vec![(AX, 0x22), (ES, 0x6000), (IP, 0x51 + code.len() as u32)],
        ..Capture::default()
    };
    let mut far_call = les(&[0xff, 0x1f], BX, 0x2_0000);
    far_call.ram_before.push((0x6_0022, 0xf4));
    far_call.after = vec![(CS, 0x6000), (IP, 0x23), (SP, 0xfc)];
    far_call.ram_after = words(0x3_00fc, &[0x52, 0x1000]);
    vec![
        les(&[0xc4, 0x07], BX, 0x2_0000),
        les(&[0xc4, 0x46, 0], BP, 0x3_0000),
        les(&[0x2e, 0xc4, 0x07], BX, 0x1_0000),
        far_call,
    ]
}

/// AAM 0 with other flags pushed than there were.
fn adjustments() -> Vec<Capture> {
    vec![fault(0, &[0xd4, 0], &[(AX, 0x1280)], 0xfa, 0x86)]
}

/// REPE CMPSW and REPNE SCASW whose third word lies at FFFFh: the flags are those of the second.
fn comparisons() -> Vec<Capture> {
    // SI, DI and CX have moved on, as under string-pointers.
    let mut cmps = fault(
        13,
        &[0xf3, 0xa7],
        &[(SI, 0xfffb), (DI, 0x10), (CX, 9), (FLAGS, SOME_FLAGS)],
        0xfa,
        0x46,
    );
    cmps.ram_before.extend([words(0x2_fffb, &[7, 8]), words(0x2_8010, &[7, 8])].concat());
    cmps.after.extend([(SI, 1), (DI, 0x16), (CX, 6)]);
    let mut scas = fault(13, &[0xf2, 0xaf], &[(DI, 0xfffb), (CX, 9), (AX, 1)], 0xfa, 0x97);
    scas.ram_before.extend(words(0x3_7ffb, &[2, 3]));
    scas.after.extend([(DI, 1), (CX, 6)]);
    vec![cmps, scas]
}

/// IDIV of 0080h by 1, of FF80h by -1 (a register and memory), with 80h as the quotient.
fn quotients() -> Vec<Capture> {
    let idiv = |code: &[u8], dividend, bx| Capture {
        name: "captured",
        code: code.to_vec(),
        before: start(&[(AX, dividend), (BX, bx)]),
        after: vec![(AX, 0x80), (IP, 0x51 + code.len() as u32)],
        ..Capture::default()
    };
    let mut memory = idiv(&[0xf6, 0x3f], 0x100, 0x40);
    memory.ram_before = vec![(0x2_0040, 2)];
    vec![idiv(&[0xf6, 0xfb], 0x80, 1), idiv(&[0xf6, 0xff], 0xff80, 0xff00), memory]
}

/// ADD AX,BX behind nine prefixes, refused as invalid.
fn long() -> Vec<Capture> {
    let code = [&[0x26; 9][..], &[0x01, 0xd8]].concat();
    vec![fault(6, &code, &[(AX, 3), (BX, 4)], 0xfa, NO_FLAGS)]
}

/// The reasons' names, and captures of each.
fn all() -> Vec<(&'static str, Vec<Capture>)> {
    vec![
        ("pop-memory", pops()),
        ("wrapped-pointer", pointers()),
        ("aam-zero", adjustments()),
        ("compare-flags", comparisons()),
        ("idiv-80h", quotients()),
        ("length-ud", long()),
    ]
}

fn run(tests: &[Capture]) -> Suite {
    run_masked(tests, 0xffff)
}

fn run_masked(tests: &[Capture], flags_mask: u32) -> Suite {
    let dir = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(dir.path().join("X.MOO"), file_286(tests, flags_mask)).expect("a written file");
    let options = Options {
        dir: dir.path().to_owned(),
        engines: Engines::Both,
        only: Vec::new(),
        model: CpuModel::PENTIUM4,
        mode: RunMode::Real,
        every: 1,
        jobs: Some(1),
    };
    hw::run(&options).expect("the tests run")
}

fn told(suite: &Suite) -> String {
    let mut text = Vec::new();
    suite.write(&mut text, 5).expect("a report");
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn each_passes_as_adapted_by_its_own_reason_on_both_engines() {
    for (reason, tests) in all() {
        let suite = run(&tests);
        let total = suite.total();
        assert_eq!(total.failures(), 0, "{reason}: {}", told(&suite));
        for (engine, verdicts) in &total.engines {
            let adapted = verdicts.adapted.get(reason).copied();
            assert_eq!(adapted, Some(tests.len() as u32), "{reason}, {engine}: {}", told(&suite));
        }
    }
}

#[test]
fn what_a_later_processor_does_passes_as_captured() {
    // The same instructions where nothing is at an edge: POP [BX], LES AX,[BX], AAM 10, IDIV BL.
    let plain = |code: &[u8], regs: &[(u32, u32)], after: &[(u32, u32)]| Capture {
        name: "captured",
        code: code.to_vec(),
        before: start(regs),
        after: after.iter().copied().chain([(IP, 0x51 + code.len() as u32)]).collect(),
        ..Capture::default()
    };
    let mut pop = plain(&[0x8f, 0x07], &[(BX, 0x10)], &[(SP, 0x102)]);
    pop.ram_before = words(0x3_0100, &[0x1234]);
    pop.ram_after = words(0x2_0010, &[0x1234]);
    let mut les = plain(&[0xc4, 0x07], &[(BX, 0xfffc)], &[(AX, 0x22), (ES, 0x6000)]);
    les.ram_before = words(0x2_fffc, &[0x22, 0x6000]);
    let aam = plain(&[0xd4, 10], &[(AX, 25)], &[(AX, 0x205)]);
    let idiv = plain(&[0xf6, 0xfb], &[(AX, 0xff80), (BX, 1)], &[(AX, 0x80)]);
    let tests = [pop, les, aam, idiv];
    // AAM's and IDIV's undefined flags are not the 286's.
    let total = run_masked(&tests, !0x8d5).total();
    for verdicts in total.engines.values() {
        assert_eq!((verdicts.passed, verdicts.adapted()), (tests.len() as u32, 0), "{verdicts:?}");
    }
}

/// The capture with another value than captured in `register`, which none of these instructions touches.
fn spoiled(test: &Capture) -> Capture {
    let mut wrong = test.clone();
    wrong.after.push((5, 0x7777));
    wrong
}

#[test]
fn no_reason_excuses_what_it_does_not_name() {
    // Where what is captured is replaced by a fault, a wrong capture of the rest is noticed only where the rest is run.
    for (reason, tests) in [("compare-flags", comparisons()), ("wrapped-pointer", pointers())] {
        let wrong: Vec<_> = tests.iter().map(spoiled).collect();
        let suite = run(&wrong);
        assert_eq!(suite.total().failures(), 2 * wrong.len(), "{reason}: {}", told(&suite));
    }
    // Each but for one thing: POP [BX] at FFFDh, AAM 1, IDIV whose quotient is 127, ten bytes.
    let mut pop = pops().remove(0);
    pop.before = start(&[(BX, 0xfffd)]);
    let mut aam = adjustments().remove(0);
    aam.code[1] = 1;
    let mut idiv = quotients().remove(0);
    idiv.before = start(&[(AX, 0x7f), (BX, 1)]);
    let mut short = long().remove(0);
    short.code.remove(0);
    let wrong = [pop, aam, idiv, short];
    let suite = run(&wrong);
    assert_eq!(suite.total().failures(), 2 * wrong.len(), "{}", told(&suite));
}

/// The derived cases of a capture.
fn derived(test: &Capture) -> Vec<Derived> {
    let file = moo::parse(&file_286(std::slice::from_ref(test), 0xffff)).expect("a good file");
    let (_, cases) = adapt::adapt(&adapt::guarded(&file.cases[0])).expect("it is adapted");
    cases
}

/// What `case` differs in from what the interpreter does.
fn differences(machine: &mut Reference, case: &Case) -> Vec<String> {
    let setting = Setting::default();
    let end = machine.run(case, setting).expect("it runs");
    let writes = machine.take_writes();
    let masks = Regs::default();
    let mut found = compare::differences(case, &masks, setting.family, machine, &end);
    found.extend(compare::stray_writes(case, machine, &writes));
    machine.wipe(case, &writes);
    found
}

/// An engine that left another value in any register, or another byte in the frame, would not pass.
#[test]
fn every_register_and_every_byte_of_a_derived_case_counts() {
    let mut machine = Reference::new(CpuModel::PENTIUM4).expect("a machine");
    let mut spoiled = 0;
    for (reason, tests) in all() {
        for derived in tests.iter().flat_map(derived) {
            let case = derived.case;
            assert_eq!(differences(&mut machine, &case), Vec::<String>::new(), "{reason}");
            for n in (0..REGISTERS.len()).filter(|n| case.before.regs[*n].is_some()) {
                let mut wrong = case.clone();
                wrong.after.regs[n] = Some(case.end(n) ^ 1);
                assert!(
                    !differences(&mut machine, &wrong).is_empty(),
                    "{reason}: {}",
                    REGISTERS[n]
                );
                spoiled += 1;
            }
            for (at, byte) in &case.after.ram {
                let mut wrong = case.clone();
                wrong.after.set_byte(*at, byte ^ 1);
                assert!(!differences(&mut machine, &wrong).is_empty(), "{reason}: {at:#x}");
                spoiled += 1;
            }
        }
    }
    assert!(spoiled > 250, "only {spoiled} were tried");
}
