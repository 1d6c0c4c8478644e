//! The way of pictures from the thread that runs the guest to the one that shows them.

use crate::damage::Damage;
use ringer_devices::Screen;
use ringer_devices::screen::Image;
use ringer_machine::{Glance, Onlooker, Profile};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What a view wants of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Pixels, always.
    Pixels,
    /// Characters where there are, and pixels elsewhere.
    Screen,
}

#[derive(Debug, Default)]
struct State {
    picture: Option<Arc<Image>>,
    screen: Option<Arc<Screen>>,
    /// What nobody has taken yet.
    damage: Damage,
    /// Something has come since the last taking.
    fresh: bool,
    /// Somebody wants to know when the screen has been looked at.
    asked: bool,
    looked: bool,
    numbers: Option<Arc<Numbers>>,
}

#[derive(Debug)]
struct Shared {
    wanted: Wanted,
    state: Mutex<State>,
    bell: OwnedFd,
    began: Instant,
    /// The machine's counters are wanted at the next look.
    counts: Arc<AtomicBool>,
}

/// The latest picture; clones are the same.
#[derive(Clone, Debug)]
pub struct Feed(Arc<Shared>);

/// What the machine had counted at a moment.
#[derive(Clone, Debug)]
pub struct Numbers {
    /// Seconds since the feed was made.
    pub seconds: f64,
    /// The counters.
    pub profile: Profile,
}

/// A picture that has come.
#[derive(Clone, Debug)]
pub struct News {
    /// The picture.
    pub picture: Arc<Image>,
    /// Where it differs from the one that was taken before.
    pub damage: Damage,
}

impl Feed {
    /// Nothing has come yet.
    ///
    /// # Errors
    /// When the host has no descriptor to give.
    pub fn new(wanted: Wanted) -> io::Result<Self> {
        let bell = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        let (state, began, counts) = (Mutex::default(), Instant::now(), Arc::default());
        Ok(Self(Arc::new(Shared { wanted, state, bell, began, counts })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who looks at the machine for this feed.
    #[must_use]
    pub fn onlooker(&self) -> Onlooker {
        let feed = self.clone();
        let mut first = true;
        let onlooker = Onlooker::new(move |glance| {
            if let Some(profile) = glance.counters() {
                let seconds = feed.0.began.elapsed().as_secs_f64();
                feed.lock().numbers = Some(Arc::new(Numbers { seconds, profile }));
            }
            if glance.screen_changed() || std::mem::take(&mut first) {
                feed.take_from(glance);
            }
            feed.has_looked();
        });
        onlooker.counting(Arc::clone(&self.0.counts))
    }

    /// The latest numbers; newer ones come with the next look.
    #[must_use]
    pub fn numbers(&self) -> Option<Arc<Numbers>> {
        self.0.counts.store(true, Ordering::Relaxed);
        self.lock().numbers.clone()
    }

    fn take_from(&self, glance: &mut Glance<'_>) {
        match self.0.wanted {
            Wanted::Pixels => self.put(glance.picture()),
            Wanted::Screen => self.put_screen(glance.screen()),
        }
    }

    /// A picture comes.
    pub fn put(&self, picture: Image) {
        let mut state = self.lock();
        let difference = match &state.picture {
            Some(old) => Damage::between(old, &picture),
            None => Damage::all(picture.width, picture.height),
        };
        // A write that changed no dot is nobody's business.
        if difference.is_empty() && state.picture.is_some() {
            return;
        }
        state.damage.add(&difference);
        state.picture = Some(Arc::new(picture));
        state.fresh = true;
        drop(state);
        self.ring();
    }

    fn put_screen(&self, screen: Screen) {
        let mut state = self.lock();
        if state.screen.as_deref() == Some(&screen) {
            return;
        }
        state.screen = Some(Arc::new(screen));
        state.fresh = true;
        drop(state);
        self.ring();
    }

    /// The screen was looked at, whatever was seen.
    pub fn has_looked(&self) {
        let mut state = self.lock();
        if std::mem::take(&mut state.asked) {
            state.looked = true;
            drop(state);
            self.ring();
        }
    }

    /// The bell is to ring when the screen has been looked at the next time, changed or not.
    pub fn ask(&self) {
        let mut state = self.lock();
        (state.asked, state.looked) = (true, false);
    }

    /// Whether it has been, since [`Feed::ask`]. Says so once.
    #[must_use]
    pub fn take_looked(&self) -> bool {
        std::mem::take(&mut self.lock().looked)
    }

    /// Wakes whoever waits for [`Feed::bell`].
    pub fn ring(&self) {
        // One that rings already needs no more.
        let _ = rustix::io::write(&self.0.bell, &1u64.to_ne_bytes());
    }

    /// What can be read when something has come.
    #[must_use]
    pub fn bell(&self) -> BorrowedFd<'_> {
        self.0.bell.as_fd()
    }

    /// The bell is silent again.
    pub fn quiet(&self) {
        let _ = rustix::io::read(&self.0.bell, &mut [0u8; 8]);
    }

    /// Takes the latest picture, if it has not been taken.
    #[must_use]
    pub fn take(&self) -> Option<News> {
        let mut state = self.lock();
        if !std::mem::take(&mut state.fresh) {
            return None;
        }
        let picture = state.picture.clone()?;
        let nothing = Damage::between(&picture, &picture);
        Some(News { picture, damage: std::mem::replace(&mut state.damage, nothing) })
    }

    /// Takes the latest screen, if it has not been taken.
    #[must_use]
    pub fn take_screen(&self) -> Option<Arc<Screen>> {
        let mut state = self.lock();
        let fresh = std::mem::take(&mut state.fresh);
        state.screen.clone().filter(|_| fresh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rings(feed: &Feed) -> bool {
        let bell = feed.bell();
        let mut fds = [rustix::event::PollFd::new(&bell, rustix::event::PollFlags::IN)];
        let now = rustix::time::Timespec { tv_sec: 0, tv_nsec: 0 };
        let rings = rustix::event::poll(&mut fds, Some(&now)).unwrap() > 0;
        feed.quiet();
        rings
    }

    #[test]
    fn what_changed_comes_once_and_what_did_not_never() {
        let feed = Feed::new(Wanted::Pixels).unwrap();
        assert!(feed.take().is_none() && !rings(&feed));
        feed.put(Image::black(720, 400));
        assert!(rings(&feed));
        assert_eq!(feed.take().unwrap().damage, Damage::all(720, 400));
        feed.put(Image::black(720, 400));
        assert!(!rings(&feed) && feed.take().is_none());
        let mut image = Image::black(720, 400);
        image.rgb[0] = 1;
        feed.put(image.clone());
        image.rgb[3 * 720 * 399] = 1;
        feed.put(image);
        let mut news = feed.take().unwrap();
        let rects = news.damage.take(&crate::Rect::of(720, 400));
        assert_eq!((rects.len(), feed.take().is_none()), (2, true), "both, in one");
    }
}
