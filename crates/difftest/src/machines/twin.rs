//! One machine under two engines: what is left must be equal.

use super::Mode;
use super::places::RAM;
use super::world::World;
use iced_x86::{Decoder, DecoderOptions};
use ringer_cpu::addr::Pa;
use ringer_cpu::{CpuModel, CpuState, Lin, PagingRegs};
use ringer_devices::{Section, SerialSink};
use ringer_machine::{
    BootSource, ClockKind, Engine, Machine, MachineConfig, PcConfig, RunConfig, Sinks, StateDigest,
    Stop, Until,
};
use ringer_translator::TranslatorOptions;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// A machine that takes longer hangs.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes that are looked at in one piece when memory differs.
const PIECE: u64 = 0x1000;
/// How a difference of memory begins.
const MEMORY: &str = "memory at ";

struct Nowhere;

impl SerialSink for Nowhere {
    fn write(&mut self, _: &[u8]) -> std::io::Result<()> {
        Ok(())
    }
}

/// What a run left.
#[derive(Debug)]
pub struct End {
    /// How it ended.
    pub stop: Stop,
    /// Instructions retired.
    pub retired: u64,
    /// Of those, how many ran as host code.
    pub translated: u64,
    cpu: CpuState,
    /// Processor and devices.
    parts: Vec<Section>,
    memory: u32,
    machine: Machine,
}

/// A run of `world` under `engine` that ends after `limit` instructions.
///
/// # Errors
/// What went wrong: a panic, the host's refusal, a run that hangs.
pub fn run(world: &World, engine: Engine, limit: u64) -> Result<End, String> {
    let run = catch_unwind(AssertUnwindSafe(|| run_to(world, engine, limit)));
    match run {
        Ok(end) => end,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(format!("{engine} panics: {}", text.unwrap_or("?")))
        }
    }
}

/// Where a run stood at a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// How it ended there.
    pub stop: Stop,
    /// Instructions retired.
    pub retired: u64,
    /// What the whole state was.
    pub digest: StateDigest,
}

/// A run of `world` under `engine` that ends after each of the numbers `limits` of instructions and goes on.
///
/// # Errors
/// As [`run`].
pub fn run_in_steps(world: &World, engine: Engine, limits: &[u64]) -> Result<Vec<Step>, String> {
    let mut machine = build(world, engine).map_err(|e| format!("{engine} fails: {e}"))?;
    let mut step = |&limit: &u64| {
        let stop = run_on(&mut machine, engine, limit)?;
        let digest = machine.digest().map_err(|e| format!("{engine} fails: {e}"))?;
        Ok(Step { stop, retired: machine.retired(), digest })
    };
    limits.iter().map(&mut step).collect()
}

fn run_on(machine: &mut Machine, engine: Engine, limit: u64) -> Result<Stop, String> {
    let until = Until::new().instructions(limit).timeout(TIMEOUT).reset();
    let stop = machine.run_until(&until).map_err(|e| format!("{engine} fails: {e}"))?;
    match &stop {
        Stop::Timeout => Err(format!("{engine} hangs")),
        Stop::Difference(report) | Stop::Refused(report) => {
            Err(format!("{engine}: {}: {report}", stop.name()))
        }
        _ => Ok(stop),
    }
}

fn run_to(world: &World, engine: Engine, limit: u64) -> Result<End, String> {
    let failed = |e: &dyn std::error::Error| format!("{engine} fails: {e}");
    let mut machine = build(world, engine).map_err(|e| failed(&*e))?;
    let stop = run_on(&mut machine, engine, limit)?;
    let monitor = machine.monitor_mut();
    let cpu = *monitor.state();
    let saved = monitor.save_state().map_err(|e| failed(&e))?;
    let bytes = ringer_devices::state::encode(&saved).map_err(|e| failed(&e))?;
    let mut parts = vec![Section { id: "processor, clock".to_owned(), version: 0, bytes }];
    parts.extend(monitor.board_mut().save().map_err(|e| failed(&e))?);
    let memory = monitor.memory().digest();
    let translated = monitor.profile().instructions_translated;
    let retired = monitor.retired();
    Ok(End { stop, retired, translated, cpu, parts, memory, machine })
}

fn build(world: &World, engine: Engine) -> Result<Machine, Box<dyn std::error::Error>> {
    let ways = [TranslatorOptions::empty(), TranslatorOptions::ALL_INLINE_TLB];
    let inline = ways[usize::from(world.inline)];
    let model = if world.mode == Mode::Smap { CpuModel::MAX } else { CpuModel::PENTIUM4 };
    let cfg = MachineConfig {
        pc: PcConfig { ram_size: RAM, model, ..PcConfig::default() },
        run: RunConfig {
            engine,
            options: TranslatorOptions::default() | inline,
            tc_size: world.cache,
            clock: ClockKind::Virtual,
            ..RunConfig::default()
        },
    };
    let sinks = Sinks { serial: Box::new(Nowhere), debugcon: Box::new(Nowhere) };
    let mut machine = Machine::new(cfg, &BootSource::Nothing, sinks)?;
    machine.handle().end_input();
    let monitor = machine.monitor_mut();
    if engine == Engine::Bt {
        monitor.testing().translate_at_visit(world.visit);
    }
    for (at, bytes) in &world.memory {
        monitor.memory_mut().load(Pa::from(*at), bytes)?;
    }
    for &(port, value) in &world.ports {
        monitor.board_mut().port_out(0, port, 1, u32::from(value));
    }
    monitor.set_state(world.cpu);
    if world.cpu.cr4 & ringer_cpu::state::cr4::PAE != 0 {
        let CpuState { cr0, cr3, cr4, msr, .. } = world.cpu;
        monitor.testing().set_paging(PagingRegs { cr0, cr3, cr4, efer: msr.efer });
    }
    Ok(machine)
}

impl End {
    /// What of this is not so in `other`.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut list = Vec::new();
        let mut note = |what: &str, a: String, b: String| {
            if a != b {
                list.push(format!("{what}: {a} / {b}"));
            }
        };
        note("the end", format!("{:?}", self.stop), format!("{:?}", other.stop));
        note("retired", self.retired.to_string(), other.retired.to_string());
        registers(&self.cpu, &other.cpu, &mut note);
        for (a, b) in self.parts.iter().zip(&other.parts) {
            let crc =
                |s: &Section| s.bytes.iter().fold(0u32, |h, b| h.rotate_left(5) ^ u32::from(*b));
            if a.bytes != b.bytes {
                note(&a.id, format!("{:08x}", crc(a)), format!("{:08x} (its state)", crc(b)));
            }
        }
        if self.memory != other.memory {
            self.memory_differences(other, &mut list);
        }
        list
    }

    fn memory_differences(&self, other: &Self, list: &mut Vec<String>) {
        let (a, b) = (self.machine.monitor().memory(), other.machine.monitor().memory());
        let (mut x, mut y) = ([0; PIECE as usize], [0; PIECE as usize]);
        for at in (0..RAM).step_by(PIECE as usize) {
            a.read(Pa(at), &mut x);
            b.read(Pa(at), &mut y);
            let first = (0..x.len()).find(|k| x[*k] != y[*k]);
            if let Some(k) = first {
                let end = (k + 8).min(x.len());
                list.push(format!(
                    "{MEMORY}{:#x}: {:02x?} / {:02x?}",
                    at + k as u64,
                    &x[k..end],
                    &y[k..end]
                ));
            }
        }
    }

    /// The instruction that comes next.
    #[must_use]
    pub fn next(&self) -> String {
        let cpu = &self.cpu;
        let mut bytes = [0; 15];
        let at = Lin(cpu.linear(cpu.cs().base, cpu.rip.get()).get());
        let n = self.machine.monitor().peek_linear(at, &mut bytes);
        let bits = if cpu.cs().is_32() && !cpu.v86() { 32 } else { 16 };
        let i = Decoder::with_ip(bits, &bytes[..n], cpu.rip.get(), DecoderOptions::NONE).decode();
        let hex = bytes[..n.min(i.len().max(1))].iter().fold(String::new(), |mut all, b| {
            let _ = write!(all, "{b:02x}");
            all
        });
        format!("{:04x}:{:08x} (CPL {}) {hex} {i}", cpu.cs().selector, cpu.eip(), cpu.cpl)
    }

    fn registers_text(&self) -> String {
        let c = &self.cpu;
        let seg: Vec<String> =
            c.seg.iter().map(|s| format!("{:04x}:{:x}", s.selector, s.base.get())).collect();
        format!(
            "eax..edi {:08x?} eflags {:08x} seg {seg:?} cr0 {:x} cr2 {:x} cr3 {:x} cr4 {:x} fcw {:04x} fsw {:04x}",
            c.gpr32(),
            c.eflags,
            c.cr0,
            c.cr2,
            c.cr3,
            c.cr4,
            c.fpu.fcw(),
            c.fpu.fsw()
        )
    }
}

fn registers(a: &CpuState, b: &CpuState, note: &mut dyn FnMut(&str, String, String)) {
    const NAMES: [&str; 8] = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"];
    for ((name, x), y) in NAMES.iter().zip(a.gpr32()).zip(b.gpr32()) {
        note(name, format!("{x:08x}"), format!("{y:08x}"));
    }
    note("eip", format!("{:08x}", a.eip()), format!("{:08x}", b.eip()));
    note("eflags", format!("{:08x}", a.eflags), format!("{:08x}", b.eflags));
    note("segments", format!("{:x?}", a.seg), format!("{:x?}", b.seg));
    note("cr0", format!("{:x}", a.cr0), format!("{:x}", b.cr0));
    note("cr2", format!("{:x}", a.cr2), format!("{:x}", b.cr2));
    note("cr3", format!("{:x}", a.cr3), format!("{:x}", b.cr3));
    note("cr4", format!("{:x}", a.cr4), format!("{:x}", b.cr4));
    note("dr", format!("{:x?}", a.dr), format!("{:x?}", b.dr));
    note("activity", format!("{:?}", a.activity), format!("{:?}", b.activity));
    note(
        "shadows",
        format!("{} {}", a.shadow_irq, a.shadow_debug),
        format!("{} {}", b.shadow_irq, b.shadow_debug),
    );
    for (k, (x, y)) in a.fpu.0.chunks(4).zip(b.fpu.0.chunks(4)).enumerate() {
        note(&format!("fxsave+{:#x}", 4 * k), format!("{x:02x?}"), format!("{y:02x?}"));
    }
}

/// What the comparison of two engines came to.
#[derive(Debug)]
pub enum Verdict {
    /// How the interpreter's and the engine's runs ended, which is alike.
    Alike(Box<(End, End)>),
    /// They are alike up to a REP MOVS whose operands overlap in a page frame under two linear addresses, and behind it
    /// but for memory: the departure that docs/departures.md tells. What came later cannot be compared.
    Departure,
}

/// Runs `world` under the interpreter and under `engine`.
///
/// # Errors
/// The report of what went wrong.
pub fn compare(world: &World, engine: Engine) -> Result<Verdict, String> {
    let ours = run(world, Engine::Interp, world.limit)?;
    let theirs = run(world, engine, world.limit)?;
    let list = ours.differences(&theirs);
    if list.is_empty() {
        return Ok(Verdict::Alike(Box::new((ours, theirs))));
    }
    let first = first_difference(world, engine, list)?;
    let at = run(world, Engine::Interp, first.alike);
    if engine == Engine::Bt
        && first.list.iter().all(|what| what.starts_with(MEMORY))
        && at.as_ref().is_ok_and(|end| end.machine.monitor().at_aliased_move())
    {
        return Ok(Verdict::Departure);
    }
    Err(explain(engine, &first, at.as_ref().ok()))
}

/// Where two engines first differ.
struct FirstDifference {
    /// Instructions after which they are alike; one more, and they differ.
    alike: u64,
    /// In what.
    list: Vec<String>,
}

fn first_difference(
    world: &World,
    engine: Engine,
    at_end: Vec<String>,
) -> Result<FirstDifference, String> {
    let (mut alike, mut other, mut list) = (0, world.limit, at_end);
    while other - alike > 1 {
        let middle = alike + (other - alike) / 2;
        let both = || Ok((run(world, Engine::Interp, middle)?, run(world, engine, middle)?));
        let (a, b) = both().map_err(|e: String| format!("at {middle} instructions: {e}"))?;
        let found = a.differences(&b);
        if found.is_empty() {
            alike = middle;
        } else {
            (other, list) = (middle, found);
        }
    }
    Ok(FirstDifference { alike, list })
}

fn explain(engine: Engine, first: &FirstDifference, at: Option<&End>) -> String {
    let mut out = String::new();
    let FirstDifference { alike, list } = first;
    if let Some(before) = at {
        let _ =
            writeln!(out, "  they are alike after {alike} instructions; then {}", before.next());
        let _ = writeln!(out, "  {}", before.registers_text());
    }
    for line in list.iter().take(12) {
        let _ = writeln!(out, "    after {}, interp / {engine}: {line}", alike + 1);
    }
    out
}
