//! Who looks at the screen from elsewhere: a thread that lets them in and serves them all.
//!
//! The socket listens before the guest runs; afterwards the thread accepts, reads and writes, and may do nothing else
//! (`Threads::VIEW`). Pictures are asked for only while somebody waits for one, and less often while nothing changes.

use crate::client::{Client, Host};
use crate::error::ViewError;
use crate::feed::{Feed, Wanted};
use crate::pace::Pace;
use crate::rfb::{Password, Terms};
use crate::web::{self, Asked, Refused, Token, Wish};
use ringer_devices::Layout;
use ringer_devices::screen::Image;
use ringer_machine::Handle;
use ringer_sandbox::{Threads, spawn};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::rand::{GetRandomFlags, getrandom};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Connections at a time.
const CLIENTS: usize = 16;
/// Between two looks for those who have taken too long.
const MIND: Duration = Duration::from_secs(1);
/// After a connection that could not be taken.
const PAUSE: Duration = Duration::from_millis(200);

/// Where and how viewers are let in.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where; port 0 is any that is free.
    pub address: SocketAddr,
    /// Who does not know it is not let in. Only an address that no other host reaches does without.
    pub password: Option<Password>,
    /// The keyboard on which characters are looked for.
    pub layout: &'static Layout,
    /// The machine's name, for titles.
    pub name: String,
    /// Browsers get a page there, too.
    pub web: bool,
}

/// Lets viewers in, until it is dropped.
#[derive(Debug)]
pub struct Server {
    listener: Option<TcpListener>,
    rules: Rules,
    feed: Feed,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens. Nobody is let in before [`Server::start`].
    ///
    /// # Errors
    /// [`ViewError::Listen`], and [`ViewError::Open`] for an address that others could reach, without a password.
    pub fn listen(options: Options) -> Result<Self, ViewError> {
        let Options { address, password, layout, name, web } = options;
        let view = if web { "web" } else { "vnc" };
        if !address.ip().is_loopback() && password.is_none() {
            return Err(ViewError::Open { view, address });
        }
        let listen = || {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        let (listener, address) =
            listen().map_err(|source| ViewError::Listen { view, address, source })?;
        let feed = Feed::new(Wanted::Pixels)
            .map_err(|source| ViewError::Host { what: "eventfd", source })?;
        let random = |source| ViewError::Host { what: "random numbers", source };
        let token = web.then(random_bytes).transpose().map_err(random)?.map(Token::new);
        let rules = Rules { address, token, terms: Terms { name, password, layout } };
        let over = Arc::default();
        Ok(Self { listener: Some(listener), rules, feed, over, thread: None })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.rules.address
    }

    /// What to open in a browser, where there is a page.
    #[must_use]
    pub fn page(&self) -> Option<String> {
        let token = self.rules.token.as_ref()?;
        Some(format!("http://{}/?token={}", self.rules.address, token.text()))
    }

    /// What is to look at the machine.
    #[must_use]
    pub fn feed(&self) -> &Feed {
        &self.feed
    }

    /// Serves viewers of the machine behind `handle` from now on.
    ///
    /// # Errors
    /// When the host has no thread to give.
    pub fn start(&mut self, handle: Handle) -> Result<(), ViewError> {
        let Some(listener) = self.listener.take() else { return Ok(()) };
        let service = Service {
            listener,
            host: Door {
                rules: self.rules.clone(),
                feed: self.feed.clone(),
                handle: handle.clone(),
            },
            feed: self.feed.clone(),
            handle,
            clients: Vec::new(),
            picture: None,
            pace: Pace::new(Instant::now()),
            closed_until: None,
        };
        let over = Arc::clone(&self.over);
        let named = thread::Builder::new().name("display".to_owned());
        let thread = spawn(named, Threads::VIEW, move || service.run(&over));
        self.thread = Some(thread.map_err(|source| ViewError::Host { what: "a thread", source })?);
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        self.feed.ring();
        if let Some(thread) = self.thread.take() {
            // A panic of it has been told.
            let _ = thread.join();
        }
    }
}

fn random_bytes() -> std::io::Result<[u8; 16]> {
    let mut bytes = [0; 16];
    let len = getrandom(&mut bytes[..], GetRandomFlags::empty())?;
    // So few bytes come whole.
    debug_assert_eq!(len, bytes.len());
    Ok(bytes)
}

/// Who is let in.
#[derive(Clone, Debug)]
struct Rules {
    address: SocketAddr,
    /// What browsers need; without it there is no page.
    token: Option<Token>,
    terms: Terms,
}

/// What is behind the door for those who knock.
struct Door {
    rules: Rules,
    feed: Feed,
    handle: Handle,
}

impl Host for Door {
    fn asked(&self, request: &web::Request<'_>) -> Result<Asked, Refused> {
        let token = self.rules.token.as_ref().ok_or(Refused::Nothing)?;
        request.asked(self.rules.address, token)
    }

    fn answer(&mut self, asked: &Asked) -> Vec<u8> {
        match asked {
            Asked::Page => match random_bytes() {
                Ok(bytes) => web::page(&self.rules.terms.name, Token::new(bytes).text()),
                Err(_) => web::refusal(Refused::Nothing),
            },
            Asked::Wish(wish) => match self.grant(*wish) {
                Some(text) => web::answer("200 OK", "application/json", "", text.as_bytes()),
                None => web::answer("200 OK", "text/plain", "", b"done\n"),
            },
            Asked::Socket(_) => Vec::new(),
        }
    }

    fn grant(&mut self, wish: Wish) -> Option<String> {
        match wish {
            Wish::Numbers => {
                let numbers = web::json(self.feed.numbers().as_deref());
                // They come with a look.
                self.handle.glance();
                return Some(numbers);
            }
            Wish::Reset => self.handle.reset(),
            Wish::Power => self.handle.power_button(),
        }
        None
    }

    fn terms(&self, known: bool) -> Terms {
        let mut terms = self.rules.terms.clone();
        if known {
            terms.password = None;
        }
        terms
    }
}

/// The thread's own.
struct Service {
    listener: TcpListener,
    host: Door,
    feed: Feed,
    handle: Handle,
    clients: Vec<Client>,
    picture: Option<Arc<Image>>,
    pace: Pace,
    /// Nobody is let in before then.
    closed_until: Option<Instant>,
}

/// What can be read or written.
#[derive(Debug, Default)]
struct Ready {
    listener: bool,
    bell: bool,
    clients: Vec<PollFlags>,
}

impl Service {
    fn run(mut self, over: &AtomicBool) {
        while !over.load(Ordering::SeqCst) {
            let Some(ready) = self.wait() else { return };
            let now = Instant::now();
            if ready.bell {
                self.take_news(now);
            }
            self.serve(&ready, now);
            if ready.listener {
                self.accept(now);
            }
            self.look(now);
        }
    }

    /// Waits for something to do. `None`: the host does not let us wait.
    fn wait(&mut self) -> Option<Ready> {
        let now = Instant::now();
        let waiting = self.clients.iter().any(Client::waits);
        let look = waiting.then(|| self.pace.due(now));
        let known = self.clients.iter().filter_map(Client::known_at);
        let times = [look, self.closed_until, self.clients.first().map(|_| now + MIND)];
        let until = times.into_iter().flatten().chain(known).min();
        let timeout = until.map(|until| {
            let left = until.saturating_duration_since(now);
            let seconds = i64::try_from(left.as_secs()).unwrap_or(i64::MAX);
            Timespec { tv_sec: seconds, tv_nsec: left.subsec_nanos().into() }
        });
        let bell = self.feed.bell();
        let interest = |client: &Client| {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, client.reads());
            flags.set(PollFlags::OUT, client.writes());
            flags
        };
        let flags: Vec<PollFlags> = self.clients.iter().map(interest).collect();
        let closed = self.closed_until.is_some_and(|until| until > now);
        let listen = if closed { PollFlags::empty() } else { PollFlags::IN };
        let mut fds = vec![PollFd::new(&self.listener, listen), PollFd::new(&bell, PollFlags::IN)];
        let clients = self.clients.iter().zip(flags);
        fds.extend(clients.map(|(client, flags)| PollFd::new(client.stream(), flags)));
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Some(Ready::default()),
            Err(_) => return None,
        }
        let came = |fd: &PollFd<'_>| fd.revents().contains(PollFlags::IN);
        Some(Ready {
            listener: came(&fds[0]),
            bell: came(&fds[1]),
            clients: fds[2..].iter().map(PollFd::revents).collect(),
        })
    }

    fn take_news(&mut self, now: Instant) {
        self.feed.quiet();
        if let Some(news) = self.feed.take() {
            self.pace.liven(now);
            self.clients.iter_mut().for_each(|client| client.show(&news.picture, &news.damage));
            self.picture = Some(news.picture);
        }
        if self.feed.take_looked() {
            self.clients.iter_mut().for_each(Client::has_looked);
        }
    }

    fn serve(&mut self, ready: &Ready, now: Instant) {
        let flags = ready.clients.iter().copied().chain(std::iter::repeat(PollFlags::empty()));
        for (client, flags) in self.clients.iter_mut().zip(flags) {
            let gone = PollFlags::HUP | PollFlags::ERR;
            if flags.intersects(PollFlags::IN | gone)
                && client.read(&mut self.host, &mut self.handle)
            {
                self.pace.liven(now);
            }
            client.mind_time(now, &self.host);
            client.write();
        }
        let handle = &mut self.handle;
        self.clients.retain_mut(|client| {
            if client.is_over() {
                client.leave(handle);
            }
            !client.is_over()
        });
    }

    fn accept(&mut self, now: Instant) {
        self.closed_until = None;
        let Ok((stream, _)) = self.listener.accept() else {
            self.closed_until = Some(now + PAUSE);
            return;
        };
        // One too many finds the door closed; so do all where nothing is random.
        let Ok(challenge) = random_bytes() else { return };
        if self.clients.len() >= CLIENTS {
            return;
        }
        let picture = self.picture.clone().unwrap_or_else(|| Arc::new(Image::black(0, 0)));
        let mut client = Client::new(stream, challenge, picture);
        if self.host.rules.token.is_none() {
            client.greet(&self.host);
        }
        self.clients.push(client);
        self.feed.ask();
        self.pace.liven(now);
        self.pace.hurry();
    }

    /// Looks at the screen, if somebody waits for that and it is time.
    fn look(&mut self, now: Instant) {
        if self.clients.iter().any(Client::waits) && self.pace.due(now) <= now {
            self.pace.looked(now);
            self.handle.glance();
        }
    }
}
