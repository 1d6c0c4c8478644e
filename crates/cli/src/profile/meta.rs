//! Where a profile comes from: program, host, guest.

use crate::args::RunArgs;
use crate::version;
use chrono::{DateTime, SecondsFormat, Utc};
use ringer::{ClockKind, Machine, MachineConfig, module_file};
use ringer_profile::{Build, Guest, GuestFile, Host, Meta};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What is known before the run: files may be other ones after it.
pub fn before(args: &RunArgs, config: &MachineConfig) -> Meta {
    let date: DateTime<Utc> = SystemTime::now().into();
    let disabled = args.engine.disabled();
    let virtual_clock =
        config.run.clock == ClockKind::Virtual || config.run.max_instructions.is_some();
    Meta {
        ringer: build(),
        host: host(),
        date: date.to_rfc3339_opts(SecondsFormat::Secs, true),
        arguments: std::env::args_os().skip(1).map(|word| word.display().to_string()).collect(),
        disabled,
        clock: if virtual_clock { "virtual" } else { "real" }.to_owned(),
        cpu: config.pc.model.to_string(),
        memory: config.pc.ram_size,
        cache_size: config.run.tc_size,
        guest: guest(args),
        end: String::new(),
    }
}

/// What is known after it.
pub fn after(meta: Meta, end: &str, machine: &Machine) -> Meta {
    Meta { end: end.to_owned(), memory: machine.memory_size(), ..meta }
}

/// `0.1.0 (0123456789 2026-11-29)` in its parts.
fn build() -> Build {
    let commit = version::SHORT.split_once('(').and_then(|(_, rest)| rest.split([' ', ')']).next());
    Build { version: env!("CARGO_PKG_VERSION").to_owned(), commit: commit.map(str::to_owned) }
}

fn host() -> Host {
    let cpus = std::thread::available_parallelism().map_or(0, |n| n.get() as u32);
    let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    Host { cpu: name.map(|(_, name)| name.to_owned()).unwrap_or_default(), kernel, cpus }
}

/// What the machine boots. A file that cannot be read twice (a pipe) has no digest, nor has the guest then.
fn guest(args: &RunArgs) -> Guest {
    let one = |role: &str, path: &Option<PathBuf>| {
        path.as_ref().map(|path| (role.to_owned(), module_file(path).to_owned()))
    };
    let single = [
        one("kernel", &args.kernel),
        one("kernel", &args.multiboot),
        one("rom", &args.rom),
        one("disk", &args.bootsector),
        one("state", &args.load),
    ];
    let role = if args.multiboot.is_some() { "module" } else { "initrd" };
    let more = args.initrd.iter().map(|path| (role.to_owned(), path.clone()));
    let files: Vec<GuestFile> =
        single.into_iter().flatten().chain(more).map(|(role, path)| file(role, &path)).collect();
    let name = files.first().and_then(|f| Path::new(&f.path).file_name()).unwrap_or_default();
    let known = !files.is_empty() && files.iter().all(|f| !f.digest.is_empty());
    Guest {
        name: name.to_string_lossy().into_owned(),
        digest: if known { digest_of(&files, args.append.as_deref()) } else { String::new() },
        command_line: args.append.clone(),
        files,
        symbols: args.symbols.iter().map(|path| path.display().to_string()).collect(),
    }
}

fn file(role: String, path: &Path) -> GuestFile {
    let (bytes, digest) = match crc_of(path) {
        Ok((bytes, crc)) => (bytes, format!("{crc:08x}-{bytes:x}")),
        Err(_) => (0, String::new()),
    };
    GuestFile { role, path: path.display().to_string(), bytes, digest }
}

/// CRC-32 and length, as a saved state recognises files.
fn crc_of(path: &Path) -> io::Result<(u64, u32)> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let (mut file, mut hasher) = (File::open(path)?, crc32fast::Hasher::new());
    let (mut buffer, mut length) = (vec![0; 1 << 16], 0);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((length, hasher.finalize())),
            n => {
                hasher.update(&buffer[..n]);
                length += n as u64;
            }
        }
    }
}

/// The guest's digest: of the roles, lengths and digests of its files, whatever their names, and of its
/// command line.
fn digest_of(files: &[GuestFile], command_line: Option<&str>) -> String {
    let mut hasher = crc32fast::Hasher::new();
    for file in files {
        hasher.update(format!("{} {}\n", file.role, file.digest).as_bytes());
    }
    hasher.update(command_line.unwrap_or_default().as_bytes());
    format!("{:08x}", hasher.finalize())
}
