//! The run: cases by the hundred, in the helper process and in the interpreter, compared.

use super::bus::Pages;
use super::child::Native;
use super::prepare::{Prepared, long_rows};
use super::{COMPLETED, CS, GS, Input, MOST, Output, PAGE, SLOT, SS, WRITABLE, WRITABLE_LEN};
use crate::check::CheckError;
use crate::guest::GuestError;
use iced_x86::{Formatter, Instruction, Mnemonic, NasmFormatter, Register};
use ringer_casegen::{Rng, Row, undefined, values};
use ringer_cpu::segment::{SegAttr, Segment};
use ringer_cpu::state::{cr0, cr4, efer};
use ringer_cpu::{CpuModel, CpuState, Eflags, Features, Interp, Lin, Pc, Vector};

/// Flags that are compared.
const COMPARED: u32 = Eflags::ARITH.bits()
    | Eflags::DF.bits()
    | Eflags::NT.bits()
    | Eflags::AC.bits()
    | Eflags::ID.bits();
const TF: u64 = Eflags::TF.bits() as u64;
/// Where Linux's user addresses end.
const KERNEL: u64 = 0x7fff_ffff_f000;

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Cases compared.
    pub cases: u64,
    /// Cases that ended in an exception.
    pub faults: u64,
    /// Cases that differed in undefined flags only.
    pub undefined_only: u64,
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
        let template = Box::new(user(interp.state()));
        let summary = Summary { by_row: vec![0; rows.len()], ..Summary::default() };
        let (native, pages) = (Native::start()?, Pages::new());
        Ok(Self { seed, rows, native, interp, pages, template, summary })
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
            let (alone, cases): (Vec<_>, Vec<_>) = cases.partition(stores_in_parts);
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
        let differs = (0..WRITABLE_LEN).find(|&at| after[at] != self.pages.memory[at]);
        Ok(differs.map(|at| {
            let address = WRITABLE[at / PAGE as usize] + at as u64 % PAGE;
            let end = (at + 16).min(WRITABLE_LEN);
            let (host, guest) = (&after[at..end], &self.pages.memory[at..end]);
            format!("memory at {address:x}: host {host:02x?}, guest {guest:02x?}")
        }))
    }

    fn interpret(&mut self, input: &Input) -> Output {
        let mut s = *self.template;
        s.gpr = input.gpr;
        s.rip = Pc(input.rip);
        s.eflags = (input.rflags | TF) as u32;
        let raised = self.interp.execute(&mut s, &mut self.pages).err();
        let page_fault = raised.filter(|e| e.vector == Vector::Pf);
        Output {
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
        let mut differ = difference(&case.case.instruction, host, guest);
        let flags = (host.rflags ^ guest.rflags) as u32 & COMPARED;
        if flags != 0 && differ.is_none() {
            let free = undefined(&case.case.instruction, case.input.gpr[1] as u8, false).flags;
            match flags & !free {
                0 => self.summary.undefined_only += 1,
                _ => differ = Some("flags".to_owned()),
            }
        }
        if let Some(what) = differ {
            let what = format!("{what}\n  host   {host:x?}\n  guest  {guest:x?}");
            self.summary.differences.push(self.report(case, &what));
        }
    }

    fn report(&self, case: &Prepared, what: &str) -> String {
        let mut text = String::new();
        NasmFormatter::new().format(&case.case.instruction, &mut text);
        let (seed, number, bytes) = (self.seed, case.number, &case.case.bytes);
        format!(
            "seed {seed}, case {number}: {bytes:02x?} {text}: {what}\n  before {:x?}",
            case.input
        )
    }
}

fn difference(i: &Instruction, host: &Output, guest: &Output) -> Option<String> {
    if let Some(k) = (0..16).find(|&k| host.gpr[k] != guest.gpr[k]) {
        return Some(format!("register {k}: {:x}, {:x}", host.gpr[k], guest.gpr[k]));
    }
    let of_fault = |o: &Output| match o.trap {
        // Of addresses that are its own the host's kernel does not tell whether they are there.
        14 if o.cr2 >= KERNEL => (o.trap, o.error & 2, o.cr2),
        14 => (o.trap, o.error & 3, o.cr2),
        8 | 10..=13 | 17 => (o.trap, o.error, 0),
        _ => (o.trap, 0, 0),
    };
    let (a, b) = (of_fault(host), of_fault(guest));
    // The host reads the two operands of CMPS, and looks at the stack and at the target of a CALL, in an order of its own; AMD's
    // processors look at an offset before its segment's base is added, too.
    let ordered = i.segment_prefix() == Register::GS
        || matches!(
            i.mnemonic(),
            Mnemonic::Cmpsb | Mnemonic::Cmpsw | Mnemonic::Cmpsd | Mnemonic::Cmpsq | Mnemonic::Call
        );
    let both = host.trap != COMPLETED && guest.trap != COMPLETED;
    if a != b && !(ordered && both) {
        return Some(format!("ends {a:x?}, {b:x?}"));
    }
    (host.rip != guest.rip).then(|| format!("rip: {:x}, {:x}", host.rip, guest.rip))
}

/// What it stored before it faulted is the host's own affair.
fn stores_in_parts(case: &Prepared) -> bool {
    case.case.instruction.mnemonic() == Mnemonic::Enter
}

/// CPL 3 in 64-bit mode as Linux has it.
fn user(reset: CpuState) -> CpuState {
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
    s.msr.efer = efer::LMA;
    s.cpl = 3;
    s
}
