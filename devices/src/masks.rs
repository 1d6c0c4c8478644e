//! The masks of the interrupt controllers, which translated code reads and writes by itself.

use crate::board::Board;
use crate::pic::Mask;
use crate::rows;

impl Board {
    /// [`Board::take_masks_changed`] is to say yes.
    pub fn touch_masks(&mut self) {
        self.plane.irqs.touch();
    }

    /// Whether [`Board::masks`] can say something else than at the last call of this.
    pub fn take_masks_changed(&mut self) -> bool {
        self.plane.irqs.take_changed()
    }

    /// The masks of the two interrupt controllers, master and slave; `None` when they are not at `ports`, or their INTR
    /// does not simply reach the processor.
    pub fn masks(&self, ports: [u16; 2]) -> Option<[Mask; 2]> {
        let is_mask = |(chip, port): (u8, u16)| {
            self.ports.find(u64::from(port), 1).is_some_and(|claim| {
                let row = self.mounts.get(usize::from(claim.slot)).map(|mount| mount.row.id);
                row == Some(rows::PIC) && claim.region == chip && claim.first + 1 == u64::from(port)
            })
        };
        if !self.plane.irqs.are_plain() {
            return None;
        }
        (0..).zip(ports).all(is_mask).then(|| self.plane.irqs.masks())
    }

    /// As `writes` OUTs to [`Board::masks`]' ports that left the masks so, where each did no more than [`Mask`] says.
    pub fn set_masks(&mut self, masks: [u8; 2], writes: u64) {
        self.plane.stats.port_writes += writes;
        self.plane.irqs.set_masks(masks);
    }
}
