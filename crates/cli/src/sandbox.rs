//! The sandbox of the command: what `--sandbox` says, and what the kernel lacks.

use crate::args::{RunArgs, Sandboxed};
use crate::error::CliError;
use crate::say::say;
use crate::serial::SerialSpec;
use crate::terminal;
use ringer::gdb::Address;
use ringer::module_file;
use ringer::sandbox::{Access, Confined, Sandbox, Threads, confine};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// A run without all of it is an error.
static REQUIRED: AtomicBool = AtomicBool::new(false);

/// The folders in which `run` makes files or removes them while the guest runs or afterwards, those of `outputs` among
/// them; all else is open by then.
#[must_use]
pub fn of_run<'a>(run: &'a RunArgs, outputs: impl IntoIterator<Item = &'a PathBuf>) -> Sandbox {
    let saved = run.save_at.chunks_exact(2).map(|save| Path::new(&save[1]));
    let outputs =
        outputs.into_iter().chain(&run.report).chain(run.script.files()).map(PathBuf::as_path);
    let sandbox = saved.chain(outputs).fold(Sandbox::new(), |sandbox, path| {
        sandbox.grant(Threads::FILES, folder_of(path), Access::Make)
    });
    // What cannot be parsed is told where the folder is opened.
    let sandbox = match run.share.folder() {
        Ok(Some(share)) => {
            let access = if share.writable { Access::Change } else { Access::List };
            sandbox.grant(Threads::SHARE, share.path, access)
        }
        _ => sandbox,
    };
    match run.gdb.address() {
        Some(Address::Unix(path)) => {
            sandbox.grant(Threads::LISTENER, folder_of(&path), Access::Remove)
        }
        _ => sandbox,
    }
}

/// What a process opens that runs those of `run` and `guests` one after the other, and writes `outputs`.
#[must_use]
pub fn of_guests<'a>(
    run: &'a RunArgs,
    guests: &[PathBuf],
    outputs: impl IntoIterator<Item = &'a PathBuf>,
) -> Sandbox {
    let image = [&run.kernel, &run.multiboot, &run.rom, &run.bootsector].into_iter().flatten();
    let inputs = image
        .chain(run.firmware.files())
        .chain(&run.symbols)
        .chain(guests)
        .cloned()
        .chain(run.initrd.iter().map(|named| module_file(named).to_owned()));
    let host = ["/sys/devices/system/clocksource", "/proc/self"].map(PathBuf::from);
    let mut sandbox = inputs.chain(host).fold(of_run(run, outputs), |sandbox, path| {
        sandbox.grant(Threads::COORDINATOR, path, Access::Read)
    });
    let printer = run.parallel.clone().map(SerialSpec::File);
    let serial = run.serial();
    for line in serial.iter().chain([&run.debugcon]).chain(&printer) {
        sandbox = match line {
            SerialSpec::File(path) => {
                sandbox.grant(Threads::COORDINATOR, folder_of(path), Access::Make)
            }
            SerialSpec::Pty => ["/dev/ptmx", "/dev/pts"].iter().fold(sandbox, |sandbox, path| {
                sandbox.grant(Threads::COORDINATOR, path.into(), Access::Devices)
            }),
            SerialSpec::Stdio | SerialSpec::Null => sandbox,
        };
    }
    sandbox
}

/// The folder of the file that `path` names, through links.
fn folder_of(path: &Path) -> PathBuf {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// From now on threads confine themselves as `sandbox` says, unless `wish` says otherwise.
pub fn arm(sandbox: Sandbox, wish: Sandboxed) {
    REQUIRED.store(wish == Sandboxed::Require, Ordering::Relaxed);
    if wish != Sandboxed::Off {
        // A command arms one sandbox.
        let armed = sandbox.arm();
        debug_assert!(armed.is_ok(), "{armed:?}");
    }
}

/// Confines the calling thread, which is about to run a guest or to have others do so. What holds from now on; nothing
/// without a sandbox.
///
/// # Errors
/// When all of it is required and something is lacking.
pub fn enter(threads: Threads) -> Result<Option<Confined>, CliError> {
    let Some(confined) = confine(threads) else { return Ok(None) };
    let lacking = confined.lacking().join(", ");
    if lacking.is_empty() {
        return Ok(Some(confined));
    }
    if REQUIRED.load(Ordering::Relaxed) {
        return Err(CliError::Sandbox { lacking });
    }
    say(format_args!("the sandbox lacks {lacking}: this host does not permit it"));
    if terminal::is_raw() {
        let _ = io::stderr().write_all(b"\r");
    }
    Ok(Some(confined))
}
