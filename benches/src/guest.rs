//! The Debian guest and the machines that run it.

use crate::vm::{Vm, VmError};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The shell's prompt in the guest.
pub const PROMPT: &str = "ringer:/root# ";
/// The longest that a boot may take.
pub const BOOT_LIMIT: Duration = Duration::from_secs(300);

/// Where the guest's files are.
#[derive(Clone, Debug)]
pub struct Guest {
    /// The kernel.
    pub kernel: PathBuf,
    /// The initial RAM disk.
    pub initrd: PathBuf,
    /// The kernel's command line.
    pub append: String,
    /// Guest memory, as both machines' `-m` takes it.
    pub memory: String,
}

/// The project's folder.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("benches lies in the project").to_owned()
}

/// The folder of release binaries.
#[must_use]
pub fn release_dir() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    target.unwrap_or_else(|| root().join("target")).join("release")
}

impl Guest {
    /// The guest that `scripts/fetch-debian-guest.sh` makes.
    #[must_use]
    pub fn debian() -> Self {
        let dir = root().join("guests/debian");
        Self {
            kernel: dir.join("vmlinuz"),
            initrd: dir.join("initrd.gz"),
            append: "console=ttyS0".to_owned(),
            memory: "512M".to_owned(),
        }
    }

    /// The command that runs the guest in Ringer with `engine`.
    #[must_use]
    pub fn ringer(&self, engine: &str, verb: &str) -> Command {
        self.build_of_ringer(&release_dir().join("ringer"), engine, verb)
    }

    /// The command that runs the guest in the build of Ringer at `binary`.
    #[must_use]
    pub fn build_of_ringer(&self, binary: &Path, engine: &str, verb: &str) -> Command {
        let mut c = Command::new(binary);
        c.arg(verb).arg("--kernel").arg(&self.kernel).arg("--initrd").arg(&self.initrd);
        c.args(["--append", &self.append, "-m", &self.memory, "--engine", engine]);
        c.arg("--no-reboot");
        c
    }

    /// The command that runs the guest in QEMU's TCG.
    #[must_use]
    pub fn qemu(&self) -> Command {
        let mut c = Command::new("qemu-system-i386");
        c.args(["-accel", "tcg", "-machine", "pc", "-nodefaults", "-display", "none"]);
        c.args(["-serial", "stdio", "-no-reboot", "-m", &self.memory]);
        c.arg("-kernel").arg(&self.kernel).arg("-initrd").arg(&self.initrd);
        c.args(["-append", &self.append]);
        c
    }
}

/// Boots `command` to the shell; returns the machine and the seconds it took.
///
/// # Errors
/// When the prompt does not come.
pub fn boot(command: &mut Command) -> Result<(Vm, f64), VmError> {
    let start = std::time::Instant::now();
    let mut vm = Vm::start(command)?;
    vm.wait_for(PROMPT, BOOT_LIMIT)?;
    Ok((vm, start.elapsed().as_secs_f64()))
}
