//! A line's words: plain ones, and texts in quotes.

/// A word of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// As it stands.
    Plain(String),
    /// What stood between quotes, its escapes resolved.
    Quoted(String),
}

impl Word {
    /// The word without its quotes.
    pub fn text(&self) -> &str {
        match self {
            Self::Plain(text) | Self::Quoted(text) => text,
        }
    }
}

/// The words of `line`, up to a `#` that stands outside quotes.
///
/// # Errors
/// What is wrong, and what to write instead.
pub(crate) fn split(line: &str) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    let mut rest = line.chars().peekable();
    while let Some(&c) = rest.peek() {
        match c {
            '#' => break,
            '"' => {
                rest.next();
                words.push(Word::Quoted(quoted(&mut rest)?));
            }
            c if c.is_whitespace() => drop(rest.next()),
            _ => {
                let plain = |c: &char| !c.is_whitespace() && *c != '"';
                let word = std::iter::from_fn(|| rest.next_if(plain)).collect();
                words.push(Word::Plain(word));
            }
        }
    }
    Ok(words)
}

/// A text up to its closing quote; the opening one is taken.
fn quoted(rest: &mut impl Iterator<Item = char>) -> Result<String, String> {
    let mut text = String::new();
    loop {
        match rest.next() {
            None => return Err("the text has no closing quote".to_owned()),
            Some('"') => return Ok(text),
            Some('\\') => text.push(escaped(rest)?),
            Some(c) => text.push(c),
        }
    }
}

fn escaped(rest: &mut impl Iterator<Item = char>) -> Result<char, String> {
    match rest.next() {
        Some('n') => Ok('\n'),
        Some('r') => Ok('\r'),
        Some('t') => Ok('\t'),
        Some('b') => Ok('\u{8}'),
        Some('e') => Ok('\u{1b}'),
        Some(c @ ('"' | '\\')) => Ok(c),
        Some('x') => {
            let digits: String = rest.take(2).collect();
            let byte = u8::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 2);
            let ascii = byte.filter(u8::is_ascii).map(char::from);
            ascii.ok_or_else(|| format!("\\x{digits} is not one of \\x00 to \\x7f"))
        }
        Some(c) => Err(format!("\\{c} is none of \\n \\r \\t \\b \\e \\xNN \\\" \\\\")),
        None => Err("the text has no closing quote".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Word {
        Word::Plain(text.to_owned())
    }

    #[test]
    fn words_and_texts_come_apart() {
        let words = split(r#"  wait screen "a \"b\" # c\n\x1b" within 5s # why"#).unwrap();
        let text = Word::Quoted("a \"b\" # c\n\u{1b}".to_owned());
        let want = [plain("wait"), plain("screen"), text, plain("within"), plain("5s")];
        assert_eq!(words, want);
        assert_eq!(split("# all of it").unwrap(), []);
        assert_eq!(split("").unwrap(), []);
    }

    #[test]
    fn what_is_no_text_is_told() {
        for (bad, told) in [
            ("type \"a", "closing quote"),
            ("type \"a\\", "closing quote"),
            ("type \"\\q\"", "\\q is none of"),
            ("type \"\\x1\"", "is not one of"),
            ("type \"\\x80\"", "is not one of"),
            ("type \"\\x\u{e9}1\"", "is not one of"),
        ] {
            let error = split(bad).unwrap_err();
            assert!(error.contains(told), "{bad}: {error}");
        }
    }
}
