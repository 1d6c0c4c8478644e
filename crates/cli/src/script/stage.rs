//! The machine as a script has it.

use super::tap::Tap;
use crate::drives::Exchange;
use crate::error::CliError;
use crate::picture::Picture;
use ringer::{Key, Layout, Machine, Screen, Sinks, Stop, Until};
use ringer_script::{Ended, Failure, Guest, Outcome, Player, Script};
use std::collections::VecDeque;
use std::path::Path;

/// A script that is to be played, with the files that it writes.
#[derive(Debug)]
pub struct Playing {
    script: Script,
    tap: Tap,
    /// In the order of its steps.
    pictures: VecDeque<Picture>,
    /// What it puts into drives.
    exchange: Exchange,
    /// What its texts are typed on.
    layout: &'static Layout,
}

impl Playing {
    /// Looks whether the files that `script` writes can be written. Its images come by [`Playing::have`]; its texts are typed on a
    /// keyboard of `layout`.
    ///
    /// # Errors
    /// [`CliError::Create`] for the first that cannot.
    pub fn new(script: &Script, layout: &'static Layout) -> Result<Self, CliError> {
        let pictures: Result<_, _> = script.pictures().map(|path| Picture::create(path)).collect();
        let (script, tap, exchange) = (script.clone(), Tap::default(), Exchange::default());
        Ok(Self { script, tap, pictures: pictures?, exchange, layout })
    }

    /// These are the images that it puts into drives.
    pub fn have(&mut self, exchange: Exchange) {
        self.exchange = exchange;
    }

    /// `sinks` as the script is to hear of them.
    pub fn guard(&self, sinks: Sinks) -> Sinks {
        self.tap.on(sinks)
    }

    /// Plays the script on `machine`, each run of which ends `until` says, too. How the run ended, if it did; and the step
    /// that failed, if one did.
    ///
    /// # Errors
    /// When the host fails.
    pub fn play(
        &mut self,
        machine: &mut Machine,
        until: &dyn Fn() -> Until,
    ) -> Result<(Option<Stop>, Option<Failure>), CliError> {
        let Self { script, tap, pictures, exchange, layout } = self;
        let mut stage =
            Stage { machine, until, tap, pictures, exchange, layout, stop: None, error: None };
        let outcome = Player::new(&mut stage).play(script);
        if let Some(error) = stage.error {
            return Err(error);
        }
        Ok(match outcome {
            Outcome::Played | Outcome::Ended => (stage.stop, None),
            Outcome::PoweredOff => (Some(Stop::PowerOff), None),
            Outcome::Failed(failure) => (stage.stop.or(Some(Stop::GuestTime)), Some(failure)),
        })
    }
}

/// A machine that a script drives.
pub struct Stage<'a> {
    machine: &'a mut Machine,
    until: &'a dyn Fn() -> Until,
    tap: &'a Tap,
    pictures: &'a mut VecDeque<Picture>,
    exchange: &'a Exchange,
    layout: &'static Layout,
    /// How its last run ended, if not by time.
    stop: Option<Stop>,
    /// The host failed.
    error: Option<CliError>,
}

impl Guest for Stage<'_> {
    type Error = CliError;

    fn now(&self) -> u64 {
        self.machine.guest_time()
    }

    fn run_to(&mut self, ns: u64) -> Result<Option<Ended>, CliError> {
        match self.machine.run(&(self.until)().guest_time(ns)) {
            Ok(Stop::GuestTime) => Ok(None),
            Ok(stop) => Ok(Some(Ended(self.stop.insert(stop).to_string()))),
            Err(error) => {
                let ended = Ended(error.to_string());
                self.error = Some(error.into());
                Ok(Some(ended))
            }
        }
    }

    fn screen(&mut self) -> Vec<String> {
        match self.machine.screen() {
            Screen::Text(text) => text.lines(),
            Screen::Blank | Screen::Graphics(_) => Vec::new(),
        }
    }

    fn sent(&mut self) -> Vec<u8> {
        self.tap.take()
    }

    fn type_char(&mut self, c: char) -> Result<bool, CliError> {
        let Ok(keys) = self.layout.typed(c.encode_utf8(&mut [0; 4])) else { return Ok(false) };
        // A guest that does not read its keyboard misses keys, as on any PC.
        self.machine.send_keys(&keys);
        Ok(true)
    }

    fn press(&mut self, chord: &[String]) -> Result<(), CliError> {
        let keys: Vec<Key> = chord.iter().filter_map(|name| Key::named(name)).collect();
        self.machine.send_keys(&Key::chord(&keys));
        Ok(())
    }

    fn insert(&mut self, drive: &str, file: &Path) -> Result<(), CliError> {
        self.exchange.insert(self.machine, drive, file)
    }

    fn eject(&mut self, drive: &str) -> Result<(), CliError> {
        self.exchange.eject(self.machine, drive)
    }

    fn screenshot(&mut self, _file: &Path) -> Result<(), CliError> {
        let picture = self.machine.picture();
        self.pictures.pop_front().map_or(Ok(()), |file| file.write(&picture))
    }

    fn power_button(&mut self) {
        self.machine.handle().power_button();
    }

    fn reset(&mut self) -> Result<(), CliError> {
        self.stop = None;
        Ok(self.machine.reset()?)
    }
}
