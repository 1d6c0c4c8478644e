//! What a run has recorded, where a profile was asked for.

use super::Monitor;
use crate::config::MonitorError;
use crate::recording::{RecordOptions, Recording};
use crate::signals::Registration;
use crate::summary;
use crate::vcpu::Chassis;

impl Monitor {
    /// Has more than counters recorded from the next run on, where the configuration asks for a profile.
    pub fn record(&mut self, options: &RecordOptions) {
        let io = &mut self.chassis.bus.io;
        if let Some(recorder) = &mut io.recorder {
            io.ledger.tell(recorder.set(options.clone()));
        }
    }

    /// What was recorded, with the code of the `listed` hottest blocks; nothing without a profile.
    #[must_use]
    pub fn recording(&self, listed: usize) -> Recording {
        let Chassis { bus, code } = &self.chassis;
        let Some(recorder) = &bus.io.recorder else { return Recording::default() };
        let end = summary::moment(&self.vcpu, &self.chassis, self.ran);
        let parts = (&code.cache, &code.translator, &bus.memory);
        recorder.recording(parts, &self.vcpu.context, end, listed)
    }

    /// Finds out what samples cost, if they are to be taken and that is not known yet.
    pub(super) fn measure_samples(&mut self) -> Result<(), MonitorError> {
        if !self.chassis.bus.io.recorder.as_ref().is_some_and(|r| r.wants_cost()) {
            return Ok(());
        }
        let cost = self.as_vcpu(|monitor| {
            monitor.vcpu.signals.as_ref().map_or(0, Registration::cost_of_samples)
        })?;
        if let Some(recorder) = &mut self.chassis.bus.io.recorder {
            recorder.set_cost(cost);
        }
        Ok(())
    }

    /// The run is over: what it left to be recorded is taken over.
    pub(super) fn end_recording(&mut self) {
        let ran = self.started.elapsed().as_nanos() as u64;
        self.ran += ran;
        let Chassis { bus, code } = &mut self.chassis;
        if let Some(recorder) = &mut bus.io.recorder {
            recorder.drain(&code.cache, &bus.memory);
            recorder.end(ran);
        }
    }

    /// Takes samples over, and notes the counters when it is time.
    pub(super) fn keep_record(&mut self) {
        let Chassis { bus, code } = &mut self.chassis;
        let Some(recorder) = &mut bus.io.recorder else { return };
        recorder.drain(&code.cache, &bus.memory);
        let Some(now) = recorder.due() else { return };
        let moment = summary::moment(&self.vcpu, &self.chassis, now);
        if let Some(recorder) = &mut self.chassis.bus.io.recorder {
            recorder.note(moment);
        }
    }
}
