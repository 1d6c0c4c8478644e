//! A machine and what it made of a batch: cases in, results and data pages out, whatever dies on the
//! way.
//!
//! Invariants: before a case runs, its data pages are the batch's template and its result slot is
//! clear; a machine that dies is started afresh behind the case that killed it.

use crate::case::{Case, Outcome};
use crate::layout::*;
use crate::peer::{self, Peer, PeerError, Stop};

/// What a batch consists of.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The cases as slots, encoded.
    pub cases: Vec<u8>,
    /// What the data pages of each case hold at the start.
    pub template: Vec<u8>,
}

impl Batch {
    /// Encodes `cases`; those for which `runs` says no are skipped.
    pub fn new<'a>(cases: impl Iterator<Item = (&'a Case, bool)>, template: Vec<u8>) -> Self {
        let mut bytes = Vec::with_capacity(BATCH * SLOT);
        for (index, (case, runs)) in cases.enumerate() {
            let at = bytes.len();
            bytes.resize(at + SLOT, 0);
            if runs {
                case.encode(index, &mut bytes[at..]);
            }
        }
        Self { cases: bytes, template }
    }

    fn len(&self) -> usize {
        self.cases.len() / SLOT
    }
}

/// A machine with its results.
pub struct Bench {
    /// The machine.
    pub machine: Box<dyn Peer>,
    results: Vec<u8>,
    data: Vec<u8>,
    /// The template that the machine's data pages hold.
    template: Vec<u8>,
    number: u32,
    /// Cases that killed the machine, and how.
    pub deaths: Vec<(usize, String)>,
}

impl std::fmt::Debug for Bench {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bench").field("machine", &self.machine.name()).finish_non_exhaustive()
    }
}

impl Bench {
    /// A bench for `machine`, which waits at its mailbox.
    pub fn new(machine: Box<dyn Peer>) -> Self {
        Self {
            machine,
            results: Vec::new(),
            data: Vec::new(),
            template: Vec::new(),
            number: 1,
            deaths: Vec::new(),
        }
    }

    /// Gives the machine `batch`. QEMU begins at once.
    pub fn begin(&mut self, batch: &Batch) -> Result<(), PeerError> {
        let n = batch.len();
        self.deaths.clear();
        self.results.clear();
        self.results.resize(n * SLOT, 0);
        let stale = self.template != batch.template;
        if stale || self.data.len() < n * DATA_LEN {
            self.template = batch.template.clone();
            self.data = batch.template.repeat(n);
            self.machine.write(DATA, &self.data)?;
        }
        self.data.truncate(n * DATA_LEN);
        self.post(batch, 0)
    }

    fn post(&mut self, batch: &Batch, first: usize) -> Result<(), PeerError> {
        self.number += 1;
        self.machine.write(CASES, &batch.cases)?;
        self.machine.write(RESULTS, &vec![0; batch.cases.len()])?;
        peer::set(&mut *self.machine, mail::CURRENT, first as u32)?;
        peer::set(&mut *self.machine, mail::END, batch.len() as u32)?;
        peer::set(&mut *self.machine, mail::GO, self.number)
    }

    /// Whether the machine was given up in case `k`.
    pub fn took_too_long(&self, k: usize) -> bool {
        self.deaths.iter().any(|(at, how)| *at == k && how == peer::TOO_LONG)
    }

    /// Waits until the machine is through with `batch`.
    pub fn finish(&mut self, batch: &Batch) -> Result<(), PeerError> {
        let n = batch.len();
        let mut first = 0;
        loop {
            match self.machine.wait(self.number)? {
                Stop::Done => return self.harvest(first..n),
                Stop::Died(how) => {
                    let at = peer::get(&mut *self.machine, mail::CURRENT)? as usize;
                    let at = at.clamp(first, n.saturating_sub(1));
                    self.harvest(first..at)?;
                    self.deaths.push((at, how));
                    first = at + 1;
                    self.machine.restart()?;
                    let rest = batch.template.repeat(n);
                    self.machine.write(DATA, &rest)?;
                    if first >= n {
                        return Ok(());
                    }
                    self.post(batch, first)?;
                }
            }
        }
    }

    fn harvest(&mut self, cases: std::ops::Range<usize>) -> Result<(), PeerError> {
        let (first, end) = (cases.start, cases.end);
        let results = &mut self.results[first * SLOT..end * SLOT];
        self.machine.read(RESULTS + (first * SLOT) as u32, results)?;
        let data = &mut self.data[first * DATA_LEN..end * DATA_LEN];
        self.machine.read(DATA + (first * DATA_LEN) as u32, data)
    }

    /// Puts the template back where a case wrote.
    pub fn tidy(&mut self) -> Result<(), PeerError> {
        for (k, page) in self.data.chunks_exact_mut(4096).enumerate() {
            let clean = &self.template[k % 4 * 4096..][..4096];
            if page != clean {
                page.copy_from_slice(clean);
                self.machine.write(DATA + (k * 4096) as u32, clean)?;
            }
        }
        Ok(())
    }

    /// The result of case `k`.
    pub fn outcome(&self, k: usize) -> Outcome<'_> {
        Outcome(&self.results[k * SLOT..][..SLOT])
    }

    /// The data pages of case `k`.
    pub fn data(&self, k: usize) -> &[u8] {
        &self.data[k * DATA_LEN..][..DATA_LEN]
    }
}
