//! Emitting a row that a fault was planted in ([`crate::planted`]).

use crate::draft::BlockDraft;
use crate::emit::{Refused, Step};
use crate::planted::{PlantedFault, PlantedKind, change};
use crate::translate::Translator;
use iced_x86::Instruction;

impl Translator {
    /// From now on the row of `fault` is wrong.
    pub fn plant(&mut self, fault: PlantedFault) {
        self.planted = Some(fault);
    }

    pub(crate) fn spoilt(
        &mut self,
        i: &Instruction,
        draft: &mut BlockDraft,
        kind: PlantedKind,
    ) -> Result<Step, Refused> {
        if let PlantedKind::HostCode(bytes) = kind {
            self.emitter.host_code(bytes);
            return Ok(Step::Next);
        }
        if let Some(changed) = change(i, kind) {
            return self.emit_one(&changed, draft);
        }
        let (start, esp) = (self.emitter.offset(), self.emitter.esp);
        let step = self.emit_one(i, draft)?;
        match (kind, &step) {
            (_, Step::Shadow) => {}
            (PlantedKind::Carry, Step::Next) => self.emitter.complement_carry(),
            _ => {
                self.emitter.truncate(start);
                self.emitter.esp = esp;
                draft.unmark(start, esp);
                return Ok(Step::Next);
            }
        }
        Ok(step)
    }
}
