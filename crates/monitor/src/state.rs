//! What the monitor itself has of a machine's state; the processor's, the board's and memory's are
//! their own.

use crate::clock::{Clock, ClockState};
use crate::config::MonitorError;
use crate::inbox::Inbox;
use crate::random::Random;
use serde::{Deserialize, Serialize};

/// The version of [`MonitorState`] that is written and read.
const VERSION: u32 = 1;

/// The monitor's part of a saved machine. What is derived is not in it: the interrupt line, the next
/// deadline, windows, tables and translations are found anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MonitorState {
    version: u32,
    clock: ClockState,
    /// Where the fixed sequence of random numbers is.
    random: u64,
    /// Serial input that the guest has not taken, and that is not in a device yet.
    serial: Vec<u8>,
    /// CS and EIP of the instruction that the interpreter ran last, for the report of a triple fault.
    last: (u16, u32),
}

impl MonitorState {
    pub(crate) fn new(clock: &Clock, random: &Random, inbox: &Inbox, last: (u16, u32)) -> Self {
        let (clock, random, serial) = (clock.save(), random.save(), inbox.serial());
        Self { version: VERSION, clock, random, serial, last }
    }

    /// Loads all but what it returns: the last instruction's place.
    ///
    /// # Errors
    /// Another version or clock; nothing has changed then.
    pub(crate) fn load(
        &self,
        clock: &mut Clock,
        random: &mut Random,
        inbox: &Inbox,
    ) -> Result<(u16, u32), MonitorError> {
        if self.version != VERSION {
            return Err(MonitorError::StateVersion { found: self.version, known: VERSION });
        }
        clock.load(&self.clock)?;
        random.load(self.random);
        inbox.set_serial(&self.serial);
        Ok(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ClockKind;

    #[test]
    fn a_loaded_copy_goes_on_like_the_original() {
        let (mut clock, mut random, inbox) =
            (Clock::new(ClockKind::Virtual), Random::default(), Inbox::new());
        clock.retired = 1000;
        clock.charge_port();
        random.next(true);
        inbox.kicker().serial_input(b"abc");
        let state = MonitorState::new(&clock, &random, &inbox, (8, 0x1234));

        let (mut clock2, mut random2, inbox2) =
            (Clock::new(ClockKind::Virtual), Random::default(), Inbox::new());
        let last = state.load(&mut clock2, &mut random2, &inbox2).unwrap();
        assert_eq!(last, (8, 0x1234));
        assert_eq!((clock2.now(), clock2.retired), (clock.now(), 1000));
        assert_eq!(random2.next(true), random.next(true));
        assert_eq!(inbox2.take(16).serial, b"abc");
        let again = MonitorState::new(&clock, &random, &inbox, (8, 0x1234));
        assert_ne!(again, state, "the random sequence has moved on");

        let mut real = Clock::new(ClockKind::Real);
        let refused = state.load(&mut real, &mut random2, &inbox2);
        assert!(matches!(refused, Err(MonitorError::StateClock)));
        let newer = MonitorState { version: VERSION + 1, ..state };
        let refused = newer.load(&mut clock2, &mut random2, &inbox2);
        assert!(matches!(refused, Err(MonitorError::StateVersion { .. })));
    }

    #[test]
    fn real_time_goes_on_from_where_it_was() {
        let clock = Clock::new(ClockKind::Real);
        let mut state = clock.save();
        state.now = 1 << 50;
        let mut later = Clock::new(ClockKind::Real);
        later.load(&state).unwrap();
        let now = later.corrected_now();
        assert!((1 << 50..(1 << 50) + 10_000_000_000).contains(&now), "{now}");
    }
}
