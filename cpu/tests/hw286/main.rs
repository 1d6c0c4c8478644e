//! The interpreter against 97,500 single-instruction tests captured on a real 80286 in real mode.
//!
//! The data lies outside this repository (`RINGER_HW286` names its folder; default
//! `../../shared/data/hw286`); without it the test says so and passes. A later processor differs
//! from a 286 rightly in a few ways: each is a [`Excuse`] with its reason, and only the cases that
//! it really concerns are excused.

mod moo;

use flate2::read::GzDecoder;
use moo::{Case, File, Regs};
use ringer_cpu::testing::FlatBus;
use ringer_cpu::{CpuModel, CpuState, Gpr, Interp, Outcome, SegReg, Segment, Vector};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// FLAGS bits that a 286 keeps clear in real mode and later processors do not: IOPL, NT, bit 15.
const LATER_FLAGS: u16 = 0xf000;

/// Why a case may end otherwise on a later processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Excuse {
    /// A 286 refuses instructions over 10 bytes; later processors refuse those over 15.
    Length,
    /// LOCK on an instruction that may not carry it is #UD since the 386.
    Lock,
    /// An operand beyond the limit of SS is interrupt 13 on a 286 in real mode, 12 since the 386.
    StackLimit,
    /// A string instruction that faults has moved SI and DI on a 286; later ones leave them.
    StringPointers,
    /// FS and GS came with the 386; a 286 answers #UD.
    NewSegments,
}

/// Why `case` may end with these `differences`.
fn excuse(bench: &mut Bench, case: &Case, differences: &[String]) -> Option<Excuse> {
    // The captured bytes end in the HLT that ends the test.
    if case.bytes.len() > 11 && case.exception.is_some_and(|(vector, _)| vector == 13) {
        return Some(Excuse::Length);
    }
    if case.name.contains("lock") && !lockable(case) && bench.raises(case) == Some(Vector::Ud) {
        return Some(Excuse::Lock);
    }
    let overrun = case.exception.is_some_and(|(vector, _)| vector == 13);
    if overrun && bench.raises(case) == Some(Vector::Ss) {
        return Some(Excuse::StackLimit);
    }
    let pointers = |d: &String| ["si ", "di ", "cx "].iter().any(|r| d.starts_with(r));
    if overrun && is_string(case) && differences.iter().all(pointers) {
        return Some(Excuse::StringPointers);
    }
    let invalid = case.exception.is_some_and(|(vector, _)| vector == 6);
    if invalid && (case.name.contains("fs") || case.name.contains("gs")) {
        return Some(Excuse::NewSegments);
    }
    None
}

fn is_string(case: &Case) -> bool {
    iced_x86::Decoder::new(16, &case.bytes, 0).decode().is_string_instruction()
}

/// Whether the decoder of a later processor takes the case's bytes as an instruction.
fn lockable(case: &Case) -> bool {
    !iced_x86::Decoder::new(16, &case.bytes, 0).decode().is_invalid()
}

/// The machine that runs the cases; memory is wiped after each by what it wrote.
struct Bench {
    interp: Interp<FlatBus>,
    bus: FlatBus,
}

impl Bench {
    fn new() -> Self {
        let mut bus = FlatBus::new(0x11_0000);
        bus.log_writes = true;
        Self { interp: Interp::new(CpuModel::Pentium4), bus }
    }

    /// Runs `case` to its HLT. What differs at the end, one line a difference.
    fn run(&mut self, case: &Case, masks: &Regs) -> Vec<String> {
        let mut s = self.prepare(case);
        let mut differences = Vec::new();
        let mut steps = 0;
        while self.interp.step(&mut s, &mut self.bus) != Outcome::Halted {
            steps += 1;
            if steps > 200 || s.activity == ringer_cpu::Activity::Shutdown {
                differences.push("no HLT reached".into());
                break;
            }
        }
        compare(case, masks, &s, &self.bus, &mut differences);
        self.wipe(case);
        differences
    }

    /// The exception that the case's instruction raises, undelivered.
    fn raises(&mut self, case: &Case) -> Option<Vector> {
        let mut s = self.prepare(case);
        let raised = self.interp.execute(&mut s, &mut self.bus).err().map(|e| e.vector);
        self.wipe(case);
        raised
    }

    fn prepare(&mut self, case: &Case) -> CpuState {
        for &(at, value) in &case.before.ram {
            self.bus.load(at, &[value]);
        }
        initial(self.interp.state(), &case.before.regs)
    }

    fn wipe(&mut self, case: &Case) {
        for (at, len) in std::mem::take(&mut self.bus.writes) {
            self.bus.mem[at as usize..at as usize + len].fill(0);
        }
        for &(at, _) in &case.before.ram {
            self.bus.load(at, &[0]);
        }
        self.bus.port_writes.clear();
    }
}

const GPRS: [(usize, Gpr); 8] = [
    (0, Gpr::Eax),
    (1, Gpr::Ebx),
    (2, Gpr::Ecx),
    (3, Gpr::Edx),
    (8, Gpr::Esp),
    (9, Gpr::Ebp),
    (10, Gpr::Esi),
    (11, Gpr::Edi),
];
const SEGMENTS: [(usize, SegReg); 4] =
    [(4, SegReg::Cs), (5, SegReg::Ss), (6, SegReg::Ds), (7, SegReg::Es)];

fn initial(mut s: CpuState, regs: &Regs) -> CpuState {
    let value = |n: usize| regs[n].unwrap_or(0);
    for (n, r) in GPRS {
        s.gpr[r as usize] = u32::from(value(n));
    }
    for (n, r) in SEGMENTS {
        s.seg[r as usize] = Segment::real(value(n), 0);
    }
    s.eip = u32::from(value(12));
    s.eflags = u32::from(value(moo::FLAGS) & !LATER_FLAGS) | 2;
    s
}

fn registers(s: &CpuState) -> [u16; 14] {
    let mut out = [0; 14];
    for (n, r) in GPRS {
        out[n] = s.gpr[r as usize] as u16;
    }
    for (n, r) in SEGMENTS {
        out[n] = s.seg[r as usize].selector;
    }
    out[12] = s.eip as u16;
    out[moo::FLAGS] = s.eflags as u16;
    out
}

/// Where the case pushed FLAGS, if it did: their upper bits differ as [`LATER_FLAGS`] says.
fn pushed_flags(case: &Case, s: &CpuState) -> Option<u32> {
    let top = |above: u32| {
        let sp = s.gpr[Gpr::Esp as usize].wrapping_add(above) & 0xffff;
        s.seg[SegReg::Ss as usize].base + sp
    };
    // (The address in the captures is rounded down to even.)
    if case.exception.is_some() {
        return Some(top(4));
    }
    case.name.ends_with("pushf").then(|| top(0))
}

fn compare(case: &Case, masks: &Regs, s: &CpuState, bus: &FlatBus, out: &mut Vec<String>) {
    let got = registers(s);
    let mask_of = |n: usize| {
        let own = case.after.masks[n].unwrap_or(0xffff);
        own & masks[n].unwrap_or(0xffff) & if n == moo::FLAGS { !LATER_FLAGS } else { 0xffff }
    };
    for (n, name) in moo::REGISTERS.into_iter().enumerate() {
        let want = case.after.regs[n].or(case.before.regs[n]).unwrap_or(0);
        if (got[n] ^ want) & mask_of(n) != 0 {
            out.push(format!("{name} is {:04x}, not {want:04x}", got[n]));
        }
    }
    let flags_at = pushed_flags(case, s);
    for &(at, want) in &case.after.ram {
        let mask = match flags_at {
            Some(low) if at == low => mask_of(moo::FLAGS) as u8,
            Some(low) if at == low + 1 => (mask_of(moo::FLAGS) >> 8) as u8,
            _ => 0xff,
        };
        let got = bus.peek(at);
        if (got ^ want) & mask != 0 {
            out.push(format!("[{at:05x}] is {got:02x}, not {want:02x}"));
        }
    }
}

fn folder() -> Option<PathBuf> {
    let named = std::env::var_os("RINGER_HW286").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/hw286");
    named.or(Some(beside)).filter(|dir| dir.is_dir())
}

fn load(path: &Path, flags: u16) -> File {
    let packed = std::fs::read(path).expect("a readable file");
    let mut data = Vec::new();
    GzDecoder::new(&packed[..]).read_to_end(&mut data).expect("gzip data");
    let mut file = moo::parse(&data);
    let own = file.masks[moo::FLAGS].unwrap_or(0xffff);
    file.masks[moo::FLAGS] = Some(own & flags);
    file
}

/// The flags that the manual defines after `opcode` (as in the files' names, "F7.6"), by the
/// captures' metadata.
fn defined_flags(metadata: &serde_json::Value, opcode: &str) -> u16 {
    let (byte, extension) = opcode.split_once('.').unwrap_or((opcode, ""));
    let entry = &metadata["opcodes"][byte];
    let entry = if extension.is_empty() { entry } else { &entry["reg"][extension] };
    entry["flags-mask"].as_u64().map_or(0xffff, |mask| mask as u16)
}

fn metadata(dir: &Path) -> serde_json::Value {
    let text = std::fs::read_to_string(dir.join("metadata.json")).expect("metadata.json");
    serde_json::from_str(&text).expect("JSON in metadata.json")
}

/// The hashes of tests that their authors withdrew.
fn revoked(dir: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(dir.join("revocation_list.txt")).unwrap_or_default();
    text.lines().map(|l| l.trim().to_lowercase()).filter(|l| !l.starts_with('#')).collect()
}

#[derive(Default)]
struct Tally {
    passed: u32,
    excused: BTreeMap<Excuse, u32>,
    failed: Vec<String>,
}

fn run_file(bench: &mut Bench, file: &File, revoked: &[String], tally: &mut Tally) {
    for case in &file.cases {
        let hash: String = case.hash.iter().map(|b| format!("{b:02x}")).collect();
        if revoked.contains(&hash) {
            continue;
        }
        let differences = bench.run(case, &file.masks);
        if differences.is_empty() {
            tally.passed += 1;
        } else if let Some(reason) = excuse(bench, case, &differences) {
            *tally.excused.entry(reason).or_default() += 1;
        } else {
            let what = format!("#{} {} {:02x?}", case.index, case.name, case.bytes);
            tally.failed.push(format!("{what} {:?}: {}", case.exception, differences.join(", ")));
        }
    }
}

#[test]
fn real_mode_instructions_end_as_on_a_real_80286() {
    let Some(dir) = folder() else {
        let why = "skipped: the captured 80286 tests are not here; RINGER_HW286 names their folder";
        assert!(std::env::var_os("CI").is_none(), "{why}");
        println!("{why}");
        return;
    };
    let only = std::env::var("RINGER_HW286_ONLY").ok();
    let revoked = revoked(&dir);
    let metadata = metadata(&dir);
    let mut tallies = BTreeMap::new();
    let mut bench = Bench::new();
    for entry in std::fs::read_dir(&dir).expect("a readable folder") {
        let path = entry.expect("a folder entry").path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let Some(opcode) = name.strip_suffix(".MOO.gz") else { continue };
        if only.as_deref().is_some_and(|o| !o.split(',').any(|o| o == opcode)) {
            continue;
        }
        let tally: &mut Tally = tallies.entry(opcode.to_owned()).or_default();
        let file = load(&path, defined_flags(&metadata, opcode));
        run_file(&mut bench, &file, &revoked, tally);
    }
    report(&tallies, only.is_some());
}

fn report(tallies: &BTreeMap<String, Tally>, verbose: bool) {
    let (mut passed, mut failed) = (0, 0);
    let mut excused: BTreeMap<Excuse, u32> = BTreeMap::new();
    for (opcode, t) in tallies {
        passed += t.passed;
        failed += t.failed.len();
        for (&reason, &count) in &t.excused {
            *excused.entry(reason).or_default() += count;
        }
        if !t.failed.is_empty() {
            println!("{opcode}: {} passed, {} failed", t.passed, t.failed.len());
            for line in t.failed.iter().take(if verbose { 20 } else { 1 }) {
                println!("    {line}");
            }
        }
    }
    println!("{passed} passed, {failed} failed, excused: {excused:?}");
    assert_eq!(failed, 0, "cases that no excuse covers");
    let excused: u32 = excused.values().sum();
    assert!(excused * 40 < passed || verbose, "the excuses cover few cases");
}
