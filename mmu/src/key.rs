//! Which window serves which state of the processor.

use crate::format::{FRAME_PAE, Format};
use crate::walk::Paging;
use ringer_cpu::Privilege;
use ringer_cpu::state::{cr0, cr4};

/// What a window was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub format: Format,
    /// Base of the paging structures; 0 without paging.
    root: u64,
    /// CR0.WP.
    write_protect: bool,
    a20: bool,
    /// [`Privilege::Supervisor`] only where CR4.SMAP makes a difference: else all supervisor's accesses are as those
    /// with EFLAGS.AC.
    who: Privilege,
}

impl Key {
    /// No paging, A20 open: the state after reset.
    pub const RESET: Self = Self {
        format: Format::Off,
        root: 0,
        write_protect: false,
        a20: true,
        who: Privilege::SupervisorAc,
    };

    pub fn of(paging: &Paging, who: Privilege) -> Self {
        let root = match paging.format {
            Format::Off => 0,
            Format::Legacy { .. } => paging.regs.cr3 & 0xffff_f000,
            Format::Pae { .. } => paging.regs.cr3 & 0xffff_ffe0,
            Format::Long { .. } => paging.regs.cr3 & FRAME_PAE,
        };
        // User code is held to R/W in any case.
        let write_protect = who != Privilege::User && paging.regs.cr0 & cr0::WP != 0;
        let smap = paging.format != Format::Off && paging.regs.cr4 & cr4::SMAP != 0;
        let who = if smap { who } else { without_smap(who) };
        Self { format: paging.format, root, write_protect, a20: paging.a20(), who }
    }

    /// Those of the running address space.
    pub fn all(paging: &Paging) -> impl Iterator<Item = Self> {
        Privilege::ALL
            .into_iter()
            .map(|who| (who, Self::of(paging, who)))
            .filter_map(|(who, key)| (key.who == who).then_some(key))
    }

    /// The same for code, whose fetches SMAP does not concern.
    pub fn of_code(self) -> Self {
        Self { who: without_smap(self.who), ..self }
    }

    /// The same for whatever address space.
    pub fn of_any_space(self) -> Self {
        Self { root: 0, ..self }
    }

    pub fn paging(&self) -> bool {
        self.format != Format::Off
    }

    /// Whose accesses go by the window.
    pub fn privilege(&self) -> Privilege {
        self.who
    }
}

/// What `who` is as good as where CR4.SMAP is clear.
fn without_smap(who: Privilege) -> Privilege {
    match who {
        Privilege::User => who,
        Privilege::Supervisor | Privilege::SupervisorAc => Privilege::SupervisorAc,
    }
}
