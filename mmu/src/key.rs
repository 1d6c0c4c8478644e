//! Which window serves which state of the processor.

use crate::format::Format;
use crate::walk::Paging;
use ringer_cpu::Privilege;
use ringer_cpu::state::cr0;

/// What a window was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub format: Format,
    /// Base of the paging structures; 0 without paging.
    root: u64,
    /// CR0.WP.
    write_protect: bool,
    a20: bool,
    pub user: bool,
}

impl Key {
    /// No paging, A20 open: the state after reset.
    pub const RESET: Self =
        Self { format: Format::Off, root: 0, write_protect: false, a20: true, user: false };

    pub fn of(paging: &Paging, user: bool) -> Self {
        let root = match paging.format {
            Format::Off => 0,
            Format::Legacy { .. } => paging.regs.cr3 & 0xffff_f000,
            Format::Pae { .. } => paging.regs.cr3 & 0xffff_ffe0,
        };
        // User code is held to R/W in any case.
        let write_protect = !user && paging.regs.cr0 & cr0::WP != 0;
        Self { format: paging.format, root, write_protect, a20: paging.a20(), user }
    }

    /// The same for whatever address space.
    pub fn of_any_space(self) -> Self {
        Self { root: 0, ..self }
    }

    pub fn paging(&self) -> bool {
        self.format != Format::Off
    }

    pub fn privilege(&self) -> Privilege {
        if self.user { Privilege::User } else { Privilege::Supervisor }
    }
}
