//! Machines, by their numbers.

use super::places::{DATA, DATA_LEN};
use super::world::World;
use super::{Mode, protected, real};
use ringer_casegen::rng::Rng;
use ringer_casegen::values;
use ringer_cpu::CpuState;

/// Instructions of a run at most.
const LONGEST: u32 = 6000;

/// Machine `number` of `mode` in the run with `seed`.
#[must_use]
pub fn world(seed: u64, mode: Mode, number: u64) -> World {
    let salt = match mode {
        Mode::Real => 0x5ea1,
        Mode::Protected => 0x9807_ec7e_d000,
        Mode::Smap => 0x53_4d41_5000,
    };
    let mut rng = Rng::of_case(seed ^ salt, number);
    let mut world = World {
        mode,
        memory: Vec::new(),
        cpu: CpuState::reset(0xf29),
        ports: Vec::new(),
        limit: 1 + u64::from(if rng.one_in(4) { rng.below(60) } else { rng.below(LONGEST) }),
        visit: if rng.one_in(2) { 1 } else { 2 },
        inline: number & 8 != 0,
        cache: if rng.one_in(4) { 256 << 10 } else { 1 << 20 },
    };
    world.cpu.fpu = values::fpu(&mut rng);
    if !rng.one_in(4) {
        // Nothing pending, all masked: most of the code does not end in #MF.
        world.cpu.fpu.0[0..4].copy_from_slice(&[0x7f, 0x03, 0, 0]);
    }
    let gpr = std::array::from_fn(|_| values::integer(&mut rng));
    world.cpu.set_gpr32(gpr);
    let mut data = vec![0; DATA_LEN as usize];
    values::memory(&mut rng, &mut data);
    world.memory.push((DATA, data));
    interrupts(&mut rng, &mut world);
    match mode {
        Mode::Real => real::fill(&mut rng, &mut world),
        Mode::Protected | Mode::Smap => protected::fill(&mut rng, &mut world),
    }
    world
}

/// Sets up the interrupt controllers, most often, and the timer.
fn interrupts(rng: &mut Rng, world: &mut World) {
    if rng.one_in(8) {
        return;
    }
    let bases = match world.mode {
        Mode::Real => [0x08, 0x70],
        Mode::Protected | Mode::Smap => [0x20, 0x28],
    };
    let auto = if rng.one_in(4) { 3 } else { 1 };
    for (base, port, cascade) in [(bases[0], 0x20, 4), (bases[1], 0xa0, 2)] {
        world.ports.extend([(port, 0x11), (port + 1, base), (port + 1, cascade)]);
        world.ports.extend([(port + 1, auto), (port + 1, rng.byte() & rng.byte() & rng.byte())]);
    }
    let count = if rng.one_in(8) { rng.byte() } else { 1 + rng.byte() % 6 };
    let mode = rng.pick(&[0x34, 0x36, 0x30, 0x34, 0x38]);
    world.ports.extend([(0x43, mode), (0x40, count), (0x40, 0)]);
}
