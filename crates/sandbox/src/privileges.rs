//! Rights that the process has by who started it, given up.

use crate::calls::Threads;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};

/// No program that is started from here on gets rights by its file.
pub(crate) fn no_new() -> bool {
    set_no_new_privs(true).is_ok()
}

/// Gives up all capabilities of the calling thread: effective, permitted, inheritable, ambient, and where it may, the
/// bounding set. Threads that make files in a folder of somebody else's, as root in a container does, keep the right
/// to, if they have it.
pub(crate) fn drop_capabilities(threads: Threads) -> bool {
    let kept = if threads.intersects(Threads::FILES) {
        CapabilitySet::DAC_OVERRIDE
    } else {
        CapabilitySet::empty()
    };
    let Ok(had) = capabilities(None) else { return false };
    if had.effective.contains(CapabilitySet::SETPCAP) {
        // The kernel says where its list of capabilities ends.
        let each = (0..64).map(|number| CapabilitySet::from_bits_retain(1 << number));
        for capability in each {
            if remove_capability_from_bounding_set(capability).is_err() {
                break;
            }
        }
    }
    // Empty sets have no ambient capability either, on kernels that know of them.
    let _ = clear_ambient_capability_set();
    let left = CapabilitySets {
        effective: had.effective & kept,
        permitted: had.permitted & kept,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, left).is_ok()
}

/// Other processes of the same user can neither trace this one nor read its memory, and it leaves no core dump.
pub(crate) fn not_dumpable() -> bool {
    set_dumpable_behavior(DumpableBehavior::NotDumpable).is_ok()
}
