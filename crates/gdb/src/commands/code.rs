//! Translated code: the blocks of a guest address, guest and host code side by side.

use super::words::{Answer, one_number};
use crate::debuggee::Debuggee;
use iced_x86::{Decoder, DecoderOptions, Formatter, Instruction, NasmFormatter};
use ringer_cpu::Lin;
use ringer_machine::BlockView;
use std::fmt::Write;

/// Instructions of `bytes` from `ip` on: address, length, text.
fn disassemble(bytes: &[u8], bits: u32, ip: u64) -> Vec<(u64, usize, String)> {
    let mut formatter = NasmFormatter::new();
    let text = |i: Instruction| {
        let mut text = String::new();
        formatter.format(&i, &mut text);
        (i.ip(), i.len(), text)
    };
    Decoder::with_ip(bits, bytes, ip, DecoderOptions::NONE).iter().map(text).collect()
}

fn show(out: &mut String, block: &BlockView) {
    let BlockView { pa, eip, mode, guest, instructions, host, host_pc, map, .. } = block;
    let _ = writeln!(
        out,
        "block at EIP {eip:08x}, physical {pa:08x}: {} guest bytes, {instructions} instructions, \
         {} bytes of host code at {host_pc:#x}; mode {mode}",
        guest.len(),
        host.len()
    );
    let guest = disassemble(guest, block.bitness, u64::from(eip.low()));
    let host = disassemble(host, 64, *host_pc);
    let mut lines = host.iter().peekable();
    for (n, (at, eip)) in map.iter().enumerate() {
        let text = guest.iter().find(|(ip, ..)| *ip == u64::from(eip.low()));
        let text = text.map_or("?", |(.., text)| text.as_str());
        let begin = host_pc + u64::from(*at);
        let end = map.get(n + 1).map_or(u64::MAX, |(next, _)| host_pc + u64::from(*next));
        while let Some((ip, _, text)) = lines.next_if(|(ip, ..)| *ip < begin) {
            let _ = writeln!(out, "{:42}{ip:x}  {text}", "");
        }
        let mut left = format!("{:08x}  {text}", eip.low());
        while let Some((ip, _, text)) = lines.next_if(|(ip, ..)| *ip < end) {
            let _ = writeln!(out, "{left:<41} {ip:x}  {text}");
            left.clear();
        }
        if !left.is_empty() {
            let _ = writeln!(out, "{left}");
        }
    }
    for (ip, _, text) in lines {
        let _ = writeln!(out, "{:42}{ip:x}  {text}", "");
    }
}

pub fn block(debuggee: &mut Debuggee<'_>, words: &[&str]) -> Answer {
    let at = if words.is_empty() { debuggee.linear_eip() } else { one_number(words)? };
    let blocks = debuggee.machine.monitor().blocks_at(Lin::from(at));
    if blocks.is_empty() {
        return Ok(format!(
            "no translated block has linear {at:#010x}: it was not run often enough, is left to the \
             interpreter, or is not mapped\n"
        ));
    }
    let mut out = String::new();
    for block in &blocks {
        show(&mut out, block);
    }
    Ok(out)
}
