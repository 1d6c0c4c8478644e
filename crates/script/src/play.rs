//! Plays a script on a guest.

use crate::step::{Action, Condition, Script, Step, Subject};
use ringer_input::OneLine;
use std::fmt;
use std::path::Path;
use std::time::Duration;

/// Between two looks at what is waited for, in the guest's time.
const POLL: Duration = Duration::from_millis(10);
/// From key to key: a BIOS keeps no more than 15 of them.
const KEYSTROKE: Duration = Duration::from_millis(25);
/// So many bytes of serial text that no step has found are looked through.
const SERIAL: usize = 1 << 20;

/// A machine, as its user has it. Nothing happens in it but by [`Guest::run_to`].
pub trait Guest {
    /// The host failed, or the user named what the machine does not have.
    type Error: fmt::Display;

    /// Nanoseconds of the guest's time.
    fn now(&self) -> u64;

    /// Runs until then. How it ended, if before: it will not run on.
    ///
    /// # Errors
    /// When the host fails.
    fn run_to(&mut self, ns: u64) -> Result<Option<Ended>, Self::Error>;

    /// The lines of its screen, from the top; none in a graphics mode.
    fn screen(&mut self) -> Vec<String>;

    /// What it sent by its first serial port since the last call.
    fn sent(&mut self) -> Vec<u8>;

    /// Types this character. False if the keyboard's layout does not have it.
    ///
    /// # Errors
    /// When the machine has no keyboard.
    fn type_char(&mut self, c: char) -> Result<bool, Self::Error>;

    /// Presses these keys one after the other, and releases them the other way round.
    ///
    /// # Errors
    /// When the machine has no keyboard, or not that key.
    fn press(&mut self, chord: &[String]) -> Result<(), Self::Error>;

    /// Puts the image `file` into `drive`.
    ///
    /// # Errors
    /// When there is no such drive, or it is none for such an image.
    fn insert(&mut self, drive: &str, file: &Path) -> Result<(), Self::Error>;

    /// Empties `drive`.
    ///
    /// # Errors
    /// When there is no such drive, or it cannot be emptied.
    fn eject(&mut self, drive: &str) -> Result<(), Self::Error>;

    /// Writes a picture of the screen.
    ///
    /// # Errors
    /// When the file cannot be written.
    fn screenshot(&mut self, file: &Path) -> Result<(), Self::Error>;

    /// Presses the power button.
    fn power_button(&mut self);

    /// Pulls the reset line.
    ///
    /// # Errors
    /// When what was booted cannot be booted again.
    fn reset(&mut self) -> Result<(), Self::Error>;
}

/// The guest's run is over, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended(pub String);

/// What became of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It came to its end; the machine may run on, unless its run is over.
    Played,
    /// `power off`.
    PoweredOff,
    /// A step failed.
    Failed(Failure),
    /// The run ended while the guest was only to run on, not to show anything.
    Ended,
}

/// A step that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The script's file.
    pub file: String,
    /// The step's line, from 1.
    pub line: u32,
    /// The step.
    pub step: String,
    /// What was wrong.
    pub problem: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, step, problem } = self;
        write!(f, "{}:{line}: {}: {}", OneLine(file), OneLine(step), OneLine(problem))
    }
}

/// How a step went, if not well.
enum Trouble {
    Failed(String),
    Ended,
    Off,
}

/// Plays a script.
#[derive(Debug)]
pub struct Player<'a, G> {
    guest: &'a mut G,
    /// What the guest sent and no step has found yet, its end.
    serial: Vec<u8>,
    ended: Option<Ended>,
}

impl<'a, G: Guest> Player<'a, G> {
    /// On this guest.
    pub fn new(guest: &'a mut G) -> Self {
        Self { guest, serial: Vec::new(), ended: None }
    }

    /// Plays it to its end, to the first step that fails, or to the end of the guest.
    pub fn play(mut self, script: &Script) -> Outcome {
        for step in &script.steps {
            let problem = match self.step(step) {
                Ok(()) => continue,
                Err(Trouble::Off) => return Outcome::PoweredOff,
                Err(Trouble::Ended) => return Outcome::Ended,
                Err(Trouble::Failed(problem)) => problem,
            };
            let (file, line, step) = (script.file.clone(), step.line, step.text.clone());
            return Outcome::Failed(Failure { file, line, step, problem });
        }
        Outcome::Played
    }

    fn step(&mut self, step: &Step) -> Result<(), Trouble> {
        let host = |error: G::Error| Trouble::Failed(error.to_string());
        match &step.action {
            Action::Wait(what, within) => self.wait(what, *within),
            Action::Expect(what) => match self.holds(what) {
                true => Ok(()),
                false => Err(Trouble::Failed(absent(what))),
            },
            Action::Type(text) => text.chars().try_for_each(|c| self.type_char(c)),
            Action::Press(chords) => chords.iter().try_for_each(|chord| {
                self.guest.press(chord).map_err(host)?;
                self.keystroke()
            }),
            Action::Insert { drive, file } => self.guest.insert(drive, file).map_err(host),
            Action::Eject(drive) => self.guest.eject(drive).map_err(host),
            Action::Sleep(time) => match self.run(*time)? {
                true => Ok(()),
                false => Err(Trouble::Ended),
            },
            Action::Screenshot(file) => self.guest.screenshot(file).map_err(host),
            Action::Reset => {
                self.ended = None;
                self.guest.reset().map_err(host)
            }
            Action::PowerButton => {
                self.guest.power_button();
                self.keystroke()
            }
            Action::PowerOff => Err(Trouble::Off),
        }
    }

    fn type_char(&mut self, c: char) -> Result<(), Trouble> {
        match self.guest.type_char(c) {
            Ok(true) => self.keystroke(),
            Ok(false) => {
                let problem = format!("no key of the layout types {c:?}; use press for keys");
                Err(Trouble::Failed(problem))
            }
            Err(error) => Err(Trouble::Failed(error.to_string())),
        }
    }

    /// Gives the guest time for a key.
    fn keystroke(&mut self) -> Result<(), Trouble> {
        // One that ends by the last key has got it all the same.
        self.run(KEYSTROKE).map(drop)
    }

    /// Lets the guest run for so long. False if its run is over before.
    fn run(&mut self, time: Duration) -> Result<bool, Trouble> {
        let to = self.guest.now().saturating_add(nanoseconds(time));
        self.run_to(to)
    }

    fn run_to(&mut self, ns: u64) -> Result<bool, Trouble> {
        if self.ended.is_none() {
            let ended = self.guest.run_to(ns);
            self.ended = ended.map_err(|error| Trouble::Failed(error.to_string()))?;
        }
        Ok(self.ended.is_none())
    }

    fn wait(&mut self, what: &Condition, within: Duration) -> Result<(), Trouble> {
        let last = self.guest.now().saturating_add(nanoseconds(within));
        // Each look is one look: a serial text that it finds is taken.
        while !self.holds(what) {
            let now = self.guest.now();
            if let Some(Ended(end)) = &self.ended {
                return Err(Trouble::Failed(format!("{} before the end: {end}", absent(what))));
            }
            if now >= last {
                return Err(Trouble::Failed(format!("{} within {within:?}", absent(what))));
            }
            self.run_to(last.min(now.saturating_add(nanoseconds(POLL))))?;
        }
        Ok(())
    }

    fn holds(&mut self, what: &Condition) -> bool {
        let found = match what.subject {
            Subject::Screen => self.guest.screen().iter().any(|line| line.contains(&what.text)),
            Subject::Serial => self.find_serial(&what.text, what.there),
        };
        found == what.there
    }

    /// Whether `text` came by the serial line. What is behind it is left for the next step, if it is to be `taken`.
    fn find_serial(&mut self, text: &str, taken: bool) -> bool {
        self.serial.extend(self.guest.sent());
        let found = self.serial.windows(text.len().max(1)).position(|part| part == text.as_bytes());
        if let Some(at) = found.filter(|_| taken) {
            self.serial.drain(..at + text.len());
        }
        let more = self.serial.len().saturating_sub(SERIAL);
        self.serial.drain(..more);
        found.is_some()
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// What is said of a condition that does not hold.
fn absent(what: &Condition) -> String {
    let (text, subject) = (&what.text, what.subject.name());
    match (what.there, what.subject) {
        (true, Subject::Screen) => format!("no line of the {subject} has {text:?}"),
        (true, Subject::Serial) => format!("the {subject} line did not bring {text:?}"),
        (false, Subject::Screen) => format!("a line of the {subject} has {text:?}"),
        (false, Subject::Serial) => format!("the {subject} line brought {text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows a text at a time, and notes what is done to it.
    #[derive(Default)]
    struct Fake {
        now: u64,
        /// When what comes on the screen.
        shows: Vec<(u64, &'static str)>,
        /// When what is sent.
        sends: Vec<(u64, &'static str)>,
        ends: Option<u64>,
        done: Vec<String>,
    }

    impl Fake {
        fn note(&mut self, what: String) -> Result<(), String> {
            self.done.push(format!("{} {what}", self.now / 1_000_000));
            Ok(())
        }
    }

    impl Guest for Fake {
        type Error = String;

        fn now(&self) -> u64 {
            self.now
        }

        fn run_to(&mut self, ns: u64) -> Result<Option<Ended>, String> {
            let end = self.ends.filter(|end| *end <= ns);
            self.now = end.unwrap_or(ns).max(self.now);
            Ok(end.map(|_| Ended("it powered off".to_owned())))
        }

        fn screen(&mut self) -> Vec<String> {
            let shown = self.shows.iter().filter(|(at, _)| *at <= self.now);
            shown.map(|(_, text)| (*text).to_owned()).collect()
        }

        fn sent(&mut self) -> Vec<u8> {
            let now = self.now;
            let due = self.sends.extract_if(.., |(at, _)| *at <= now);
            due.flat_map(|(_, text)| text.bytes()).collect()
        }

        fn type_char(&mut self, c: char) -> Result<bool, String> {
            self.note(format!("{c:?}"))?;
            Ok(c.is_ascii())
        }

        fn press(&mut self, chord: &[String]) -> Result<(), String> {
            self.note(chord.join("+"))
        }

        fn insert(&mut self, drive: &str, file: &Path) -> Result<(), String> {
            self.note(format!("{drive}={}", file.display()))
        }

        fn eject(&mut self, drive: &str) -> Result<(), String> {
            Err(format!("no drive is called {drive}"))
        }

        fn screenshot(&mut self, file: &Path) -> Result<(), String> {
            self.note(format!("{}", file.display()))
        }

        fn power_button(&mut self) {
            let _ = self.note("button".to_owned());
        }

        fn reset(&mut self) -> Result<(), String> {
            self.note("reset".to_owned())
        }
    }

    const MS: u64 = 1_000_000;

    fn play(guest: &mut Fake, text: &str) -> Outcome {
        let script = Script::parse("s", text, Path::new(""), &|_| true, &[]).unwrap();
        Player::new(guest).play(&script)
    }

    fn failure(guest: &mut Fake, text: &str) -> String {
        match play(guest, text) {
            Outcome::Failed(failure) => failure.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn steps_come_in_order_and_in_the_guests_time() {
        let mut guest = Fake { shows: vec![(35 * MS, "login: ")], ..Fake::default() };
        let script = "wait screen \"login:\" within 1s\ntype \"ab\"\npress ctrl-c enter\n\
                      insert fd a.img\nsleep 1s\nscreenshot a.png\nreset\npower button\npower off\nreset";
        assert_eq!(play(&mut guest, script), Outcome::PoweredOff);
        let want = [
            "40 'a'",
            "65 'b'",
            "90 ctrl+c",
            "115 enter",
            "140 fd=a.img",
            "1140 a.png",
            "1140 reset",
            "1140 button",
        ];
        assert_eq!(guest.done, want);
    }

    #[test]
    fn what_is_not_there_fails_with_the_line() {
        let mut guest = Fake { shows: vec![(0, "C:\\>")], ..Fake::default() };
        let told = failure(&mut guest, "\nwait screen \"A:\" within 20ms");
        assert_eq!(
            told,
            "s:2: wait screen \"A:\" within 20ms: no line of the screen has \"A:\" within 20ms"
        );
        assert_eq!(guest.now, 20 * MS, "to the end of the time and no further");
        assert!(failure(&mut guest, "expect screen \"A:\"").ends_with("has \"A:\""));
        assert_eq!(play(&mut guest, "expect screen \"C:\""), Outcome::Played);
        assert!(failure(&mut guest, "expect screen not \"C:\"").contains("a line of the screen"));
        assert!(failure(&mut guest, "eject cd").ends_with("no drive is called cd"));
        assert!(failure(&mut guest, "type \"é\"").contains("no key of the layout"));
    }

    #[test]
    fn serial_texts_are_found_one_behind_the_other() {
        let mut guest = Fake { sends: vec![(0, "one one"), (5 * MS, " two")], ..Fake::default() };
        let script = "sleep 1ms\nexpect serial \"one\"\nexpect serial \"one\"\nexpect serial not \"one\"\n\
                      wait serial \"two\" within 1s\nexpect serial not \"two\"";
        assert_eq!(play(&mut guest, script), Outcome::Played);
        let told = failure(&mut guest, "wait serial \"two\" within 1s");
        assert!(told.contains("did not bring \"two\" within 1s"), "{told}");
    }

    #[test]
    fn an_end_is_told_unless_what_it_left_is_enough() {
        let shows = || vec![(7 * MS, "Halted.")];
        let mut guest = Fake { shows: shows(), ends: Some(8 * MS), ..Fake::default() };
        assert_eq!(play(&mut guest, "wait screen \"Halted\"\nscreenshot a.png"), Outcome::Played);
        let told = failure(&mut guest, "wait screen \"Login\"");
        assert!(told.ends_with("before the end: it powered off"), "{told}");
        assert_eq!(play(&mut guest, "sleep 1s\nscreenshot b.png"), Outcome::Ended);
        let mut guest = Fake { sends: vec![(3 * MS, "x")], ends: Some(4 * MS), ..Fake::default() };
        assert_eq!(play(&mut guest, "wait serial \"x\""), Outcome::Played);
    }
}
