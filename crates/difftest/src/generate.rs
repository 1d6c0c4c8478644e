//! Random sequences of 1 to 12 instructions: each form of the table in every setting that can run
//! it, and the combinations that forms alone do not give (calls that return, gates, loops, stores
//! into the code ahead).
//!
//! Invariants: a sequence comes to an end, by INT3 or another exception: branches lead forward, but
//! for LOOP with a small count; what a case may do is confined to its pages; an instruction that reads
//! a flag which is undefined at that point has another before it that defines all of them.

use crate::case::Kind;
use crate::composer::{Composer, ESP, Forms, spot};
use crate::layout::CODE_LEN;
use crate::sequence::Sequence;
use crate::setting::Setting;
use crate::special;
use ringer_casegen::rng::Rng;
use ringer_casegen::values;

/// The sequence of case `number` of the run with `seed`.
pub fn sequence(forms: &mut Forms, seed: u64, number: u64) -> Sequence {
    let mut rng = Rng::of_case(seed, number);
    let s = Setting::new(&mut rng);
    let room = 0x2000 - CODE_LEN as u32;
    let code_offset =
        if rng.below(5) < 3 { rng.below(room / 16) * 16 } else { 0x1000 - 1 - rng.below(48) };
    let mut init: [u32; 8] = std::array::from_fn(|_| values::integer(&mut rng));
    let ss = if s.segs[2].origins.is_empty() { vec![0] } else { s.segs[2].origins.clone() };
    init[ESP] = rng.pick(&ss).wrapping_add(spot(&mut rng) & !3);
    let real = s.kind == Kind::Real;
    if rng.one_in(12) && !real {
        init[ESP] = init[ESP].wrapping_add(rng.below(4));
    }
    if real {
        init[ESP] = init[ESP].clamp(0x100, 0x3f00);
    } else if rng.one_in(40) {
        init[ESP] = values::integer(&mut rng);
    }
    let mut composer = Composer::new(&mut rng, forms, s, code_offset, init);
    fill(&mut composer);
    composer.finish()
}

/// Appends instructions until there are enough.
fn fill(composer: &mut Composer<'_>) {
    let wanted = 1 + composer.rng.below(12) as usize;
    while composer.len() < wanted && composer.room() > 40 {
        if composer.rng.below(100) < 14 {
            special::emit(composer);
        } else {
            composer.one();
        }
    }
    if composer.has_undefined_flags() && composer.s.cpl() == 0 {
        // The INT3 at the end pushes EFLAGS into the case's own memory.
        composer.define_flags();
    }
}
