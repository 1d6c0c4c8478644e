//! What is checked while a guest runs, besides running it: the verifier on every block before it
//! runs, the addresses of host faults, and the sums that `ringer verify` reports.

use crate::config::{Engine, MonitorConfig};
use ringer_cpu::{Features, Pc};
use ringer_translator::context::ExecContext;
use ringer_translator::runtime::CodeCache;
use ringer_translator::runtime::blocks::BlockId;
use ringer_translator::verify::{Refusal, Subject, Verifier};
use ringer_translator::{Mode, Placement, Source, Translation, Translator, TranslatorOptions};
use serde::Serialize;
use std::ops::AddAssign;

/// Bytes on both sides of a window in which an access that wraps at 4 GiB may end.
const GUARD: u64 = 1 << 20;

/// Sums over a run; fields are only ever added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checks {
    /// Instructions that lockstep ran both ways and compared.
    pub compared: u64,
    /// Times that a block (or its first part) was compared.
    pub blocks_compared: u64,
    /// Blocks whose host code the verifier passed, in every form in which they could run.
    pub blocks_verified: u64,
    /// Host instructions in them.
    pub host_instructions_verified: u64,
    /// Blocks verified again because a jump in them was patched.
    pub links_verified: u64,
    /// Blocks or links that the verifier refused.
    pub refusals: u64,
    /// Host faults in blocks whose address lay in the window or in the guard around it.
    pub faults_inside: u64,
    /// Host faults in blocks whose address lay anywhere else.
    pub faults_outside: u64,
}

impl AddAssign for Checks {
    fn add_assign(&mut self, other: Self) {
        self.compared += other.compared;
        self.blocks_compared += other.blocks_compared;
        self.blocks_verified += other.blocks_verified;
        self.host_instructions_verified += other.host_instructions_verified;
        self.links_verified += other.links_verified;
        self.refusals += other.refusals;
        self.faults_inside += other.faults_inside;
        self.faults_outside += other.faults_outside;
    }
}

/// The verifier at work.
#[derive(Debug)]
pub(crate) struct Verification {
    verifier: Option<Verifier>,
    /// Lockstep runs blocks without links and inline look-ups; this one makes the form that would
    /// run without lockstep, which is verified too.
    plain: Option<Translator>,
    pub checks: Checks,
    /// Blocks, by number, that leave the FPU alone: what the verifier said of the last one placed
    /// and of those before it since the last flush.
    integer: Vec<bool>,
    last: bool,
    /// Blocks that were looked for lately: (host address, number), by address.
    recent: Vec<(u64, BlockId)>,
}

/// Entries of [`Verification::recent`]; a power of two.
const RECENT: usize = 1 << 14;

impl Verification {
    /// The verifier for blocks made with `options`.
    pub fn new(options: TranslatorOptions, cfg: &MonitorConfig, features: Features) -> Self {
        let lockstep = cfg.engine == Engine::Lockstep;
        let on = cfg!(debug_assertions) || options.contains(TranslatorOptions::VERIFY) || lockstep;
        let plain = on && options != cfg.options;
        Self {
            verifier: on.then(|| verifier(options)),
            plain: plain.then(|| Translator::new(cfg.options, features)),
            checks: Checks::default(),
            integer: Vec::new(),
            last: false,
            recent: vec![(0, 0); if lockstep { RECENT } else { 0 }],
        }
    }

    /// Block `id` is the translation that was verified last.
    pub fn placed(&mut self, id: BlockId) {
        self.integer.resize(id as usize, false);
        self.integer.push(std::mem::take(&mut self.last));
    }

    /// Block numbers begin anew.
    pub fn flushed(&mut self) {
        self.integer.clear();
        self.recent.fill((0, 0));
    }

    /// Whether block `id` was proved to leave the FPU's state alone.
    pub fn is_integer(&self, id: BlockId) -> bool {
        self.integer.get(id as usize).copied().unwrap_or(false)
    }
}

impl Verification {
    /// The number of the block of `cache` that begins at host address `pc`.
    pub fn block_at(&mut self, cache: &CodeCache, pc: u64) -> Option<BlockId> {
        // Blocks are aligned to 16 bytes.
        let slot = (pc >> 4) as usize & (RECENT - 1);
        match self.recent.get(slot) {
            Some((at, id)) if *at == pc => return Some(*id),
            _ => {}
        }
        let (id, _) = cache.locate(pc)?;
        if let Some(entry) = self.recent.get_mut(slot) {
            *entry = (pc, id);
        }
        Some(id)
    }

    /// Verifies `t`, the translation of `source`, when blocks are verified.
    ///
    /// # Errors
    /// The report: it must not run.
    pub fn pass(
        &mut self,
        source: &Source<'_>,
        mode: Mode,
        target: &Placement,
        t: &Translation,
    ) -> Result<(), String> {
        let Self { verifier: Some(verifier), plain, checks, last, .. } = self else {
            return Ok(());
        };
        let other = plain.as_mut().map(|p| p.translate(source, mode, target, 0));
        *last = true;
        for t in [Some(t), other.as_ref()].into_iter().flatten() {
            let subject = Subject {
                host: &t.host,
                base: target.base,
                stubs: &target.stubs,
                map: &t.map,
                exits: &t.exits,
                locks: mode.contains(Mode::SHARED),
            };
            match verifier.check(&subject, &|_| false) {
                Ok(v) => {
                    checks.host_instructions_verified += u64::from(v.instructions);
                    *last &= v.integer;
                }
                Err(refusal) => {
                    checks.refusals += 1;
                    let (bytes, eip) = (source.bytes, source.eip);
                    let guest = ringer_translator::disasm_guest(bytes, eip, mode, t.map.len());
                    let host = ringer_translator::listing(&t.host, target.base);
                    return Err(report(&refusal, eip, &guest, &host));
                }
            }
        }
        checks.blocks_verified += 1;
        Ok(())
    }

    /// Verifies the block of link site `site` of `cache` as it is now patched.
    ///
    /// # Errors
    /// The report: it must not run.
    pub fn pass_link(&mut self, cache: &CodeCache, site: u32) -> Result<(), String> {
        let Some(verifier) = &mut self.verifier else { return Ok(()) };
        let Some(id) = cache.block_of(site) else { return Ok(()) };
        match cache.verify(id, verifier) {
            Ok(_) => self.checks.links_verified += 1,
            Err(refusal) => {
                self.checks.refusals += 1;
                let host = ringer_translator::listing(&cache.host_code(id), cache.host_pc(id));
                return Err(report(&refusal, cache.block(id).key.eip, "", &host));
            }
        }
        Ok(())
    }

    /// A block faulted at `offset` from the window's base, which is not below 4 GiB. In the guard that
    /// is an access that wraps; anywhere else the block broke out.
    ///
    /// # Errors
    /// The report: it must run no further.
    pub fn pass_fault(
        &mut self,
        cache: &CodeCache,
        context: &ExecContext,
        offset: u64,
    ) -> Result<(), String> {
        let beyond = (1u64 << 32..(1 << 32) + GUARD).contains(&offset);
        let below = offset.wrapping_neg() <= GUARD;
        if beyond || below {
            return Ok(());
        }
        self.checks.faults_outside += 1;
        let address = context.fault_addr;
        let mut text = format!("a block accessed {address:#x}, which is no guest memory\n");
        if let Some((id, off)) = cache.locate(context.fault_rip) {
            let eip = cache.block(id).key.eip;
            text += &format!("at +{off:04x} of the block at {eip:08x}:\n");
            text += &ringer_translator::listing(&cache.host_code(id), cache.host_pc(id));
        }
        Err(text)
    }
}

/// The verifier of blocks made with `options`.
fn verifier(options: TranslatorOptions) -> Verifier {
    let counts = options.contains(TranslatorOptions::PROFILE);
    if counts { Verifier::counting() } else { Verifier::new() }
}

fn report(refusal: &Refusal, eip: Pc, guest: &str, host: &str) -> String {
    format!("{refusal}\nguest block at {eip:08x}:\n{guest}host code:\n{host}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ClockKind;
    use crate::signals::KickSignal;
    use ringer_cpu::{CpuModel, CpuState};
    use ringer_translator::{GoesOn, KnownThunks};

    fn parts() -> (Verification, CodeCache) {
        let cfg = MonitorConfig {
            kick_signal: KickSignal::default(),
            model: CpuModel::PENTIUM4,
            engine: Engine::Lockstep,
            tc_size: 1 << 20,
            clock: ClockKind::Virtual,
            max_instructions: None,
            timeout: None,
            profile: false,
            options: TranslatorOptions::default(),
        };
        let verification = Verification::new(cfg.options, &cfg, cfg.model.features());
        (verification, CodeCache::new(cfg.tc_size).unwrap())
    }

    #[test]
    fn a_block_that_breaks_out_does_not_pass() {
        let (mut verification, cache) = parts();
        // mov [ebx+8], eax; ret
        let bytes = [0x89, 0x43, 0x08, 0xc3];
        let source = Source {
            eip: Pc(0x1000),
            linear: ringer_cpu::Lin(0x1000),
            bytes: &bytes,
            page_left: 4,
            max_instrs: 8,
            goes_on: GoesOn::NEVER,
            thunks: KnownThunks::NONE,
        };
        let (base, _) = cache.next_place(4096).unwrap();
        let target = Placement { base, stubs: cache.stub_addresses() };
        let options = TranslatorOptions::default();
        let features = CpuModel::PENTIUM4.features();
        let mode = Mode::CPL0 | Mode::IOPL_OK;
        let (mut t, _) = ringer_translator::translate(&source, mode, options, features, &target, 0);
        assert_eq!(verification.pass(&source, mode, &target, &t), Ok(()));
        assert_eq!(verification.checks.blocks_verified, 1);
        // GS becomes FS: the store would land in Rust's thread-locals.
        let prefix = t.host.iter_mut().find(|b| **b == 0x65).unwrap();
        *prefix = 0x64;
        let report = verification.pass(&source, mode, &target, &t).unwrap_err();
        assert_eq!(verification.checks.refusals, 1);
        assert!(
            report.contains("none of the approved forms") && report.contains("fs:"),
            "{report}"
        );
    }

    #[test]
    fn a_fault_outside_the_window_and_its_guard_does_not_pass() {
        let (mut verification, cache) = parts();
        let context = ExecContext::new(CpuState::reset(0), cache.base());
        for inside in
            [1u64 << 32, (1 << 32) + 0xffff, 0u64.wrapping_sub(4), 0u64.wrapping_sub(GUARD)]
        {
            assert_eq!(verification.pass_fault(&cache, &context, inside), Ok(()), "{inside:#x}");
        }
        for outside in [(1u64 << 32) + GUARD, 1 << 33, 0u64.wrapping_sub(GUARD + 1), 1 << 63] {
            assert!(verification.pass_fault(&cache, &context, outside).is_err(), "{outside:#x}");
        }
        assert_eq!(verification.checks.faults_outside, 4);
    }
}
