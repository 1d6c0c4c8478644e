//! The machine as gdbstub drives it. What takes time only notes what is wanted; the session does it.

use crate::arch::{I386, Number, RegisterFile};
use crate::commands;
use crate::debuggee::{Debuggee, Resume};
use crate::{memory, registers};
use gdbstub::common::Signal;
use gdbstub::target::ext::base::BaseOps;
use gdbstub::target::ext::base::reverse_exec::{
    ReverseCont, ReverseContOps, ReverseStep, ReverseStepOps,
};
use gdbstub::target::ext::base::single_register_access::{
    SingleRegisterAccess, SingleRegisterAccessOps,
};
use gdbstub::target::ext::base::singlethread::{
    SingleThreadBase, SingleThreadRangeStepping, SingleThreadRangeSteppingOps, SingleThreadResume,
    SingleThreadResumeOps, SingleThreadSingleStep, SingleThreadSingleStepOps,
};
use gdbstub::target::ext::breakpoints::{
    Breakpoints, BreakpointsOps, HwBreakpoint, HwBreakpointOps, HwWatchpoint, HwWatchpointOps,
    SwBreakpoint, SwBreakpointOps, WatchKind,
};
use gdbstub::target::ext::monitor_cmd::{ConsoleOutput, MonitorCmd, MonitorCmdOps};
use gdbstub::target::{Target, TargetError, TargetResult};
use ringer_cpu::Lin;
use ringer_machine::Watchpoint;
use std::collections::BTreeSet;
use std::convert::Infallible;

/// Error numbers of the protocol are those of Linux.
const EFAULT: u8 = 14;
const EINVAL: u8 = 22;
/// Breakpoints of a kind, and watchpoints, at most: each costs time.
const MOST: usize = 1024;
/// Bytes that one watchpoint may have.
const LONGEST: u32 = 1 << 20;

impl Target for Debuggee<'_> {
    type Arch = I386;
    type Error = Infallible;

    fn base_ops(&mut self) -> BaseOps<'_, I386, Infallible> {
        BaseOps::SingleThread(self)
    }

    fn support_breakpoints(&mut self) -> Option<BreakpointsOps<'_, Self>> {
        Some(self)
    }

    fn support_monitor_cmd(&mut self) -> Option<MonitorCmdOps<'_, Self>> {
        Some(self)
    }
}

impl SingleThreadBase for Debuggee<'_> {
    fn read_registers(&mut self, file: &mut RegisterFile) -> TargetResult<(), Self> {
        let cpu = self.machine.monitor().state();
        let all = registers::all();
        file.0 = all.iter().flat_map(|(register, _)| registers::read(cpu, *register)).collect();
        Ok(())
    }

    fn write_registers(&mut self, file: &RegisterFile) -> TargetResult<(), Self> {
        let mut values = &file.0[..];
        let mut pieces = Vec::new();
        for (register, size) in registers::all() {
            let (value, rest) = values.split_at_checked(size).ok_or(TargetError::Errno(EINVAL))?;
            pieces.push((register, value));
            values = rest;
        }
        self.put_registers(&pieces)
    }

    fn support_single_register_access(&mut self) -> Option<SingleRegisterAccessOps<'_, (), Self>> {
        Some(self)
    }

    fn read_addrs(&mut self, at: u32, data: &mut [u8]) -> TargetResult<usize, Self> {
        match memory::read(self.machine, self.space, at, data) {
            0 if !data.is_empty() => Err(TargetError::Errno(EFAULT)),
            read => Ok(read),
        }
    }

    fn write_addrs(&mut self, at: u32, data: &[u8]) -> TargetResult<(), Self> {
        let mut old = vec![0; data.len()];
        if memory::read(self.machine, self.space, at, &mut old) == data.len() && old == data {
            return Ok(());
        }
        self.note_change();
        let written = memory::write(self.machine, self.space, at, data);
        written.then_some(()).ok_or(TargetError::Errno(EFAULT))
    }

    fn support_resume(&mut self) -> Option<SingleThreadResumeOps<'_, Self>> {
        Some(self)
    }
}

impl Debuggee<'_> {
    /// Sets registers, all or none. What only follows from others may be written as it is.
    fn put_registers(&mut self, values: &[(registers::Register, &[u8])]) -> TargetResult<(), Self> {
        let monitor = self.machine.monitor();
        let mut cpu = *monitor.state();
        for (register, value) in values {
            let (memory, paging) = (monitor.memory(), monitor.paging());
            registers::write(&mut cpu, *register, value, memory, paging)
                .map_err(|_| TargetError::Errno(EINVAL))?;
        }
        if cpu != *monitor.state() {
            self.machine.monitor_mut().set_state(cpu);
            self.note_change();
        }
        Ok(())
    }
}

impl SingleRegisterAccess<()> for Debuggee<'_> {
    fn read_register(
        &mut self,
        (): (),
        Number(register): Number,
        buf: &mut [u8],
    ) -> TargetResult<usize, Self> {
        let value = registers::read(self.machine.monitor().state(), register);
        let place = buf.get_mut(..value.len()).ok_or(TargetError::Errno(EINVAL))?;
        place.copy_from_slice(&value);
        Ok(value.len())
    }

    fn write_register(
        &mut self,
        (): (),
        Number(register): Number,
        value: &[u8],
    ) -> TargetResult<(), Self> {
        self.put_registers(&[(register, value)])
    }
}

impl SingleThreadResume for Debuggee<'_> {
    fn resume(&mut self, _: Option<Signal>) -> Result<(), Infallible> {
        self.resume = Resume::Continue;
        Ok(())
    }

    fn support_single_step(&mut self) -> Option<SingleThreadSingleStepOps<'_, Self>> {
        Some(self)
    }

    fn support_range_step(&mut self) -> Option<SingleThreadRangeSteppingOps<'_, Self>> {
        Some(self)
    }

    fn support_reverse_step(&mut self) -> Option<ReverseStepOps<'_, (), Self>> {
        if self.history.is_some() { Some(self) } else { None }
    }

    fn support_reverse_cont(&mut self) -> Option<ReverseContOps<'_, (), Self>> {
        if self.history.is_some() { Some(self) } else { None }
    }
}

impl SingleThreadSingleStep for Debuggee<'_> {
    fn step(&mut self, _: Option<Signal>) -> Result<(), Infallible> {
        self.resume = Resume::Step;
        Ok(())
    }
}

impl SingleThreadRangeStepping for Debuggee<'_> {
    fn resume_range_step(&mut self, from: u32, to: u32) -> Result<(), Infallible> {
        self.resume = Resume::Range(from, to);
        Ok(())
    }
}

impl ReverseStep<()> for Debuggee<'_> {
    fn reverse_step(&mut self, (): ()) -> Result<(), Infallible> {
        self.resume = Resume::StepBack;
        Ok(())
    }
}

impl ReverseCont<()> for Debuggee<'_> {
    fn reverse_cont(&mut self) -> Result<(), Infallible> {
        self.resume = Resume::ContinueBack;
        Ok(())
    }
}

impl Breakpoints for Debuggee<'_> {
    fn support_sw_breakpoint(&mut self) -> Option<SwBreakpointOps<'_, Self>> {
        Some(self)
    }

    fn support_hw_breakpoint(&mut self) -> Option<HwBreakpointOps<'_, Self>> {
        Some(self)
    }

    fn support_hw_watchpoint(&mut self) -> Option<HwWatchpointOps<'_, Self>> {
        Some(self)
    }
}

/// Adds a breakpoint; false when there are too many.
fn add(places: &mut BTreeSet<u32>, at: u32) -> bool {
    let room = places.len() < MOST || places.contains(&at);
    if room {
        places.insert(at);
    }
    room
}

impl SwBreakpoint for Debuggee<'_> {
    fn add_sw_breakpoint(&mut self, at: u32, _: usize) -> TargetResult<bool, Self> {
        Ok(add(&mut self.breaks.software, at))
    }

    fn remove_sw_breakpoint(&mut self, at: u32, _: usize) -> TargetResult<bool, Self> {
        self.breaks.software.remove(&at);
        Ok(true)
    }
}

impl HwBreakpoint for Debuggee<'_> {
    fn add_hw_breakpoint(&mut self, at: u32, _: usize) -> TargetResult<bool, Self> {
        Ok(add(&mut self.breaks.hardware, at))
    }

    fn remove_hw_breakpoint(&mut self, at: u32, _: usize) -> TargetResult<bool, Self> {
        self.breaks.hardware.remove(&at);
        Ok(true)
    }
}

/// What gdb calls a watchpoint, as the machine has it.
fn watchpoint(at: u32, len: u32, kind: WatchKind) -> Watchpoint {
    let kind = match kind {
        WatchKind::Write => ringer_machine::WatchKind::Write,
        WatchKind::Read => ringer_machine::WatchKind::Read,
        WatchKind::ReadWrite => ringer_machine::WatchKind::Access,
    };
    Watchpoint { at: Lin::from(at), len, kind }
}

impl HwWatchpoint for Debuggee<'_> {
    fn add_hw_watchpoint(
        &mut self,
        at: u32,
        len: u32,
        kind: WatchKind,
    ) -> TargetResult<bool, Self> {
        let new = watchpoint(at, len, kind);
        let known = self.breaks.watched.contains(&new);
        if len == 0 || len > LONGEST || !known && self.breaks.watched.len() >= MOST {
            return Ok(false);
        }
        if !known {
            self.breaks.watched.push(new);
        }
        Ok(true)
    }

    fn remove_hw_watchpoint(
        &mut self,
        at: u32,
        len: u32,
        kind: WatchKind,
    ) -> TargetResult<bool, Self> {
        let gone = watchpoint(at, len, kind);
        self.breaks.watched.retain(|place| *place != gone);
        Ok(true)
    }
}

impl MonitorCmd for Debuggee<'_> {
    fn handle_monitor_cmd(
        &mut self,
        line: &[u8],
        mut out: ConsoleOutput<'_>,
    ) -> Result<(), Infallible> {
        out.write_raw(commands::run(self, &String::from_utf8_lossy(line)).as_bytes());
        Ok(())
    }
}
