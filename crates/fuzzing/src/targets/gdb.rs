//! What comes from a debugger: a machine waits for one, and hears anything.

use super::states::machine;
use crate::target::Target;
use ringer_gdb::{Address, Gate, Server};
use ringer_machine::{Handle, Until};
use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Lines, each of which is sent as a packet with its checksum; one that begins with `!` as it is.
pub const PACKETS: Target = Target {
    name: "packets",
    run: packets,
    seeds: || {
        let text = "qSupported:multiprocess+;swbreak+;hwbreak+\nvMustReplyEmpty\n?\ng\nm8000,10\nM9000,2:abcd\nZ0,8005,1\nz0,8005,1\ns\n\
                    qRcmd,68656c70\nqRcmd,646576696365732070696320\nP0=01000000\nH g0\nqXfer:features:read:target.xml:0,100\n!+$g#\nbs\nD\n";
        vec![text.as_bytes().to_vec()]
    },
    words: &[
        b"\nm0,ffffffff\n",
        b"\nqRcmd,",
        b"\nX0,ffffffff:",
        b"\nvCont;s:1\n",
        b"\nvCont;c\n",
        b"!\x03\n",
        b"!$",
        b"#00",
        b"}]",
        b"*~",
        b"\nqXfer:memory-map:read::0,ffffffff\n",
        b"ffffffffffffffff",
        b"\nZ2,9000,4\n",
        b"\nbc\n",
        b"\nqSearch:memory:0;100000000;90\n",
    ],
    memory: 16 << 20,
};

/// So long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A machine that is served to, on a thread of its own.
struct Served {
    socket: PathBuf,
    handle: Handle,
    thread: Option<JoinHandle<()>>,
    _folder: tempfile::TempDir,
}

impl Served {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("gdb");
        let (sender, receiver) = channel();
        let address = Address::Unix(socket.clone());
        let thread = thread::spawn(move || {
            // inc dword ptr [9000h]; jmp to it
            let mut machine = machine(&[0xff, 0x05, 0, 0x90, 0, 0, 0xeb, 0xf8]);
            let server = Server::listen(&address).expect("a socket");
            sender.send(machine.handle()).expect("somebody waits");
            server
                .serve(&mut machine, &Gate::new(), true, &Until::new())
                .expect("gdb is never an error");
        });
        let handle = receiver.recv().expect("it listens");
        Self { socket, handle, thread: Some(thread), _folder: folder }
    }

    /// Whether the run goes on.
    fn lives(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.handle.quit();
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(
            ended.is_none_or(|ended| ended.is_ok()) || thread::panicking(),
            "the machine's thread panicked"
        );
    }
}

thread_local! {
    static SERVED: RefCell<Option<Served>> = const { RefCell::new(None) };
}

/// What is sent for a line.
fn packet(line: &[u8]) -> Vec<u8> {
    if let Some(raw) = line.strip_prefix(b"!") {
        return raw.to_vec();
    }
    let sum = line.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    [b"$", line, format!("#{sum:02x}").as_bytes()].concat()
}

fn packets(bytes: &[u8]) {
    SERVED.with_borrow_mut(|kept| {
        if kept.as_ref().is_none_or(|served| !served.lives()) {
            *kept = Some(Served::start());
        }
        let Some(served) = kept else { return };
        let Ok(mut gdb) = UnixStream::connect(&served.socket) else { return };
        let limited = gdb
            .set_read_timeout(Some(PATIENCE))
            .and_then(|()| gdb.set_write_timeout(Some(PATIENCE)));
        limited.expect("sockets have time limits");
        let mut reader = gdb.try_clone().expect("there are descriptors");
        let listening = thread::spawn(move || {
            let mut answer = [0; 4096];
            loop {
                match reader.read(&mut answer) {
                    Ok(0) => return,
                    Ok(_) => {}
                    Err(e) => {
                        assert!(
                            e.kind() != std::io::ErrorKind::WouldBlock,
                            "no answer, and no end"
                        );
                        return;
                    }
                }
            }
        });
        for line in bytes.split(|byte| *byte == b'\n').take(64) {
            // Who is thrown out need not be heard.
            if gdb.write_all(&packet(line)).is_err() {
                break;
            }
        }
        let _ = gdb.shutdown(Shutdown::Write);
        listening.join().expect("an answer comes, or the end");
    });
}
