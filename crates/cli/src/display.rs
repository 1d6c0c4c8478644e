//! `--display`: the guest's screen, shown while it runs.

use crate::args::{Display, DisplayArgs, RunArgs};
use crate::error::CliError;
use crate::escape;
use crate::say::say;
use crate::serial::SerialSpec;
use crate::terminal::RawTerminal;
use ringer::Machine;
use ringer_cpu::refusal::refused;
use ringer_input::{Limit, read};
use ringer_view::rfb::Password;
use ringer_view::terminal::{Depth, Options as Drawn, Terminal};
#[cfg(feature = "window")]
use ringer_view::window::{self, Window};
use ringer_view::{Options, Server};
use std::env;
use std::io::{self, IsTerminal};

/// The file of a password may have so many bytes.
const PASSWORD: Limit = Limit::new(4096, "what a file of a password can have");

/// What viewers are told of whose screen it is.
const NAME: &str = "Ringer";

/// What shows the screen. It listens from the beginning, and goes with this.
#[derive(Debug)]
pub enum View {
    /// Nothing does.
    Nowhere,
    /// A server of viewers.
    Served(Box<Server>),
    /// The terminal. What draws goes first, then what it drew on.
    Drawn(Box<Terminal>, Option<RawTerminal>),
    /// A window.
    #[cfg(feature = "window")]
    Window(Box<Window>),
}

/// What is said of the keys behind the one that announces a command.
const HELP: &[&str] = &[
    " X  end the run        A  send the key itself    D  Ctrl-Alt-Delete",
    " R  reset button       P  power button           L  draw all again",
    " any other key goes on",
];

impl View {
    /// Opens what `args` ask for.
    ///
    /// # Errors
    /// When an address cannot be listened at, the password's file has none, or there is no terminal or X server.
    pub fn open(run: &RunArgs) -> Result<Self, CliError> {
        let args = &run.display;
        let password = password(args)?;
        match args.display {
            Display::None => Ok(Self::Nowhere),
            Display::Terminal => {
                if run.serial().iter().chain([&run.debugcon]).any(|it| *it == SerialSpec::Stdio) {
                    return Err(CliError::TerminalTaken);
                }
                if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
                    return Err(CliError::NoTerminal);
                }
                let text = |name: &str| env::var(name).ok();
                let (colours, term) = (text("COLORTERM"), text("TERM"));
                let terminal = Terminal::new(Drawn {
                    depth: Depth::of(colours.as_deref(), term.as_deref()),
                    layout: args.keyboard,
                    escape: escape::of_console(run.escape).map(|key| key.byte()),
                    help: HELP,
                })?;
                Ok(Self::Drawn(Box::new(terminal), None))
            }
            Display::Window => Self::window(run),
            Display::Vnc(address) | Display::Web(address) => {
                let (name, layout) = (NAME.to_owned(), args.keyboard);
                let web = matches!(args.display, Display::Web(_));
                let server = Server::listen(Options { address, password, layout, name, web })?;
                match server.page() {
                    Some(page) => say(format_args!("the screen is at {page}")),
                    None => {
                        say(format_args!("the screen is at {} for VNC viewers", server.address()))
                    }
                }
                Ok(Self::Served(Box::new(server)))
            }
        }
    }

    #[cfg(feature = "window")]
    fn window(run: &RunArgs) -> Result<Self, CliError> {
        if run.engine.untrusted {
            return Err(CliError::UntrustedWindow);
        }
        let options = window::Options { name: NAME.to_owned(), layout: run.display.keyboard };
        Ok(Self::Window(Box::new(Window::open(options)?)))
    }

    #[cfg(not(feature = "window"))]
    fn window(run: &RunArgs) -> Result<Self, CliError> {
        Err(if run.engine.untrusted { CliError::UntrustedWindow } else { CliError::NoWindows })
    }

    /// Shows `machine` from now on. To be called before the calling thread is confined.
    ///
    /// # Errors
    /// When the host has no thread to give.
    pub fn begin(&mut self, machine: &mut Machine) -> Result<(), CliError> {
        match self {
            Self::Nowhere => Ok(()),
            Self::Served(server) => {
                machine.set_onlooker(server.feed().onlooker());
                Ok(server.start(machine.handle())?)
            }
            #[cfg(feature = "window")]
            Self::Window(window) => {
                machine.set_onlooker(window.feed().onlooker());
                Ok(window.start(machine.handle())?)
            }
            Self::Drawn(terminal, raw) => {
                let failed = |source| CliError::Host { what: "the terminal", source };
                *raw = Some(RawTerminal::enter_screen().map_err(refused("ioctl")).map_err(failed)?);
                machine.set_onlooker(terminal.feed().onlooker());
                Ok(terminal.start(machine.handle())?)
            }
        }
    }
}

fn password(args: &DisplayArgs) -> Result<Option<Password>, CliError> {
    let Some(path) = &args.display_password else { return Ok(None) };
    let bytes = read(path, PASSWORD).map_err(CliError::PasswordFile)?;
    let line = bytes.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    let empty = || CliError::NoPassword { path: path.clone() };
    Password::new(line).ok_or_else(empty).map(Some)
}
