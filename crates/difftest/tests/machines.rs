//! A sample of the machines of random code, and limits of instructions on them. `RINGER_MACHINES_SEED` repeats a run,
//! `RINGER_MACHINES` sets how many machines of each mode there are.

use ringer_casegen::rng::Rng;
use ringer_difftest::machines::{Mode, Plan, jobs, make, twin};
use ringer_machine::{Engine, Stop};

/// A few seconds on a host's core that is not busy.
const MACHINES: u64 = 400;
/// Machines that are stopped again and again, and how often each is.
const STOPPED: u64 = 12;
const STOPS: u64 = 90;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|v| v.parse().ok())
}

fn seed() -> u64 {
    number("RINGER_MACHINES_SEED").unwrap_or(0x5eed_2026)
}

#[test]
fn the_engines_agree_on_random_machines() {
    let plan = Plan {
        modes: Mode::ALL.to_vec(),
        seed: seed(),
        first: 0,
        count: number("RINGER_MACHINES").unwrap_or(MACHINES),
        lockstep_every: 4,
        reports: 3,
    };
    let summary = jobs::run(&plan, 1, false);
    assert!(summary.failures.is_empty(), "seed {}: {}", plan.seed, summary.failures.join("\n"));
    assert_eq!(summary.machines, 3 * plan.count);
    // They come to something: most run on to their limit, half of what they run is translated.
    assert!(summary.ends["instruction-limit"] * 10 > summary.machines * 8, "{:?}", summary.ends);
    assert!(summary.translated * 3 > summary.instructions, "{summary:?}");
}

/// Each engine stops at each of the numbers, no instruction later and none earlier, goes on from there, and is then what
/// the interpreter was there.
#[test]
fn limits_of_instructions_are_exact_wherever_they_fall() {
    let mut rng = Rng::new(seed());
    let mut exact = 0;
    for number in 0..STOPPED {
        let mode = Mode::ALL[number as usize % 3];
        let mut world = make::world(seed(), mode, 1000 + number);
        let mut limits: Vec<u64> = (0..STOPS).map(|_| 1 + u64::from(rng.below(4000))).collect();
        limits.sort_unstable();
        world.limit = limits[limits.len() - 1];
        let run = |engine| twin::run_in_steps(&world, engine, &limits);
        let expected = run(Engine::Interp).unwrap();
        for (limit, step) in limits.iter().zip(&expected) {
            assert!(step.stop != Stop::InstructionLimit || step.retired == *limit, "{step:?}");
            exact += u32::from(step.stop == Stop::InstructionLimit);
        }
        for engine in [Engine::Bt, Engine::Lockstep] {
            let steps = run(engine).unwrap();
            for ((limit, step), expected) in limits.iter().zip(&steps).zip(&expected) {
                let place = format!("seed {}, {mode:?} machine {}", seed(), 1000 + number);
                assert_eq!(step, expected, "{place} at {limit} under {engine}");
            }
        }
    }
    assert!(exact > 600, "{exact} of {}", STOPPED * STOPS);
}

/// Machines that longer runs found, by seed, mode and number.
const FOUND: &[(u64, Mode, u64)] = &[
    // A REP that reaches a device, taken over by the interpreter in its middle.
    (2, Mode::Real, 15862),
    // Deadlines that passed for ever.
    (1, Mode::Real, 8234),
    (2, Mode::Real, 14430),
    // A second interrupt before the first instruction of a handler that lets it in.
    (3, Mode::Protected, 4525),
    (3, Mode::Protected, 28378),
    // A REP that overwrites itself and faults, in lockstep.
    (5, Mode::Protected, 29912),
    // POPAD over the end of the address space, in lockstep.
    (5, Mode::Protected, 31800),
    // An interrupt whose delivery shuts the processor down.
    (3, Mode::Real, 36014),
    // A REP that overwrites itself and faults in one pass, in lockstep.
    (77, Mode::Smap, 26576),
    // A triple fault at the instruction that an IRET with RF led to.
    (20_261_130, Mode::Smap, 6635),
];

#[test]
fn machines_that_were_found_agree() {
    for &(seed, mode, first) in FOUND {
        let plan = Plan { modes: vec![mode], seed, first, count: 1, lockstep_every: 1, reports: 1 };
        let summary = jobs::run(&plan, 1, false);
        assert!(summary.failures.is_empty(), "seed {seed}: {}", summary.failures.join("\n"));
    }
}
