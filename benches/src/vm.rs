//! A virtual machine in a child process, its serial console on pipes.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use thiserror::Error;

/// A run that did not go as it must.
#[derive(Debug, Error)]
pub enum VmError {
    /// The program could not be started.
    #[error("cannot start {program}: {source}")]
    Start {
        /// Its name.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// The text did not come.
    #[error("waited {seconds:.0} s for {wanted:?}; the console's last lines:\n{tail}")]
    NoText {
        /// What was waited for.
        wanted: String,
        /// How long.
        seconds: f64,
        /// The end of what came.
        tail: String,
    },
    /// The console could not be written.
    #[error("cannot write to the console: {0}")]
    Console(#[from] std::io::Error),
    /// The process did not end.
    #[error("the process did not end within {0:.0} s")]
    NoEnd(f64),
}

/// A running virtual machine.
#[derive(Debug)]
pub struct Vm {
    child: Child,
    stdin: Option<ChildStdin>,
    output: Receiver<Vec<u8>>,
    text: String,
    /// Where the next wait starts looking.
    seen: usize,
}

impl Vm {
    /// Starts `command` with its console on pipes.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> Result<Self, VmError> {
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(|source| VmError::Start { program, source })?;
        let stdin = child.stdin.take();
        let mut stdout = child.stdout.take().expect("stdout is piped");
        let (send, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = stdout.read(&mut buffer) {
                if send.send(buffer[..n].to_vec()).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, stdin, output, text: String::new(), seen: 0 })
    }

    /// Waits until `wanted` appears after what earlier waits found; returns the text up to its end.
    ///
    /// # Errors
    /// When it does not come within `limit`.
    pub fn wait_for(&mut self, wanted: &str, limit: Duration) -> Result<String, VmError> {
        let start = Instant::now();
        loop {
            if let Some(at) = self.text[self.seen..].find(wanted) {
                let end = self.seen + at + wanted.len();
                let found = self.text[self.seen..end].to_owned();
                self.seen = end;
                return Ok(found);
            }
            let left = limit.saturating_sub(start.elapsed());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.text.push_str(&String::from_utf8_lossy(&bytes)),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    return Err(VmError::NoText {
                        wanted: wanted.to_owned(),
                        seconds: start.elapsed().as_secs_f64(),
                        tail: self.tail(),
                    });
                }
            }
        }
    }

    /// The process's number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn tail(&self) -> String {
        let lines: Vec<&str> = self.text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    /// Types `text`.
    ///
    /// # Errors
    /// When the console is closed.
    pub fn send(&mut self, text: &str) -> Result<(), VmError> {
        if let Some(stdin) = &mut self.stdin {
            stdin.write_all(text.as_bytes())?;
            stdin.flush()?;
        }
        Ok(())
    }

    /// Waits for the process to end by itself.
    ///
    /// # Errors
    /// When it does not within `limit`.
    pub fn wait_end(&mut self, limit: Duration) -> Result<ExitStatus, VmError> {
        let start = Instant::now();
        while start.elapsed() < limit {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err(VmError::NoEnd(limit.as_secs_f64()))
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
