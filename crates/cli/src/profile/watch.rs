//! What a run is watched for, and by whom.

use super::{marks, meta};
use crate::args::{ProfileArgs, RunArgs};
use ringer::recording::RecordOptions;
use ringer::{Machine, MachineConfig, Sinks};
use ringer_profile::Meta;

/// What a run is watched for.
#[derive(Debug)]
pub struct Watch<'a> {
    /// What the machine records.
    pub options: RecordOptions,
    texts: &'a [String],
    /// What is known of the run before it.
    pub meta: Meta,
}

impl<'a> Watch<'a> {
    /// What `args` ask for.
    pub fn new(args: &'a ProfileArgs) -> Self {
        let options = args.recording.options();
        Self { options, texts: &args.recording.mark_text, meta: Meta::default() }
    }

    /// `sinks`, the first of them watched for texts.
    pub fn sinks(&self, sinks: Sinks) -> Sinks {
        marks::watched(sinks, self.texts, &self.options.marker)
    }

    /// The machine is about to run.
    pub fn begin(&mut self, args: &RunArgs, config: &MachineConfig, machine: &mut Machine) {
        self.meta = meta::before(args, config);
        machine.record(&self.options);
    }
}
