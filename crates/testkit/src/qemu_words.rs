//! What the options of QEMU that a suite's configuration has mean for a machine of ours.
//!
//! An option that changes nothing here is passed over; one that asks for what there is not is the reason why a test is
//! skipped.

use crate::child::{self, End};
use crate::stop::Stop;
use ringer_machine::parse_size;
use std::io::{self, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Least and most memory.
const MEMORY: std::ops::RangeInclusive<u64> = (1 << 20)..=(3 << 30);
/// Options without a value that change nothing here.
const PLAIN: [&str; 6] =
    ["no-reboot", "nodefaults", "no-user-config", "nographic", "no-shutdown", "no-hpet"];
/// Options with a value that change nothing here.
const VALUED: [&str; 6] = ["display", "vnc", "serial", "monitor", "name", "vga"];
/// Devices that every machine here has, or that a test does without.
const DEVICES: [&str; 3] = ["isa-debug-exit", "pc-testdev", "testdev"];
/// Processors of QEMU's that are ours by name.
const MODELS: [&str; 3] = ["486", "pentium", "pentium3"];

/// What the options ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// `-append`.
    pub append: Option<String>,
    /// `-initrd`.
    pub initrd: Option<PathBuf>,
    /// `-m`, in MiB with a suffix, as `ringer run` takes it.
    pub memory: Option<String>,
    /// `-cpu`, where it is one of ours.
    pub cpu: Option<String>,
    /// `-smp`.
    pub smp: Option<String>,
    /// What there is not here.
    pub missing: Option<String>,
}

/// Splits a line as a shell does. Variables and commands in it are expanded by `sh`, since such suites count on it.
///
/// # Errors
/// What is wrong with the line.
pub fn split(line: &str) -> Result<Vec<String>, String> {
    if !line.contains(['$', '`']) {
        return shlex::split(line).ok_or_else(|| format!("a quote is open in {line}"));
    }
    let mut shell = Command::new("sh");
    // In 256 MiB, for a shell keeps what a command says; without names of files for patterns; and each word with a NUL
    // behind it.
    shell
        .arg("-c")
        .arg(format!("ulimit -v 262144; set -f; printf '%s\\0' {line}"))
        .env("MAX_SMP", "1");
    let (end, text, said) = run(shell).map_err(|e| format!("cannot run sh: {e}"))?;
    match end {
        End::Exited(status) if status.success() => {
            let text = String::from_utf8_lossy(&text);
            Ok(text.split_terminator('\0').map(str::to_owned).collect())
        }
        End::Exited(_) => {
            let words = String::from_utf8_lossy(&said);
            Err(format!("sh cannot expand {line}: {}", words.trim()))
        }
        End::TimedOut => Err(format!("sh takes more than {} s to expand {line}", LIMIT.as_secs())),
        End::Stray | End::Stopped => {
            Err(format!("sh makes more than {} KiB of {line}", MOST_WORDS >> 10))
        }
    }
}

/// What a line may become.
const MOST_WORDS: u64 = 64 << 10;
/// What of sh's complaint is told.
const MOST_SAID: u64 = 4 << 10;
/// So long the expansion may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Runs a command; how it ended, and what it wrote to its outputs, up to a bound each: more on the first ends it.
fn run(mut command: Command) -> io::Result<(End, Vec<u8>, Vec<u8>)> {
    let (mut output, written) = io::pipe()?;
    let (said, complaint) = io::pipe()?;
    command.stdin(Stdio::null()).stdout(written).stderr(complaint);
    let child = child::spawn(&mut command)?;
    // With it go our ends of the pipes that it writes to.
    drop(command);
    let much = AtomicBool::new(false);
    thread::scope(|scope| {
        let text = scope.spawn(|| {
            let mut bytes = Vec::new();
            let read = (&mut output).take(MOST_WORDS + 1).read_to_end(&mut bytes);
            much.store(bytes.len() as u64 > MOST_WORDS, Ordering::Relaxed);
            read.map(|_| bytes)
        });
        let said = scope.spawn(move || {
            let mut bytes = Vec::new();
            said.take(MOST_SAID).read_to_end(&mut bytes).map(|_| bytes)
        });
        let end =
            child.wait_while(LIMIT, &Stop::default(), &mut || !much.load(Ordering::Relaxed))?;
        let joined = |part: thread::ScopedJoinHandle<'_, io::Result<Vec<u8>>>| {
            part.join().unwrap_or_else(|_| Err(io::Error::other("a thread ended")))
        };
        let (text, said) = (joined(text)?, joined(said)?);
        // What ended by itself may have written too much, too.
        let end = if text.len() as u64 > MOST_WORDS { End::Stray } else { end };
        Ok((end, text, said))
    })
}

/// What the words ask for.
#[must_use]
pub fn wishes(words: &[String]) -> Wishes {
    let mut wishes = Wishes::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let name = word.strip_prefix("--").or(word.strip_prefix('-')).unwrap_or("");
        if PLAIN.contains(&name) {
            continue;
        }
        if VALUED.contains(&name) {
            words.next();
            continue;
        }
        let mut value = || words.next().cloned().unwrap_or_default();
        match name {
            "append" => wishes.append = Some(value()),
            "initrd" => wishes.initrd = Some(PathBuf::from(value())),
            "m" => memory(&mut wishes, &value()),
            "cpu" => cpu(&mut wishes, &value()),
            "smp" => wishes.smp = Some(value()),
            "device" => {
                let value = value();
                let device = value.split(',').next().unwrap_or_default();
                let iobase = value.split(',').find_map(|part| part.strip_prefix("iobase="));
                let elsewhere = iobase.is_some_and(|port| !matches!(port, "0xf4" | "244"));
                if !DEVICES.contains(&device) || elsewhere {
                    miss(&mut wishes, format!("-device {value}"));
                }
            }
            "machine" | "M" => {
                let value = value();
                let mut parts = value.split(',').filter(|part| !part.starts_with("accel="));
                if parts.any(|part| !matches!(part, "pc" | "type=pc")) {
                    miss(&mut wishes, format!("-{name} {value}"));
                }
            }
            "accel" => {
                let value = value();
                if !value.starts_with("tcg") {
                    miss(&mut wishes, format!("-accel {value}"));
                }
            }
            _ => {
                miss(&mut wishes, word.clone());
                break;
            }
        }
    }
    wishes
}

fn miss(wishes: &mut Wishes, what: String) {
    wishes.missing.get_or_insert(what);
}

fn memory(wishes: &mut Wishes, value: &str) {
    let size = value.split(',').next().unwrap_or_default();
    let size = size.strip_prefix("size=").unwrap_or(size);
    if parse_size(size).is_ok_and(|bytes| MEMORY.contains(&bytes)) {
        wishes.memory = Some(size.to_owned());
    } else {
        miss(wishes, format!("-m {value}"));
    }
}

/// Others are what a test asks a processor for by CPUID; it finds the most that there is.
fn cpu(wishes: &mut Wishes, value: &str) {
    let model = value.split(',').next().unwrap_or_default();
    if MODELS.contains(&model) {
        wishes.cpu = Some(model.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Wishes {
        wishes(&split(line).unwrap())
    }

    #[test]
    fn options_that_mean_something_here_are_taken() {
        let all = of("-m 256 -cpu pentium,+x -append 'a  \"b\"' --initrd e -smp 2 -no-reboot");
        let wanted = Wishes {
            append: Some("a  \"b\"".to_owned()),
            initrd: Some(PathBuf::from("e")),
            memory: Some("256".to_owned()),
            cpu: Some("pentium".to_owned()),
            smp: Some("2".to_owned()),
            missing: None,
        };
        assert_eq!(all, wanted);
        assert_eq!(of("-cpu max,+vmx -display none -machine pc,accel=tcg"), Wishes::default());
        assert_eq!(of("-device isa-debug-exit,iobase=0xf4,iosize=0x4").missing, None);
    }

    #[test]
    fn what_there_is_not_is_named() {
        for (line, missing) in [
            ("-device edu -append x", "-device edu"),
            ("-machine vmport=on", "-machine vmport=on"),
            ("-M q35,kernel-irqchip=split", "-M q35,kernel-irqchip=split"),
            ("-m 4g", "-m 4g"),
            ("-enable-kvm -m 64", "-enable-kvm"),
            ("-device isa-debug-exit,iobase=0x501", "-device isa-debug-exit,iobase=0x501"),
        ] {
            assert_eq!(of(line).missing.as_deref(), Some(missing), "{line}");
        }
    }

    #[test]
    fn the_shell_expands_what_only_it_can() {
        assert_eq!(split("-smp $MAX_SMP -append \"1 `echo 2` *\"").unwrap()[3], "1 2 *");
        assert_eq!(split("-smp $MAX_SMP").unwrap(), ["-smp", "1"]);
        assert!(split("-append 'x").is_err());
        assert!(split("-append \"`x").is_err());
        let endless = split("-append $(yes)").unwrap_err();
        assert!(endless.starts_with("sh ") && endless.len() < 5000, "{endless}");
        let much = split("-append $(head -c 70000 /dev/zero | tr '\\0' x)").unwrap_err();
        assert!(much.starts_with("sh makes more than 64 KiB"), "{much}");
        assert_eq!(
            split("-append $(head -c 60000 /dev/zero | tr '\\0' x)").unwrap()[1].len(),
            60000
        );
        let complaint = split("-append $(head -c 70000 /dev/zero >&2) ${x?}").unwrap_err();
        assert!(complaint.len() < 5000, "{complaint}");
    }
}
