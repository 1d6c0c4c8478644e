//! Copies of blocks for another EIP and another place in the cache.
//!
//! A program that is started again finds its libraries at other addresses, in the same page frames: the same bytes at
//! other EIPs. A block names EIPs, so it cannot serve there, but a copy of it can: the emitter notes where in the host
//! code an EIP is, and where what depends on the block's own place. A copy costs much less than a translation.
//!
//! The copy is what translating anew would have made, but for decisions that depend on what the guest did so far: where
//! the block goes on behind a branch, and which thunks it knows.

use crate::context::COUNTED;
use crate::runtime::blocks::{Block, Site};
use crate::tail::{LINK_TAIL, link_tail};
use crate::thunk::{PcThunk, ThunkGuard};
use crate::translation::{
    Counters, DirectExit, Fixup, FixupKind, LookupSite, MapEntry, Translation,
};
use ringer_cpu::Pc;

/// Where a copy goes.
#[derive(Clone, Copy, Debug)]
pub struct CopyAt {
    /// EIP of its first byte.
    pub eip: Pc,
    /// Cache offset of its host code.
    pub host_off: u32,
    /// Number of its first direct exit.
    pub first_site: u32,
    /// Cache offset of the stub of exits that are not linked.
    pub exit_link: u32,
    /// The numbers that it counts under.
    pub counters: Counters,
}

/// What `block` would be at `place`; `host` is its code as it lies in the cache, and `sites` are its direct exits.
/// `thunk` says which thunk is known at an EIP. `None`: it has to be translated.
pub(crate) fn relocated(
    block: &Block,
    host: Vec<u8>,
    sites: &[Site],
    place: CopyAt,
    thunk: &dyn Fn(Pc) -> Option<PcThunk>,
) -> Option<Translation> {
    let fixups = block.fixups.as_deref()?;
    let mask = block.key.mode.address_mask();
    let by = place.eip.minus(block.key.eip.get()).get();
    let wraps = place.eip.get() + u64::from(block.guest_len) > mask + 1;
    let counted = |counters: Counters| {
        let last = counters.first_lookup as usize + block.lookups.len();
        (counters.entry as usize) < COUNTED - 1 && last < COUNTED
    };
    if wraps || block.key.second.is_some() || !counted(block.counters) || !counted(place.counters) {
        return None;
    }
    let (here, there) = (block.counters, place.counters);
    let mut copy = Copy {
        host,
        by,
        mask,
        moved: place.host_off.wrapping_sub(block.host_off),
        entry: there.entry.wrapping_sub(here.entry),
        lookup: there.first_lookup.wrapping_sub(here.first_lookup),
    };
    let numbered = sites.iter().zip(place.first_site..);
    let exits: Option<Vec<DirectExit>> =
        numbered.map(|(site, number)| copy.unlink(block.host_off, site, number, &place)).collect();
    let exits = exits?;
    let guards: Option<Vec<ThunkGuard>> =
        block.guards.iter().map(|g| copy.guard(*g, thunk)).collect();
    let guards = guards?;
    copy.apply(fixups, &guards)?;
    let moved = |entry: &MapEntry| MapEntry { eip: entry.eip.plus(by).masked(mask), ..*entry };
    let looks = |site: &LookupSite| LookupSite { eip: site.eip.plus(by).masked(mask), ..*site };
    Some(Translation {
        host: copy.host,
        guest_len: block.guest_len,
        instrs: block.instrs,
        map: block.map.iter().map(moved).collect(),
        exits,
        strings: block.strings.to_vec(),
        guards,
        fixups: Some(fixups.to_vec()),
        crosses_page: false,
        counters: place.counters,
        lookups: block.lookups.iter().map(looks).collect(),
    })
}

/// Bytes of a count.
const COUNT: u32 = 8;

/// A copy in the making.
struct Copy {
    host: Vec<u8>,
    /// What its EIPs are more than the original's.
    by: u64,
    /// The bits that an EIP has.
    mask: u64,
    /// What its cache offset is more.
    moved: u32,
    /// What the number of its count of entries is more.
    entry: u32,
    /// What those of its look-ups are more.
    lookup: u32,
}

impl Copy {
    fn field(&mut self, at: usize) -> Option<&mut [u8; 4]> {
        self.host.get_mut(at..at.checked_add(4)?)?.try_into().ok()
    }

    /// Makes a direct exit of the block at `host_off` lead to its own tail again, as it was before it was linked or
    /// became a lookup, and gives it a number.
    fn unlink(
        &mut self,
        host_off: u32,
        site: &Site,
        number: u32,
        place: &CopyAt,
    ) -> Option<DirectExit> {
        let patch = site.patch_off.checked_sub(host_off)? as usize;
        *self.field(patch)? = site.unlinked.to_le_bytes();
        let tail = (patch + 4).checked_add_signed(site.unlinked as isize)?;
        let end = tail.checked_add(LINK_TAIL)?;
        let target = site.target.plus(self.by).masked(self.mask);
        let rel = place.exit_link.wrapping_sub(place.host_off).wrapping_sub(end as u32);
        self.host.get_mut(tail..end)?.copy_from_slice(&link_tail(target.low(), number, rel));
        Some(DirectExit { site: number, patch_off: patch as u32, target })
    }

    fn guard(
        &self,
        guard: ThunkGuard,
        thunk: &dyn Fn(Pc) -> Option<PcThunk>,
    ) -> Option<ThunkGuard> {
        let eip = guard.eip.plus(self.by).masked(self.mask);
        let known = thunk(eip).filter(|known| known.register == guard.thunk.register)?;
        Some(ThunkGuard { eip, thunk: known, ..guard })
    }

    fn apply(&mut self, fixups: &[Fixup], guards: &[ThunkGuard]) -> Option<()> {
        let (by, moved) = (self.by, self.moved);
        let (entry, lookup) = (self.entry, self.lookup);
        let mut guards = guards.iter();
        for fixup in fixups {
            let field = self.field(fixup.at as usize)?;
            let now = u32::from_le_bytes(*field);
            let then = match fixup.kind {
                FixupKind::Eip => now.wrapping_add(by as u32),
                FixupKind::Host => now.wrapping_sub(moved),
                FixupKind::Thunk => guards.next()?.thunk.offset.wrapping_neg(),
                FixupKind::Entry => now.wrapping_add(entry.wrapping_mul(COUNT)),
                FixupKind::Lookup => now.wrapping_add(lookup.wrapping_mul(COUNT)),
                FixupKind::LookupNumber => now.wrapping_add(lookup),
            };
            *field = then.to_le_bytes();
        }
        guards.next().is_none().then_some(())
    }
}
