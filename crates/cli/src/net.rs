//! The network of a run: opened before the guest runs, served by a thread of its own.

use crate::args::{Net, NetArgs, NetKind};
use crate::error::CliError;
use crate::say::say;
use crate::signals;
use crate::terminal;
use ringer::sandbox::{Threads, spawn};
use ringer::{Builder, Handle, Mac, MachineConfig, NicModel};
use ringer_cpu::refusal::refused;
use ringer_input::shown;
use ringer_net::{Network, Stopper};
use std::fs::File;
use std::io::{self, Write};
use std::thread::{self, JoinHandle};

/// A network that is open, and the adapter that it is for, if there is one.
pub struct OpenNetwork(Option<(Network, NicModel)>);

/// One that is served, likewise.
pub struct Served(Option<(Stopper, JoinHandle<()>)>);

impl OpenNetwork {
    /// Opens what `args` name, for a machine like `config`, whose adapters are there already if it goes on from a state.
    ///
    /// # Errors
    /// When it cannot be opened, or the state has no such adapter.
    pub fn open(
        args: &NetArgs,
        config: &mut MachineConfig,
        from_state: bool,
    ) -> Result<Self, CliError> {
        let Some(Net { kind, model, mac }) = args.network()? else {
            return Ok(Self(None));
        };
        let nics = config.pc.nics;
        let there = NicModel::ALL.into_iter().find(|model| nics.of(*model).is_some());
        let model = model.or(there).unwrap_or(NicModel::DEFAULT);
        let mac = match nics.of(model) {
            Some(saved) => saved,
            None if from_state => return Err(CliError::NoSavedAdapter { model: model.id() }),
            None => mac.unwrap_or(Mac::DEFAULT),
        };
        config.pc.nics = nics.with(model, mac);
        let network = match &kind {
            NetKind::User(user) => Network::user(user, mac),
            NetKind::Tap(name) => Network::tap(name),
            NetKind::Passt(path) => Network::passt(path),
        };
        let mut network = network.map_err(CliError::Network)?;
        if let Some(path) = &args.pcap {
            let created = File::create(path);
            let file = created.map_err(|source| CliError::Create { path: path.clone(), source })?;
            let what = shown(path).to_string();
            network = network.record(file, move |error| {
                say(format_args!("cannot write {what}: {error}; no more frames are recorded"));
                if terminal::is_raw() {
                    let _ = io::stderr().write_all(b"\r");
                }
            });
        }
        Ok(Self(Some((network, model))))
    }

    /// Connects the adapter of the machine that `builder` builds.
    pub fn connect(&self, builder: Builder) -> Builder {
        match &self.0 {
            Some((network, model)) => builder.link(*model, network.link()),
            None => builder,
        }
    }

    /// Serves the machine from now on.
    pub fn serve(self, machine: Handle) -> Result<Served, CliError> {
        let Some((network, _)) = self.0 else { return Ok(Served(None)) };
        let stopper = network.stopper();
        let builder = thread::Builder::new().name("network".to_owned());
        let work = move || network.run(move |frame| machine.frame_input(frame));
        let spawned = signals::shielded(|| spawn(builder, Threads::NETWORK, work));
        let host = |source| CliError::Host { what: "the network", source };
        let thread = spawned.map_err(host)?.map_err(refused("clone")).map_err(host)?;
        Ok(Served(Some((stopper, thread))))
    }
}

impl Served {
    /// The guest has ended: what is recorded of its frames is in the file when this returns.
    pub fn end(self) {
        if let Some((stopper, thread)) = self.0 {
            stopper.stop();
            // A panic has been told already.
            let _ = thread.join();
        }
    }
}
