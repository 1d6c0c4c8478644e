//! A connection: a viewer, or a browser, or somebody of whom it is not known yet.

use crate::damage::Damage;
use crate::hands::Desk;
use crate::rfb::{Session, Terms};
use crate::web::{self, Asked, HEAD, Refused, Said, Socket, Wish};
use ringer_devices::screen::Image;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes read at a time.
const PIECE: usize = 4096;
/// Who is not let in for so long is gone.
const PATIENCE: Duration = Duration::from_secs(10);
/// A browser speaks first, though it may connect some time before, and a viewer waits to be greeted: who has said nothing for so
/// long is one.
const SILENCE: Duration = Duration::from_secs(2);

/// What a connection is about.
#[derive(Debug)]
enum Talk {
    /// It may be either: what has come of a request.
    Unknown(Vec<u8>),
    /// A viewer.
    Viewer(Box<Session>),
    /// A viewer in a page.
    Page(Box<Session>, Box<Socket>),
    /// It has been answered, and that is all.
    Answered,
}

/// What the server knows and does.
pub(crate) trait Host {
    /// What somebody asks for, or why not.
    fn asked(&self, request: &web::Request<'_>) -> Result<Asked, Refused>;
    /// The answer to that; a WebSocket has none.
    fn answer(&mut self, asked: &Asked) -> Vec<u8>;
    /// Does what a page wants of the machine; what there is to say to it.
    fn grant(&mut self, wish: Wish) -> Option<String>;
    /// On what terms somebody is let in; `known` had the token.
    fn terms(&self, known: bool) -> Terms;
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Client {
    stream: TcpStream,
    talk: Talk,
    challenge: [u8; 16],
    picture: Arc<Image>,
    since: Instant,
    /// The screen has been looked at since it came: what it is shown is not an old picture.
    ready: bool,
    /// It has nothing more to say to us; what we have is sent still.
    ending: bool,
    over: bool,
    /// What is being sent, and how much of it has been.
    out: Vec<u8>,
    sent: usize,
}

impl Client {
    /// Somebody, who is shown `picture` first.
    pub(crate) fn new(stream: TcpStream, challenge: [u8; 16], picture: Arc<Image>) -> Self {
        // A key that waits for the next one is worse than a packet more.
        let _ = stream.set_nodelay(true);
        Self {
            stream,
            talk: Talk::Unknown(Vec::new()),
            challenge,
            picture,
            since: Instant::now(),
            ready: false,
            ending: false,
            over: false,
            out: Vec::new(),
            sent: 0,
        }
    }

    fn session(&self, host: &dyn Host, known: bool) -> Box<Session> {
        let picture = Arc::clone(&self.picture);
        Box::new(Session::new(host.terms(known), self.challenge, picture))
    }

    /// It is a viewer.
    pub(crate) fn greet(&mut self, host: &dyn Host) {
        self.talk = Talk::Viewer(self.session(host, false));
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Whether it is gone.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// Whether what it sends is read.
    pub(crate) fn reads(&self) -> bool {
        !self.ending && (self.ready || matches!(self.talk, Talk::Unknown(_)))
    }

    /// Whether something is to be sent.
    pub(crate) fn writes(&self) -> bool {
        self.sent < self.out.len()
    }

    fn viewer(&self) -> Option<&Session> {
        match &self.talk {
            Talk::Viewer(session) | Talk::Page(session, _) => Some(session),
            Talk::Unknown(_) | Talk::Answered => None,
        }
    }

    /// Whether it waits for a picture.
    pub(crate) fn waits(&self) -> bool {
        self.viewer().is_some_and(|session| !self.ready || session.waits())
    }

    /// When it is to be known what it is.
    pub(crate) fn known_at(&self) -> Option<Instant> {
        matches!(&self.talk, Talk::Unknown(said) if said.is_empty()).then(|| self.since + SILENCE)
    }

    /// The screen has been looked at.
    pub(crate) fn has_looked(&mut self) {
        self.ready = true;
    }

    /// There is a new picture.
    pub(crate) fn show(&mut self, picture: &Arc<Image>, damage: &Damage) {
        match &mut self.talk {
            Talk::Viewer(session) | Talk::Page(session, _) => session.show(picture, damage),
            Talk::Unknown(_) => self.picture = Arc::clone(picture),
            Talk::Answered => {}
        }
    }

    /// Reads what there is. Whether there was something.
    pub(crate) fn read(&mut self, host: &mut dyn Host, desk: &mut dyn Desk) -> bool {
        let mut bytes = [0; PIECE];
        match recv(&self.stream, &mut bytes, RecvFlags::DONTWAIT) {
            Ok((_, 0)) => self.over = true,
            Ok((_, len)) => {
                self.hear(&bytes[..len.min(PIECE)], host, desk);
                return true;
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.over = true,
        }
        false
    }

    fn hear(&mut self, bytes: &[u8], host: &mut dyn Host, desk: &mut dyn Desk) {
        match &mut self.talk {
            Talk::Viewer(session) => self.ending = session.receive(bytes, desk).is_err(),
            Talk::Page(session, socket) => {
                let mut note = None;
                self.ending = !socket.receive(bytes, |said| match said {
                    Said::Bytes(bytes) => session.receive(bytes, desk).is_ok(),
                    Said::Text(name) => Wish::named(name).is_some_and(|wish| {
                        note = host.grant(wish).or(note.take());
                        true
                    }),
                });
                if let Some(note) = note {
                    socket.note(note);
                }
            }
            Talk::Unknown(said) => {
                said.extend_from_slice(bytes);
                let said = std::mem::take(said);
                self.guess(said, host, desk);
            }
            Talk::Answered => {}
        }
    }

    /// What somebody is who has said that.
    fn guess(&mut self, said: Vec<u8>, host: &mut dyn Host, desk: &mut dyn Desk) {
        if !said.iter().take(3).all(u8::is_ascii_uppercase) || said.starts_with(b"RFB") {
            // One that did not wait for the greeting.
            self.greet(host);
            return self.hear(&said, host, desk);
        }
        let (asked, len) = match web::read(&said) {
            Ok(None) if said.len() < HEAD => {
                self.talk = Talk::Unknown(said);
                return;
            }
            Ok(None) => (Err(Refused::Bad), 0),
            Ok(Some(request)) => (host.asked(&request), request.len),
            Err(refused) => (Err(refused), 0),
        };
        match asked {
            Ok(Asked::Socket(key)) => {
                self.out = format!(
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Accept: {key}\r\n\r\n"
                )
                .into_bytes();
                self.talk = Talk::Page(self.session(host, true), Box::new(Socket::new()));
                self.hear(said.get(len..).unwrap_or(&[]), host, desk);
            }
            Ok(asked) => self.end_with(host.answer(&asked)),
            Err(refused) => self.end_with(web::refusal(refused)),
        }
    }

    fn end_with(&mut self, answer: Vec<u8>) {
        (self.talk, self.out, self.ending) = (Talk::Answered, answer, true);
    }

    /// Tells it what it waits for, and sends what there is to send, as far as it takes it.
    pub(crate) fn write(&mut self) {
        loop {
            if self.sent >= self.out.len() && !self.fill() {
                self.over |= self.ending;
                return;
            }
            let left = self.out.get(self.sent..).unwrap_or(&[]);
            match send(&self.stream, left, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(len) => self.sent += len,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => {
                    self.over = true;
                    return;
                }
            }
        }
    }

    /// All has been sent; whether there is more.
    fn fill(&mut self) -> bool {
        let may = self.ready && !self.ending;
        // A picture is large, and the next one may be of two characters: nothing is kept.
        (self.out, self.sent) = (Vec::new(), 0);
        match &mut self.talk {
            Talk::Viewer(session) => {
                if may {
                    session.answer();
                }
                self.out = std::mem::take(session.output());
            }
            Talk::Page(session, socket) => {
                if may {
                    session.answer();
                }
                let said = std::mem::take(session.output());
                self.ending |= !socket.send(said);
                self.out = std::mem::take(socket.output());
            }
            Talk::Unknown(_) | Talk::Answered => {}
        }
        !self.out.is_empty()
    }

    /// Looks whether it has taken too long, or has been silent so long that it is a viewer.
    pub(crate) fn mind_time(&mut self, now: Instant, host: &dyn Host) {
        if self.known_at().is_some_and(|known| known <= now) {
            self.greet(host);
        }
        let late = now.saturating_duration_since(self.since) > PATIENCE;
        let inside = self.viewer().is_some_and(|session| !self.ready || session.is_open());
        self.over |= late && (self.ending || !inside);
    }

    /// It goes: what it holds is released.
    pub(crate) fn leave(&mut self, desk: &mut dyn Desk) {
        if let Talk::Viewer(session) | Talk::Page(session, _) = &mut self.talk {
            session.leave(desk);
        }
    }
}
