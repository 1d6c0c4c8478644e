//! From text to steps.

use crate::mistake::{Mistake, meant};
use crate::step::{Action, Condition, Script, Step, Subject};
use crate::words::{Word, split};
use std::path::Path;
use std::time::Duration;

/// The longest time that a step may take.
const LONGEST: Duration = Duration::from_secs(86_400);
/// How long a `wait` without `within` waits.
const USUAL: Duration = Duration::from_secs(30);
/// How often `press` may press at most.
const TIMES: usize = 1000;

/// Each step's first word, and how the whole is written.
const FORMS: [(&str, &str); 10] = [
    ("wait", "wait screen \"TEXT\" [within 5s], or wait serial \"TEXT\" [within 5s]"),
    ("expect", "expect screen \"TEXT\", or expect serial \"TEXT\""),
    ("type", "type \"TEXT\\n\""),
    ("press", "press KEY, as press ctrl-alt-delete, or several: press down down enter"),
    ("insert", "insert DRIVE \"FILE\", as insert floppy0 \"disk2.img\""),
    ("eject", "eject DRIVE, as eject cdrom"),
    ("sleep", "sleep TIME, as sleep 500ms or sleep 2s"),
    ("screenshot", "screenshot FILE.png"),
    ("reset", "reset"),
    ("power", "power off, or power button"),
];

fn form(first: &str) -> &'static str {
    FORMS.iter().find(|(word, _)| *word == first).map_or("", |(_, form)| form)
}

impl Script {
    /// Understands `text`, a script called `file`. `folder` is the one that the names of images start from, and
    /// `known` says whether the machine's keyboard has a key of that name; some of those names are `keys`.
    ///
    /// # Errors
    /// The first line that is none.
    pub fn parse(
        file: &str,
        text: &str,
        folder: &Path,
        known: &dyn Fn(&str) -> bool,
        keys: &[&str],
    ) -> Result<Self, Mistake> {
        let parser = Parser { folder, known, keys };
        let mut steps = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            let mistake = |problem| Mistake { file: file.to_owned(), line, problem };
            let words = split(text).map_err(mistake)?;
            let Some((first, rest)) = words.split_first() else { continue };
            let action = parser.action(first, rest).map_err(mistake)?;
            steps.push(Step { line, text: text.trim().to_owned(), action });
        }
        Ok(Self { file: file.to_owned(), steps })
    }
}

/// What names are understood by.
struct Parser<'a> {
    folder: &'a Path,
    known: &'a dyn Fn(&str) -> bool,
    keys: &'a [&'a str],
}

impl Parser<'_> {
    fn action(&self, first: &Word, rest: &[Word]) -> Result<Action, String> {
        let Word::Plain(verb) = first else {
            return Err("a step begins with a word, as wait or type".to_owned());
        };
        let action = match (verb.as_str(), rest) {
            ("wait", rest) => return wait(rest),
            ("expect", rest) => condition(rest).map(|(what, rest)| match rest {
                [] => Some(Action::Expect(what)),
                _ => None,
            })?,
            ("type", [Word::Quoted(text)]) => Some(Action::Type(text.clone())),
            ("press", keys) if !keys.is_empty() => return self.press(keys),
            ("insert", [Word::Plain(drive), file]) => {
                let file = self.folder.join(file.text());
                Some(Action::Insert { drive: drive.clone(), file })
            }
            ("eject", [Word::Plain(drive)]) => Some(Action::Eject(drive.clone())),
            ("sleep", [Word::Plain(time)]) => Some(Action::Sleep(duration(time)?)),
            ("screenshot", [file]) if !file.text().is_empty() => {
                Some(Action::Screenshot(file.text().into()))
            }
            ("reset", []) => Some(Action::Reset),
            ("power", [Word::Plain(off)]) if off == "off" => Some(Action::PowerOff),
            ("power", [Word::Plain(what)]) if what == "button" => Some(Action::PowerButton),
            _ => None,
        };
        action.ok_or_else(|| match form(verb) {
            "" => unknown(verb),
            form => format!("write {form}"),
        })
    }

    /// `press` and its chords; the last words may say how often.
    fn press(&self, words: &[Word]) -> Result<Action, String> {
        let (words, times) = match words {
            [words @ .., count, Word::Plain(times)] if times == "times" && !words.is_empty() => {
                let count = count.text().parse().ok().filter(|n| (1..=TIMES).contains(n));
                (words, count.ok_or_else(|| format!("press … N times: N is 1 to {TIMES}"))?)
            }
            words => (words, 1),
        };
        let chords: Result<Vec<_>, _> = words.iter().map(|word| self.chord(word)).collect();
        let chords = chords?;
        Ok(Action::Press(chords.iter().cycle().take(chords.len() * times).cloned().collect()))
    }

    /// Keys that are pressed together, joined by `-` or `+`; `-` alone is a key.
    fn chord(&self, word: &Word) -> Result<Vec<String>, String> {
        let text = word.text().to_ascii_lowercase();
        let (front, last) = match text.strip_suffix(['-', '+']) {
            Some("") => (&text[..0], Some(&text[..])),
            Some(front) if front.ends_with(['-', '+']) => {
                (&front[..front.len() - 1], Some(&text[text.len() - 1..]))
            }
            _ => (&text[..], None),
        };
        let keys = front.split(['-', '+']).filter(|_| !front.is_empty()).chain(last);
        keys.map(|key| if (self.known)(key) { Ok(key.to_owned()) } else { Err(self.no_key(key)) })
            .collect()
    }

    fn no_key(&self, key: &str) -> String {
        match meant(key, self.keys) {
            Some(name) => format!("there is no key {key:?}; write {name}"),
            None => format!("there is no key {key:?}; keys are {}", self.keys.join(" ")),
        }
    }
}

fn unknown(verb: &str) -> String {
    let verbs = FORMS.map(|(word, _)| word);
    match meant(verb, &verbs) {
        Some(near) => format!("there is no step {verb:?}; write {}", form(near)),
        None => format!("there is no step {verb:?}; steps are {}", verbs.join(", ")),
    }
}

fn wait(words: &[Word]) -> Result<Action, String> {
    let (what, rest) = condition(words)?;
    let within = match rest {
        [] => USUAL,
        [Word::Plain(within), Word::Plain(time)] if within == "within" => duration(time)?,
        _ => return Err(format!("write {}", form("wait"))),
    };
    Ok(Action::Wait(what, within))
}

/// What is waited for or expected, and the words behind it.
fn condition(words: &[Word]) -> Result<(Condition, &[Word]), String> {
    const FORM: &str = "write screen \"TEXT\" or serial \"TEXT\" (or screen not \"TEXT\")";
    let (subject, rest) = match words {
        [Word::Plain(word), rest @ ..] if word == "screen" => (Subject::Screen, rest),
        [Word::Plain(word), rest @ ..] if word == "serial" => (Subject::Serial, rest),
        _ => return Err(FORM.to_owned()),
    };
    let (there, rest) = match rest {
        [Word::Plain(not), rest @ ..] if not == "not" => (false, rest),
        rest => (true, rest),
    };
    match rest {
        [Word::Quoted(text), rest @ ..] if !text.is_empty() => {
            Ok((Condition { subject, text: text.clone(), there }, rest))
        }
        [Word::Quoted(_), ..] => Err("an empty text is always there; write one".to_owned()),
        [Word::Plain(word), ..] => Err(format!("a text stands in quotes: write \"{word}\"")),
        [] => Err(FORM.to_owned()),
    }
}

/// `500ms`, `2s`, `1.5s`, `3m`.
fn duration(text: &str) -> Result<Duration, String> {
    let told = || format!("{text:?} is no time; write one as 500ms, 2s or 3m");
    let at = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(told)?;
    let (number, unit) = text.split_at(at);
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" | "min" => 60.0,
        _ => return Err(told()),
    };
    let number: f64 = number.parse().map_err(|_| told())?;
    let time = Duration::try_from_secs_f64(number * seconds).map_err(|_| told())?;
    if time > LONGEST {
        return Err(format!("{text} is more than a day"));
    }
    Ok(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    const KEYS: [&str; 6] = ["ctrl", "alt", "delete", "down", "enter", "-"];

    fn parse(text: &str) -> Result<Vec<Step>, Mistake> {
        let known = |key: &str| KEYS.contains(&key);
        let script = Script::parse("boot.script", text, Path::new("media"), &known, &KEYS)?;
        Ok(script.steps)
    }

    fn action(text: &str) -> Action {
        let mut steps = parse(text).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(steps.len(), 1, "{text}");
        steps.remove(0).action
    }

    fn on(subject: Subject, text: &str, there: bool) -> Condition {
        Condition { subject, text: text.to_owned(), there }
    }

    #[test]
    fn every_form_is_understood() {
        let (screen, serial) = (Subject::Screen, Subject::Serial);
        let seconds = Duration::from_secs;
        for (text, want) in [
            ("wait screen \"GNU GRUB\"", Action::Wait(on(screen, "GNU GRUB", true), USUAL)),
            ("wait serial \"a\" within 1.5s", Action::Wait(on(serial, "a", true), seconds(3) / 2)),
            ("wait screen not \"a\"", Action::Wait(on(screen, "a", false), USUAL)),
            ("expect screen \"a\"", Action::Expect(on(screen, "a", true))),
            ("expect serial not \"a\"", Action::Expect(on(serial, "a", false))),
            ("type \"root\\n\"", Action::Type("root\n".to_owned())),
            ("eject cdrom", Action::Eject("cdrom".to_owned())),
            ("sleep 500ms", Action::Sleep(Duration::from_millis(500))),
            ("sleep 2m", Action::Sleep(seconds(120))),
            ("screenshot \"a b.png\"", Action::Screenshot(PathBuf::from("a b.png"))),
            ("reset", Action::Reset),
            ("power button", Action::PowerButton),
            ("power off  # the end", Action::PowerOff),
        ] {
            assert_eq!(action(text), want, "{text}");
        }
        let file = PathBuf::from("media/b.img");
        assert_eq!(
            action("insert floppy0 b.img"),
            Action::Insert { drive: "floppy0".to_owned(), file }
        );
    }

    #[test]
    fn chords_are_keys_together() {
        let keys = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        let three = Action::Press(vec![keys(&["ctrl", "alt", "delete"])]);
        assert_eq!(action("press Ctrl-Alt-Delete"), three);
        assert_eq!(action("press ctrl+alt+delete"), three);
        assert_eq!(
            action("press - ctrl--"),
            Action::Press(vec![keys(&["-"]), keys(&["ctrl", "-"])])
        );
        let down = || keys(&["down"]);
        assert_eq!(action("press down 3 times"), Action::Press(vec![down(), down(), down()]));
    }

    #[test]
    fn a_mistake_names_the_line_and_what_to_write() {
        for (bad, told) in [
            ("wiat screen \"a\"", "there is no step \"wiat\"; write wait screen"),
            ("dance", "steps are wait, expect"),
            ("\"wait\"", "begins with a word"),
            ("wait screen", "write screen \"TEXT\""),
            ("wait screen login", "write \"login\""),
            ("wait screen \"\"", "empty text"),
            ("wait screen \"a\" in 5s", "[within 5s]"),
            ("wait screen \"a\" within 5", "is no time"),
            ("expect screen \"a\" within 5s", "write expect"),
            ("sleep 5h", "is no time"),
            ("sleep -1s", "is no time"),
            ("sleep infs", "is no time"),
            ("sleep 2000m", "more than a day"),
            ("press", "write press KEY"),
            ("press ctrl-alt-delet", "no key \"delet\"; write delete"),
            ("press hyper", "keys are ctrl alt"),
            ("press down 0 times", "1 to 1000"),
            ("type hello", "write type \"TEXT"),
            ("power", "write power off"),
            ("insert floppy0", "write insert DRIVE"),
            ("type \"a", "closing quote"),
        ] {
            let mistake = parse(&format!("# one\n\n{bad}")).expect_err(bad);
            assert_eq!(mistake.line, 3, "{mistake}");
            let line = mistake.to_string();
            assert!(line.starts_with("boot.script:3: ") && line.contains(told), "{line}");
            assert_eq!(line.lines().count(), 1, "{line}");
        }
    }
}
