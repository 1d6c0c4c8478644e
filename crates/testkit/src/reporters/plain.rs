//! A guest's text without what a terminal would obey and XML has no way to write.

use ringer_input::is_obeyed;

/// Columns between tabulator stops.
const TAB: usize = 8;

/// The same text with its control characters as the pictures that Unicode has of them. Line ends are as a console shows them, tabulators are spaces.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut column = 0;
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\r' if characters.peek() == Some(&'\n') => continue,
            '\n' => {
                out.push(c);
                column = 0;
                continue;
            }
            '\t' => {
                let spaces = TAB - column % TAB;
                out.extend(std::iter::repeat_n(' ', spaces));
                column += spaces;
                continue;
            }
            '\0'..='\x1f' => out.push(picture(c as u32)),
            '\x7f' => out.push('\u{2421}'),
            // What is left of that is an end of a line, or turns text round.
            '\u{fffe}' | '\u{ffff}' => out.push(char::REPLACEMENT_CHARACTER),
            _ if is_obeyed(c) => out.push(char::REPLACEMENT_CHARACTER),
            _ => out.push(c),
        }
        column += 1;
    }
    out
}

fn picture(control: u32) -> char {
    char::from_u32(0x2400 + control).unwrap_or(char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_letter_becomes_a_picture() {
        assert_eq!(plain("plain <&> é\r\n\tx\n"), "plain <&> é\n        x\n");
        assert_eq!(plain("ab\tc"), "ab      c");
        assert_eq!(
            plain("\x1b[31m\0\r\x7f\u{85}\u{fffe}\u{202e}"),
            "␛[31m␀␍␡\u{fffd}\u{fffd}\u{fffd}"
        );
    }
}
