//! Where, when and with what a run of the bench was made: figures without it say nothing.

use crate::guest::release_dir;
use serde::Serialize;
use std::fs;
use std::path::Path;
use std::process::Command;

/// What stands beside the figures.
#[derive(Clone, Debug, Default, Serialize)]
pub struct About {
    /// The day and the time, UTC.
    pub date: String,
    /// Ringer's version, with its commit.
    pub ringer: String,
    /// QEMU's version.
    pub qemu: String,
    /// The host's processor.
    pub processor: String,
    /// How many processors the bench may use.
    pub processors: usize,
    /// The host's kernel.
    pub kernel: String,
}

impl About {
    /// This host, now.
    #[must_use]
    pub fn here() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        Self {
            date: first_line(Path::new("date"), &["-u", "+%F %H:%M UTC"]),
            ringer: first_line(&release_dir().join("ringer"), &["--version"]),
            qemu: first_line(Path::new("qemu-system-i386"), &["--version"]),
            processor: processor(&cpuinfo),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: first_line(Path::new("uname"), &["-sr"]),
        }
    }

    /// All of it in two lines.
    #[must_use]
    pub fn lines(&self) -> [String; 2] {
        [
            format!("{}; {}; {}", self.date, self.ringer, self.qemu),
            format!("on {} processors of {}, {}", self.processors, self.processor, self.kernel),
        ]
    }
}

/// What a program says first; `unknown` if it cannot be started.
fn first_line(program: &Path, words: &[&str]) -> String {
    let output = Command::new(program).args(words).output();
    let text = output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").trim().to_owned()
}

fn processor(cpuinfo: &str) -> String {
    let name = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"));
    let name = name.and_then(|rest| rest.split_once(':')).map(|(_, name)| name.trim());
    name.unwrap_or("an unknown processor").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_says_who_it_is() {
        assert_eq!(processor("processor : 0\nmodel name\t: X 1 GHz\n"), "X 1 GHz");
        let here = About::here();
        assert!(here.kernel.starts_with("Linux") && here.processors > 0, "{here:?}");
        assert!(here.date.starts_with("20") && here.date.ends_with("UTC"), "{here:?}");
    }
}
