//! Listings of guest and host code, for reports and golden tests.

use crate::decode::guest_decoder;
use crate::mode::Mode;
use crate::slots as at;
use iced_x86::{
    Decoder, DecoderOptions, Formatter, Instruction, NasmFormatter, Register, SymbolResolver,
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
    let resolver = HostNames {
        names: names.iter().map(|(address, name)| (*address, (*name).to_owned())).collect(),
        base,
        len: host.len() as u64,
    };
    let mut formatter = formatter(Some(Box::new(resolver)));
    let mut out = String::new();
    let decoder = Decoder::with_ip(64, host, base, DecoderOptions::NONE);
    for i in decoder {
        let offset = (i.ip() - base) as usize;
        line(&mut out, format_args!("{offset:04x}"), &host[offset..offset + i.len()], |text| {
            formatter.format(&i, text);
        });
    }
    out
}

/// Guest code at `eip` in `mode`, at most `max` instructions, in the same manner.
#[must_use]
pub fn disasm_guest(bytes: &[u8], eip: Pc, mode: Mode, max: usize) -> String {
    let mut formatter = formatter(None);
    let mut out = String::new();
    let mut decoder = guest_decoder(bytes, eip.low(), mode);
    let mut i = Instruction::default();
    for _ in 0..max {
        if !decoder.can_decode() {
            break;
        }
        let at = decoder.position();
        decoder.decode_out(&mut i);
        line(&mut out, format_args!("{:08x}", i.ip32()), &bytes[at..decoder.position()], |text| {
            formatter.format(&i, text);
        });
    }
    out
}

fn line(
    out: &mut String,
    place: std::fmt::Arguments<'_>,
    bytes: &[u8],
    text: impl FnOnce(&mut String),
) {
    let mut hex = String::new();
    for byte in bytes {
        let _ = write!(hex, "{byte:02x}");
    }
    let _ = write!(out, "{place}  {hex:<24} ");
    text(out);
    out.push('\n');
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
const FIELDS: [(i32, &str); 21] = [
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
    (at::LOOKUPS, "lookups"),
    (at::BLOCKS, "blocks"),
];

/// The name of the field at `offset` in the execution context, for those that blocks use.
fn context_field(offset: usize) -> Option<String> {
    let offset = i32::try_from(offset).ok()?;
    if let Some((_, name)) = FIELDS.iter().find(|(at, _)| *at == offset) {
        return Some((*name).to_owned());
    }
    SEGMENTS.iter().enumerate().find_map(|(k, segment)| {
        let parts = [(at::base(k), "base"), (at::limit(k), "limit"), (at::selector(k), "selector")];
        let (_, part) = parts.iter().find(|(at, _)| *at == offset)?;
        Some(format!("{segment}.{part}"))
    })
}
