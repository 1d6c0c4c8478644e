//! A block's mode, for people.

use ringer_translator::Mode;

/// A mode in words: code size, kind of mode and privilege, then what is not flat.
pub(super) fn mode_in_words(mode: Mode) -> String {
    let bits = if mode.contains(Mode::CODE16) { "16-bit" } else { "32-bit" };
    let kind = if mode.contains(Mode::V86) {
        " V86"
    } else if mode.contains(Mode::REAL) {
        " real mode"
    } else if mode.contains(Mode::USER) {
        ", CPL 3"
    } else if mode.contains(Mode::CPL0) {
        ", CPL 0"
    } else {
        ", CPL 1 or 2"
    };
    let said = Mode::CODE16 | Mode::V86 | Mode::REAL | Mode::USER | Mode::CPL0 | Mode::IOPL_OK;
    let rest = (mode - said).iter_names().map(|(name, _)| name.to_ascii_lowercase());
    let rest: Vec<String> = rest.collect();
    let rest = if rest.is_empty() { String::new() } else { format!(" ({})", rest.join(", ")) };
    format!("{bits}{kind}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_told_in_words() {
        assert_eq!(mode_in_words(Mode::CPL0 | Mode::IOPL_OK), "32-bit, CPL 0");
        assert_eq!(mode_in_words(Mode::USER | Mode::GS_BASED), "32-bit, CPL 3 (gs_based)");
        assert_eq!(mode_in_words(Mode::V86 | Mode::USER | Mode::CODE16), "16-bit V86");
    }
}
