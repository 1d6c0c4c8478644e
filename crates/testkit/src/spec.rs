//! The description of a test: TOML, either the head of a source or a file of its own. The keys are those of
//! docs/test-suites.md.
//!
//! A key that is not among them is an error: a misspelt expectation must not pass.

use crate::mistake::Mistake;
use ringer_cpu::CpuModel;
use ringer_machine::{Engine, parse_size};
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::path::PathBuf;

/// The longest timeout, in seconds.
pub const LONGEST: f64 = 86_400.0;
/// Least and most memory, as `ringer run` has it.
const MEMORY: std::ops::RangeInclusive<u64> = (1 << 20)..=(3 << 30);

/// The highest port that four ports can begin at.
const LAST_PORT: u16 = 0xfffc;

/// How an image gets into the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Load {
    /// A Multiboot image.
    #[default]
    Multiboot,
    /// The same; a source becomes a raw binary whose header has the addresses.
    Flat,
    /// A raw ROM.
    Rom,
    /// A raw boot sector or disk image.
    BootSector,
    /// A Linux kernel (bzImage).
    Linux,
}

impl Load {
    /// The option of `ringer run` for it.
    #[must_use]
    pub fn option(self) -> &'static str {
        match self {
            Self::Multiboot | Self::Flat => "--multiboot",
            Self::Rom => "--rom",
            Self::BootSector => "--bootsector",
            Self::Linux => "--kernel",
        }
    }

    /// Whether it takes a command line and modules.
    #[must_use]
    pub fn takes_arguments(self) -> bool {
        matches!(self, Self::Multiboot | Self::Flat | Self::Linux)
    }
}

/// How a test must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// By a write to the debug-exit port.
    DebugExit,
    /// Switched off.
    #[serde(rename = "poweroff")]
    PowerOff,
    /// Reset.
    Reset,
    /// By a triple fault.
    TripleFault,
    /// By a halt that nothing can wake it from.
    DeadHalt,
    /// By a text of `pass-on`.
    PassOn,
    /// Not at all.
    Timeout,
    /// At `max-instructions`.
    InstructionLimit,
}

impl End {
    /// Its name in a [`crate::RunReport`].
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DebugExit => "debug-exit",
            Self::PowerOff => "poweroff",
            Self::Reset => "reset",
            Self::TripleFault => "triple-fault",
            Self::DeadHalt => "dead-halt",
            Self::PassOn => "pass-on",
            Self::Timeout => "timeout",
            Self::InstructionLimit => "instruction-limit",
        }
    }
}

/// A test's description; see docs/test-suites.md for what each key means.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Spec {
    pub title: Option<String>,
    pub tags: Vec<String>,
    pub skip: Option<String>,
    pub ignore: bool,
    pub requires: Vec<String>,
    pub load: Load,
    pub build: Option<String>,
    pub image: Option<PathBuf>,
    pub append: Option<String>,
    pub initrd: Vec<PathBuf>,
    pub symbols: Vec<PathBuf>,
    pub serial: Option<String>,
    pub serial_contains: Vec<String>,
    pub post: Option<Vec<u8>>,
    #[serde(deserialize_with = "lines")]
    pub screen: Option<Vec<String>>,
    #[serde(deserialize_with = "one_or_more")]
    pub screen_contains: Vec<String>,
    pub screenshot: Option<PathBuf>,
    pub script: Option<PathBuf>,
    #[serde(deserialize_with = "one_or_more")]
    pub pass_on: Vec<String>,
    #[serde(deserialize_with = "one_or_more")]
    pub fail_on: Vec<String>,
    pub debug_exit: Option<u32>,
    pub debug_exit_port: Option<u16>,
    pub skip_exit: Option<u32>,
    pub end: Option<End>,
    pub points: bool,
    pub reboot: bool,
    pub timeout: f64,
    pub retries: Option<u32>,
    pub max_instructions: Option<u64>,
    pub engines: Option<Vec<String>>,
    pub memory: String,
    pub cpu: String,
    pub clock: String,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            title: None,
            tags: Vec::new(),
            skip: None,
            ignore: false,
            requires: Vec::new(),
            load: Load::default(),
            build: None,
            image: None,
            append: None,
            initrd: Vec::new(),
            symbols: Vec::new(),
            serial: None,
            serial_contains: Vec::new(),
            post: None,
            screen: None,
            screen_contains: Vec::new(),
            screenshot: None,
            script: None,
            pass_on: Vec::new(),
            fail_on: Vec::new(),
            debug_exit: None,
            debug_exit_port: None,
            skip_exit: None,
            end: None,
            points: false,
            reboot: false,
            timeout: 10.0,
            retries: None,
            max_instructions: None,
            engines: None,
            memory: "32M".to_owned(),
            cpu: "pentium4".to_owned(),
            clock: "virtual".to_owned(),
        }
    }
}

/// A text, or a list of them.
fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Texts;
    impl<'de> Visitor<'de> for Texts {
        type Value = Vec<String>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("texts")
        }
        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(vec![text.to_owned()])
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut texts: A) -> Result<Self::Value, A::Error> {
            let mut all = Vec::new();
            while let Some(text) = texts.next_element()? {
                all.push(text);
            }
            Ok(all)
        }
    }
    deserializer.deserialize_any(Texts)
}

/// A text of several lines, or a list of them.
fn lines<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    let texts = one_or_more(deserializer)?;
    // An empty text is an empty line, which `str::lines` would leave out.
    let lines = texts.iter().flat_map(|text| text.strip_suffix('\n').unwrap_or(text).split('\n'));
    let lines = lines.map(|line| line.trim_end().to_owned());
    Ok(Some(lines.collect()))
}

/// What a key may be, for messages. Keys whose values are a few words are not here: the parser lists those.
fn allowed(key: &str) -> Option<&'static str> {
    Some(match key {
        "title" | "serial" | "append" => "a text",
        "skip" => "a text, the reason",
        "build" => "a text, a shell command",
        "image" | "screenshot" | "script" => "a text, a file",
        "tags" | "serial-contains" => "a list of texts",
        "screen" => "a text of lines, or a list of texts, the lines of the screen",
        "screen-contains" => "a text, or a list of texts, none of them empty",
        "pass-on" | "fail-on" => "a text, or a list of texts, none of them empty",
        "debug-exit-port" => "a number from 0 to 65532",
        "requires" => "a list of texts, programs",
        "initrd" | "symbols" => "a list of texts, files",
        "ignore" | "points" | "reboot" => "true or false",
        "post" => "a list of numbers from 0 to 255",
        "debug-exit" | "skip-exit" => "a number from 0 to 4294967295",
        "timeout" => "seconds, more than 0 and at most 86400",
        "retries" => "a number from 0 to 4294967295",
        "max-instructions" => "a number from 1 on",
        "engines" => "a list of \"bt\", \"interp\", \"lockstep\"",
        "memory" => "a text, 1M to 3G, such as \"64M\"",
        "cpu" => {
            "\"486\", \"pentium\", \"pentium3\", \"pentium4\", \"max\", \"host\", and features: \"max,-sse3\""
        }
        "clock" => "\"virtual\", \"real\"",
        _ => return None,
    })
}

impl Spec {
    /// Reads a description; `defaults` has the values of the keys that it does not have.
    ///
    /// # Errors
    /// What is wrong.
    pub fn parse(text: &str, defaults: &toml::Table) -> Result<Self, Mistake> {
        // By itself first, so that a mistake has its line.
        let own: Self = toml::from_str(text).map_err(|e| Mistake::of_toml(text, &e, allowed))?;
        own.check(text)?;
        if defaults.is_empty() {
            return Ok(own);
        }
        let mistake = |e: toml::de::Error| Mistake::of_toml(text, &e, allowed);
        let mut table: toml::Table = toml::from_str(text).map_err(mistake)?;
        for (key, value) in defaults {
            table.entry(key.clone()).or_insert_with(|| value.clone());
        }
        let merged: Self = table.try_into().map_err(mistake)?;
        merged.check(text)?;
        Ok(merged)
    }

    fn check(&self, text: &str) -> Result<(), Mistake> {
        let wrong =
            |key: &str, problem: &str| Err(Mistake::of_key(text, key, problem, allowed(key)));
        let contradiction = |key, with| Err(Mistake::of_key(text, key, with, None));
        if self.debug_exit.is_some() && self.end() != End::DebugExit {
            return contradiction("debug-exit", "contradicts the other end");
        }
        if self.pass_on.is_empty() && self.end() == End::PassOn {
            return contradiction("end", "\"pass-on\" needs the key pass-on");
        }
        for (key, texts) in [("pass-on", &self.pass_on), ("fail-on", &self.fail_on)] {
            if texts.iter().any(String::is_empty) {
                return wrong(key, "an empty text never comes");
            }
        }
        if self.screen_contains.iter().any(String::is_empty) {
            return wrong("screen-contains", "an empty text is always there");
        }
        if self.debug_exit_port.is_some_and(|port| port > LAST_PORT) {
            return wrong("debug-exit-port", "four ports do not begin there");
        }
        if self.reboot && matches!(self.end(), End::Reset | End::TripleFault) {
            return contradiction("reboot", "contradicts an end by reset or triple fault");
        }
        if self.append.is_some() && !self.load.takes_arguments() {
            return contradiction(
                "append",
                "goes with load = \"multiboot\", \"flat\" or \"linux\" only",
            );
        }
        if !self.initrd.is_empty() && !self.load.takes_arguments() {
            return contradiction(
                "initrd",
                "goes with load = \"multiboot\", \"flat\" or \"linux\" only",
            );
        }
        if self.load == Load::Linux && self.initrd.len() > 1 {
            return contradiction("initrd", "load = \"linux\" takes one only");
        }
        if !(self.timeout > 0.0 && self.timeout <= LONGEST) {
            return wrong("timeout", &format!("{} will not do", self.timeout));
        }
        if self.max_instructions == Some(0) {
            return wrong("max-instructions", "0 will not do");
        }
        if let Some(names) = &self.engines {
            if names.is_empty() {
                return wrong("engines", "the list is empty");
            }
            if let Some(name) = names.iter().find(|name| name.parse::<Engine>().is_err()) {
                return wrong("engines", &format!("'{name}' is no engine"));
            }
        }
        if let Err(error) = self.cpu.parse::<CpuModel>() {
            return wrong("cpu", &error.to_string());
        }
        if !parse_size(&self.memory).is_ok_and(|size| MEMORY.contains(&size)) {
            return wrong("memory", &format!("'{}' will not do", self.memory));
        }
        if !matches!(self.clock.as_str(), "virtual" | "real") {
            return wrong("clock", &format!("'{}' is no clock", self.clock));
        }
        Ok(())
    }

    /// The expected end.
    #[must_use]
    pub fn end(&self) -> End {
        let usual = match self {
            Self { debug_exit: Some(_), .. } => End::DebugExit,
            Self { pass_on, .. } if !pass_on.is_empty() => End::PassOn,
            Self { script: Some(_), .. } => End::PowerOff,
            _ => End::DebugExit,
        };
        self.end.unwrap_or(usual)
    }

    /// The engines to run it on: `others` where it names none.
    #[must_use]
    pub fn engines(&self, others: &[Engine]) -> Vec<Engine> {
        match &self.engines {
            Some(names) => names.iter().filter_map(|name| name.parse().ok()).collect(),
            None => others.to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Spec, Mistake> {
        Spec::parse(text, &toml::Table::new())
    }

    #[test]
    fn an_empty_description_expects_debug_exit_0_of_a_multiboot_image() {
        let spec = parse("").unwrap();
        assert_eq!((spec.end(), spec.load), (End::DebugExit, Load::Multiboot));
        assert_eq!(spec.engines(&[Engine::Interp]), [Engine::Interp]);
    }

    #[test]
    fn all_keys_are_understood() {
        let spec = parse(
            "title = 'x'\nload = 'linux'\nserial = \"a\\r\\n\"\nserial-contains = ['b']\n\
             post = [0x01, 2]\ndebug-exit = 3\nend = 'debug-exit'\nreboot = true\ntimeout = 2\n\
             max-instructions = 5\nengines = ['interp']\nmemory = '8M'\ncpu = '486'\n\
             clock = 'real'\ntags = ['a', 'b']\nskip = 'not now'\nignore = true\nrequires = ['nasm']\n\
             build = 'make'\nimage = 'x.elf'\nappend = 'a b'\ninitrd = ['m']\nsymbols = ['s']\n\
             skip-exit = 38\nscreen = ['a  ', 'b']\nscreen-contains = 'c'\nscreenshot = 'a.png'\nscript = 'b.script'\npass-on = 'x'\nfail-on = ['y', 'z']\ndebug-exit-port = 0x501\npoints = true\nretries = 2",
        );
        let spec = spec.unwrap();
        assert_eq!((spec.load, spec.retries), (Load::Linux, Some(2)));
        assert_eq!(spec.serial.as_deref(), Some("a\r\n"));
        assert_eq!(spec.post, Some(vec![1, 2]));
        assert_eq!((spec.debug_exit, spec.timeout, spec.reboot), (Some(3), 2.0, true));
        assert_eq!(spec.engines(&[Engine::Bt]), [Engine::Interp]);
        assert_eq!(spec.tags, ["a", "b"]);
        assert_eq!((&spec.pass_on[..], spec.fail_on.len()), (&["x".to_owned()][..], 2));
        assert_eq!(spec.screen, Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(spec.screen_contains, ["c"]);
        assert_eq!(parse("pass-on = 'x'").unwrap().end(), End::PassOn);
        assert_eq!(parse("script = 'x'").unwrap().end(), End::PowerOff);
        assert_eq!(parse("script = 'x'\ndebug-exit = 1").unwrap().end(), End::DebugExit);
        assert_eq!(parse("load = 'flat'").unwrap().load.option(), "--multiboot");
    }

    #[test]
    fn mistakes_are_told_in_one_line_with_key_and_place() {
        for (bad, line, key) in [
            ("seriall = 'x'", 1, "seriall"),
            ("title = 'x'\nload = 'tape'", 2, "load"),
            ("load = 'program'", 1, "load"),
            ("end = 'poweroff'\ndebug-exit = 0", 2, "debug-exit"),
            ("end = 'reset'\nreboot = true", 2, "reboot"),
            ("timeout = -1", 1, "timeout"),
            ("timeout = 'long'", 1, "timeout"),
            ("engines = ['bt', 'qemu']", 1, "engines"),
            ("engines = []", 1, "engines"),
            ("post = [256]", 1, "post"),
            ("title = ", 1, "title"),
            ("cpu = '386'", 1, "cpu"),
            ("\nmemory = '4G'", 2, "memory"),
            ("clock = 'sun'", 1, "clock"),
            ("load = 'rom'\nappend = 'x'", 2, "append"),
            ("max-instructions = 0", 1, "max-instructions"),
            ("fail-on = ''", 1, "fail-on"),
            ("screen-contains = ['']", 1, "screen-contains"),
            ("screen = 3", 1, "screen"),
            ("fail-on = 3", 1, "fail-on"),
            ("debug-exit-port = 65535", 1, "debug-exit-port"),
            ("end = 'pass-on'", 1, "end"),
        ] {
            let mistake = parse(bad).expect_err(bad);
            assert_eq!(mistake.line, Some(line), "{bad}: {mistake}");
            let message = mistake.message;
            assert!(message.starts_with(&format!("{key}: ")), "{message}");
            assert_eq!(message.lines().count(), 1, "{message}");
            assert!(!message.contains("u8") && !message.contains("f64"), "{message}");
        }
        let told = parse("load = 'program'").unwrap_err().message;
        for kind in ["multiboot", "flat", "rom", "bootsector", "linux"] {
            assert!(told.contains(&format!("'{kind}'")), "{told}");
        }
    }

    #[test]
    fn what_a_description_does_not_say_is_the_suites_default() {
        let defaults: toml::Table = toml::from_str("memory = '8M'\ntimeout = 3").unwrap();
        let spec = Spec::parse("timeout = 4", &defaults).unwrap();
        assert_eq!((spec.memory.as_str(), spec.timeout), ("8M", 4.0));
    }

    #[test]
    fn every_key_says_what_it_may_be() {
        // The names stand in the parser's message about one that there is not.
        let told = parse("none = 1").unwrap_err().message;
        let keys = told.rsplit_once("allowed: ").unwrap().1.split(", ");
        for key in keys.filter(|key| !matches!(*key, "load" | "end")) {
            assert!(allowed(key).is_some(), "{key}");
        }
    }
}
