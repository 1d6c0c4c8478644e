//! The thread that draws the screen in a terminal and passes on what is typed there.

use super::colours::Depth;
use super::grid::Grid;
use super::hearing::{Answers, Ear, QUESTIONS, press};
use super::paint::Painter;
use super::sixel;
use crate::error::ViewError;
use crate::feed::{Feed, Wanted};
use crate::pace::Pace;
use ringer_devices::{Layout, Screen};
use ringer_machine::Handle;
use ringer_sandbox::{Threads, spawn};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::{Errno, read, write};
use rustix::termios::tcgetwinsize;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// An Esc that nothing follows for so long is the key.
const ALONE: Duration = Duration::from_millis(40);
/// How long the thread may take to end: a terminal that nobody reads does not let it.
const PATIENCE: Duration = Duration::from_millis(300);
/// Bytes read at a time.
const PIECE: usize = 1024;
/// The size of a terminal that does not say it.
const USUAL: (u16, u16) = (80, 24);

/// How the screen is drawn, and what is typed.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The terminal's colours.
    pub depth: Depth,
    /// The keyboard on which characters are looked for.
    pub layout: &'static Layout,
    /// The byte that announces a command of ours, and its name.
    pub escape: Option<u8>,
    /// What is said of the commands, a line each.
    pub help: &'static [&'static str],
}

/// Draws until it is dropped.
#[derive(Debug)]
pub struct Terminal {
    feed: Feed,
    options: Options,
    over: Arc<AtomicBool>,
    ended: Option<Receiver<()>>,
}

impl Terminal {
    /// Nothing is drawn before [`Terminal::start`].
    ///
    /// # Errors
    /// When the host has no descriptor to give.
    pub fn new(options: Options) -> Result<Self, ViewError> {
        let feed = Feed::new(Wanted::Screen)
            .map_err(|source| ViewError::Host { what: "eventfd", source })?;
        Ok(Self { feed, options, over: Arc::default(), ended: None })
    }

    /// What is to look at the machine.
    #[must_use]
    pub fn feed(&self) -> &Feed {
        &self.feed
    }

    /// Draws the screen of the machine behind `handle` on standard output from now on, and hears standard input. The terminal is raw
    /// and its other screen is shown: who called this has seen to it, and sees to its end.
    ///
    /// # Errors
    /// When the host has no descriptor or no thread to give.
    pub fn start(&mut self, handle: Handle) -> Result<(), ViewError> {
        let failed = |what| move |source| ViewError::Host { what, source };
        let input = io::stdin().as_fd().try_clone_to_owned().map_err(failed("the terminal"))?;
        let output = io::stdout().as_fd().try_clone_to_owned().map_err(failed("the terminal"))?;
        let (sender, ended) = channel();
        let screen = Show {
            input,
            output,
            feed: self.feed.clone(),
            handle,
            ear: Ear::new(self.options.layout),
            painter: Painter::new(self.options.depth),
            options: self.options,
            screen: Arc::new(Screen::Blank),
            size: (0, 0),
            pace: Pace::new(Instant::now()),
            asked: false,
            escaped: false,
            helping: false,
        };
        let over = Arc::clone(&self.over);
        let named = thread::Builder::new().name("display".to_owned());
        let show = move || {
            screen.run(&over);
            // Nobody waits for it where the run is over.
            let _ = sender.send(());
        };
        spawn(named, Threads::VIEW, show).map_err(failed("a thread"))?;
        self.ended = Some(ended);
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        self.feed.ring();
        if let Some(ended) = self.ended.take() {
            let _ = ended.recv_timeout(PATIENCE);
        }
    }
}

/// The thread's own.
struct Show {
    input: OwnedFd,
    output: OwnedFd,
    feed: Feed,
    handle: Handle,
    ear: Ear,
    painter: Painter,
    options: Options,
    screen: Arc<Screen>,
    size: (u16, u16),
    pace: Pace,
    /// The terminal was asked what it can do: when there was a picture for the first time.
    asked: bool,
    /// The key that announces a command has come.
    escaped: bool,
    helping: bool,
}

impl Show {
    fn run(mut self, over: &AtomicBool) {
        let mut heard = true;
        while !over.load(Ordering::SeqCst) {
            let now = Instant::now();
            let (typed, rung) = match self.wait(now, heard) {
                Ok(ready) => ready,
                Err(Errno::INTR) => continue,
                Err(_) => return,
            };
            let now = Instant::now();
            if typed {
                heard = self.hear(now);
            } else if self.ear.waits() {
                let keys = self.ear.end();
                self.type_keys(&keys, now);
            }
            if rung {
                self.feed.quiet();
                if let Some(screen) = self.feed.take_screen() {
                    self.screen = screen;
                    self.pace.liven(now);
                    self.draw();
                }
            }
            self.look(now);
        }
    }

    /// Waits for something to do: whether something was typed, and whether something has changed.
    fn wait(&self, now: Instant, hears: bool) -> Result<(bool, bool), Errno> {
        let due = self.pace.due(now).saturating_duration_since(now);
        let left = if self.ear.waits() { due.min(ALONE) } else { due };
        let seconds = i64::try_from(left.as_secs()).unwrap_or(i64::MAX);
        let timeout = Timespec { tv_sec: seconds, tv_nsec: left.subsec_nanos().into() };
        let bell = self.feed.bell();
        let typing = if hears { PollFlags::IN } else { PollFlags::empty() };
        let mut fds = [PollFd::new(&bell, PollFlags::IN), PollFd::new(&self.input, typing)];
        poll(&mut fds, Some(&timeout))?;
        Ok((hears && !fds[1].revents().is_empty(), fds[0].revents().contains(PollFlags::IN)))
    }

    /// Takes what was typed. False at the end.
    fn hear(&mut self, now: Instant) -> bool {
        let mut bytes = [0; PIECE];
        let len = match read(&self.input, &mut bytes) {
            Ok(0) => return false,
            Ok(len) => len.min(PIECE),
            Err(Errno::AGAIN | Errno::INTR) => return true,
            Err(_) => return false,
        };
        let mut keys = Vec::new();
        let known = self.ear.answers;
        for byte in &bytes[..len] {
            if std::mem::take(&mut self.escaped) {
                keys.extend(self.command(*byte));
            } else if Some(*byte) == self.options.escape && !self.ear.waits() {
                self.escaped = true;
            } else {
                keys.extend(self.ear.hear(*byte));
            }
            if std::mem::take(&mut self.helping) {
                self.draw();
            }
        }
        if self.escaped {
            // What the keys are is there to be read while the next one is thought about.
            self.helping = true;
            self.draw();
        }
        self.type_keys(&keys, now);
        if self.ear.answers != known {
            self.draw();
        }
        true
    }

    /// What a key behind the one that announces it asks for.
    fn command(&mut self, byte: u8) -> Vec<u8> {
        let escape = self.options.escape;
        match byte.to_ascii_lowercase() {
            b'x' => self.handle.quit(),
            b'd' => return press("delete", &["leftctrl", "leftalt"]),
            b'r' => self.handle.reset(),
            b'p' => self.handle.power_button(),
            b'l' => {
                self.painter.forget();
                self.draw();
            }
            b'a' => return escape.map_or_else(Vec::new, |byte| self.ear.hear(byte)),
            _ if Some(byte) == escape => return self.ear.hear(byte),
            _ => {}
        }
        Vec::new()
    }

    fn type_keys(&mut self, keys: &[u8], now: Instant) {
        if !keys.is_empty() {
            // What finds no room is lost, as on any keyboard that nobody reads.
            self.handle.whole_key_input(keys);
            self.pace.liven(now);
        }
    }

    /// Looks at the screen if it is time, and at the terminal's size.
    fn look(&mut self, now: Instant) {
        if self.pace.due(now) > now {
            return;
        }
        self.pace.looked(now);
        self.handle.glance();
        if self.terminal_size() != self.size {
            self.draw();
        }
    }

    fn terminal_size(&self) -> (u16, u16) {
        match tcgetwinsize(&self.output) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col, size.ws_row),
            _ => USUAL,
        }
    }

    /// Dots that a picture may have: not those of the last row, which would roll up.
    fn room(&self) -> Option<(u32, u32)> {
        let Answers { sixels, place } = self.ear.answers;
        let size =
            tcgetwinsize(&self.output).ok().filter(|size| size.ws_xpixel > 0 && size.ws_ypixel > 0);
        let (columns, rows) = (u32::from(self.size.0), u32::from(self.size.1));
        let place = size.map_or(place, |size| {
            Some((u32::from(size.ws_xpixel) / columns, u32::from(size.ws_ypixel) / rows))
        });
        let (across, down) = place.filter(|_| sixels)?;
        Some((columns * across, rows.saturating_sub(1) * down))
    }

    /// What draws the screen as dots, if it is a picture and the terminal can.
    fn picture(&mut self) -> Option<Vec<u8>> {
        let screen = Arc::clone(&self.screen);
        let Screen::Graphics(image) = &*screen else { return None };
        if !std::mem::replace(&mut self.asked, true) {
            self.send(QUESTIONS);
        }
        let room = self.room().filter(|_| !self.helping)?;
        let sixels = sixel::encode(image, room);
        if sixels.is_empty() {
            return None;
        }
        Some(self.painter.picture((image.width, image.height), self.size, &sixels))
    }

    fn draw(&mut self) {
        self.size = self.terminal_size();
        if let Some(out) = self.picture() {
            return self.send(&out);
        }
        let mut grid = Grid::of(&self.screen, self.size.0, self.size.1);
        if self.helping {
            grid.put_lines(self.options.help);
        }
        let out = self.painter.draw(&grid);
        self.send(&out);
    }

    fn send(&self, bytes: &[u8]) {
        let mut left = bytes;
        while !left.is_empty() {
            match write(&self.output, left) {
                Ok(0) => return,
                Ok(len) => left = left.get(len..).unwrap_or(&[]),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    let mut fds = [PollFd::new(&self.output, PollFlags::OUT)];
                    let _ = poll(&mut fds, None);
                }
                Err(_) => return,
            }
        }
    }
}
