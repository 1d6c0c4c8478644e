//! Leaving a block: links, lookups, callouts, checks, and the cold tails behind the block's code.
//!
//! A direct exit within the page is `jmp rel32` to a cold tail that names the site; the cache
//! patches the jump. Any other exit looks its target up in the table at r13, which belongs to the
//! address space; so a block can be shared between address spaces.

use super::cold::Cold;
use super::emitter::{Emitter, last_x87};
use crate::context::counted_at;
use crate::options::TranslatorOptions;
use crate::slots as at;
use crate::tail::{LINK_TAIL, link_tail};
use crate::translation::{DirectExit, FixupKind, LookupSite, MapEntry, X87};
use dynasmrt::{DynasmApi, dynasm};
use iced_x86::FlowControl;
use ringer_cpu::Pc;

impl Emitter {
    /// JMP to an absolute host address within 2 GiB.
    pub(super) fn jmp_host(&mut self, address: u64) {
        let patch = self.jmp_rel32();
        let rel = address.wrapping_sub(self.base + self.offset() as u64) as i64;
        debug_assert_eq!(rel, i64::from(rel as i32), "stub out of reach");
        self.asm.ops[patch..].copy_from_slice(&(rel as i32).to_le_bytes());
        self.fix_last(FixupKind::Host);
    }

    /// JMP with an empty rel32; returns the field's offset.
    pub(super) fn jmp_rel32(&mut self) -> usize {
        self.asm.ops.extend_from_slice(&[0xe9, 0, 0, 0, 0]);
        self.offset() - 4
    }

    /// Jcc (condition number `cc`) with an empty rel32; returns the field's offset.
    pub(super) fn jcc_rel32(&mut self, cc: u8) -> usize {
        self.asm.ops.extend_from_slice(&[0x0f, 0x80 | cc, 0, 0, 0, 0]);
        self.offset() - 4
    }

    /// Goes to guest address `target`, which is known.
    pub fn jump(&mut self, target: u32) {
        if self.shadow {
            self.name_target(target);
            self.end_shadow();
        }
        if self.linkable(target) {
            let patch = self.jmp_rel32();
            self.link(patch, target);
        } else {
            self.name_target(target);
            self.lookup();
        }
    }

    /// EIP `target` goes to r8d.
    pub(super) fn name_target(&mut self, target: u32) {
        dynasm!(self.asm ; .arch x64 ; mov r8d, target as i32);
        self.ends_in_eip();
    }

    /// Makes the rel32 at `patch` an exit to guest address `target`.
    pub(super) fn exit_at(&mut self, patch: usize, target: u32) {
        if self.linkable(target) {
            self.link(patch, target);
        } else {
            self.cold.push(Cold::Lookup { patch, target });
        }
    }

    /// Makes the rel32 at `patch` an exit to `target` in the middle of the block, behind the
    /// instruction at hand.
    pub(super) fn side_exit(&mut self, patch: usize, target: u32) {
        self.cold.push(Cold::Side { patch, target, done: self.done + 1 });
    }

    /// Goes to the guest address in r8d (zero-extended).
    pub(super) fn lookup(&mut self) {
        self.count_lookup();
        if self.shadow {
            self.end_shadow();
        }
        if self.opts.contains(TranslatorOptions::INDIRECT) {
            dynasm!(self.asm ; .arch x64
                ; mov r9d, [r13 + r8 * 4]
                ; lea r9, [r9 + r14]
                ; jmp r9
            );
        } else {
            self.jmp_host(self.stubs.exit_miss);
        }
    }

    /// Goes to the guest address in r8d by way of the dispatcher: CS is another one.
    pub(super) fn leave_far(&mut self) {
        self.count_lookup();
        self.jmp_host(self.stubs.exit_miss);
    }

    fn count_lookup(&mut self) {
        if self.opts.contains(TranslatorOptions::PROFILE) {
            let number = self.counters.first_lookup.wrapping_add(self.lookups.len() as u32);
            let at = at::LOOKUPS + 8 * counted_at(number) as i32;
            let (host_off, eip) = (self.offset() as u32, Pc::from(self.here));
            self.lookups.push(LookupSite { host_off, eip, flow: self.flow });
            dynasm!(self.asm ; .arch x64 ; mov r9, [r15 + at]);
            self.fix_last(FixupKind::Lookup);
            dynasm!(self.asm ; .arch x64 ; lea r9, [r9 + 1] ; mov [r15 + at], r9);
            self.fix_last(FixupKind::Lookup);
            dynasm!(self.asm ; .arch x64 ; mov DWORD [r15 + at::LOOKUP_SITE], number as i32);
            self.fix_last(FixupKind::LookupNumber);
        }
    }

    /// Leaves for the interpreter, which runs the instruction at `eip`.
    pub fn callout(&mut self, eip: u32) {
        self.leave_to(eip, self.stubs.exit_callout);
    }

    /// Leaves when an interrupt is pending, else goes on at `next`. JRCXZ is the one branch that
    /// neither reads nor needs a flag; guest ECX waits in r8.
    pub fn check(&mut self, next: u32) {
        dynasm!(self.asm ; .arch x64
            ; mov r8d, ecx
            ; mov ecx, [r15 + at::IRQ_PENDING]
        );
        self.asm.ops.extend_from_slice(&[0xe3, 0]);
        let short = self.offset();
        dynasm!(self.asm ; .arch x64 ; mov ecx, r8d);
        self.leave_to(next, self.stubs.exit_check);
        self.asm.ops[short - 1] = (self.offset() - short) as u8;
        dynasm!(self.asm ; .arch x64 ; mov ecx, r8d);
        self.jump(next);
    }

    /// At the end of an STI's shadow that a control transfer to r8d makes: leaves for the dispatcher
    /// when an interrupt is pending.
    fn end_shadow(&mut self) {
        dynasm!(self.asm ; .arch x64
            ; mov r9d, ecx
            ; mov ecx, [r15 + at::IRQ_PENDING]
        );
        self.asm.ops.extend_from_slice(&[0xe3, 0]);
        let short = self.offset();
        dynasm!(self.asm ; .arch x64 ; mov ecx, r9d);
        self.jmp_host(self.stubs.exit_miss);
        self.patch_short(short);
        dynasm!(self.asm ; .arch x64 ; mov ecx, r9d);
    }

    pub(super) fn leave_to(&mut self, eip: u32, stub: u64) {
        dynasm!(self.asm ; .arch x64 ; mov DWORD [r15 + at::EIP], eip as i32);
        self.ends_in_eip();
        self.jmp_host(stub);
    }

    /// The budget is checked before the block counts: a block runs whole or not at all.
    pub(super) fn budget_check(&mut self) {
        dynasm!(self.asm ; .arch x64
            ; pushfq
            ; sub QWORD [r15 + at::BUDGET], i32::MAX
        );
        self.counts.push(self.offset() - 4);
        const SIGN: u8 = 8;
        let patch = self.jcc_rel32(SIGN);
        self.cold.push(Cold::Budget { patch });
        dynasm!(self.asm ; .arch x64 ; popfq);
    }

    pub(super) fn emit_cold(&mut self, instrs: u32, map: &[MapEntry]) {
        // A side exit may add its link's tail behind the others.
        let mut next = 0;
        while let Some(&cold) = self.cold.get(next) {
            next += 1;
            let patch = cold.patch();
            let rel = (self.offset() - (patch + 4)) as i32;
            self.asm.ops[patch..patch + 4].copy_from_slice(&rel.to_le_bytes());
            match cold {
                Cold::Link { site, target, .. } => self.link_tail(site, target),
                Cold::Side { patch, target, done } => {
                    self.side_tail(patch, target, done, instrs, map)
                }
                Cold::Thunk { target, esp, done, .. } => {
                    dynasm!(self.asm ; .arch x64 ; mov ecx, r8d);
                    self.esp = esp;
                    self.settle_esp();
                    self.leaves_at(map, done, FlowControl::Call);
                    self.left_early(done, instrs, map);
                    self.jump(target);
                }
                Cold::Lookup { target, .. } => {
                    self.leaves_at(map, instrs, FlowControl::ConditionalBranch);
                    self.name_target(target);
                    self.lookup();
                }
                Cold::PopFlagsCallout { eip, done, .. } => {
                    self.undo_pop_flags();
                    self.x87_before(map, done);
                    self.uncount(instrs - done);
                    self.callout(eip);
                }
                Cold::Limit { eip, esp, done, .. } => {
                    dynasm!(self.asm ; .arch x64 ; mov ecx, r9d);
                    self.x87_before(map, done);
                    self.beyond(eip, esp, instrs - done);
                }
                Cold::RunLimit { eip, esp, done, .. } => {
                    self.restore_flags();
                    self.x87_before(map, done);
                    self.beyond(eip, esp, instrs - done);
                }
                Cold::Budget { .. } => {
                    dynasm!(self.asm ; .arch x64 ; add QWORD [r15 + at::BUDGET], i32::MAX);
                    self.counts.push(self.offset() - 4);
                    dynasm!(self.asm ; .arch x64 ; popfq);
                    self.leave_to(self.eip, self.stubs.exit_budget);
                }
                Cold::PopFlagsCheck { next, done, size, .. } => {
                    self.commit_flags(size);
                    self.x87_before(map, done);
                    self.uncount(instrs - done);
                    self.leave_to(next, self.stubs.exit_check);
                }
            }
        }
    }

    fn link_tail(&mut self, site: u32, target: u32) {
        let begin = self.offset();
        let rel = self.stubs.exit_link.wrapping_sub(self.base + (begin + LINK_TAIL) as u64);
        self.asm.ops.extend_from_slice(&link_tail(target, site, rel as u32));
    }

    /// What a side exit takes back, if anything; then the exit.
    fn side_tail(&mut self, patch: usize, target: u32, done: u32, instrs: u32, map: &[MapEntry]) {
        let begin = self.offset();
        self.leaves_at(map, done, FlowControl::ConditionalBranch);
        self.left_early(done, instrs, map);
        if begin == self.offset() && self.linkable(target) {
            let site = self.new_site(patch, target);
            self.link_tail(site, target);
        } else {
            self.jump(target);
        }
    }

    /// The instruction that leaves the block is number `done`, counted from 1.
    fn leaves_at(&mut self, map: &[MapEntry], done: u32, flow: FlowControl) {
        self.flow = flow;
        if let Some(entry) = map.get((done as usize).wrapping_sub(1)) {
            self.here = entry.eip.low();
        }
    }

    /// Takes back what the block's head and its x87 instructions noted of those behind number `done`.
    fn left_early(&mut self, done: u32, instrs: u32, map: &[MapEntry]) {
        let ran = &map[..map.len().min(done as usize)];
        if last_x87(ran) != last_x87(map) {
            self.x87_before(map, done);
        }
        self.uncount(instrs - done);
        self.give_back(instrs - done);
    }

    /// Gives the budget back what the block's head took for `missing` instructions.
    fn give_back(&mut self, missing: u32) {
        if self.opts.contains(TranslatorOptions::BUDGET) && missing > 0 {
            dynasm!(self.asm ; .arch x64
                ; mov r8, [r15 + at::BUDGET]
                ; lea r8, [r8 + missing as i32]
                ; mov [r15 + at::BUDGET], r8
            );
        }
    }

    /// Leaves for the interpreter in the middle of a block, where r12 lags behind by `esp`.
    fn beyond(&mut self, eip: u32, esp: u32, missing: u32) {
        self.esp = esp;
        self.settle_esp();
        self.uncount(missing);
        self.callout(eip);
    }

    /// FIP for an exit before the block's instruction number `done`.
    fn x87_before(&mut self, map: &[MapEntry], done: u32) {
        let ran = &map[..map.len().min(done as usize)];
        if let Some(eip) = last_x87(ran) {
            dynasm!(self.asm ; .arch x64 ; mov QWORD [r15 + at::X87_EIP], eip as i32);
            self.ends_in_eip();
        }
        let last = ran.iter().rev().find(|entry| entry.x87 != X87::Other);
        if last.is_some_and(|entry| entry.x87 == X87::ControlWord) {
            dynasm!(self.asm ; .arch x64 ; mov DWORD [r15 + at::X87_FLDCW], 1);
        }
    }

    /// Takes back what the block's head counted for the `missing` instructions behind an early exit.
    fn uncount(&mut self, missing: u32) {
        if self.opts.contains(TranslatorOptions::COUNT) && missing > 0 {
            dynasm!(self.asm ; .arch x64
                ; mov r8, [r15 + at::RETIRED]
                ; lea r8, [r8 - missing as i32]
                ; mov [r15 + at::RETIRED], r8
            );
        }
    }

    /// The target's block starts in this block's page, so whoever reached this one can reach it.
    fn linkable(&self, target: u32) -> bool {
        let linear = self.linear.wrapping_add(target.wrapping_sub(self.eip));
        self.links && (linear ^ self.linear) >> 12 == 0
    }

    fn link(&mut self, patch: usize, target: u32) {
        let site = self.new_site(patch, target);
        self.cold.push(Cold::Link { patch, site, target });
    }

    fn new_site(&mut self, patch: usize, target: u32) -> u32 {
        let site = self.first_site.wrapping_add(self.exits.len() as u32);
        self.exits.push(DirectExit { site, patch_off: patch as u32, target: Pc::from(target) });
        site
    }
}
