//! A case that differs from the peer is run again alone, in fresh machines, before it is reported.
//!
//! Invariant: a difference is set aside only when it was the peer's result alone that depended on the
//! cases before, or when one and the same engine has several results (data that was run can be an IN that
//! shows the time). When Ringer's own result depended on them, or Ringer's engines differ, it is reported.

use super::judge::PEER;
use super::{Failure, Machines, Summary, template};
use crate::bench::{Batch, Bench};
use crate::peer::PeerError;
use crate::sequence::Sequence;

/// Runs of a case that look for one that differs.
const RUNS: u32 = 12;

impl Machines {
    /// Reports `found`, the difference of case `k` of this batch, or counts it as settled.
    pub(super) fn retry(
        &self,
        seed: u64,
        seq: &Sequence,
        k: usize,
        found: Failure,
        summary: &mut Summary,
    ) -> Result<(), PeerError> {
        if found.pair != PEER {
            if Self::varies(seed, seq, k, found.number)? {
                *summary.out_of_reach.entry("each run of it has another result").or_default() += 1;
            } else {
                summary.report(found);
            }
            return Ok(());
        }
        let mut fresh = Self::new(true)?;
        // In the same slot: physical addresses show in page-table entries.
        let slots = (0..=k).map(|at| (&seq.case, at == k));
        let batch = Batch::new(slots, template(seed, found.number));
        fresh.run_batch(&batch, &batch, &mut [0.0; 5])?;
        let again = fresh.judge(seq, k, found.number, None, &mut Summary::default());
        let ours = |m: &Self| [result(&m.interp, k), result(&m.bt, k)];
        match again {
            _ if ours(self) != ours(&fresh) => {
                let text = format!(
                    "{}  Ringer's own result is another when the case is alone\n",
                    found.text
                );
                summary.report(Failure { text, ..found });
            }
            Some(failure) => summary.report(failure),
            None => summary.settled_alone += 1,
        }
        Ok(())
    }

    /// Whether the interpreter comes to different results when the case is run again and again.
    fn varies(seed: u64, seq: &Sequence, k: usize, number: u64) -> Result<bool, PeerError> {
        let slots = (0..=k).map(|at| (&seq.case, at == k));
        let batch = Batch::new(slots, template(seed, number));
        let mut first = None;
        for _ in 0..RUNS {
            let mut fresh = Self::new(false)?;
            fresh.run_batch(&batch, &batch, &mut [0.0; 5])?;
            let result = result(&fresh.interp, k);
            if *first.get_or_insert_with(|| result.clone()) != result {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// All that a case left, what the comparison never looks at set to 0.
fn result(bench: &Bench, k: usize) -> (Vec<u8>, Vec<u8>) {
    let mut slot = bench.outcome(k).0.to_vec();
    // The x87 pointers: those of the case before, where no instruction wrote them.
    slot[0x206..0x218].fill(0);
    (slot, bench.data(k).to_vec())
}
