//! The run: cases by the hundred, in the helper process and in the interpreter, compared.

use super::bus::Pages;
use super::child::Native;
use super::compare::{Verdict, compare};
use super::excuse;
use super::outcome::{describe, describe_input};
use super::prepare::{Prepared, long_rows};
use super::{COMPLETED, CS, GS, Input, MOST, Output, PAGE, SLOT, SS, WRITABLE, WRITABLE_LEN};
use crate::check::CheckError;
use crate::guest::GuestError;
use iced_x86::{Code, Formatter, NasmFormatter};
use ringer_casegen::{Rng, Row, values};
use ringer_cpu::segment::{SegAttr, Segment};
use ringer_cpu::state::{cr0, cr4, efer, xcr0};
use ringer_cpu::{CpuModel, CpuState, Eflags, Features, FpuImage, Interp, Lin, Pc, Vector};
use std::collections::BTreeMap;

const TF: u64 = Eflags::TF.bits() as u64;

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Cases compared.
    pub cases: u64,
    /// Cases that ended in an exception.
    pub faults: u64,
    /// Cases that differed in undefined flags only.
    pub undefined_only: u64,
    /// Cases that differ as the excuses say, by excuse.
    pub excused: BTreeMap<&'static str, u64>,
    /// Reports of differences.
    pub differences: Vec<String>,
    /// Cases by row, in the order of [`Check::rows`].
    pub by_row: Vec<u64>,
}

/// Everything that a run needs.
#[derive(Debug)]
pub struct Check {
    seed: u64,
    rows: Vec<Row>,
    native: Native,
    interp: Interp<Pages>,
    pages: Pages,
    template: Box<CpuState>,
    summary: Summary,
}

impl Check {
    /// Starts the helper process and the interpreter; only the row of that name, if one is given.
    ///
    /// # Errors
    /// When the host does not permit it, or there is no such row.
    pub fn new(seed: u64, row: Option<&str>) -> Result<Self, CheckError> {
        let model = CpuModel::HOST;
        let features = model.features() | Features::LM | Features::CX16;
        let mut rows = long_rows(features);
        if let Some(name) = row {
            rows.retain(|row| format!("{:?}", row.code).eq_ignore_ascii_case(name));
            if rows.is_empty() {
                return Err(CheckError::NoRow(name.to_owned()));
            }
        }
        let interp = Interp::with_features(model, features).map_err(GuestError::from)?;
        let template = Box::new(user(interp.state(), features.contains(Features::AVX)));
        let summary = Summary { by_row: vec![0; rows.len()], ..Summary::default() };
        let (native, pages) = (Native::start()?, Pages::new());
        Ok(Self { seed, rows, native, interp, pages, template, summary })
    }

    /// From now on only the rows of these codes run.
    pub fn keep(&mut self, wanted: impl Fn(Code) -> bool) {
        self.rows.retain(|row| wanted(row.code));
        self.summary.by_row = vec![0; self.rows.len()];
    }

    /// The rows that are run.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Runs cases `first` to `end`, until there are `most` differences.
    ///
    /// # Errors
    /// When the host fails us.
    pub fn run(mut self, first: u64, end: u64, most: usize) -> Result<Summary, CheckError> {
        for begin in (first..end).step_by(MOST) {
            let numbers = begin..end.min(begin + MOST as u64);
            let cases = numbers.filter_map(|n| Prepared::new(self.seed, n, &self.rows));
            let alone = |case: &Prepared| excuse::runs_alone(&case.case.instruction);
            let (alone, cases): (Vec<_>, Vec<_>) = cases.partition(alone);
            if let Some(memory) = self.exchange(&cases)? {
                let report = self.narrow(&cases)?.unwrap_or(memory);
                self.summary.differences.push(report);
            }
            for case in alone {
                let memory = self.exchange(std::slice::from_ref(&case))?;
                let completed = self.native.wire().outputs[0].trap == COMPLETED;
                if let Some(what) = memory.filter(|_| completed) {
                    let report = self.report(&case, &what);
                    self.summary.differences.push(report);
                }
            }
            if self.summary.differences.len() >= most {
                break;
            }
        }
        Ok(self.summary)
    }

    /// The first of `cases` after which memory differs.
    fn narrow(&mut self, cases: &[Prepared]) -> Result<Option<String>, CheckError> {
        for count in 1..=cases.len() {
            let known = self.summary.clone();
            let found = self.exchange(&cases[..count])?;
            self.summary = known;
            if let Some(what) = found {
                return Ok(Some(self.report(&cases[count - 1], &what)));
            }
        }
        Ok(None)
    }

    /// Both run `cases`, one after the other on the same memory. Where memory differs then.
    fn exchange(&mut self, cases: &[Prepared]) -> Result<Option<String>, CheckError> {
        let Some(number) = cases.first().map(|case| case.number) else { return Ok(None) };
        let code = self.native.code();
        for case in cases {
            let at = (case.number % MOST as u64 * SLOT) as usize;
            code[at..at + SLOT as usize].fill(0x90);
            code[at..at + case.case.bytes.len()].copy_from_slice(&case.case.bytes);
        }
        self.pages.code.copy_from_slice(code);
        values::memory(&mut Rng::of_case(!self.seed, number), &mut self.pages.memory[..]);
        if let [case] = cases {
            case.lay_out(self.seed, |at, byte| self.pages.set(at, byte));
        }
        let wire = self.native.wire();
        wire.memory.copy_from_slice(&self.pages.memory[..]);
        wire.count = cases.len() as u32;
        for (input, case) in wire.inputs.iter_mut().zip(cases) {
            *input = case.input;
        }
        self.native.exchange()?;
        for (n, case) in cases.iter().enumerate() {
            let guest = self.interpret(&case.input);
            let host = self.native.wire().outputs[n];
            self.judge(case, &host, &guest);
        }
        let after: &[u8; WRITABLE_LEN] = &self.native.wire().memory;
        let address = |at: usize| WRITABLE[at / PAGE as usize] + at as u64 % PAGE;
        let own = |at: usize| {
            let mut long = cases.iter().map(|case| (&case.case.instruction, &case.input));
            long.any(|(i, input)| excuse::own_memory(i, input, address(at)))
        };
        let differs = |at: usize| after[at] != self.pages.memory[at] && !own(at);
        Ok((0..WRITABLE_LEN).find(|&at| differs(at)).map(|at| {
            let address = address(at);
            let end = (at + 16).min(WRITABLE_LEN);
            let (host, guest) = (&after[at..end], &self.pages.memory[at..end]);
            format!("memory at {address:x}: host {host:02x?}, guest {guest:02x?}")
        }))
    }

    fn interpret(&mut self, input: &Input) -> Output {
        let mut s = *self.template;
        s.fpu = FpuImage::from_wide(&input.fpu);
        s.ymm_high = input.ymm;
        s.gpr = input.gpr;
        s.rip = Pc(input.rip);
        s.eflags = (input.rflags | TF) as u32;
        let raised = self.interp.execute(&mut s, &mut self.pages).err();
        let page_fault = raised.filter(|e| e.vector == Vector::Pf);
        Output {
            fpu: s.fpu.to_wide(),
            ymm: s.ymm_high,
            gpr: s.gpr,
            rflags: u64::from(s.eflags),
            rip: s.rip.get(),
            cr2: page_fault.map_or(0, |e| e.address.get()),
            trap: raised.map_or(COMPLETED, |e| e.vector as u32),
            error: raised.and_then(|e| e.error).unwrap_or(0),
        }
    }

    fn judge(&mut self, case: &Prepared, host: &Output, guest: &Output) {
        self.summary.cases += 1;
        self.summary.by_row[case.row] += 1;
        self.summary.faults += u64::from(host.trap != COMPLETED);
        match compare(&case.case.instruction, &case.input, host, guest) {
            Verdict::Same => {}
            Verdict::UndefinedOnly => self.summary.undefined_only += 1,
            Verdict::Excused(excuse) => {
                *self.summary.excused.entry(excuse.name).or_insert(0) += 1;
            }
            Verdict::Differ(what) => {
                let (host, guest) = (describe(host), describe(guest));
                let what = format!("{what}\n  host   {host}\n  guest  {guest}");
                self.summary.differences.push(self.report(case, &what));
            }
        }
    }

    fn report(&self, case: &Prepared, what: &str) -> String {
        let mut text = String::new();
        NasmFormatter::new().format(&case.case.instruction, &mut text);
        let (seed, number, bytes) = (self.seed, case.number, &case.case.bytes);
        let before = describe_input(&case.input);
        format!("seed {seed}, case {number}: {bytes:02x?} {text}: {what}\n  before {before}")
    }
}

/// CPL 3 in 64-bit mode as Linux has it.
fn user(reset: CpuState, avx: bool) -> CpuState {
    let data = SegAttr::PRESENT | SegAttr::S | SegAttr::WRITABLE | SegAttr::ACCESSED | SegAttr::DPL;
    let null = Segment { selector: 0, attr: SegAttr::NULL, base: Lin(0), limit: 0 };
    let mut s = reset;
    s.seg = [null; 6];
    let attr = data | SegAttr::CODE | SegAttr::L | SegAttr::G;
    s.seg[1] = Segment { selector: CS, attr, base: Lin(0), limit: u32::MAX };
    let attr = data | SegAttr::DB | SegAttr::G;
    s.seg[2] = Segment { selector: SS, attr, base: Lin(0), limit: u32::MAX };
    s.seg[5].base = Lin(GS);
    s.cr0 = cr0::PE | cr0::PG | cr0::WP | cr0::NE | cr0::MP | cr0::ET | cr0::AM;
    s.cr4 = cr4::PAE | cr4::OSFXSR | cr4::OSXMMEXCPT;
    if avx {
        s.cr4 |= cr4::OSXSAVE;
        s.xcr0 = xcr0::X87 | xcr0::SSE | xcr0::AVX;
    }
    s.msr.efer = efer::LMA;
    s.cpl = 3;
    s
}
