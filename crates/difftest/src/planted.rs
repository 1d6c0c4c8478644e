//! Testing the test: a fault in one row of the translator's table must be found.

use crate::peer::PeerError;
use crate::run::{Machines, Plan};
use iced_x86::{Code, Mnemonic as M};
use ringer_casegen::rng::Rng;
use ringer_casegen::rows::rows;
use ringer_cpu::CpuModel;
use ringer_translator::classify::{Treatment, treatment};
use ringer_translator::{PlantedFault, PlantedKind as K};

/// A fault, and after how many sequences it was found.
#[derive(Clone, Debug)]
pub struct Hunt {
    /// The row, as the SDM writes it.
    pub row: &'static str,
    /// What was wrong with it.
    pub fault: PlantedFault,
    /// Sequences run until a difference was found; `None`: none was.
    pub found: Option<u64>,
}

/// Rows without an effect but on flags: all that can be wrong with them is that they have one.
const HINTS: &[M] = &[
    M::Nop,
    M::Pause,
    M::Fnop,
    M::Prefetchnta,
    M::Prefetcht0,
    M::Prefetcht1,
    M::Prefetcht2,
    M::Sfence,
    M::Lfence,
    M::Mfence,
    M::Clflush,
    M::Wait,
    M::Emms,
    M::Reservednop,
    M::Fndisi,
    M::Fneni,
    M::Fnsetpm,
];

/// Plants one random fault and runs up to `most` sequences of `seed`.
///
/// # Errors
/// When a machine cannot be built.
pub fn hunt(seed: u64, most: u64) -> Result<Hunt, PeerError> {
    let mut rng = Rng::new(seed);
    let translated = |code: &Code| treatment(*code) != Treatment::Callout;
    let list = rows(CpuModel::PENTIUM4.features(), 32);
    let list: Vec<Code> = list.iter().map(|r| r.code).filter(translated).collect();
    let code = rng.pick(&list);
    let kind = rng.pick(&[K::Skip, K::Carry, K::Displacement, K::Immediate, K::Register]);
    let no_effect = HINTS.contains(&code.mnemonic()) || code == Code::Xchg_rm8_r8;
    let fault = PlantedFault { code, kind: if no_effect { K::Carry } else { kind } };
    let mut machines = Machines::with_fault(fault)?;
    let plan = Plan { seed, first: 0, cases: most, batch: 512, peer: false, reports: 1 };
    let summary = machines.run(&plan)?;
    let found = summary.failures.first().map(|f| f.number + 1);
    Ok(Hunt { row: code.op_code().instruction_string(), fault, found })
}
