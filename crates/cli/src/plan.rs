//! What is to happen while a guest runs: the texts that end it, where a trace begins and ends, who debugs it.

use crate::args::RunArgs;
use crate::debugger::Debugger;
use crate::drives::Exchange;
use crate::error::CliError;
use crate::script::Playing;
use ringer::{Machine, Sinks, Stop, Symbols, TraceKinds, Until};
use ringer_script::Failure;
use std::sync::Arc;
use std::time::Instant;

/// A point of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    /// So many instructions have retired.
    Instruction(u64),
    /// The instruction at this linear address comes next.
    Address(u64),
}

/// A trace: of what, from where to where.
#[derive(Debug)]
struct Trace {
    kinds: TraceKinds,
    from: Option<Point>,
    to: Option<Point>,
    symbols: Arc<Symbols>,
}

/// The plan of a run. By default the guest runs until it ends.
#[derive(Debug, Default)]
pub struct Plan {
    texts: Vec<String>,
    ends: Option<Instant>,
    trace: Option<Trace>,
    debugger: Option<Debugger>,
    script: Option<Playing>,
}

/// The end of a run.
#[derive(Debug)]
pub struct Over {
    /// How it ended.
    pub stop: Stop,
    /// The step of the script that failed, if that was why.
    pub failure: Option<Failure>,
}

impl From<Stop> for Over {
    fn from(stop: Stop) -> Self {
        Self { stop, failure: None }
    }
}

impl Plan {
    /// What `args` ask for; `symbols` are the guest's.
    ///
    /// # Errors
    /// When a trace is to begin or end at what is neither a number nor a symbol, or gdb cannot be listened for.
    pub fn new(args: &RunArgs, symbols: &Arc<Symbols>) -> Result<Self, CliError> {
        let point = |option, text: &Option<String>| {
            let point = text.as_ref().map(|text| point(option, text, symbols));
            point.transpose()
        };
        let kinds = args.trace.kinds();
        let trace = Trace {
            kinds,
            from: point("--trace-from", &args.trace.trace_from)?,
            to: point("--trace-to", &args.trace.trace_to)?,
            symbols: Arc::clone(symbols),
        };
        let script = args.script.script.as_ref();
        let script = script.map(|script| Playing::new(script, args.display.keyboard));
        Ok(Self {
            texts: args.ends.texts().cloned().collect(),
            ends: None,
            trace: Some(trace).filter(|_| !kinds.is_empty()),
            debugger: Debugger::listen(&args.gdb)?,
            script: script.transpose()?,
        })
    }

    /// These are the images that the script, if there is one, puts into drives.
    pub fn have(&mut self, exchange: Exchange) {
        if let Some(script) = &mut self.script {
            script.have(exchange);
        }
    }

    /// Ends the run at this moment, if there is one.
    pub fn end_at(&mut self, ends: Option<Instant>) {
        self.ends = ends;
    }

    /// `sinks` as the guest's output is to reach them.
    pub fn guard(&self, sinks: Sinks) -> Sinks {
        let sinks = match &self.script {
            Some(script) => script.guard(sinks),
            None => sinks,
        };
        match &self.debugger {
            Some(debugger) => debugger.guard(sinks),
            None => sinks,
        }
    }

    /// Whether gdb may come.
    pub fn is_debugged(&self) -> bool {
        self.debugger.is_some()
    }

    /// Runs the machine to its end.
    pub fn run(&mut self, machine: &mut Machine) -> Result<Over, CliError> {
        let until = || {
            let until = self.texts.iter().fold(Until::new(), |until, text| until.text(text));
            match self.ends {
                Some(ends) => until.timeout(ends.saturating_duration_since(Instant::now())),
                None => until,
            }
        };
        if let Some(debugger) = &self.debugger {
            if let Some(trace) = &self.trace {
                machine.set_trace(trace.kinds, Arc::clone(&trace.symbols));
            }
            return Ok(debugger.run(machine, &until())?.into());
        }
        if let Some(script) = &mut self.script {
            if let Some(trace) = &self.trace {
                machine.set_trace(trace.kinds, Arc::clone(&trace.symbols));
            }
            return match script.play(machine, &until)? {
                (Some(stop), failure) => Ok(Over { stop, failure }),
                (None, _) => Ok(machine.run(&until())?.into()),
            };
        }
        let Some(trace) = &self.trace else { return Ok(machine.run(&until())?.into()) };
        if let Some(from) = trace.from
            && let Some(end) = run_to(machine, until(), from)?
        {
            return Ok(end.into());
        }
        machine.set_trace(trace.kinds, Arc::clone(&trace.symbols));
        if let Some(to) = trace.to {
            if let Some(end) = run_to(machine, until(), to)? {
                return Ok(end.into());
            }
            machine.set_trace(TraceKinds::empty(), Arc::default());
        }
        Ok(machine.run(&until())?.into())
    }
}

/// Runs the machine to `point`; how it ended, if before.
fn run_to(
    machine: &mut Machine,
    until: Until,
    point: Point,
) -> Result<Option<Stop>, ringer::Error> {
    let end = match point {
        Point::Instruction(number) => machine.run(&until.instructions(number))?,
        Point::Address(address) => machine.run(&until.breakpoint(address))?,
    };
    let there = match point {
        Point::Instruction(number) => {
            end == Stop::InstructionLimit && machine.instructions() >= number
        }
        Point::Address(_) => matches!(end, Stop::Breakpoint { .. }),
    };
    Ok(Some(end).filter(|_| !there))
}

fn point(option: &'static str, text: &str, symbols: &Symbols) -> Result<Point, CliError> {
    if let Ok(number) = text.parse() {
        return Ok(Point::Instruction(number));
    }
    let address = symbols.resolve(text).map(Point::Address);
    address.ok_or_else(|| CliError::UnknownPlace { option, text: text.to_owned() })
}
