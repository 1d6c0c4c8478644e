//! Back from a stop: the machine takes up an earlier state, and goes through the run again up to the moment
//! that is wanted.

use crate::debuggee::{Client, Debuggee, Halt};
use crate::error::GdbError;
use ringer_machine::{Machine, Moment, Stop, Until, WatchHit};
use std::io::{self, Write};

/// Instructions between a moment that somebody was interested in and the state that is kept for the next such
/// moment before it.
const NEAR: u64 = 5_000;
/// Instructions from a state to such a moment that make another state worth it.
const FAR: u64 = 1_000_000;
/// Instructions that are gone through at a time.
const SLICE: u64 = 50_000_000;
/// Steps between two looks at the client.
const LOOK: u32 = 4096;

/// What a way back has come to.
enum Way {
    /// There.
    There,
    /// The run did not repeat, or somebody wants to stop: nothing to go to.
    Lost,
}

/// What was met last on the way to a moment.
#[derive(Clone, Copy, Debug)]
enum Met {
    /// A breakpoint, there.
    Breakpoint(Moment),
    /// An access to watched bytes, which was done there.
    Access(Moment, WatchHit),
}

impl Debuggee<'_> {
    /// To the moment before the last step.
    ///
    /// # Errors
    /// When the host fails us.
    pub(crate) fn step_back(&mut self) -> Result<Halt, GdbError> {
        self.set_known(true);
        let here = self.moment();
        match self.before(here)? {
            Some(target) => self.arrive(target, Halt::Stepped),
            None => Ok(Halt::Begin),
        }
    }

    /// To the last breakpoint or watched access before this moment.
    ///
    /// # Errors
    /// When the host fails us.
    pub(crate) fn continue_back(&mut self, client: &mut dyn Client) -> Result<Halt, GdbError> {
        self.set_known(true);
        let here = self.moment();
        let mut end = here;
        while let Some(number) = self.history.as_ref().and_then(|history| history.before(end)) {
            match self.search(number, end, client)? {
                Search::Met(Met::Breakpoint(at)) => {
                    return self.arrive_at_breakpoint(at);
                }
                Search::Met(Met::Access(done, hit)) => {
                    let before = self.before(done)?;
                    return match before {
                        Some(before) => self.arrive(before, Halt::Watchpoint(hit)),
                        None => Ok(Halt::Begin),
                    };
                }
                Search::Nothing(start) => end = start,
                Search::Stopped => return self.arrive(here, Halt::Interrupted),
                Search::Lost => return Ok(self.lost()),
            }
        }
        match self.history.as_ref().and_then(crate::history::History::first) {
            Some(first) if first < here => self.arrive(first, Halt::Begin),
            _ => Ok(Halt::Begin),
        }
    }

    fn arrive_at_breakpoint(&mut self, at: Moment) -> Result<Halt, GdbError> {
        let halt = self.arrive(at, Halt::Stepped)?;
        Ok(if halt == Halt::Stepped { self.breakpoint_here().unwrap_or(halt) } else { halt })
    }

    /// Goes to `target`, and stands there because of `halt`.
    fn arrive(&mut self, target: Moment, halt: Halt) -> Result<Halt, GdbError> {
        match self.travel(target)? {
            Way::There => Ok(halt),
            Way::Lost => Ok(self.lost()),
        }
    }

    /// The run did not repeat: there is nothing to go back to any more.
    fn lost(&mut self) -> Halt {
        // Where standard error is gone nobody can be told.
        let _ = writeln!(
            io::stderr(),
            "ringer: gdb: the run did not repeat exactly; what was before this moment is lost"
        );
        self.note_change();
        Halt::Interrupted
    }

    /// The moment one step before `here`; `None`: there is none to go back to. The machine is at `here` then.
    fn before(&mut self, here: Moment) -> Result<Option<Moment>, GdbError> {
        let start =
            Moment { retired: here.retired.saturating_sub(1), delivered: 0, count: u32::MAX };
        let Some(history) = &self.history else { return Ok(None) };
        let number = history.before(start).or_else(|| history.before(here));
        let Some(number) = number else { return Ok(None) };
        self.take_up(number)?;
        self.stay_near(here)?;
        let from = here.retired.saturating_sub(1);
        if from > self.machine.retired() {
            self.replay(from, &mut |_| false)?;
        }
        self.replay_steps(here)?;
        Ok(self.machine.monitor().previous_moment().filter(|_| self.moment() == here))
    }

    /// Goes to `target`.
    fn travel(&mut self, target: Moment) -> Result<Way, GdbError> {
        let number = self.history.as_ref().and_then(|history| history.not_after(target));
        let Some(number) = number else { return Ok(Way::Lost) };
        self.take_up(number)?;
        self.stay_near(target)?;
        self.replay(target.retired, &mut |_| false)?;
        self.replay_steps(target)?;
        Ok(if self.moment() == target { Way::There } else { Way::Lost })
    }

    /// Takes up kept state `number`.
    fn take_up(&mut self, number: usize) -> Result<(), GdbError> {
        let checkpoint = self.history.as_ref().and_then(|history| history.get(number));
        if let Some(checkpoint) = checkpoint {
            self.machine.rewind(checkpoint)?;
        }
        Ok(())
    }

    /// On the way to `target`, which is far: keeps a state near it, for what is wanted next.
    fn stay_near(&mut self, target: Moment) -> Result<(), GdbError> {
        let near = target.retired.saturating_sub(NEAR);
        if target.retired - self.machine.retired().min(target.retired) < FAR {
            return Ok(());
        }
        self.replay(near, &mut |_| false)?;
        if let Some(history) = &mut self.history {
            history.take(self.machine)?;
        }
        Ok(())
    }

    /// Goes on until `retired` instructions have retired, as the run went, or until `stop` says so, which is
    /// asked now and then. False: it did not go so.
    fn replay(
        &mut self,
        retired: u64,
        stop: &mut dyn FnMut(&Machine) -> bool,
    ) -> Result<bool, GdbError> {
        while self.machine.retired() < retired {
            let end = retired.min(self.machine.retired() + SLICE);
            let until = Until::new().reset().unheeded().instructions(end);
            match self.machine.run_until(&until)? {
                Stop::InstructionLimit if self.machine.retired() >= end => {}
                Stop::Kicked => {}
                Stop::Reset | Stop::TripleFault { .. } => self.machine.reset()?,
                _ => return Ok(false),
            }
            if stop(self.machine) {
                return Ok(false);
            }
            if let Some(history) = &mut self.history {
                history.consider(self.machine)?;
            }
        }
        Ok(true)
    }

    /// Goes on step by step, as the run went, as far as `moment`, if it goes so.
    fn replay_steps(&mut self, moment: Moment) -> Result<(), GdbError> {
        while self.moment() < moment {
            let until = Until::new().reset().unheeded().steps_to(moment);
            match self.machine.run_until(&until)? {
                Stop::Stepped | Stop::Kicked => {}
                Stop::Reset | Stop::TripleFault { .. } => self.machine.reset()?,
                _ => break,
            }
        }
        Ok(())
    }
}

/// What a search has found.
enum Search {
    Met(Met),
    /// Nothing, from there on.
    Nothing(Moment),
    /// Somebody wants to stop.
    Stopped,
    /// The run did not repeat.
    Lost,
}

impl Debuggee<'_> {
    /// The last breakpoint or watched access from kept state `number` on, up to `end`.
    fn search(
        &mut self,
        number: usize,
        end: Moment,
        client: &mut dyn Client,
    ) -> Result<Search, GdbError> {
        self.take_up(number)?;
        let start = self.moment();
        let mut met = self.breakpoint_here().map(|_| Met::Breakpoint(start));
        let mut from = start;
        while self.machine.retired() < end.retired {
            let slice = end.retired.min(self.machine.retired() + SLICE);
            match self.machine.run_until(&self.until().instructions(slice))? {
                Stop::Breakpoint { .. } => self.meet(&mut met, end),
                Stop::Watchpoint(hit) => self.meet_access(&mut met, end, hit),
                Stop::Kicked | Stop::InstructionLimit => {
                    if let Some(history) = &mut self.history {
                        history.consider(self.machine)?;
                    }
                }
                Stop::Reset | Stop::TripleFault { .. } => self.machine.reset()?,
                Stop::Timeout => return Ok(Search::Stopped),
                _ => return Ok(Search::Lost),
            }
            // The next run passes over a breakpoint here.
            if self.is_fresh(from) && self.breakpoint_here().is_some() {
                self.meet(&mut met, end);
            }
            from = self.moment();
            if client.wants_stop() {
                return Ok(Search::Stopped);
            }
        }
        self.search_steps(met, start, end, client)
    }

    /// The same for what is left up to `end` when as many instructions have retired as have there.
    fn search_steps(
        &mut self,
        mut met: Option<Met>,
        start: Moment,
        end: Moment,
        client: &mut dyn Client,
    ) -> Result<Search, GdbError> {
        let (mut steps, mut in_instruction) = (0u32, false);
        while self.moment() < end {
            let from = self.moment();
            // The rest of a REP instruction at once.
            let next = if in_instruction { Moment { count: 0, ..from } } else { from };
            let until = self.until().steps_to(next.min(end));
            match self.machine.run_until(&until)? {
                Stop::Stepped => {}
                Stop::Watchpoint(hit) => self.meet_access(&mut met, end, hit),
                Stop::Kicked => {}
                Stop::Reset | Stop::TripleFault { .. } => self.machine.reset()?,
                _ => return Ok(Search::Lost),
            }
            in_instruction = !self.is_fresh(from);
            if !in_instruction && self.breakpoint_here().is_some() {
                self.meet(&mut met, end);
            }
            steps = steps.wrapping_add(1);
            if steps.is_multiple_of(LOOK) && client.wants_stop() {
                return Ok(Search::Stopped);
            }
        }
        if self.moment() != end {
            return Ok(Search::Lost);
        }
        Ok(met.map_or(Search::Nothing(start), Search::Met))
    }

    /// Another instruction comes next than at `from`.
    fn is_fresh(&self, from: Moment) -> bool {
        let now = self.moment();
        (now.retired, now.delivered) != (from.retired, from.delivered)
    }

    fn meet(&self, met: &mut Option<Met>, end: Moment) {
        let here = self.moment();
        if here < end {
            *met = Some(Met::Breakpoint(here));
        }
    }

    fn meet_access(&self, met: &mut Option<Met>, end: Moment, hit: WatchHit) {
        let here = self.moment();
        if here <= end {
            *met = Some(Met::Access(here, hit));
        }
    }
}

#[cfg(test)]
#[path = "backward_tests.rs"]
mod tests;
