//! Runs tests in parallel, and tells what happens.
//!
//! Workers take the tests one after the other and send what happens to the thread that called
//! [`Runner::run`], which alone speaks to the reporters. A worker starts and awaits the processes of
//! its tests itself, since they end with the thread that started them ([`crate::child`]).

use crate::attempt::{Place, attempt};
use crate::case::{Attempt, Outcome, Summary, Verdict};
use crate::events::{Event, Finish, Suite};
use crate::reporters::Reporters;
use crate::stop::{Level, Reason, Stop};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// How often there is a look at the clock while nothing happens.
const LOOK: Duration = Duration::from_millis(50);

/// What all tests of a suite share.
#[derive(Debug)]
pub struct Runner<'a> {
    /// Where and how they run.
    pub place: Place<'a>,
    /// Whether the first failure ends the suite.
    pub fail_fast: bool,
    /// When the suite ends whatever is left.
    pub deadline: Option<Instant>,
    /// Ends the suite early.
    pub stop: &'a Stop,
}

/// What a worker tells.
enum Message {
    Started {
        number: usize,
        attempt: u32,
    },
    Failed {
        number: usize,
        attempt: Attempt,
        count: u32,
    },
    Finished {
        number: usize,
        outcome: Box<Outcome>,
    },
    Sent {
        number: usize,
        bytes: Vec<u8>,
    },
    /// The suite's end came first.
    Interrupted {
        number: usize,
    },
}

impl Runner<'_> {
    /// Runs the tests of the suite, and tells the reporters to the end. The outcomes are in the order of
    /// their ends, without serial texts.
    pub fn run(&self, suite: &Suite, reporters: &mut Reporters) -> (Finish, Vec<Outcome>) {
        let started = Instant::now();
        reporters.event(suite, Event::SuiteStarted);
        let next = AtomicUsize::new(0);
        let mut desk = Desk::new(suite, reporters);
        thread::scope(|scope| {
            let (sender, messages) = mpsc::channel();
            let mut workers = 0;
            for _ in 0..suite.jobs.min(suite.cases.len()) {
                let (sender, next) = (sender.clone(), &next);
                let work = move || self.work(suite, next, &sender);
                workers += usize::from(thread::Builder::new().spawn_scoped(scope, work).is_ok());
            }
            if workers == 0 {
                // The host gives no thread: this one does it, and what it says waits for it.
                self.work(suite, &next, &sender);
            }
            drop(sender);
            loop {
                match messages.recv_timeout(LOOK) {
                    Ok(message) => desk.take(message),
                    Err(RecvTimeoutError::Timeout) => desk.reporters.event(suite, Event::Idle),
                    Err(RecvTimeoutError::Disconnected) => break,
                }
                desk.name_slow_ones();
                if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                    self.stop.request(Reason::Budget);
                }
            }
        });
        let Desk { reporters, outcomes, interrupted, .. } = desk;
        let summary = Summary::of(outcomes.iter().map(|(_, outcome)| outcome), suite.cases.len());
        let mut slow: Vec<_> = outcomes.iter().map(|(i, o)| (*i, o.time)).collect();
        slow.retain(|(_, time)| *time >= suite.slow);
        slow.sort_by_key(|(number, time)| (Reverse(*time), *number));
        // Asked for too late to matter: everything had run.
        let stopped = self
            .stop
            .reason()
            .filter(|reason| summary.not_run > 0 || matches!(reason, Reason::Signal(_)));
        let finish = Finish { summary, time: started.elapsed(), stopped, interrupted, slow };
        reporters.event(suite, Event::SuiteFinished(&finish));
        (finish, outcomes.into_iter().map(|(_, outcome)| outcome).collect())
    }

    /// A worker's life.
    fn work(&self, suite: &Suite, next: &AtomicUsize, sender: &Sender<Message>) {
        // A message that nobody takes is one too many after the reporting thread's panic.
        let tell = |message| drop(sender.send(message));
        while self.stop.level() == Level::Run {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= suite.cases.len() {
                break;
            }
            self.run_test(suite, number, &tell);
        }
    }

    /// Runs a test as often as it takes.
    fn run_test(&self, suite: &Suite, number: usize, tell: &dyn Fn(Message)) {
        let case = &suite.cases[number];
        let retries = suite.retries_of(number);
        let mut attempts = Vec::new();
        loop {
            let count = attempts.len() as u32 + 1;
            tell(Message::Started { number, attempt: count });
            let sent = |bytes| tell(Message::Sent { number, bytes });
            let tried = attempt(&self.place, number, case, self.stop, &sent);
            let Some(verdict) = tried.verdict else { return tell(Message::Interrupted { number }) };
            match verdict {
                Verdict::Failed(failure) if count <= retries && self.stop.level() == Level::Run => {
                    let (serial, started, time) = (tried.serial, tried.started, tried.time);
                    let attempt = Attempt { failure, serial, started, time };
                    attempts.push(attempt.clone());
                    tell(Message::Failed { number, attempt, count });
                }
                verdict => {
                    if self.fail_fast && matches!(verdict, Verdict::Failed(_)) {
                        self.stop.request(Reason::FailFast);
                    }
                    let outcome = Outcome {
                        case: case.clone(),
                        verdict,
                        points: tried.points,
                        serial: tried.serial,
                        started: tried.started,
                        time: tried.time,
                        attempts,
                    };
                    return tell(Message::Finished { number, outcome: Box::new(outcome) });
                }
            }
        }
    }
}

/// The reporting thread's view.
struct Desk<'a> {
    suite: &'a Suite,
    reporters: &'a mut Reporters,
    /// Since when, and whether it has been named as slow.
    running: BTreeMap<usize, (Instant, bool)>,
    outcomes: Vec<(usize, Outcome)>,
    interrupted: Vec<usize>,
}

impl<'a> Desk<'a> {
    fn new(suite: &'a Suite, reporters: &'a mut Reporters) -> Self {
        let (running, outcomes, interrupted) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { suite, reporters, running, outcomes, interrupted }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Started { number, attempt } => {
                self.running.insert(number, (Instant::now(), false));
                self.reporters.event(self.suite, Event::TestStarted { number, attempt });
            }
            Message::Failed { number, attempt, count } => {
                let event = Event::AttemptFailed { number, attempt: &attempt, count };
                self.reporters.event(self.suite, event);
            }
            Message::Finished { number, outcome } => {
                self.running.remove(&number);
                let event = Event::TestFinished { number, outcome: &outcome };
                self.reporters.event(self.suite, event);
                // What is told need not be kept.
                let outcome = Outcome { serial: Vec::new(), ..*outcome };
                self.outcomes.push((number, outcome));
            }
            Message::Sent { number, bytes } => {
                self.reporters.event(self.suite, Event::Sent { number, bytes: &bytes });
            }
            Message::Interrupted { number } => {
                self.running.remove(&number);
                self.interrupted.push(number);
            }
        }
    }

    /// Names, once, tests that have run for long.
    fn name_slow_ones(&mut self) {
        for (number, (since, named)) in &mut self.running {
            let time = since.elapsed();
            if !*named && time >= self.suite.slow {
                *named = true;
                self.reporters.event(self.suite, Event::Slow { number: *number, time });
            }
        }
    }
}
