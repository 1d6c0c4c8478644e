//! The description of a test: TOML, either the `#!` lines at the head of an assembler source or a
//! file next to an image.
//!
//! | key | meaning | if absent |
//! | --- | --- | --- |
//! | `title` | what it checks, for people | the file's name |
//! | `load` | `"multiboot"`, `"flat"` (the same), `"rom"`, `"bootsector"` | `"multiboot"` |
//! | `serial` | the exact text on the first serial port | anything |
//! | `serial-contains` | texts that must appear there, in this order | none |
//! | `post` | the exact bytes written to port 80h | anything |
//! | `debug-exit` | the value written to port F4h (implies `end = "debug-exit"`) | 0 |
//! | `end` | `"debug-exit"`, `"poweroff"`, `"reset"`, `"triple-fault"`, `"timeout"`, `"instruction-limit"` | `"debug-exit"` |
//! | `reboot` | `true`: a reset or triple fault does not end the run but starts the processor again | `false` |
//! | `timeout` | seconds | 10 |
//! | `max-instructions` | the limit of instructions | none |
//! | `engines` | of `"bt"`, `"interp"`, `"lockstep"` | all three |
//! | `memory` | as `-m` takes it | `"32M"` |
//! | `cpu` | as `--cpu` takes it | `"pentium4"` |
//! | `clock` | `"virtual"` or `"real"` | `"virtual"` |
//!
//! A key that is not in this table is an error: a misspelt expectation must not pass.

use ringer_machine::Engine;
use serde::Deserialize;

/// How an image gets into the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Load {
    /// A Multiboot 1 image, ELF or flat.
    #[default]
    #[serde(alias = "flat")]
    Multiboot,
    /// A raw ROM.
    Rom,
    /// A raw boot sector.
    BootSector,
}

impl Load {
    /// The option of `ringer run` for it.
    #[must_use]
    pub fn option(self) -> &'static str {
        match self {
            Self::Multiboot => "--multiboot",
            Self::Rom => "--rom",
            Self::BootSector => "--bootsector",
        }
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
            Self::Timeout => "timeout",
            Self::InstructionLimit => "instruction-limit",
        }
    }
}

/// A test's description; see the module's table.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Spec {
    pub title: Option<String>,
    pub load: Load,
    pub serial: Option<String>,
    pub serial_contains: Vec<String>,
    pub post: Option<Vec<u8>>,
    pub debug_exit: Option<u32>,
    pub end: Option<End>,
    pub reboot: bool,
    pub timeout: f64,
    pub max_instructions: Option<u64>,
    pub engines: Vec<String>,
    pub memory: String,
    pub cpu: String,
    pub clock: String,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            title: None,
            load: Load::default(),
            serial: None,
            serial_contains: Vec::new(),
            post: None,
            debug_exit: None,
            end: None,
            reboot: false,
            timeout: 10.0,
            max_instructions: None,
            engines: ["bt", "interp", "lockstep"].map(str::to_owned).to_vec(),
            memory: "32M".to_owned(),
            cpu: "pentium4".to_owned(),
            clock: "virtual".to_owned(),
        }
    }
}

impl Spec {
    /// Reads a description.
    ///
    /// # Errors
    /// One line that says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let spec: Self = toml::from_str(text).map_err(|e| one_line(&e))?;
        if spec.debug_exit.is_some() && spec.end() != End::DebugExit {
            return Err("debug-exit contradicts the other end".to_owned());
        }
        if spec.reboot && matches!(spec.end(), End::Reset | End::TripleFault) {
            return Err("reboot contradicts an end by reset or triple fault".to_owned());
        }
        if !(spec.timeout > 0.0 && spec.timeout <= 3600.0) {
            return Err("timeout must be more than 0 and at most 3600 seconds".to_owned());
        }
        spec.engines()?;
        Ok(spec)
    }

    /// The expected end.
    #[must_use]
    pub fn end(&self) -> End {
        self.end.unwrap_or(End::DebugExit)
    }

    /// The engines to run it on.
    ///
    /// # Errors
    /// When a name is no engine's, or there is none.
    pub fn engines(&self) -> Result<Vec<Engine>, String> {
        if self.engines.is_empty() {
            return Err("engines is empty".to_owned());
        }
        self.engines
            .iter()
            .map(|name| name.parse().map_err(|_| format!("'{name}' is no engine")))
            .collect()
    }
}

fn one_line(error: &toml::de::Error) -> String {
    error.message().lines().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_description_expects_debug_exit_0_on_all_engines() {
        let spec = Spec::parse("").unwrap();
        assert_eq!((spec.end(), spec.load), (End::DebugExit, Load::Multiboot));
        assert_eq!(spec.engines().unwrap().len(), 3);
    }

    #[test]
    fn all_keys_are_understood() {
        let spec = Spec::parse(
            "title = 'x'\nload = 'bootsector'\nserial = \"a\\r\\n\"\nserial-contains = ['b']\n\
             post = [0x01, 2]\ndebug-exit = 3\nend = 'debug-exit'\nreboot = true\ntimeout = 2\n\
             max-instructions = 5\nengines = ['interp']\nmemory = '8M'\ncpu = '486'\n\
             clock = 'real'",
        );
        let spec = spec.unwrap();
        assert_eq!(spec.load, Load::BootSector);
        assert_eq!(spec.serial.as_deref(), Some("a\r\n"));
        assert_eq!(spec.post, Some(vec![1, 2]));
        assert_eq!((spec.debug_exit, spec.timeout, spec.reboot), (Some(3), 2.0, true));
        assert_eq!(spec.engines().unwrap(), [Engine::Interp]);
        assert_eq!(Spec::parse("load = 'flat'").unwrap().load, Load::Multiboot);
    }

    #[test]
    fn mistakes_are_told_in_one_line() {
        for bad in [
            "seriall = 'x'",
            "load = 'tape'",
            "end = 'poweroff'\ndebug-exit = 0",
            "end = 'reset'\nreboot = true",
            "timeout = -1",
            "engines = ['qemu']",
            "engines = []",
            "post = [256]",
            "title = ",
        ] {
            let error = Spec::parse(bad).expect_err(bad);
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }
}
