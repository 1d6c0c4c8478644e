//! Listening for gdb, and a machine's run with whoever comes.
//!
//! All that is opened is opened here at the beginning: a process that runs a guest makes no connections.

use crate::address::Address;
use crate::debuggee::{Client, Debuggee};
use crate::error::GdbError;
use crate::gate::Gate;
use crate::line::{self, Stream};
use crate::session::{self, Outcome};
use ringer_machine::{Handle, Machine, Stop, Until};
use ringer_sandbox::{Threads, spawn};
use rustix::net::{Shutdown, shutdown};
use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Between two looks whether the run is to end.
const LOOK: Duration = Duration::from_millis(50);
/// After a connection that could not be taken.
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Socket {
    /// Nobody is let in any more, and whoever waits in [`Socket::accept`] goes on.
    fn close(&self) {
        let closed = match self {
            Self::Tcp(socket) => shutdown(socket, Shutdown::Both),
            Self::Unix(socket) => shutdown(socket, Shutdown::Both),
        };
        debug_assert!(closed.is_ok(), "a socket that listens: {closed:?}");
    }

    fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(socket) => socket.accept().map(|(stream, _)| Stream::Tcp(stream)),
            Self::Unix(socket) => socket.accept().map(|(stream, _)| Stream::Unix(stream)),
        }
    }
}

/// What the thread that listens and the one that runs the machine share.
#[derive(Debug, Default)]
struct Shared {
    /// Nobody else is let in.
    busy: AtomicBool,
    /// The machine is to be told of a connection.
    handle: Mutex<Option<Handle>>,
    /// No longer.
    over: AtomicBool,
}

impl Shared {
    fn handle(&self) -> std::sync::MutexGuard<'_, Option<Handle>> {
        self.handle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Listens for gdb, until it is dropped.
#[derive(Debug)]
pub struct Server {
    arrived: Receiver<Stream>,
    shared: Arc<Shared>,
    address: Address,
    socket: Arc<Socket>,
    thread: Option<JoinHandle<()>>,
}

/// Looks for somebody at the door.
struct Door<'s> {
    arrived: &'s Receiver<Stream>,
    came: Option<Stream>,
}

impl Client for Door<'_> {
    fn wants_stop(&mut self) -> bool {
        if self.came.is_none() {
            self.came = self.arrived.try_recv().ok();
        }
        self.came.is_some()
    }
}

impl Server {
    /// Listens at `address`; port 0 is any that is free.
    ///
    /// # Errors
    /// [`GdbError::Listen`].
    pub fn listen(address: &Address) -> Result<Self, GdbError> {
        let refused = |source| GdbError::Listen { address: address.clone(), source };
        let (socket, address) = bind(address).map_err(refused)?;
        let (sender, arrived) = sync_channel(1);
        let shared = Arc::new(Shared::default());
        let socket = Arc::new(socket);
        let (for_thread, listening, path) =
            (Arc::clone(&shared), Arc::clone(&socket), path_of(&address));
        let listen = move || {
            wait(&listening, &sender, &for_thread);
            if let Some(path) = path {
                // It was made by us.
                let _ = std::fs::remove_file(path);
            }
        };
        let named = thread::Builder::new().name("gdb listener".to_owned());
        let thread = spawn(named, Threads::LISTENER, listen).map_err(GdbError::Thread)?;
        let thread = Some(thread);
        Ok(Self { arrived, shared, address, socket, thread })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Runs `machine`, whose sinks are behind `gate`, until the guest or `until` ends the run, with whoever comes
    /// meanwhile; with `wait` not before somebody has come. Triple faults and resets are as without gdb while nobody is
    /// there.
    ///
    /// # Errors
    /// When the host fails us, or output could not be written.
    pub fn serve(
        &self,
        machine: &mut Machine,
        gate: &Gate,
        wait: bool,
        until: &Until,
    ) -> Result<Stop, GdbError> {
        let handle = machine.handle();
        *self.shared.handle() = Some(handle.clone());
        let end =
            self.serve_to(&handle, &mut Debuggee::new(machine, gate.clone(), until.clone())?, wait);
        *self.shared.handle() = None;
        end
    }

    fn serve_to(
        &self,
        handle: &Handle,
        debuggee: &mut Debuggee<'_>,
        wait: bool,
    ) -> Result<Stop, GdbError> {
        let mut came = None;
        while wait && came.is_none() {
            if handle.is_quitting() {
                return Ok(Stop::Quit);
            }
            if debuggee.is_over() {
                return Ok(Stop::Timeout);
            }
            came = match self.arrived.recv_timeout(LOOK) {
                Ok(stream) => Some(stream),
                Err(RecvTimeoutError::Timeout) => None,
                // The thread that listens could not go on.
                Err(RecvTimeoutError::Disconnected) => break,
            };
        }
        loop {
            let mut door = Door { arrived: &self.arrived, came };
            if door.came.is_none()
                && let Some(stop) = debuggee.run_alone(&mut door)?
            {
                return Ok(stop);
            }
            came = None;
            let Some(stream) = door.came else { continue };
            let outcome = match line::open(stream, handle.clone()) {
                Ok((out, mut line)) => session::talk(debuggee, out, &mut line)?,
                // It has gone already.
                Err(_) => Outcome::Detached,
            };
            debuggee.release();
            self.shared.busy.store(false, Ordering::SeqCst);
            match outcome {
                Outcome::Detached => {}
                Outcome::Quit => return Ok(Stop::Quit),
                Outcome::Over(stop) => return Ok(stop),
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        self.socket.close();
        if let Some(thread) = self.thread.take() {
            // A panic of it has been told.
            let _ = thread.join();
        }
    }
}

/// The path of a Unix socket.
fn path_of(address: &Address) -> Option<PathBuf> {
    match address {
        Address::Tcp(..) => None,
        Address::Unix(path) => Some(path.clone()),
    }
}

fn bind(address: &Address) -> io::Result<(Socket, Address)> {
    match address {
        Address::Tcp(host, port) => {
            let socket = TcpListener::bind((host.as_str(), *port))?;
            let port = socket.local_addr()?.port();
            Ok((Socket::Tcp(socket), Address::Tcp(host.clone(), port)))
        }
        Address::Unix(path) => Ok((Socket::Unix(bind_unix(path)?), address.clone())),
    }
}

/// A socket that nobody listens at any more, as a run that was killed leaves it, is in nobody's way.
fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    match UnixListener::bind(path) {
        Err(e) if e.kind() == ErrorKind::AddrInUse => {
            // (A file that is no socket refuses connections, too.)
            let kind = std::fs::symlink_metadata(path)?.file_type();
            let left = UnixStream::connect(path);
            let dead = left.is_err_and(|e| e.kind() == ErrorKind::ConnectionRefused);
            if !kind.is_socket() || !dead {
                return Err(e);
            }
            std::fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        bound => bound,
    }
}

/// Takes connections, one at a time, and tells the machine.
fn wait(socket: &Socket, arrived: &SyncSender<Stream>, shared: &Shared) {
    loop {
        let stream = socket.accept();
        if shared.over.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else {
            thread::park_timeout(PAUSE);
            continue;
        };
        // Whoever comes second finds the door closed.
        if shared.busy.swap(true, Ordering::SeqCst) || arrived.try_send(stream).is_err() {
            continue;
        }
        if let Some(handle) = &*shared.handle() {
            handle.kick();
        }
    }
}
