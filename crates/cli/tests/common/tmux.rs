//! A real terminal, in which a screen is shown.

#![allow(dead_code, reason = "each test program uses its part")]

use crate::common::{Files, have};
use std::process::Command;
use std::time::{Duration, Instant};

/// What the shell says afterwards: when the process that minds the terminal has done so, if it was for that one to do.
const AFTER: &str = "status=$?; sleep 1; echo status $status; stty -a; sleep 600\n";

/// A terminal of 100 by 40 that runs a shell's line.
pub struct Tmux<'a>(&'a Files);

impl Drop for Tmux<'_> {
    fn drop(&mut self) {
        let _ = self.call(&["kill-server"]);
    }
}

impl<'a> Tmux<'a> {
    /// `None` without tmux.
    pub fn start(files: &'a Files, line: &str) -> Option<Self> {
        have("tmux")?;
        let tmux = Self(files);
        let script = files.write("line.sh", format!("{line}\n{AFTER}").as_bytes());
        let line = format!("sh {}", script.display());
        tmux.call(&["-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "40", &line])
            .expect("a terminal");
        Some(tmux)
    }

    pub fn call(&self, words: &[&str]) -> Result<String, String> {
        let socket = self.0.path("tmux");
        let output = Command::new("tmux").arg("-S").arg(socket).args(words).output();
        let output = output.expect("tmux starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    pub fn screen(&self) -> Vec<String> {
        let text = self.call(&["capture-pane", "-p"]).expect("a screen");
        text.lines().map(|line| line.trim_end().to_owned()).collect()
    }

    pub fn wait(&self, wanted: impl Fn(&[String]) -> bool) -> Vec<String> {
        self.wait_for(Duration::from_secs(60), wanted)
    }

    pub fn wait_for(&self, most: Duration, wanted: impl Fn(&[String]) -> bool) -> Vec<String> {
        let begun = Instant::now();
        loop {
            let screen = self.screen();
            if wanted(&screen) {
                return screen;
            }
            assert!(begun.elapsed() < most, "{screen:#?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn keys(&self, keys: &[&str]) {
        self.call(&[&["send-keys"], keys].concat()).expect("keys");
    }

    /// The terminal is as it was: lines are edited, what is typed is shown, and the shell's words stand there.
    pub fn is_sane(&self, status: &str) {
        let screen = self.wait(|screen| screen.iter().any(|line| line.starts_with("status ")));
        let screen_has = |word: &str| {
            self.wait(|screen| screen.iter().any(|line| line.split([' ', ';']).any(|w| w == word)))
        };
        assert!(screen.contains(&format!("status {status}")), "{screen:#?}");
        screen_has("icanon");
        screen_has("echo");
        let cursor = self.call(&["display-message", "-p", "#{cursor_flag} #{alternate_on}"]);
        assert_eq!(cursor.expect("flags").trim(), "1 0", "the cursor is seen, on the first screen");
    }
}
