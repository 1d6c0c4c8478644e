//! On from a stop: until a breakpoint, by a step, by steps in a range.

use crate::debuggee::{Client, Debuggee, Halt, Resume};
use crate::error::GdbError;
use ringer_machine::{Moment, Stop, Until};

/// Instructions between two looks at the clock of the history.
const SLICE: u64 = 50_000_000;
/// Steps of a range between two looks at the client.
const LOOK: u32 = 256;

impl Debuggee<'_> {
    /// Goes on as gdb has asked, until something stops the machine.
    ///
    /// # Errors
    /// When the host fails us.
    pub fn go_on(&mut self, client: &mut dyn Client) -> Result<Halt, GdbError> {
        self.wake()?;
        let halt = match self.resume {
            Resume::StepBack => self.step_back()?,
            Resume::ContinueBack => self.continue_back(client)?,
            forward => match self.revive()? {
                Some(end) => end,
                None => self.forward(forward, client)?,
            },
        };
        Ok(self.stand(halt))
    }

    /// Runs without anybody who watches, until somebody wants to, or the run is over. Resets and triple
    /// faults are as without a debugger.
    ///
    /// # Errors
    /// When the host fails us.
    pub fn run_alone(&mut self, client: &mut dyn Client) -> Result<Option<Stop>, GdbError> {
        self.wake()?;
        if self.is_shut_down()
            && let Some(Halt::End(stop)) = self.revive()?
        {
            return Ok(Some(stop));
        }
        loop {
            if client.wants_stop() {
                self.stand(Halt::Interrupted);
                return Ok(None);
            }
            let until = self.sliced(self.until_alone());
            match self.machine.run_until(&until)? {
                Stop::InstructionLimit if !self.at_limit() => self.note_progress()?,
                Stop::Kicked => self.note_progress()?,
                end => {
                    self.stand(Halt::End(end.clone()));
                    return Ok(Some(end));
                }
            }
        }
    }

    /// A processor that has shut down goes on by a reset, as a PC's chipset pulls it, unless that ends the run.
    fn revive(&mut self) -> Result<Option<Halt>, GdbError> {
        if !self.is_shut_down() {
            return Ok(None);
        }
        if !self.machine.reboots() {
            let cpu = self.machine.monitor().state();
            let (cs, eip) = (cpu.cs().selector, cpu.eip());
            return Ok(Some(Halt::End(Stop::TripleFault { cs, eip })));
        }
        self.machine.reset()?;
        Ok(None)
    }

    fn forward(&mut self, how: Resume, client: &mut dyn Client) -> Result<Halt, GdbError> {
        match how {
            Resume::Step => self.step(client),
            Resume::Range(from, to) => self.step_range(from, to, client),
            _ => self.run(client),
        }
    }

    fn run(&mut self, client: &mut dyn Client) -> Result<Halt, GdbError> {
        let start = self.moment();
        loop {
            let until = self.sliced(self.until());
            match self.machine.run_until(&until)? {
                Stop::InstructionLimit if !self.at_limit() => {}
                Stop::Kicked => {}
                stop => match self.halt_of(stop)? {
                    Some(halt) => return Ok(halt),
                    None => continue,
                },
            }
            self.note_progress()?;
            // The next run would pass over a breakpoint that this one has just come to.
            if let Some(halt) = self.arrived(start) {
                return Ok(halt);
            }
            if client.wants_stop() {
                return Ok(Halt::Interrupted);
            }
        }
    }

    /// One step; in a processor that is halted, when its interrupt comes.
    fn step(&mut self, client: &mut dyn Client) -> Result<Halt, GdbError> {
        loop {
            self.mind_gate();
            let stop = self.machine.run_until(&self.until().step())?;
            self.note_reached();
            match stop {
                Stop::Stepped => return Ok(Halt::Stepped),
                Stop::Kicked if !client.wants_stop() => {}
                Stop::Kicked => return Ok(Halt::Interrupted),
                stop => return Ok(self.halt_of(stop)?.unwrap_or(Halt::Stepped)),
            }
        }
    }

    fn step_range(
        &mut self,
        from: u32,
        to: u32,
        client: &mut dyn Client,
    ) -> Result<Halt, GdbError> {
        let mut start = self.moment();
        for steps in 1u32.. {
            let halt = self.step(client)?;
            if halt != Halt::Stepped {
                return Ok(halt);
            }
            let eip = self.machine.monitor().state().eip();
            if !(from..to).contains(&eip) {
                return Ok(Halt::Stepped);
            }
            if let Some(halt) = self.arrived(start) {
                return Ok(halt);
            }
            start = self.moment();
            if steps.is_multiple_of(LOOK) && client.wants_stop() {
                return Ok(Halt::Interrupted);
            }
        }
        Ok(Halt::Stepped)
    }

    /// What a run's end is to gdb; `None`: a reset, after which the machine goes on.
    fn halt_of(&mut self, stop: Stop) -> Result<Option<Halt>, GdbError> {
        self.note_reached();
        Ok(Some(match stop {
            Stop::Breakpoint { .. } => {
                self.breakpoint_here().unwrap_or(Halt::Breakpoint { hardware: false })
            }
            Stop::Watchpoint(hit) => Halt::Watchpoint(hit),
            Stop::Stepped => Halt::Stepped,
            Stop::TripleFault { .. } => Halt::TripleFault,
            // Whoever goes on from there knows it.
            Stop::DeadHalt if self.halt != Halt::Stuck => Halt::Stuck,
            Stop::Reset if self.machine.reboots() => {
                self.machine.reset()?;
                return Ok(None);
            }
            end => Halt::End(end),
        }))
    }

    /// The run has come to a breakpoint, and did not start there. (A REP instruction between two iterations
    /// is where it was.)
    fn arrived(&self, start: Moment) -> Option<Halt> {
        let now = self.moment();
        let moved = (now.retired, now.delivered) != (start.retired, start.delivered);
        self.breakpoint_here().filter(|_| moved)
    }

    /// The limit that the run was given is reached.
    fn at_limit(&self) -> bool {
        let limit = self.machine.config().run.max_instructions;
        limit.is_some_and(|limit| self.machine.retired() >= limit)
    }

    /// `until`, or when it is time to look at the history. Where the run has been before, its output is not
    /// repeated.
    fn sliced(&mut self, until: Until) -> Until {
        self.mind_gate();
        let now = self.machine.retired();
        match &self.history {
            Some(history) if history.frontier().retired > now => {
                until.instructions(history.frontier().retired.min(now + SLICE))
            }
            Some(_) => until.instructions(now + SLICE),
            None => until,
        }
    }

    pub(crate) fn note_reached(&mut self) {
        let place = self.moment();
        if let Some(history) = &mut self.history {
            history.reached(place);
        }
    }

    fn note_progress(&mut self) -> Result<(), GdbError> {
        self.note_reached();
        if let Some(history) = &mut self.history {
            history.consider(self.machine)?;
        }
        Ok(())
    }
}
