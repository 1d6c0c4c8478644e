//! The processor's registers as gdb has them: a list of fields, in the order and the sizes that the target
//! description names.

use ringer_cpu::{CpuState, Eflags, Lin, SavedCpu, SegReg};
use ringer_mmu::{GuestMemory, Paging};
use std::fmt::Write;

/// One register of the description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// EAX to EDI.
    General(u8),
    /// EIP.
    Eip,
    /// EFLAGS.
    Eflags,
    /// A segment's selector.
    Selector(SegReg),
    /// ST(n), 80 bits.
    St(u8),
    /// One of the x87 unit's control registers, by its place in gdb's list.
    Fpu(u8),
    /// XMMn.
    Xmm(u8),
    /// MXCSR.
    Mxcsr,
    /// CR0, CR2, CR3 or CR4.
    Control(u8),
    /// A segment's base.
    Base(SegReg),
    /// GDTR's and IDTR's base and limit; LDTR's and TR's selector, base and limit.
    Table(Table),
    /// DRn.
    Debug(u8),
    /// IA32_EFER.
    Efer,
    /// The current privilege level.
    Cpl,
}

/// A register that names a table in memory, or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Table {
    GdtrBase,
    GdtrLimit,
    IdtrBase,
    IdtrLimit,
    Ldtr,
    LdtrBase,
    LdtrLimit,
    Tr,
    TrBase,
    TrLimit,
}

/// Why a register cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

const GENERAL: [&str; 8] = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"];
/// gdb's order of the segment registers.
const SELECTORS: [(SegReg, &str); 6] = [
    (SegReg::Cs, "cs"),
    (SegReg::Ss, "ss"),
    (SegReg::Ds, "ds"),
    (SegReg::Es, "es"),
    (SegReg::Fs, "fs"),
    (SegReg::Gs, "gs"),
];
const FPU: [&str; 8] = ["fctrl", "fstat", "ftag", "fiseg", "fioff", "foseg", "fooff", "fop"];
const CONTROL: [u8; 4] = [0, 2, 3, 4];
const DEBUG: [u8; 6] = [0, 1, 2, 3, 6, 7];
const TABLES: [(Table, &str); 10] = [
    (Table::GdtrBase, "gdtr_base"),
    (Table::GdtrLimit, "gdtr_limit"),
    (Table::IdtrBase, "idtr_base"),
    (Table::IdtrLimit, "idtr_limit"),
    (Table::Ldtr, "ldtr"),
    (Table::LdtrBase, "ldtr_base"),
    (Table::LdtrLimit, "ldtr_limit"),
    (Table::Tr, "tr"),
    (Table::TrBase, "tr_base"),
    (Table::TrLimit, "tr_limit"),
];

/// The feature that a register belongs to.
const CORE: &str = "org.gnu.gdb.i386.core";
const SSE: &str = "org.gnu.gdb.i386.sse";
const SYSTEM: &str = "org.ringer.i386.system";

/// A row of the description.
struct Row {
    register: Register,
    name: String,
    /// Bytes.
    size: usize,
    kind: &'static str,
    group: Option<&'static str>,
    feature: &'static str,
}

fn row(register: Register, name: impl Into<String>, size: usize, kind: &'static str) -> Row {
    Row { register, name: name.into(), size, kind, group: None, feature: CORE }
}

/// All registers, in order: those of gdb's own features first, then ours.
fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (n, name) in (0..).zip(GENERAL) {
        let kind = if (4..6).contains(&n) { "data_ptr" } else { "int32" };
        rows.push(row(Register::General(n), name, 4, kind));
    }
    rows.push(row(Register::Eip, "eip", 4, "code_ptr"));
    rows.push(row(Register::Eflags, "eflags", 4, "i386_eflags"));
    rows.extend(SELECTORS.map(|(seg, name)| row(Register::Selector(seg), name, 4, "int32")));
    rows.extend((0..8).map(|n| row(Register::St(n), format!("st{n}"), 10, "i387_ext")));
    for (n, name) in (0..).zip(FPU) {
        rows.push(Row { group: Some("float"), ..row(Register::Fpu(n), name, 4, "int") });
    }
    let sse = (0..8).map(|n| row(Register::Xmm(n), format!("xmm{n}"), 16, "vec128"));
    let mxcsr = Row { group: Some("vector"), ..row(Register::Mxcsr, "mxcsr", 4, "i386_mxcsr") };
    rows.extend(sse.chain([mxcsr]).map(|row| Row { feature: SSE, ..row }));
    let mut system = Vec::new();
    for n in CONTROL {
        let kind = ["cr0_flags", "", "data_ptr", "int32", "cr4_flags"][usize::from(n)];
        system.push(row(Register::Control(n), format!("cr{n}"), 4, kind));
    }
    system.extend(
        SELECTORS
            .map(|(seg, name)| row(Register::Base(seg), format!("{name}_base"), 4, "data_ptr")),
    );
    system.extend(TABLES.map(|(table, name)| {
        let kind = if name.ends_with("base") { "data_ptr" } else { "int32" };
        row(Register::Table(table), name, 4, kind)
    }));
    system.extend(DEBUG.map(|n| row(Register::Debug(n), format!("dr{n}"), 4, "int32")));
    system.push(row(Register::Efer, "efer", 4, "int32"));
    system.push(row(Register::Cpl, "cpl", 4, "int32"));
    let group = Some("system");
    rows.extend(system.into_iter().map(|row| Row { feature: SYSTEM, group, ..row }));
    rows
}

/// The register that gdb calls by `number`, and its size in bytes.
#[must_use]
pub fn by_number(number: usize) -> Option<(Register, usize)> {
    rows().get(number).map(|row| (row.register, row.size))
}

/// What gdb calls `register`.
#[must_use]
pub fn name(register: Register) -> String {
    rows().into_iter().find(|row| row.register == register).map_or_else(String::new, |row| row.name)
}

/// All registers and their sizes, in order.
#[must_use]
pub fn all() -> Vec<(Register, usize)> {
    rows().into_iter().map(|row| (row.register, row.size)).collect()
}

/// Flags with their bits.
fn flags(out: &mut String, id: &str, fields: &[(&str, u32)]) {
    let _ = writeln!(out, "    <flags id=\"{id}\" size=\"4\">");
    for (name, bit) in fields {
        let _ = writeln!(out, "      <field name=\"{name}\" start=\"{bit}\" end=\"{bit}\"/>");
    }
    out.push_str("    </flags>\n");
}

/// The types that a feature's registers have besides gdb's own.
fn types(out: &mut String, feature: &str) {
    if feature == CORE {
        let names = ["CF", "", "PF", "", "AF", "", "ZF", "SF", "TF", "IF", "DF", "OF"];
        let mut fields: Vec<_> =
            names.into_iter().zip(0..).filter(|(name, _)| !name.is_empty()).collect();
        let high = [("NT", 14), ("RF", 16), ("VM", 17), ("AC", 18), ("VIF", 19), ("VIP", 20)];
        fields.extend(high);
        fields.push(("ID", 21));
        flags(out, "i386_eflags", &fields);
    } else if feature == SSE {
        vectors(out);
        let names = ["IE", "DE", "ZE", "OE", "UE", "PE", "DAZ", "IM", "DM", "ZM", "OM", "UM", "PM"];
        let mut fields: Vec<_> = names.into_iter().zip(0..).collect();
        fields.push(("FZ", 15));
        flags(out, "i386_mxcsr", &fields);
    } else {
        let cr0 = [("PE", 0), ("MP", 1), ("EM", 2), ("TS", 3), ("ET", 4), ("NE", 5)];
        let high = [("WP", 16), ("AM", 18), ("NW", 29), ("CD", 30), ("PG", 31)];
        flags(out, "cr0_flags", &[&cr0[..], &high].concat());
        let names = ["VME", "PVI", "TSD", "DE", "PSE", "PAE", "MCE", "PGE", "PCE", "OSFXSR"];
        let mut fields: Vec<_> = names.into_iter().zip(0..).collect();
        fields.push(("OSXMMEXCPT", 10));
        flags(out, "cr4_flags", &fields);
    }
}

/// What an XMM register can be seen as.
fn vectors(out: &mut String) {
    let kinds = [
        ("v4f", "ieee_single", 4),
        ("v2d", "ieee_double", 2),
        ("v16i8", "int8", 16),
        ("v8i16", "int16", 8),
        ("v4i32", "int32", 4),
        ("v2i64", "int64", 2),
    ];
    for (id, of, count) in kinds {
        let _ = writeln!(out, "    <vector id=\"{id}\" type=\"{of}\" count=\"{count}\"/>");
    }
    out.push_str("    <union id=\"vec128\">\n");
    let names = ["v4_float", "v2_double", "v16_int8", "v8_int16", "v4_int32", "v2_int64"];
    for (name, (id, ..)) in names.into_iter().zip(kinds) {
        let _ = writeln!(out, "      <field name=\"{name}\" type=\"{id}\"/>");
    }
    out.push_str("      <field name=\"uint128\" type=\"uint128\"/>\n    </union>\n");
}

/// The target description (gdb's manual, appendix G).
#[must_use]
pub fn description() -> String {
    let mut out = String::from(
        "<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n\
         <target version=\"1.0\">\n  <architecture>i386</architecture>\n",
    );
    let rows = rows();
    for feature in [CORE, SSE, SYSTEM] {
        let _ = writeln!(out, "  <feature name=\"{feature}\">");
        types(&mut out, feature);
        for (number, row) in rows.iter().enumerate().filter(|(_, row)| row.feature == feature) {
            let Row { name, size, kind, .. } = row;
            let bits = size * 8;
            let group = row.group.map_or_else(String::new, |group| format!(" group=\"{group}\""));
            let _ = writeln!(
                out,
                "    <reg name=\"{name}\" bitsize=\"{bits}\" type=\"{kind}\" regnum=\"{number}\"{group}/>"
            );
        }
        out.push_str("  </feature>\n");
    }
    out.push_str("</target>\n");
    out
}

/// Bytes of the FXSAVE image (SDM volume 1, table 10-2).
fn image(cpu: &CpuState, at: usize, len: usize) -> u32 {
    let mut word = [0; 4];
    word[..len].copy_from_slice(&cpu.fpu.0[at..at + len]);
    u32::from_le_bytes(word)
}

/// Where the image has gdb's x87 control registers, and how many bytes: all but the tags.
const FPU_AT: [(usize, usize); 8] =
    [(0, 2), (2, 2), (4, 1), (12, 2), (8, 4), (20, 2), (16, 4), (6, 2)];
/// The place of the tags in gdb's list.
const FTAG: u8 = 2;

/// The tag word as FSAVE writes it, from FXSAVE's, which only says what is empty.
fn tag_word(cpu: &CpuState) -> u32 {
    let (full, top) = (image(cpu, 4, 1), image(cpu, 2, 2) >> 11 & 7);
    (0..8u32).fold(0, |word, register| {
        let tag = if full >> register & 1 == 0 {
            3
        } else {
            let st = register.wrapping_sub(top) & 7;
            content_tag(&cpu.fpu.0[32 + 16 * st as usize..][..10])
        };
        word | tag << (2 * register)
    })
}

/// Valid 0, zero 1, special 2.
fn content_tag(value: &[u8]) -> u32 {
    let exponent = u16::from_le_bytes([value[8], value[9]]) & 0x7fff;
    let integer = value[7] & 0x80 != 0;
    match exponent {
        0 if value[..8].iter().all(|byte| *byte == 0) => 1,
        0 | 0x7fff => 2,
        _ if integer => 0,
        _ => 2,
    }
}

/// The value of `register`, as many bytes as it has.
#[must_use]
pub fn read(cpu: &CpuState, register: Register) -> Vec<u8> {
    let word = match register {
        Register::St(n) => return cpu.fpu.0[32 + 16 * usize::from(n)..][..10].to_vec(),
        Register::Xmm(n) => return cpu.fpu.0[160 + 16 * usize::from(n)..][..16].to_vec(),
        Register::General(n) => cpu.gpr32()[usize::from(n)],
        Register::Eip => cpu.eip(),
        Register::Eflags => cpu.eflags,
        Register::Selector(seg) => u32::from(cpu.seg[seg as usize].selector),
        Register::Fpu(FTAG) => tag_word(cpu),
        Register::Fpu(n) => image(cpu, FPU_AT[usize::from(n)].0, FPU_AT[usize::from(n)].1),
        Register::Mxcsr => cpu.fpu.mxcsr(),
        Register::Control(0) => cpu.cr0 as u32,
        Register::Control(2) => cpu.cr2 as u32,
        Register::Control(3) => cpu.cr3 as u32,
        Register::Control(_) => cpu.cr4 as u32,
        Register::Base(seg) => cpu.seg[seg as usize].base.low(),
        Register::Table(table) => read_table(cpu, table),
        Register::Debug(n) => cpu.dr[usize::from(n)] as u32,
        Register::Efer => cpu.msr.efer as u32,
        Register::Cpl => u32::from(cpu.cpl),
    };
    word.to_le_bytes().to_vec()
}

fn read_table(cpu: &CpuState, table: Table) -> u32 {
    match table {
        Table::GdtrBase => cpu.gdtr.base.low(),
        Table::GdtrLimit => u32::from(cpu.gdtr.limit),
        Table::IdtrBase => cpu.idtr.base.low(),
        Table::IdtrLimit => u32::from(cpu.idtr.limit),
        Table::Ldtr => u32::from(cpu.ldtr.selector),
        Table::LdtrBase => cpu.ldtr.base.low(),
        Table::LdtrLimit => cpu.ldtr.limit,
        Table::Tr => u32::from(cpu.tr.selector),
        Table::TrBase => cpu.tr.base.low(),
        Table::TrLimit => cpu.tr.limit,
    }
}

/// Sets `register` in `cpu`, which has the memory and the translation beside it for a descriptor to load.
///
/// # Errors
/// [`Refused`] when the value is not of the register's size, when no guest could bring it about, or when
/// the register follows from others (CPL, the parts of LDTR and TR).
pub fn write(
    cpu: &mut CpuState,
    register: Register,
    value: &[u8],
    memory: &GuestMemory,
    paging: &Paging,
) -> Result<(), Refused> {
    if read(cpu, register) == value {
        return Ok(());
    }
    let mut new = *cpu;
    put(&mut new, register, value, memory, paging)?;
    if (new.rip, new.eflags) != (cpu.rip, cpu.eflags) {
        // Interrupts were held back for the instruction that would have come next.
        (new.shadow_irq, new.shadow_debug) = (false, false);
    }
    SavedCpu::of(&new).and_then(|saved| saved.restore()).map_err(|_| Refused)?;
    *cpu = new;
    Ok(())
}

fn put(
    cpu: &mut CpuState,
    register: Register,
    value: &[u8],
    memory: &GuestMemory,
    paging: &Paging,
) -> Result<(), Refused> {
    let place = match register {
        Register::St(n) => Some((32 + 16 * usize::from(n), 10)),
        Register::Xmm(n) => Some((160 + 16 * usize::from(n), 16)),
        Register::Mxcsr => Some((24, 4)),
        Register::Fpu(FTAG) => None,
        Register::Fpu(n) => Some(FPU_AT[usize::from(n)]),
        _ => None,
    };
    if let Some((at, len)) = place {
        let bytes = value.get(..len).ok_or(Refused)?;
        cpu.fpu.0[at..at + len].copy_from_slice(bytes);
        return Ok(());
    }
    let word = u32::from_le_bytes(value.try_into().map_err(|_| Refused)?);
    match register {
        Register::General(n) => cpu.gpr[usize::from(n)] = u64::from(word),
        Register::Eip => cpu.set_eip(word),
        Register::Eflags => cpu.eflags = word | Eflags::FIXED_ONE,
        Register::Selector(seg) => {
            let selector = u16::try_from(word).map_err(|_| Refused)?;
            crate::descriptor::load(cpu, seg, selector, memory, paging).ok_or(Refused)?;
        }
        Register::Fpu(_) => {
            let full = (0..8).map(|n| u8::from(word >> (2 * n) & 3 != 3) << n);
            cpu.fpu.0[4] = full.fold(0, |all, bit| all | bit);
        }
        Register::Control(0) => cpu.cr0 = u64::from(word),
        Register::Control(2) => cpu.cr2 = u64::from(word),
        Register::Control(3) => cpu.cr3 = u64::from(word),
        Register::Control(_) => cpu.cr4 = u64::from(word),
        Register::Base(seg) => cpu.seg[seg as usize].base = Lin::from(word),
        Register::Table(Table::GdtrBase) => cpu.gdtr.base = Lin::from(word),
        Register::Table(Table::IdtrBase) => cpu.idtr.base = Lin::from(word),
        Register::Table(Table::GdtrLimit) => {
            cpu.gdtr.limit = u16::try_from(word).map_err(|_| Refused)?;
        }
        Register::Table(Table::IdtrLimit) => {
            cpu.idtr.limit = u16::try_from(word).map_err(|_| Refused)?;
        }
        Register::Debug(n) => cpu.dr[usize::from(n)] = u64::from(word),
        Register::Efer => cpu.msr.efer = u64::from(word),
        _ => return Err(Refused),
    }
    Ok(())
}

#[cfg(test)]
#[path = "registers_tests.rs"]
mod tests;
