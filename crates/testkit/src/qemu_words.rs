//! What the options of QEMU that a suite's configuration has mean for a machine of ours.
//!
//! An option that changes nothing here is passed over; one that asks for what there is not is the reason why a test is
//! skipped.

use ringer_machine::parse_size;
use std::path::PathBuf;
use std::process::{Command, Stdio};

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
    // Without names of files for patterns, and each word with a NUL behind it.
    shell.arg("-c").arg(format!("set -f; printf '%s\\0' {line}")).env("MAX_SMP", "1");
    let output = shell.stdin(Stdio::null()).output().map_err(|e| format!("cannot run sh: {e}"))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        return Err(format!("sh cannot expand {line}: {}", words.trim()));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.split_terminator('\0').map(str::to_owned).collect())
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
    }
}
