//! Texts of others in messages: control characters as they are escaped in Rust, so that a message is one line and a
//! terminal obeys none of it.

use std::ffi::OsStr;
use std::fmt::{self, Display, Write};

/// Whether a terminal may do something else than to show `c`, or a reader take its text for something else than it is: the
/// control characters of ASCII and Latin 1, ends of lines, and what changes the direction of text.
#[must_use]
pub fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Shows a value as one line: every character that [`is_obeyed`] is escaped, such as `\n` and `\x1b`.
#[derive(Clone, Copy, Debug)]
pub struct OneLine<T>(pub T);

/// Shows a value of several lines: line feeds stay, all else is as with [`OneLine`].
#[derive(Clone, Copy, Debug)]
pub struct Lines<T>(pub T);

/// A file's name, or another text of the system's, as one line.
pub fn shown<T: AsRef<OsStr> + ?Sized>(name: &T) -> OneLine<std::ffi::os_str::Display<'_>> {
    OneLine(name.as_ref().display())
}

impl<T: Display> Display for OneLine<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping { out: f, feeds: false }, "{}", self.0)
    }
}

impl<T: Display> Display for Lines<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping { out: f, feeds: true }, "{}", self.0)
    }
}

/// Escapes what passes through it.
struct Escaping<'a, 'b> {
    out: &'a mut fmt::Formatter<'b>,
    /// Line feeds pass as they are.
    feeds: bool,
}

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut from = 0;
        for (at, c) in text.char_indices() {
            if !is_obeyed(c) || (self.feeds && c == '\n') {
                continue;
            }
            self.out.write_str(&text[from..at])?;
            match c {
                '\n' => self.out.write_str("\\n")?,
                '\r' => self.out.write_str("\\r")?,
                '\t' => self.out.write_str("\\t")?,
                '\0'..='\u{ff}' => write!(self.out, "\\x{:02x}", u32::from(c))?,
                _ => write!(self.out, "\\u{{{:x}}}", u32::from(c))?,
            }
            from = at + c.len_utf8();
        }
        self.out.write_str(&text[from..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn a_name_is_one_line_without_what_a_terminal_obeys() {
        let name = OsStr::from_bytes(b"a\x1b]0;x\x07\n\r\t\x7f b\xff\xc2\x9b31m");
        assert_eq!(shown(name).to_string(), "a\\x1b]0;x\\x07\\n\\r\\t\\x7f b\u{fffd}\\x9b31m");
        assert_eq!(
            OneLine("\u{202e}exe.txt \u{2028}é日").to_string(),
            "\\u{202e}exe.txt \\u{2028}é日"
        );
        assert_eq!(OneLine(format_args!("{}: {}", "a\nb", 7)).to_string(), "a\\nb: 7");
    }

    #[test]
    fn lines_keep_their_ends_and_nothing_else() {
        assert_eq!(Lines("one\n\x1b[2Jtwo\r\n").to_string(), "one\n\\x1b[2Jtwo\\r\n");
    }

    #[test]
    fn what_was_escaped_once_stays_as_it_is() {
        let once = OneLine("\x1b\n\\").to_string();
        assert_eq!(OneLine(&once).to_string(), once);
    }
}
