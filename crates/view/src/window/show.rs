//! The thread that draws the screen in its window and passes on what is pressed there.

use super::grip::Grip;
use super::pane::Pane;
use crate::damage::Rect;
use crate::error::ViewError;
use crate::feed::{Feed, Wanted};
use crate::hands::Hands;
use crate::pace::Pace;
use crate::scale::{fitted, scaled};
use ringer_devices::Layout;
use ringer_devices::screen::Image;
use ringer_machine::Handle;
use ringer_sandbox::{Threads, spawn};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};
use x11rb::errors::ConnectionError;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{FocusOutEvent, NotifyMode, Visibility};

/// The window's size before anything is known of the guest's screen: that of a page of text.
const USUAL: (u16, u16) = (720, 400);
/// How long the thread may take to end: an X server that is stopped does not let it.
const PATIENCE: Duration = Duration::from_millis(300);
/// Buttons that a viewer of the screen can hold: three, and the wheel's two ways.
const BUTTONS: u8 = 5;
/// What [`Hands::nudge`] adds to a motion.
const STILL: i32 = 0x7fff;
/// What the window's name says while the mouse is the guest's.
const HELD: &str = "Ctrl-Alt lets the mouse go";

/// What the window is called, and what is pressed in it.
#[derive(Clone, Debug)]
pub struct Options {
    /// The machine's name.
    pub name: String,
    /// The keyboard on which characters are looked for.
    pub layout: &'static Layout,
}

/// A window, until it is dropped.
#[derive(Debug)]
pub struct Window {
    feed: Feed,
    options: Options,
    pane: Option<Pane>,
    over: Arc<AtomicBool>,
    ended: Option<Receiver<()>>,
}

impl Window {
    /// Opens it. It is black before [`Window::start`].
    ///
    /// # Errors
    /// [`ViewError::Window`] when no X server can be reached, or this one shows no such pictures.
    pub fn open(options: Options) -> Result<Self, ViewError> {
        let feed = Feed::new(Wanted::Pixels)
            .map_err(|source| ViewError::Host { what: "eventfd", source })?;
        let pane = Some(Pane::open(&options.name, USUAL)?);
        Ok(Self { feed, options, pane, over: Arc::default(), ended: None })
    }

    /// What is to look at the machine.
    #[must_use]
    pub fn feed(&self) -> &Feed {
        &self.feed
    }

    /// Shows the screen of the machine behind `handle` from now on. To close the window ends its run.
    ///
    /// # Errors
    /// When the host has no thread to give.
    pub fn start(&mut self, handle: Handle) -> Result<(), ViewError> {
        let Some(pane) = self.pane.take() else { return Ok(()) };
        let (sender, ended) = channel();
        let show = Show {
            pane,
            name: self.options.name.clone(),
            feed: self.feed.clone(),
            handle,
            hands: Hands::new(self.options.layout),
            grip: Grip::default(),
            buttons: 0,
            picture: Arc::new(Image::black(0, 0)),
            size: USUAL,
            wished: USUAL,
            seen: true,
            pace: Pace::new(Instant::now()),
        };
        let over = Arc::clone(&self.over);
        let named = thread::Builder::new().name("display".to_owned());
        let show = move || {
            show.run(&over);
            // Nobody waits for it where the run is over.
            let _ = sender.send(());
        };
        spawn(named, Threads::WINDOW, show)
            .map_err(|source| ViewError::Host { what: "a thread", source })?;
        self.ended = Some(ended);
        Ok(())
    }
}

impl Drop for Window {
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
    pane: Pane,
    name: String,
    feed: Feed,
    handle: Handle,
    hands: Hands,
    grip: Grip,
    /// Those that are held.
    buttons: u8,
    picture: Arc<Image>,
    /// The window's size, and the one that it was given last: as long as they are the same, it follows the picture's.
    size: (u16, u16),
    wished: (u16, u16),
    /// Something of the window can be seen.
    seen: bool,
    pace: Pace,
}

/// Whether to go on.
type Goes = Result<bool, ConnectionError>;

impl Show {
    fn run(mut self, over: &AtomicBool) {
        // A server that is gone, or has thrown us out, has closed the window, too.
        while !over.load(Ordering::SeqCst) && self.step().unwrap_or(false) {}
        self.hands.leave(&mut self.handle);
        if !over.load(Ordering::SeqCst) {
            self.handle.quit();
        }
    }

    fn step(&mut self) -> Goes {
        let (events, rung) = self.wait()?;
        let now = Instant::now();
        for event in &events {
            if !self.hear(event, now)? {
                return Ok(false);
            }
        }
        if rung {
            self.feed.quiet();
            if let Some(mut news) = self.feed.take() {
                self.pace.liven(now);
                let all = Rect::of(news.picture.width, news.picture.height);
                self.show(news.picture, &news.damage.take(&all))?;
            }
        }
        if self.seen && self.pace.due(now) <= now {
            self.pace.looked(now);
            self.handle.glance();
        }
        Ok(true)
    }

    /// Waits for something to do: what has happened to the window, and whether there is a picture.
    fn wait(&self) -> Result<(Vec<Event>, bool), ConnectionError> {
        // Some may have come while something was sent.
        let mut events = self.pane.events()?;
        let now = Instant::now();
        let left = match (events.is_empty(), self.seen) {
            (false, _) => Some(Duration::ZERO),
            (true, true) => Some(self.pace.due(now).saturating_duration_since(now)),
            (true, false) => None,
        };
        let timeout = left.map(|left| Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        });
        let (bell, socket) = (self.feed.bell(), self.pane.socket());
        let mut fds = [PollFd::new(&bell, PollFlags::IN), PollFd::new(&socket, PollFlags::IN)];
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(ConnectionError::IoError(errno.into())),
        }
        let rung = fds[0].revents().contains(PollFlags::IN);
        if !fds[1].revents().is_empty() {
            events.extend(self.pane.events()?);
        }
        Ok((events, rung))
    }

    fn hear(&mut self, event: &Event, now: Instant) -> Goes {
        match event {
            Event::KeyPress(key) => self.press(key.detail, u16::from(key.state), true)?,
            Event::KeyRelease(key) => self.press(key.detail, u16::from(key.state), false)?,
            Event::ButtonPress(button) => self.button(button.detail, true)?,
            Event::ButtonRelease(button) => self.button(button.detail, false)?,
            Event::MotionNotify(motion) => self.motion((motion.event_x, motion.event_y))?,
            Event::FocusOut(out) if is_left(out) => {
                self.let_go()?;
                self.hands.leave(&mut self.handle);
            }
            Event::Expose(part) => {
                let [x, y, width, height] =
                    [part.x, part.y, part.width, part.height].map(u32::from);
                self.draw(&Rect { x, y, width, height })?;
                return Ok(true);
            }
            Event::ConfigureNotify(window) => {
                self.is_sized((window.width, window.height))?;
                return Ok(true);
            }
            Event::VisibilityNotify(window) => {
                self.sees(window.state != Visibility::FULLY_OBSCURED);
            }
            Event::UnmapNotify(_) => self.sees(false),
            Event::MapNotify(_) => self.sees(true),
            event => return Ok(!self.pane.closes(event)),
        }
        self.pace.liven(now);
        Ok(true)
    }

    fn sees(&mut self, seen: bool) {
        self.seen = seen;
        self.pace.hurry();
    }

    fn press(&mut self, number: u8, held: u16, down: bool) -> Result<(), ConnectionError> {
        let key = self.pane.key(number, held);
        self.hands.code(key.code, key.symbol, down, &mut self.handle);
        if down && self.grip.is_tight() && self.hands.hold_ctrl_and_alt() {
            self.let_go()?;
        }
        Ok(())
    }

    /// A button. The first click is for the window: it gives the guest the mouse.
    fn button(&mut self, number: u8, down: bool) -> Result<(), ConnectionError> {
        if !self.grip.is_tight() {
            if down && number == 1 {
                self.grip.take(super::grip::middle(self.size));
                self.pane.name(&format!("{} - {HELD}", self.name))?;
                self.pane.hold(self.size)?;
            }
            return Ok(());
        }
        if (1..=BUTTONS).contains(&number) {
            let bit = 1 << (number - 1);
            self.buttons = if down { self.buttons | bit } else { self.buttons & !bit };
            self.nudge((0, 0));
        }
        Ok(())
    }

    fn motion(&mut self, at: (i16, i16)) -> Result<(), ConnectionError> {
        let Some(motion) = self.grip.moved(at, self.size) else { return Ok(()) };
        self.nudge(motion.way);
        if motion.back { self.pane.put_back(self.size) } else { Ok(()) }
    }

    fn nudge(&mut self, (right, down): (i32, i32)) {
        let told = |way: i32| {
            let told = way.saturating_add(STILL).clamp(0, i32::from(u16::MAX));
            u16::try_from(told).unwrap_or(u16::MAX)
        };
        self.hands.nudge(self.buttons, told(right), told(down), &mut self.handle);
    }

    fn let_go(&mut self) -> Result<(), ConnectionError> {
        if !self.grip.is_tight() {
            return Ok(());
        }
        self.buttons = 0;
        self.nudge((0, 0));
        self.grip.let_go();
        self.pane.name(&self.name)?;
        self.pane.free()
    }

    /// The window has that size.
    fn is_sized(&mut self, size: (u16, u16)) -> Result<(), ConnectionError> {
        if self.size == size {
            return Ok(());
        }
        self.size = size;
        self.draw_all()
    }

    /// There is a new picture, which differs from the last one in `parts`.
    fn show(&mut self, picture: Arc<Image>, parts: &[Rect]) -> Result<(), ConnectionError> {
        let known = (self.picture.width, self.picture.height);
        self.picture = picture;
        let new = (self.picture.width, self.picture.height);
        if known == new {
            return parts.iter().try_for_each(|part| self.draw(&self.shown(part)));
        }
        let wished = (u16::try_from(new.0), u16::try_from(new.1));
        if let (Ok(width @ 1..), Ok(height @ 1..)) = wished
            && self.size == self.wished
        {
            // As soon as it has that size all is drawn again.
            self.wished = (width, height);
            self.pane.resize(self.wished)?;
        }
        self.draw_all()
    }

    /// Where in the window the picture is.
    fn place(&self) -> Rect {
        let (across, down) = (u32::from(self.size.0), u32::from(self.size.1));
        let picture = (self.picture.width, self.picture.height);
        let (width, height) = fitted(picture, (across, down));
        Rect { x: (across - width) / 2, y: (down - height) / 2, width, height }
    }

    /// Where in the window a part of the picture is.
    fn shown(&self, part: &Rect) -> Rect {
        let place = self.place();
        let along = |from: u32, long: u32, of: u32, size: u32| {
            let (of, size) = (u64::from(of).max(1), u64::from(size));
            let first = u64::from(from) * size / of;
            let end = ((u64::from(from) + u64::from(long)) * size).div_ceil(of);
            let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
            (small(first), small(end.saturating_sub(first)))
        };
        let (x, width) = along(part.x, part.width, self.picture.width, place.width);
        let (y, height) = along(part.y, part.height, self.picture.height, place.height);
        Rect { x: place.x + x, y: place.y + y, width, height }
    }

    fn draw_all(&self) -> Result<(), ConnectionError> {
        self.pane.clear()?;
        self.draw(&Rect::of(u32::from(self.size.0), u32::from(self.size.1)))
    }

    /// Draws what is in a part of the window.
    fn draw(&self, part: &Rect) -> Result<(), ConnectionError> {
        let place = self.place();
        let common = |from: u32, long: u32, at: u32, size: u32| {
            let first = from.max(at);
            let end = from.saturating_add(long).min(at + size);
            (first, end.saturating_sub(first))
        };
        let (x, width) = common(part.x, part.width, place.x, place.width);
        let (y, height) = common(part.y, part.height, place.y, place.height);
        if width == 0 || height == 0 {
            return Ok(());
        }
        let of = Rect { x: x - place.x, y: y - place.y, width, height };
        let colours = scaled(&self.picture, (place.width, place.height), &of);
        self.pane.draw(&Rect { x, y, width, height }, &colours)
    }
}

/// Whether somebody types elsewhere from now on; that the keyboard is held, or free again, is no such thing.
fn is_left(out: &FocusOutEvent) -> bool {
    matches!(out.mode, NotifyMode::NORMAL | NotifyMode::WHILE_GRABBED)
}
