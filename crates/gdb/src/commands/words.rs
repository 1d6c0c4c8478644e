//! What commands share: the words that they are given, and what they answer.

use ringer_machine::Machine;

/// What a command says; or what is wrong with it.
pub type Answer = Result<String, String>;

/// A number as gdb writes it: decimal, 0x or 0.
pub fn number(text: &str) -> Result<u32, String> {
    let parsed = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| format!("{text:?} is no number of 32 bits (0x... or decimal)"))
}

/// The one number that is wanted.
pub fn one_number(words: &[&str]) -> Result<u32, String> {
    match words {
        [word] => number(word),
        _ => Err("give one address".to_owned()),
    }
}

/// A little-endian number of 4 bytes in linear memory.
pub fn word(machine: &Machine, at: u32) -> Option<u32> {
    let monitor = machine.monitor();
    crate::memory::word(monitor.memory(), monitor.paging(), at)
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_are_hexadecimal_with_0x_and_decimal_without() {
        assert_eq!((number("0xC0de"), number("17")), (Ok(0xc0de), Ok(17)));
        for bad in ["", "0x", "12x", "0x100000000", "-1"] {
            assert!(number(bad).is_err(), "{bad}");
        }
    }
}
