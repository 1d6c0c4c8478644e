//! A machine's state between two runs, but for memory and devices, which save and load themselves.

use crate::clock::{Clock, ClockState};
use crate::config::MonitorError;
use crate::inbox::{Inbox, PORTS};
use crate::random::Random;
use ringer_cpu::{CpuState, SavedCpu};
use ringer_mmu::PagingState;
use serde::{Deserialize, Serialize};

/// The version of [`MonitorState`] that is written and read; it goes up with every change of what is
/// stored, that of [`SavedCpu`] included.
const VERSION: u32 = 3;

/// The processor, the clock, and what other threads sent. What is derived is not in it: the interrupt
/// line, the next deadline, windows, tables and translations are found anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MonitorState {
    version: u32,
    cpu: SavedCpu,
    /// Of paging, what is in no register.
    paging: PagingState,
    clock: ClockState,
    /// Where the fixed sequence of random numbers is.
    random: u64,
    /// Input for each serial port that the guest has not taken, and that is not in a device yet.
    serial: [Vec<u8>; PORTS],
    /// Keys likewise.
    keys: Vec<u8>,
    /// CS and EIP of the instruction that the interpreter ran last, for the report of a triple fault.
    last: (u16, u32),
}

/// Where a state is loaded to, but for the processor's registers and paging.
#[derive(Debug)]
pub(crate) struct Whereabouts<'a> {
    pub clock: &'a mut Clock,
    pub random: &'a mut Random,
    /// `None`: what waits there is not the state's business.
    pub inbox: Option<&'a Inbox>,
    pub last: &'a mut (u16, u32),
}

impl MonitorState {
    /// The state at an instruction's end, with the x87 unit's at home.
    ///
    /// # Errors
    /// When that is still in the host's unit.
    pub(crate) fn of(
        cpu: &CpuState,
        paging: PagingState,
        clock: &Clock,
        random: &Random,
        inbox: &Inbox,
        last: (u16, u32),
    ) -> Result<Self, MonitorError> {
        Ok(Self {
            version: VERSION,
            cpu: SavedCpu::of(cpu)?,
            paging,
            clock: clock.save(),
            random: random.save(),
            serial: inbox.serial(),
            keys: inbox.keys(),
            last,
        })
    }

    /// Loads all but what it returns, the processor's registers and paging.
    ///
    /// # Errors
    /// Another version or clock, or registers that no guest brings about; nothing has changed then.
    pub(crate) fn load(
        &self,
        machine: &mut Whereabouts<'_>,
    ) -> Result<(CpuState, PagingState), MonitorError> {
        if self.version != VERSION {
            return Err(MonitorError::StateVersion { found: self.version, known: VERSION });
        }
        let cpu = self.cpu.restore()?;
        machine.clock.load(&self.clock)?;
        machine.random.load(self.random);
        if let Some(inbox) = machine.inbox {
            inbox.set_serial(&self.serial);
            inbox.set_keys(&self.keys);
        }
        *machine.last = self.last;
        Ok((cpu, self.paging))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ClockKind;

    /// A machine's parts.
    struct Parts {
        clock: Clock,
        random: Random,
        inbox: Inbox,
        last: (u16, u32),
    }

    impl Parts {
        fn new(kind: ClockKind) -> Self {
            let (clock, random) = (Clock::new(kind), Random::default());
            Self { clock, random, inbox: Inbox::new(), last: (0, 0) }
        }

        fn save(&self, cpu: &CpuState) -> MonitorState {
            let Self { clock, random, inbox, last } = self;
            MonitorState::of(cpu, PAGING, clock, random, inbox, *last).unwrap()
        }

        fn whereabouts(&mut self) -> Whereabouts<'_> {
            let Self { clock, random, inbox, last } = self;
            Whereabouts { clock, random, inbox: Some(inbox), last }
        }
    }

    const PAGING: PagingState = PagingState { pdptes: [1, 2, 3, 4], a20: false };

    #[test]
    fn a_loaded_copy_goes_on_like_the_original() {
        let mut old = Parts::new(ClockKind::Virtual);
        old.clock.retired = 1000;
        old.clock.charge_port();
        old.random.next(true);
        old.inbox.kicker().serial_input(0, b"abc");
        old.inbox.kicker().key_input(&[0x1c, 0xf0]);
        old.last = (8, 0x1234);
        let mut cpu = CpuState::reset(0xf29);
        cpu.set_eip(0x1236);
        let state = old.save(&cpu);

        let mut new = Parts::new(ClockKind::Virtual);
        let (loaded, paging) = state.load(&mut new.whereabouts()).unwrap();
        assert_eq!((loaded.eip(), paging), (0x1236, PAGING));
        assert_eq!((new.clock.now(), new.clock.retired), (old.clock.now(), 1000));
        assert_eq!(new.save(&loaded), state);
        assert_eq!(new.random.next(true), old.random.next(true));
        let taken = new.inbox.take(16, 0);
        assert_eq!((&taken.serial[0][..], &taken.keys[..]), (&b"abc"[..], &[0x1c, 0xf0][..]));
    }

    #[test]
    fn a_state_of_another_kind_changes_nothing() {
        let mut old = Parts::new(ClockKind::Virtual);
        old.clock.retired = 1000;
        let cpu = CpuState::reset(0xf29);
        let state = old.save(&cpu);
        let mut real = Parts::new(ClockKind::Real);
        let refused = state.load(&mut real.whereabouts());
        assert!(matches!(refused, Err(MonitorError::StateClock)));
        assert_eq!(real.clock.retired, 0);
        let mut new = Parts::new(ClockKind::Virtual);
        let newer = MonitorState { version: VERSION + 1, ..state };
        let refused = newer.load(&mut new.whereabouts());
        let Err(MonitorError::StateVersion { found, known }) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!((found, known), (VERSION + 1, VERSION));
        assert_eq!(new.clock.retired, 0);
    }

    #[test]
    fn real_time_goes_on_from_where_it_was() {
        let clock = Clock::new(ClockKind::Real);
        let mut state = clock.save();
        state.now = 1 << 50;
        let mut later = Clock::new(ClockKind::Real);
        let mut never = state.clone();
        never.now = u64::MAX;
        assert!(matches!(later.load(&never), Err(MonitorError::StateTime(_))));
        later.load(&state).unwrap();
        let now = later.corrected_now();
        assert!((1 << 50..(1 << 50) + 10_000_000_000).contains(&now), "{now}");
    }
}
