//! What is to say of a run that did not end as it was meant: where the processor was, its registers, the last
//! exceptions, and a hint.

use crate::stop::Stop;
use ringer_cpu::addr::Lin;
use ringer_cpu::state::cr0;
use ringer_cpu::{Activity, CpuState, Eflags, Exception, Gpr, SegReg, Vector};
use ringer_monitor::{At, Event, Happening, Monitor};

/// What is known of a machine whose run ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PostMortem {
    /// Where the processor is: the next instruction, or after a triple fault the one that could not be completed.
    pub at: At,
    /// Registers by name, in the order in which they are shown, with their size in bytes.
    pub registers: Vec<(&'static str, u64, usize)>,
    /// The last exceptions, the oldest first.
    pub exceptions: Vec<Event>,
    /// The last thousand events, the oldest first.
    pub events: Vec<Event>,
    /// What to do about it, where there is something to say.
    pub hint: Option<String>,
}

const GENERAL: [(Gpr, &str); 8] = [
    (Gpr::Eax, "eax"),
    (Gpr::Ebx, "ebx"),
    (Gpr::Ecx, "ecx"),
    (Gpr::Edx, "edx"),
    (Gpr::Esi, "esi"),
    (Gpr::Edi, "edi"),
    (Gpr::Ebp, "ebp"),
    (Gpr::Esp, "esp"),
];
/// The same in long mode, and those that only it has.
const LONG: [(Gpr, &str); 16] = [
    (Gpr::Eax, "rax"),
    (Gpr::Ebx, "rbx"),
    (Gpr::Ecx, "rcx"),
    (Gpr::Edx, "rdx"),
    (Gpr::Esi, "rsi"),
    (Gpr::Edi, "rdi"),
    (Gpr::Ebp, "rbp"),
    (Gpr::Esp, "rsp"),
    (Gpr::R8, "r8"),
    (Gpr::R9, "r9"),
    (Gpr::R10, "r10"),
    (Gpr::R11, "r11"),
    (Gpr::R12, "r12"),
    (Gpr::R13, "r13"),
    (Gpr::R14, "r14"),
    (Gpr::R15, "r15"),
];
const SEGMENTS: [(SegReg, &str, &str); 6] = [
    (SegReg::Cs, "cs", "cs_base"),
    (SegReg::Ss, "ss", "ss_base"),
    (SegReg::Ds, "ds", "ds_base"),
    (SegReg::Es, "es", "es_base"),
    (SegReg::Fs, "fs", "fs_base"),
    (SegReg::Gs, "gs", "gs_base"),
];
/// The limit of the IDT after a reset.
const RESET_LIMIT: u32 = 0xffff;
/// Ports of the interrupt controllers' masks.
const MASKS: [u16; 2] = [0x21, 0xa1];

impl PostMortem {
    /// What there is to say of `monitor`, whose run ended by `stop`.
    pub(crate) fn of(monitor: &Monitor, stop: &Stop) -> Self {
        let cpu = monitor.state();
        let base = if cpu.in_64_bit_mode() { 0 } else { cpu.cs().base.get() };
        let at = At { cs: cpu.cs().selector, eip: cpu.rip.get(), base };
        let hint = match stop {
            Stop::TripleFault { .. } => Some(triple_fault(monitor, at)),
            Stop::DeadHalt => Some(dead_halt(monitor)),
            Stop::Timeout => Some(timeout(cpu)),
            _ => None,
        };
        let exceptions = monitor.exceptions().copied().collect();
        let events = monitor.events().copied().collect();
        Self { at, registers: registers(cpu), exceptions, events, hint }
    }
}

fn registers(cpu: &CpuState) -> Vec<(&'static str, u64, usize)> {
    let mut all = Vec::new();
    // The bytes of what holds an address.
    let wide = if cpu.in_long_mode() { 8 } else { 4 };
    if cpu.in_long_mode() {
        all.extend(LONG.map(|(register, name)| (name, cpu.gpr[register as usize], wide)));
        all.push(("rip", cpu.rip.get(), wide));
    } else {
        all.extend(GENERAL.map(|(register, name)| (name, u64::from(cpu.reg32(register)), wide)));
        all.push(("eip", cpu.rip.get(), wide));
    }
    all.push(("eflags", u64::from(cpu.eflags), 4));
    let control = [("cr0", cpu.cr0), ("cr2", cpu.cr2), ("cr3", cpu.cr3), ("cr4", cpu.cr4)];
    all.extend(control.map(|(name, value)| (name, value, wide)));
    all.push(("efer", cpu.msr.efer, 8));
    for (register, name, base) in SEGMENTS {
        let segment = &cpu.seg[register as usize];
        all.push((name, u64::from(segment.selector), 2));
        all.push((base, segment.base.get(), wide));
    }
    for (base, limit, table) in
        [("gdtr_base", "gdtr_limit", &cpu.gdtr), ("idtr_base", "idtr_limit", &cpu.idtr)]
    {
        all.push((base, table.base.get(), wide));
        all.push((limit, u64::from(table.limit), 2));
    }
    all.push(("cpl", u64::from(cpu.cpl), 1));
    all
}

/// The exceptions that led to the triple fault at `at`, the first first.
fn chain(monitor: &Monitor, at: At) -> Vec<Exception> {
    let last: Vec<&Event> = monitor.exceptions().filter(|event| event.at == at).collect();
    let mut chain = Vec::new();
    for event in last.iter().rev() {
        let Happening::Exception { exception, nested } = event.what else { break };
        chain.push(exception);
        if !nested {
            break;
        }
    }
    chain.reverse();
    chain
}

fn triple_fault(monitor: &Monitor, at: At) -> String {
    let chain = chain(monitor, at);
    let Some(first) = chain.first() else {
        return "an exception could not be delivered: is the IDT (LIDT) right?".to_owned();
    };
    let what = Happening::Exception { exception: *first, nested: false };
    let cpu = monitor.state();
    if monitor.peek_linear(Lin(at.linear()), &mut [0]) == 0 {
        let place = at.linear();
        return format!(
            "{what} was raised: there is no memory at {place:08x}, a jump or return led astray"
        );
    }
    let why = no_gate(monitor, first.vector as u8)
        .or_else(|| no_stack(cpu, &chain))
        .unwrap_or_else(|| "its handler could not be entered, nor that of #DF".to_owned());
    format!("{what} was raised, and {why}{}", cause(first))
}

/// Why the IDT leads nowhere for `vector`, if it does not.
fn no_gate(monitor: &Monitor, vector: u8) -> Option<String> {
    let cpu = monitor.state();
    let (base, limit) = (cpu.idtr.base.get(), u32::from(cpu.idtr.limit));
    let (protected, v) = (cpu.cr0 & cr0::PE != 0, u32::from(vector));
    let entry = match (protected, cpu.in_long_mode()) {
        (_, true) => 16,
        (true, false) => 8,
        (false, false) => 4,
    };
    if protected && base == 0 && limit == RESET_LIMIT {
        return Some("there is no IDT: the guest has not executed LIDT".to_owned());
    }
    let table = format!("the IDT at {base:08x}, limit {limit:04x},");
    if v * entry + entry - 1 > limit {
        return Some(format!("{table} has no entry {vector:02x}h: load one that has (LIDT)"));
    }
    if !protected {
        return None;
    }
    let mut gate = [0; 8];
    let at = Lin(base).plus(u64::from(v * entry));
    if monitor.peek_linear(at, &mut gate) < gate.len() {
        return Some(format!("{table} is not mapped where entry {vector:02x}h is"));
    }
    let present = gate[5] & 0x80 != 0;
    let selector = u16::from_le_bytes([gate[2], gate[3]]);
    if !present {
        return Some(format!("entry {vector:02x}h of {table} is not present"));
    }
    (selector & !3 == 0).then(|| format!("entry {vector:02x}h of {table} has a null selector"))
}

/// Why there is no room for the handler's frame, if that is so.
fn no_stack(cpu: &CpuState, chain: &[Exception]) -> Option<String> {
    let esp = u64::from(cpu.reg32(Gpr::Esp)).wrapping_add(cpu.ss().base.get());
    let near = |e: &Exception| {
        e.vector == Vector::Pf && (esp.wrapping_sub(e.address.get()) as i64).unsigned_abs() <= 64
    };
    let second = chain.iter().skip(1).find(|e| e.vector != Vector::Df)?;
    let place = format!("{:04x}:{:08x}", cpu.ss().selector, cpu.reg32(Gpr::Esp));
    match second.vector {
        _ if near(second) => Some(format!("the stack at {place} is not mapped for its frame")),
        Vector::Ss => Some(format!("the stack at {place} has no room for its frame")),
        Vector::Ts => Some("the stack that the TSS names for its handler is no good".to_owned()),
        Vector::Gp | Vector::Np => {
            Some("the code segment that its gate names is no good: look at the GDT".to_owned())
        }
        _ => None,
    }
}

/// The error code names an entry of the IDT, not of the GDT or LDT.
const IDT_CODE: u32 = 2;

/// What usually raises `first`.
fn cause(first: &Exception) -> String {
    match (first.vector, first.error) {
        (Vector::Gp | Vector::Np, Some(code)) if code & IDT_CODE != 0 => {
            format!("; the error code means entry {:02x}h of the IDT", code >> 3)
        }
        (Vector::Gp, Some(0)) => {
            "; #GP(0) is a privileged instruction, a limit, or a null selector".to_owned()
        }
        (Vector::Gp | Vector::Np | Vector::Ts | Vector::Ss, Some(code)) if code != 0 => {
            format!("; the error code means selector {:04x}", code & 0xfffc)
        }
        (Vector::Ud, _) => {
            "; #UD is no instruction of this processor: --cpu, or a jump into data?".to_owned()
        }
        (Vector::De, _) => "; #DE is a division by 0, or a quotient too large".to_owned(),
        _ => String::new(),
    }
}

fn dead_halt(monitor: &Monitor) -> String {
    if monitor.state().eflags & Eflags::IF.bits() == 0 {
        // A kernel that met an instruction of newer processors often gives up this way, before it can say so.
        let last = monitor.exceptions().last().map(|event| event.what);
        let why = match last {
            Some(Happening::Exception { exception, .. }) if exception.vector == Vector::Ud => {
                cause(&exception)
            }
            _ => String::new(),
        };
        return format!(
            "interrupts are off (IF is 0). If this is how the guest ends, let it power off (out 604h, 2000h) or \
             write to the debug-exit port; if it waits, STI belongs before HLT{why}"
        );
    }
    let masks = monitor.board().masks(MASKS).map(|masks| masks.map(|m| m.mask));
    let masks = masks.map(|[a, b]| format!(" (masks {a:02x} and {b:02x})")).unwrap_or_default();
    format!(
        "interrupts are on, but no timer is armed and no input can come whose line the interrupt controllers let \
         through{masks}"
    )
}

fn timeout(cpu: &CpuState) -> String {
    let on = cpu.eflags & Eflags::IF.bits() != 0;
    match (cpu.activity, on) {
        (Activity::Running, true) => {
            "it was running: --trace interrupts,io shows at what, a longer --timeout whether it ends"
        }
        (Activity::Running, false) => {
            "it was running with interrupts off: a loop without an end? --trace blocks shows it"
        }
        _ => "it was waiting for an interrupt (HLT): --trace interrupts,io shows for which",
    }
    .to_owned()
}
