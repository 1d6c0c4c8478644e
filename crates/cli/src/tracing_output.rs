//! Where a trace goes: to a file, standard output or standard error, as text or JSON.
//!
//! There is no time of the host in it, so that two runs with a virtual clock have the same trace.

use crate::args::{TraceArgs, TraceFormat};
use crate::deadline;
use crate::error::CliError;
use crate::output::{Finished, Output};
use crate::signals;
use crate::target::Stream;
use ringer::Handle;
use ringer_cpu::refusal::refused;
use ringer_input::{OneLine, shown};
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

/// A trace that is being written.
pub struct TraceOutput {
    name: String,
    /// The file, until the run begins.
    new: Option<Stream>,
    shared: Writing,
}

/// The way to it, which outlives the run: who is told of events keeps one.
#[derive(Clone)]
struct Writing(Arc<Mutex<Shared>>);

struct Shared {
    out: Output,
    failed: Option<io::Error>,
}

impl TraceOutput {
    /// Opens what `args` name, if they ask for a trace, and lets all that is told from now on go there.
    pub fn open(args: &TraceArgs) -> Result<Option<Self>, CliError> {
        if args.trace.is_empty() {
            return Ok(None);
        }
        let mut new = None;
        let host = |source| CliError::Host { what: "a trace", source };
        // Not the process's own handles: who writes there by the way must not wait for the trace.
        let copy = |fd: BorrowedFd<'_>| {
            fd.try_clone_to_owned().map(File::from).map_err(refused("fcntl")).map_err(host)
        };
        let (name, file) = match args.trace_file.as_deref() {
            None => ("standard error".to_owned(), copy(io::stderr().as_fd())?),
            Some(path) if path == Path::new("-") => {
                ("standard output".to_owned(), copy(io::stdout().as_fd())?)
            }
            Some(path) => {
                let stream = Stream::open(path)?;
                let create = |source| CliError::Create { path: path.to_owned(), source };
                let file = stream.file().map_err(create)?;
                new = Some(stream);
                (shown(path).to_string(), file)
            }
        };
        let out = signals::shielded(|| Output::new(file)).flatten().map_err(host)?;
        let shared = Shared { out, failed: None };
        let trace = Self { name, new, shared: Writing(Arc::new(Mutex::new(shared))) };
        let writer = tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_writer(trace.shared.clone())
            .with_ansi(false);
        // Nothing else in the process has set one; if an embedder of this code has, it wants the events.
        let _ = match args.trace_format {
            TraceFormat::Text => {
                tracing::subscriber::set_global_default(writer.event_format(Lines).finish())
            }
            TraceFormat::Json => {
                let json = writer.json().flatten_event(true).without_time().with_level(false);
                tracing::subscriber::set_global_default(
                    json.with_current_span(false).with_span_list(false).finish(),
                )
            }
        };
        Ok(Some(trace))
    }

    /// The run of `machine`, which is traced, begins.
    pub fn begin(&mut self, machine: Handle) -> Result<(), CliError> {
        self.shared.lock().out.belongs_to(machine, deadline::of_run());
        let begun = self.new.take().map_or(Ok(()), Stream::begin);
        begun.map_err(|source| CliError::Output { what: self.name.clone(), source })
    }

    /// Writes out what is waiting. Where it goes, and how many bytes of it no reader took.
    ///
    /// # Errors
    /// The first error there was.
    pub fn finish(&self) -> Result<(String, u64), CliError> {
        let mut shared = self.shared.lock();
        let Finished { error, lost } = shared.out.finish(deadline::of_outputs());
        let what = self.name.clone();
        match shared.failed.take().or(error) {
            Some(source) => Err(CliError::Output { what, source }),
            None => Ok((what, lost)),
        }
    }
}

impl Writing {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Writing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut shared = self.lock();
        if shared.failed.is_none() {
            shared.failed = shared.out.push(bytes).err();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Writing {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// A line for an event: instruction or time, place, kind, what.
struct Lines;

/// The fields of an event that a line shows.
#[derive(Default)]
struct Shown {
    instruction: Option<u64>,
    ns: u64,
    cs: u64,
    eip: u64,
    symbol: Option<String>,
    message: String,
}

impl Visit for Shown {
    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "instruction" => self.instruction = Some(value),
            "ns" => self.ns = value,
            "cs" => self.cs = value,
            "eip" => self.eip = value,
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            "symbol" => self.symbol = Some(format!("{value:?}")),
            _ => {}
        }
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut shown = Shown::default();
        event.record(&mut shown);
        match shown.instruction {
            Some(number) => write!(line, "{number:>12}")?,
            None => write!(line, "{:>12.6}", shown.ns as f64 / 1e9)?,
        }
        write!(line, " {:04x}:{:08x} ", shown.cs, shown.eip)?;
        if let Some(symbol) = shown.symbol {
            write!(line, "{symbol} ")?;
        }
        let kind = event.metadata().target();
        let message = OneLine(shown.message);
        writeln!(line, "{}: {message}", kind.strip_prefix("ringer::").unwrap_or(kind))
    }
}
