//! Listings of guest and host code, for reports and golden tests.

use crate::context::COUNTED;
use crate::decode::guest_decoder;
use crate::mode::Mode;
use crate::slots as at;
use iced_x86::{
    Code, Decoder, DecoderOptions, Formatter, Instruction, NasmFormatter, Register, SymbolResolver,
    SymbolResult,
};
use ringer_cpu::Pc;
use std::fmt::Write;

/// Host code at `base`, one instruction a line: offset, bytes, NASM text. Fields of the execution
/// context appear by name.
#[must_use]
pub fn listing(host: &[u8], base: u64) -> String {
    listing_with(host, base, &[])
}

/// As [`listing`], with names for absolute host addresses (the stubs).
#[must_use]
pub fn listing_with(host: &[u8], base: u64, names: &[(u64, &str)]) -> String {
    let lines = host_lines(host, base, names);
    lines.iter().map(|line| text(format_args!("{:04x}", line.at), line)).collect()
}

/// Guest code at `eip` in `mode`, at most `max` instructions, in the same manner.
#[must_use]
pub fn disasm_guest(bytes: &[u8], eip: Pc, mode: Mode, max: usize) -> String {
    let lines = guest_lines(bytes, eip, mode, max);
    lines.iter().map(|line| text(format_args!("{:08x}", line.at), line)).collect()
}

/// An instruction of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its offset in host code, its EIP in guest code.
    pub at: u32,
    /// Its bytes, in hexadecimal digits.
    pub bytes: String,
    /// NASM text.
    pub text: String,
    /// Its form.
    pub code: Code,
}

/// Host code at `base`, an instruction each; see [`listing_with`].
#[must_use]
pub fn host_lines(host: &[u8], base: u64, names: &[(u64, &str)]) -> Vec<Line> {
    let resolver = HostNames {
        names: names.iter().map(|(address, name)| (*address, (*name).to_owned())).collect(),
        base,
        len: host.len() as u64,
    };
    let mut formatter = formatter(Some(Box::new(resolver)));
    let decoder = Decoder::with_ip(64, host, base, DecoderOptions::NONE);
    let lines = decoder.into_iter().map(|i| {
        let offset = (i.ip() - base) as u32;
        let bytes = &host[offset as usize..offset as usize + i.len()];
        line(offset, bytes, &i, &mut formatter)
    });
    lines.collect()
}

/// Guest code at `eip` in `mode`, at most `max` instructions; see [`disasm_guest`].
#[must_use]
pub fn guest_lines(bytes: &[u8], eip: Pc, mode: Mode, max: usize) -> Vec<Line> {
    let mut formatter = formatter(None);
    let mut decoder = guest_decoder(bytes, eip.low(), mode);
    let mut lines = Vec::new();
    while lines.len() < max && decoder.can_decode() {
        let at = decoder.position();
        let i = decoder.decode();
        lines.push(line(i.ip32(), &bytes[at..decoder.position()], &i, &mut formatter));
    }
    lines
}

fn line(at: u32, bytes: &[u8], i: &Instruction, formatter: &mut NasmFormatter) -> Line {
    let mut hex = String::new();
    for byte in bytes {
        let _ = write!(hex, "{byte:02x}");
    }
    let mut text = String::new();
    formatter.format(i, &mut text);
    Line { at, bytes: hex, text, code: i.code() }
}

fn text(place: std::fmt::Arguments<'_>, line: &Line) -> String {
    format!("{place}  {:<24} {}\n", line.bytes, line.text)
}

fn formatter(resolver: Option<Box<dyn SymbolResolver>>) -> NasmFormatter {
    let mut formatter = NasmFormatter::with_options(resolver, None);
    let options = formatter.options_mut();
    options.set_hex_prefix("0x");
    options.set_hex_suffix("");
    options.set_uppercase_hex(false);
    options.set_small_hex_numbers_in_decimal(true);
    options.set_space_after_operand_separator(true);
    options.set_show_branch_size(false);
    options.set_rip_relative_addresses(false);
    formatter
}

/// Names for addresses in host code: stubs, places in the block, fields behind r15.
struct HostNames {
    names: Vec<(u64, String)>,
    base: u64,
    len: u64,
}

impl SymbolResolver for HostNames {
    fn symbol(
        &mut self,
        i: &Instruction,
        _operand: u32,
        instruction_operand: Option<u32>,
        address: u64,
        _address_size: u32,
    ) -> Option<SymbolResult<'_>> {
        let memory = instruction_operand.is_some_and(|n| i.op_kind(n) == iced_x86::OpKind::Memory);
        if memory {
            let context = i.memory_base() == Register::R15;
            return context
                .then(|| context_field(address as usize))
                .flatten()
                .map(|name| SymbolResult::with_string(address, name));
        }
        if i.is_jmp_near() || i.is_jcc_short_or_near() || i.is_jmp_short() || is_loop(i) {
            let known = self.names.iter().find(|(a, _)| *a == address);
            if let Some((_, name)) = known {
                return Some(SymbolResult::with_str(address, name));
            }
            let offset = address.wrapping_sub(self.base);
            let inside = offset < self.len;
            return inside.then(|| SymbolResult::with_string(address, format!(".{offset:04x}")));
        }
        None
    }
}

fn is_loop(i: &Instruction) -> bool {
    i.is_loop() || i.is_loopcc() || i.is_jcx_short()
}

const SEGMENTS: [&str; 6] = ["es", "cs", "ss", "ds", "fs", "gs"];

/// The fields that blocks use, by name.
const FIELDS: [(i32, &str); 22] = [
    (at::EIP, "cpu.eip"),
    (at::IF_FLAG, "if_flag"),
    (at::SHADOW_IRQ, "cpu.shadow_irq"),
    (at::SYS_FLAGS, "sys_flags"),
    (at::IRQ_PENDING, "irq_pending"),
    (at::slot!(exit_arg), "exit_arg"),
    (at::X87_EIP, "x87_eip"),
    (at::X87_FLDCW, "x87_fldcw"),
    (at::WINDOW_BASE, "window_base"),
    (at::reload(0, 0), "es.minus_selector"),
    (at::reload(0, 1), "es.linear"),
    (at::reload(0, 2), "es.minus_lo"),
    (at::reload(0, 3), "es.minus_hi"),
    (at::reload(1, 0), "ds.minus_selector"),
    (at::reload(1, 1), "ds.linear"),
    (at::reload(1, 2), "ds.minus_lo"),
    (at::reload(1, 3), "ds.minus_hi"),
    (at::RETIRED, "retired"),
    (at::BUDGET, "budget"),
    (at::X87_STATUS, "x87_status"),
    (at::LOOKUP_SITE, "lookup_site"),
    (at::selector_above(1), "cs.selector*65536"),
];

/// The name of the field at `offset` in the execution context, for those that blocks use.
fn context_field(offset: usize) -> Option<String> {
    let offset = i32::try_from(offset).ok()?;
    if let Some((_, name)) = FIELDS.iter().find(|(at, _)| *at == offset) {
        return Some((*name).to_owned());
    }
    let counts = [(at::ENTRIES, "entries"), (at::LOOKUPS, "lookups")];
    let number = |from: i32| usize::try_from(offset - from).ok().map(|bytes| bytes / 8);
    let counted =
        |(from, name)| Some((name, number(from).filter(|number: &usize| *number < COUNTED)?));
    if let Some((name, number)) = counts.into_iter().find_map(counted) {
        return Some(format!("{name}[{number}]"));
    }
    SEGMENTS.iter().enumerate().find_map(|(k, segment)| {
        let parts = [(at::base(k), "base"), (at::limit(k), "limit"), (at::selector(k), "selector")];
        let (_, part) = parts.iter().find(|(at, _)| *at == offset)?;
        Some(format!("{segment}.{part}"))
    })
}
