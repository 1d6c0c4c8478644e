//! The independent peer: QEMU's TCG, an installed program in a process of its own. Its guest memory
//! is a file in memory that both sides share; nothing else passes between them.

use crate::layout::{RAM, mail};
use crate::peer::{Peer, PeerError, Stop, TOO_LONG, get, install};
use crate::ringer::RUNNER;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = "qemu-system-i386";
/// A case that takes longer hangs.
const STUCK: Duration = Duration::from_secs(4);
/// Time to get through the firmware.
const BOOT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_micros(500);

/// A QEMU process and its memory.
#[derive(Debug)]
pub struct Qemu {
    folder: tempfile::TempDir,
    memory: File,
    child: Child,
}

fn host(what: &'static str) -> impl FnOnce(std::io::Error) -> PeerError {
    move |source| PeerError::Host { what, source }
}

impl Qemu {
    /// Whether the program is installed.
    pub fn is_installed() -> bool {
        let version = Command::new(PROGRAM).arg("--version").stdout(Stdio::null()).status();
        version.is_ok_and(|s| s.success())
    }

    /// The first line of what the program says of itself.
    pub fn version() -> String {
        let output = Command::new(PROGRAM).arg("--version").output();
        let text = output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned());
        text.unwrap_or_default().lines().next().unwrap_or("").to_owned()
    }

    /// A machine that waits at its mailbox.
    pub fn new() -> Result<Self, PeerError> {
        let shm = Path::new("/dev/shm");
        let folder = if shm.is_dir() {
            tempfile::Builder::new().prefix("ringer-difftest").tempdir_in(shm)
        } else {
            tempfile::tempdir()
        };
        let folder = folder.map_err(host("make a folder for the peer's memory"))?;
        let runner = folder.path().join("runner.elf");
        let file = File::create(runner).and_then(|mut f| f.write_all(RUNNER));
        file.map_err(host("write the runner"))?;
        let memory = folder.path().join("ram");
        let memory = File::options().read(true).write(true).create_new(true).open(memory);
        let memory = memory.map_err(host("make the peer's memory"))?;
        memory.set_len(RAM).map_err(host("size the peer's memory"))?;
        let child = spawn(folder.path())?;
        let mut qemu = Self { folder, memory, child };
        qemu.settle()?;
        Ok(qemu)
    }

    /// Waits for the loader, and installs the tables. That the runner's code is in memory shows that
    /// the firmware, which clears some memory, is past that.
    fn settle(&mut self) -> Result<(), PeerError> {
        install(self)?;
        crate::peer::set(self, mail::DONE, 0)?;
        // An empty batch: done at once when the runner is there.
        crate::peer::set(self, mail::CURRENT, 0)?;
        crate::peer::set(self, mail::END, 0)?;
        crate::peer::set(self, mail::GO, 1)?;
        let started = Instant::now();
        while get(self, mail::DONE)? != 1 {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(PeerError::Start(format!("it ended with {status}")));
            }
            if started.elapsed() > BOOT {
                return Err(PeerError::Start("no answer within a minute".to_owned()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        // Once more: firmware and loader use low memory.
        install(self)
    }

    fn kill(&mut self) {
        // The process may be gone already; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(folder: &Path) -> Result<Child, PeerError> {
    let path = folder.join("ram");
    let memory =
        format!("memory-backend-file,id=m,size={RAM},mem-path={},share=on", path.display());
    let mut command = Command::new(PROGRAM);
    command.args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"]);
    command.args(["-machine", "pc,memory-backend=m", "-accel", "tcg,thread=single"]);
    command.args(["-cpu", crate::model::PEER, "-m", &format!("{}M", RAM >> 20)]);
    command.args(["-object", &memory]).arg("-kernel").arg(folder.join("runner.elf"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
    command.spawn().map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => PeerError::NotInstalled,
        _ => PeerError::Host { what: "start qemu-system-i386", source },
    })
}

impl Drop for Qemu {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Peer for Qemu {
    fn name(&self) -> &'static str {
        "qemu"
    }

    fn write(&mut self, pa: u32, bytes: &[u8]) -> Result<(), PeerError> {
        self.memory.write_all_at(bytes, u64::from(pa)).map_err(host("write the peer's memory"))
    }

    fn read(&mut self, pa: u32, bytes: &mut [u8]) -> Result<(), PeerError> {
        self.memory.read_exact_at(bytes, u64::from(pa)).map_err(host("read the peer's memory"))
    }

    fn restart(&mut self) -> Result<(), PeerError> {
        self.kill();
        // Back to all zero, as a machine just switched on.
        self.memory.set_len(0).map_err(host("clear the peer's memory"))?;
        self.memory.set_len(RAM).map_err(host("size the peer's memory"))?;
        self.child = spawn(self.folder.path())?;
        self.settle()
    }

    fn wait(&mut self, batch: u32) -> Result<Stop, PeerError> {
        let mut last = (u32::MAX, Instant::now());
        loop {
            if get(self, mail::DONE)? == batch {
                return Ok(Stop::Done);
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Ok(Stop::Died(format!("it shut down ({status})")));
            }
            let current = get(self, mail::CURRENT)?;
            if current != last.0 {
                last = (current, Instant::now());
            } else if last.1.elapsed() > STUCK {
                return Ok(Stop::Died(TOO_LONG.to_owned()));
            }
            std::thread::sleep(POLL);
        }
    }
}
