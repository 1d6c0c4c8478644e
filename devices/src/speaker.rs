//! The speaker of a PC: a line of one bit, as the samples that a recorder would take of it.
//!
//! The problem: nobody wants to be called each time that the line moves. So samples are made when something is about to change
//! how the line moves, and some milliseconds after each other while it does; a line that rests costs nothing. Samples are a
//! function of the machine's time.

use crate::clock::SECOND;
use std::fmt;

/// Samples in a second.
pub const RATE: u64 = 44_100;
/// Nanoseconds of sound that are made at a time, and samples at most, when a deadline came late; what lies behind is silent.
const PIECE: u64 = 20_000_000;
const MOST: u64 = RATE;
/// Looks at the line for each sample.
const LOOKS: u64 = 8;
/// How loud it is, and how much of it is left after a sample of rest, of 65,536: a line that rests is silent, wherever it is.
const LOUD: i64 = 0x3000;
const LEFT: i64 = 65_208;

/// Where sound goes.
pub trait Sound: Send {
    /// Takes `samples`, of which the first is number `first` of [`RATE`] a second since the sound was connected. What lies
    /// between two calls is silent; a machine that goes back to an earlier time says its samples again. It is called on the
    /// thread that runs the machine, which waits.
    fn play(&mut self, first: u64, samples: &[i16]);
}

/// The speaker's end of the machine.
#[derive(Default)]
pub(crate) struct Speaker {
    sound: Option<Box<dyn Sound>>,
    /// The number, in samples since the machine's beginning, of the one that is 0 to the sound.
    base: u64,
    /// The next one to make.
    next: u64,
    /// The line as it was, and what is left of it, times 65,536.
    level: i64,
    rest: i64,
    moves: bool,
}

impl fmt::Debug for Speaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Speaker").field("moves", &self.moves).finish_non_exhaustive()
    }
}

/// The number of the sample that `now` is in.
fn sample(now: u64) -> u64 {
    now / SECOND * RATE + now % SECOND * RATE / SECOND
}

/// When look number `look` of sample `sample` is.
fn look(sample: u64, look: u64) -> u64 {
    let nth = sample % RATE * LOOKS + look;
    sample / RATE * SECOND + nth * SECOND / (RATE * LOOKS)
}

impl Speaker {
    /// From now on what it does goes to `sound`.
    pub(crate) fn connect(&mut self, sound: Box<dyn Sound>, now: u64) {
        let at = sample(now);
        *self = Speaker { sound: Some(sound), base: at, next: at, ..Speaker::default() };
    }

    /// Makes the samples up to `now` of a line that is where `line` says at each time in nanoseconds. They are asked for in
    /// their order.
    pub(crate) fn make(&mut self, now: u64, mut line: impl FnMut(u64) -> bool) {
        let (Some(sound), end) = (&mut self.sound, sample(now)) else { return };
        // A machine that went back to an earlier time begins there.
        self.next = self.next.min(end);
        if !self.moves {
            self.next = end;
            return;
        }
        let first = self.next;
        let mut samples = Vec::new();
        for at in first..end.min(first + MOST) {
            let high = (0..LOOKS).filter(|n| line(look(at, *n))).count();
            let level = i64::try_from(high).unwrap_or(0) * LOUD / 8;
            self.rest = ((self.rest + ((level - self.level) << 16)) * LEFT) >> 16;
            self.level = level;
            samples.push(i16::try_from(self.rest >> 16).unwrap_or(0));
        }
        self.next = end;
        if let (false, Some(first)) = (samples.is_empty(), first.checked_sub(self.base)) {
            sound.play(first, &samples);
        }
    }

    /// Whether the line moves by itself from now on, or has moved just now.
    pub(crate) fn moves(&mut self, by_itself: bool, level: bool) {
        let level = if level { LOUD } else { 0 };
        // One that rests is followed until nothing is heard of it any more.
        let heard = self.rest >> 16 != 0 && self.rest >> 16 != -1;
        self.moves = self.sound.is_some() && (by_itself || heard || level != self.level);
        if !self.moves {
            self.rest = 0;
        }
    }

    /// When it wants to be looked at again.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.moves.then(|| look(self.next, 0).saturating_add(PIECE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    type Played = Vec<(u64, Vec<i16>)>;

    #[derive(Clone, Default)]
    struct Heard(Arc<Mutex<Played>>);

    impl Sound for Heard {
        fn play(&mut self, first: u64, samples: &[i16]) {
            self.0.lock().unwrap().push((first, samples.to_vec()));
        }
    }

    #[test]
    fn a_line_that_moves_is_heard_and_one_that_rests_costs_nothing() {
        let (heard, mut speaker) = (Heard::default(), Speaker::default());
        speaker.connect(Box::new(heard.clone()), SECOND);
        speaker.moves(false, false);
        assert_eq!(speaker.deadline(), None);
        speaker.make(2 * SECOND, |_| false);
        speaker.moves(true, false);
        let mut now = 2 * SECOND;
        while now < 3 * SECOND {
            now = speaker.deadline().unwrap();
            // 1000 Hz.
            speaker.make(now, |ns| ns / 500_000 % 2 == 1);
        }
        speaker.moves(false, false);
        let mut silent = 0;
        while let Some(then) = speaker.deadline() {
            (now, silent) = (then, silent + 1);
            speaker.make(now, |_| false);
            speaker.moves(false, false);
        }
        assert!((1..20).contains(&silent), "it dies away: {silent}");
        let heard = heard.0.lock().unwrap();
        assert_eq!(heard[0].0, RATE, "a second after it was connected");
        let all: Vec<i16> = heard.iter().flat_map(|(_, samples)| samples.clone()).collect();
        let rises = all.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
        assert!((995..=1025).contains(&rises), "{rises}");
        assert!(all.iter().any(|sample| *sample > 4000) && all.iter().any(|s| *s < -4000));
    }

    #[test]
    fn what_one_call_makes_is_bounded() {
        let (heard, mut speaker) = (Heard::default(), Speaker::default());
        speaker.connect(Box::new(heard.clone()), 0);
        speaker.moves(true, true);
        speaker.make(u64::MAX, |_| true);
        assert_eq!(heard.0.lock().unwrap()[0].1.len() as u64, MOST);
    }

    #[test]
    fn looks_are_in_their_order_and_in_their_samples() {
        let mut last = 0;
        for at in (0..2000).chain(RATE * 9 - 5..RATE * 9 + 5) {
            for n in 0..LOOKS {
                let now = look(at, n);
                assert!(now >= last && (sample(now) == at || sample(now + 1) == at), "{at} {n}");
                last = now;
            }
        }
    }
}
