//! Why an instruction was left to the interpreter.

use crate::profile::Row;
use iced_x86::{Instruction, Mnemonic};
use ringer_translator::classify::{ExecutionUnit, Treatment, treatment};
use ringer_translator::{Mode, TranslatorOptions};

/// What is known of a callout.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// What the translator at hand does with instructions of this form.
    pub treatment: Treatment,
    /// The unit that they run on.
    pub unit: ExecutionUnit,
    /// The translator's options.
    pub options: TranslatorOptions,
    /// The processor model has the instruction.
    pub offered: bool,
    /// The mode of the code; `None`: none that is translated.
    pub mode: Option<Mode>,
    /// Its accesses kept trapping.
    pub trapping: bool,
    /// A breakpoint is armed.
    pub breakpoint: bool,
    /// The translator makes host code of it, alone and in this mode.
    pub has_code: bool,
}

/// The reason, in words: first the class in the translator's table.
pub(crate) fn why(i: &Instruction, row: Row, facts: &Facts) -> String {
    let class = match treatment(i.code()) {
        Treatment::Callout => return format!("callout: {}", of_table(row, facts)),
        Treatment::Innocuous => "innocuous",
        Treatment::Rewritten(_) => "rewritten",
    };
    let but = if !facts.offered {
        "the processor model does not have it".to_owned()
    } else if let Some(option) = missing(i, facts) {
        format!("switched off: --disable {option}")
    } else if facts.trapping {
        "its accesses kept trapping, and the inline TLB does not have this one".to_owned()
    } else if facts.breakpoint && !facts.has_code {
        "a breakpoint is there".to_owned()
    } else if let Some(trap) = facts.mode.and_then(|mode| unit_off(facts.unit, mode)) {
        trap.to_owned()
    } else if !facts.has_code && counted_head(i, facts) {
        "not at the head of a block that counts instructions: a profile, the virtual clock"
            .to_owned()
    } else if !facts.has_code && row == Row::CalloutIo {
        "it reaches a device here".to_owned()
    } else if !facts.has_code {
        "not with these operands in this mode".to_owned()
    } else {
        "not with the values that it had".to_owned()
    };
    format!("{class}, but {but}")
}

/// PUSHF needs the host's stack and flags as the guest's code left them, and a block that counts begins
/// with code of its own.
fn counted_head(i: &Instruction, facts: &Facts) -> bool {
    let counts = TranslatorOptions::COUNT | TranslatorOptions::PROFILE | TranslatorOptions::BUDGET;
    matches!(i.mnemonic(), Mnemonic::Pushf | Mnemonic::Pushfd) && facts.options.intersects(counts)
}

fn missing(i: &Instruction, facts: &Facts) -> Option<String> {
    if facts.treatment != Treatment::Callout {
        return None;
    }
    let needs = match treatment(i.code()) {
        Treatment::Innocuous => TranslatorOptions::IDENTITY,
        Treatment::Rewritten(rewrite) => rewrite.option(),
        Treatment::Callout => return None,
    };
    let (name, _) = (needs - facts.options).iter_names().next()?;
    Some(name.to_ascii_lowercase().replace('_', "-"))
}

fn unit_off(unit: ExecutionUnit, mode: Mode) -> Option<&'static str> {
    let off = |bit| mode.contains(bit);
    match unit {
        ExecutionUnit::Fpu if off(Mode::FPU_OFF) => Some("x87 traps: CR0.EM or CR0.TS is set"),
        ExecutionUnit::Sse if off(Mode::SSE_OFF) => {
            Some("SSE traps: CR0.EM or CR0.TS is set, or CR4.OSFXSR clear")
        }
        _ => None,
    }
}

/// What the table has no host code for.
fn of_table(row: Row, facts: &Facts) -> &'static str {
    if !facts.offered {
        return "the processor model does not have it";
    }
    match row {
        Row::CalloutIo => "it reaches a device",
        Row::CalloutFlags => "it changes what interrupts and traps depend on",
        Row::CalloutSegment => "it loads a segment register from a descriptor table",
        Row::CalloutTransfer => "it can change privilege, stack or mode",
        Row::CalloutControl => "it reaches a control, debug or system register",
        Row::CalloutFpu => "it moves the whole state of the FPU",
        _ => "it has no host code",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use iced_x86::Decoder;
    use ringer_translator::classify::unit;

    fn facts(i: &Instruction) -> Facts {
        Facts {
            treatment: treatment(i.code()),
            unit: unit(i.code()),
            options: TranslatorOptions::default(),
            offered: true,
            mode: Some(Mode::CPL0),
            trapping: false,
            breakpoint: false,
            has_code: true,
        }
    }

    #[test]
    fn the_class_in_the_table_comes_first_and_then_what_is_in_the_way() {
        let decode = |bytes: &[u8]| Decoder::new(32, bytes, 0).decode();
        let iret = decode(&[0xcf]);
        let reason = why(&iret, Row::CalloutTransfer, &facts(&iret));
        assert_eq!(reason, "callout: it can change privilege, stack or mode");
        let cli = decode(&[0xfa]);
        let options = TranslatorOptions::default() - TranslatorOptions::INLINE_FLAGS;
        let off = Facts { treatment: Treatment::Callout, options, ..facts(&cli) };
        assert_eq!(
            why(&cli, Row::CalloutFlags, &off),
            "rewritten, but switched off: --disable inline-flags"
        );
        let popf = decode(&[0x9d]);
        let reason = why(&popf, Row::CalloutFlags, &facts(&popf));
        assert_eq!(reason, "rewritten, but not with the values that it had");
        let fadd = decode(&[0xd8, 0xc1]);
        let off = Facts { mode: Some(Mode::FPU_OFF), has_code: false, ..facts(&fadd) };
        let reason = why(&fadd, Row::CalloutOther, &off);
        assert_eq!(reason, "innocuous, but x87 traps: CR0.EM or CR0.TS is set");
        let mov = decode(&[0x8b, 0x03]);
        let left = Facts { trapping: true, ..facts(&mov) };
        assert!(why(&mov, Row::CalloutOther, &left).contains("kept trapping"));
    }
}
