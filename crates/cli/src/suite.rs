//! `ringer test`.

use crate::args::{ListFormat, TestArgs, Ways};
use crate::error::CliError;
use crate::say::say;
use crate::signals;
use ringer::status;
use ringer_cpu::refusal::refused;
use ringer_testkit::{
    Case, Config, Defaults, Finish, Form, Format, Level, Options, Reason, Selection, Stop,
    durations_file, init, list, list_suite, run_suite, watch,
};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Runs the suite; the status says whether all tests passed.
pub fn run(args: &TestArgs) -> Result<u8, CliError> {
    if let Some(folder) = &args.init {
        print(&init::write(folder)?)?;
        return Ok(0);
    }
    let options = options(args)?;
    if let Some(format) = args.list {
        let cases = list_suite(&options)?;
        print(&match format {
            ListFormat::Text => list::text(&cases),
            ListFormat::Json => list::json(&cases),
        })?;
        return Ok(0);
    }
    if args.watch {
        return watch_suite(args, &options);
    }
    Ok(status_of(&run_suite(&options, &Current::on_signals()?.stop())?))
}

/// Whom a signal tells that a suite is to end: that which runs now.
#[derive(Clone, Default)]
struct Current(Arc<Mutex<Stop>>);

impl Current {
    /// Takes signals from now on.
    fn on_signals() -> Result<Self, CliError> {
        let current = Self::default();
        let told = current.clone();
        let host = |source| CliError::Host { what: "signals", source };
        signals::block().map_err(host)?;
        signals::hand_on(move |signal| told.stop().request(Reason::Signal(signal)) == Level::Kill)
            .map_err(host)?;
        Ok(current)
    }

    fn stop(&self) -> Stop {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is_signalled(&self) -> bool {
        matches!(self.stop().reason(), Some(Reason::Signal(_)))
    }

    /// Forgets why the last suite ended, unless it was a signal.
    fn renew(&self) -> Stop {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(current.reason(), Some(Reason::Signal(_))) {
            *current = Stop::default();
        }
        current.clone()
    }
}

/// The exit status: why it ended early comes before what failed until then.
fn status_of(finish: &Finish) -> u8 {
    match finish.stopped {
        Some(Reason::Signal(_)) => status::ENDED_BY_USER,
        Some(Reason::Budget) => status::TIMEOUT,
        _ if finish.summary.failed > 0 => status::TESTS_FAILED,
        _ => 0,
    }
}

/// Runs the suite again and again. What cannot be run is told, and tried again after the next change.
fn watch_suite(args: &TestArgs, first: &Options) -> Result<u8, CliError> {
    let current = Current::on_signals()?;
    let mut run = || {
        // The configuration may be what has changed.
        let again = options(args).and_then(|options| {
            let builds = list_suite(&options)?.iter().any(Case::is_built);
            run_suite(&options, &current.renew())?;
            Ok(builds)
        });
        let builds = again.unwrap_or_else(|error| {
            say(&error);
            true
        });
        if !current.is_signalled() {
            say("waiting for a change (Ctrl-C ends)");
        }
        builds
    };
    let mut paths = first.paths.clone();
    paths.extend(config_file(args));
    watch::watch(&paths, &|| current.is_signalled(), &mut run);
    Ok(status::ENDED_BY_USER)
}

/// The options, and what the suite's configuration says where they do not.
fn options(args: &TestArgs) -> Result<Options, CliError> {
    let runner = std::env::current_exe()
        .map_err(refused("readlink of /proc/self/exe"))
        .map_err(|source| CliError::Host { what: "the test runner", source })?;
    let file = config_file(args);
    let config = match &file {
        Some(file) => Config::read(file)?,
        None => Config::default(),
    };
    let paths = paths(args, &config, file.as_deref())?;
    let engines = config.engines().filter(|_| args.engine.is_empty());
    let asked = (!args.engine.is_empty()).then(|| args.engine.clone());
    let mut options = Options::new(runner, paths);
    options.defaults = Defaults { keys: config.defaults, engines: asked.or(engines) };
    options.selection = Selection {
        names: [args.filter.as_slice(), &args.names].concat(),
        skip: [args.skip.as_slice(), &config.skip].concat(),
        tags: args.tag.clone(),
        engines: args.engine.clone(),
        include_ignored: args.include_ignored,
        shard: args.shard,
    };
    options.timeout = args.timeout;
    options.mem_limit = args.mem_limit;
    options.access = args.access.map(Ways::name);
    options.retries = args.retries.or(config.retries).unwrap_or(0);
    options.fail_fast = args.fail_fast || (config.fail_fast == Some(true) && !args.no_fail_fast);
    options.no_capture = args.no_capture;
    options.jobs = args.jobs.or(config.jobs);
    options.formats = args.report.formats();
    if let Some(file) = config.junit.filter(|_| !args.report.asks_for(Form::Junit)) {
        options.formats.push(Format { form: Form::Junit, file: Some(file) });
    }
    options.budget = args.report.budget;
    options.durations = durations_file();
    let slow = args.report.slow.or(config.slow.map(Duration::from_secs_f64));
    options.slow = slow.unwrap_or(options.slow);
    Ok(options)
}

fn config_file(args: &TestArgs) -> Option<PathBuf> {
    let first = args.paths.first().map_or(Path::new("."), PathBuf::as_path);
    let folder = if first.is_file() { first.parent().unwrap_or(first) } else { first };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    args.config.clone().or_else(|| Config::find(folder))
}

/// What is run: the paths that were given, or those of the configuration, or its folder.
fn paths(args: &TestArgs, config: &Config, file: Option<&Path>) -> Result<Vec<PathBuf>, CliError> {
    match (&args.paths[..], &config.paths[..], file) {
        ([], [], None) => Err(CliError::NoSuite),
        ([], [], Some(file)) => Ok(vec![file.parent().unwrap_or(Path::new(".")).to_owned()]),
        ([], named, _) => Ok(named.to_vec()),
        (given, ..) => Ok(given.to_vec()),
    }
}

fn print(text: &str) -> Result<(), CliError> {
    let written = io::stdout().write_all(text.as_bytes());
    written.map_err(|source| CliError::Output { what: "standard output".to_owned(), source })
}
