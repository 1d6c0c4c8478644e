//! One case's results: what differs, what explains it, and the report of what nothing explains.

use super::{Failure, Machines, Summary};
use crate::bench::Bench;
use crate::compare::{self, Diff};
use crate::peer_faults::{self, Look};
use crate::report;
use crate::sequence::Sequence;

/// A difference between Ringer's engines.
pub(super) const ENGINES: &str = "interp / bt";
/// A difference from the peer.
pub(super) const PEER: &str = "interp / qemu";

impl Machines {
    /// Compares the results of case `k` of the batch; counts it in `summary`. `reach`: why the peer did
    /// not run it.
    pub(super) fn judge(
        &self,
        seq: &Sequence,
        k: usize,
        number: u64,
        reach: Option<&'static str>,
        summary: &mut Summary,
    ) -> Option<Failure> {
        summary.instructions += seq.items.len() as u64;
        let outcome = self.interp.outcome(k);
        if outcome.is_complete() {
            *summary.vectors.entry(outcome.vector()).or_default() += 1;
        } else {
            summary.deaths += 1;
        }
        if [&self.interp, &self.bt].iter().any(|bench| bench.took_too_long(k)) {
            *summary.out_of_reach.entry("a loop too long for one of the engines").or_default() += 1;
            return None;
        }
        let mut engines = compare::differences(&self.interp, &self.bt, k);
        if !engines.is_empty() {
            let look = Look::new(seq, &self.interp, &self.bt, k);
            if let Some(name) = peer_faults::between_engines(&look, &mut engines) {
                *summary.engines.entry(name).or_default() += 1;
            }
            if !engines.is_empty() {
                return Some(self.failure(seq, k, number, ENGINES, &engines));
            }
        }
        let peer = self.peer.as_ref()?;
        if peer.took_too_long(k) {
            *summary.out_of_reach.entry("a loop too long for it").or_default() += 1;
            return None;
        }
        if let Some(why) = reach {
            *summary.out_of_reach.entry(why).or_default() += 1;
            return None;
        }
        if !compare::code_is_unchanged(seq, &outcome) {
            *summary
                .out_of_reach
                .entry("code changed: its flags were not followed")
                .or_default() += 1;
            return None;
        }
        summary.with_peer += 1;
        let mut list = compare::differences(&self.interp, peer, k);
        if list.is_empty() {
            return None;
        }
        let look = Look::new(seq, &self.interp, peer, k);
        compare::drop_undefined(seq, &mut list, look.frame);
        for fault in peer_faults::faults() {
            if list.is_empty() {
                return None;
            }
            let before = list.clone();
            (fault.explains)(&look, &mut list);
            if list != before {
                *summary.explained.entry(fault.name).or_default() += 1;
            }
        }
        if list.is_empty() {
            return None;
        }
        if look.ran_data() {
            // An undefined flag or value, an approximation, an encoding that the SDM does not list.
            summary.with_peer -= 1;
            *summary
                .out_of_reach
                .entry("it ran data, in which nobody followed what is undefined")
                .or_default() += 1;
            return None;
        }
        Some(self.failure(seq, k, number, PEER, &list))
    }

    fn failure(
        &self,
        seq: &Sequence,
        k: usize,
        number: u64,
        pair: &'static str,
        diffs: &[Diff],
    ) -> Failure {
        let ended = |b: &Bench| {
            let o = b.outcome(k);
            let died = b.deaths.iter().find(|(at, _)| *at == k);
            match died {
                Some((_, how)) => format!("{}: {how}", b.machine.name()),
                None => {
                    let f = compare::frame(seq, b, k).map_or(0, |f| f.eip);
                    format!("{}: vector {} at {f:08x}", b.machine.name(), o.vector())
                }
            }
        };
        let mut ends = vec![ended(&self.interp), ended(&self.bt)];
        ends.extend(self.peer.as_ref().map(ended));
        let fault =
            compare::instruction(seq, compare::frame(seq, &self.interp, k), self.interp.data(k));
        let text = format!(
            "case {number}, {pair}\n{}  {} ({})\n{}",
            report::describe(seq),
            ends.join("; "),
            fault.map_or_else(|| "nowhere known".to_owned(), |i| format!("{i}: {:?}", i.code())),
            report::list(diffs)
        );
        Failure { number, pair, text }
    }
}
