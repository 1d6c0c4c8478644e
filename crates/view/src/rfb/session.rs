//! One viewer's connection, from its first byte on.

use super::auth::{CHALLENGE, Password};
use super::format::PixelFormat;
use super::update::Canvas;
use crate::damage::{Damage, Rect};
use crate::hands::{Desk, Hands};
use ringer_devices::Layout;
use ringer_devices::screen::Image;
use std::sync::Arc;
use thiserror::Error;

const VERSION: &[u8; 12] = b"RFB 003.008\n";
/// Kinds of security.
const NONE: u8 = 1;
const BY_PASSWORD: u8 = 2;
/// Encodings that a viewer may name.
const ENCODINGS: usize = 1024;

/// What a viewer did that ends its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Broken {
    /// It speaks something else.
    #[error("no version of the protocol")]
    Version,
    /// It chose what was not offered.
    #[error("no such security")]
    Security,
    /// It does not know the password.
    #[error("wrong password")]
    Password,
    /// A message that there is not.
    #[error("no such message")]
    Message,
    /// A format of pixels that there is not.
    #[error("no such format of pixels")]
    Format,
    /// More encodings than there are.
    #[error("too many encodings")]
    Encodings,
}

/// On what terms a viewer is let in.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The machine's name, for the viewer's title.
    pub name: String,
    /// Who does not know it is not let in.
    pub password: Option<Password>,
    /// The keyboard on which characters are looked for.
    pub layout: &'static Layout,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Version,
    Security,
    Response,
    Init,
    Open,
}

/// A connection.
#[derive(Debug)]
pub struct Session {
    terms: Terms,
    state: State,
    /// The minor version.
    minor: u8,
    challenge: [u8; CHALLENGE],
    /// What has come and is no whole message.
    input: Vec<u8>,
    /// Bytes to come that are nobody's business.
    skip: usize,
    canvas: Canvas,
    hands: Hands,
    out: Vec<u8>,
}

fn word(bytes: &[u8], at: usize) -> u16 {
    let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
    u16::from_be_bytes([byte(at), byte(at + 1)])
}

fn dword(bytes: &[u8], at: usize) -> u32 {
    u32::from(word(bytes, at)) << 16 | u32::from(word(bytes, at + 2))
}

impl Session {
    /// Greets a viewer, who will be shown `picture`. `challenge` is random, where there is a password.
    #[must_use]
    pub fn new(terms: Terms, challenge: [u8; CHALLENGE], picture: Arc<Image>) -> Self {
        let hands = Hands::new(terms.layout);
        Self {
            terms,
            state: State::Version,
            minor: 8,
            challenge,
            input: Vec::new(),
            skip: 0,
            canvas: Canvas::new(picture),
            hands,
            out: VERSION.to_vec(),
        }
    }

    /// What is to be sent; what has been sent is to be taken out.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Whether the viewer has been let in.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Whether it waits for the picture to change.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.canvas.waits()
    }

    /// There is a new picture, which differs from the last one by `damage`.
    pub fn show(&mut self, picture: &Arc<Image>, damage: &Damage) {
        if self.state == State::Open {
            self.canvas.show(picture, damage);
        } else {
            self.canvas = Canvas::new(Arc::clone(picture));
        }
    }

    /// Tells the viewer what it waits for, if there is something and all that it was told before has gone out.
    pub fn answer(&mut self) {
        if self.out.is_empty() {
            self.canvas.answer(&mut self.out);
        }
    }

    /// Takes what the viewer sent.
    ///
    /// # Errors
    /// [`Broken`]: what is in [`Session::output`] is to be sent still, and the connection is over.
    pub fn receive(&mut self, bytes: &[u8], desk: &mut dyn Desk) -> Result<(), Broken> {
        let skipped = self.skip.min(bytes.len());
        self.skip -= skipped;
        self.input.extend_from_slice(&bytes[skipped..]);
        let mut input = std::mem::take(&mut self.input);
        let mut taken = 0;
        let result = loop {
            match self.message(input.get(taken..).unwrap_or(&[]), desk) {
                Ok(0) => break Ok(()),
                Ok(len) => taken += len,
                Err(broken) => break Err(broken),
            }
        };
        // A text that is skipped may be longer than what has come of it.
        let late = taken.saturating_sub(input.len());
        self.skip += late;
        input.drain(..taken - late);
        self.input = input;
        result
    }

    /// The viewer goes: what it holds is released.
    pub fn leave(&mut self, desk: &mut dyn Desk) {
        self.hands.leave(desk);
    }

    /// Does what the message at the beginning of `bytes` says; its length, or 0 while it is not whole.
    fn message(&mut self, bytes: &[u8], desk: &mut dyn Desk) -> Result<usize, Broken> {
        let needs = match self.state {
            State::Version => VERSION.len(),
            State::Security | State::Init => 1,
            State::Response => CHALLENGE,
            State::Open => return self.open_message(bytes, desk),
        };
        let Some(message) = bytes.get(..needs) else { return Ok(0) };
        match self.state {
            State::Version => self.version(message)?,
            State::Security if message[0] == self.security() => self.secure(),
            State::Security => return Err(Broken::Security),
            State::Response => self.response(message)?,
            State::Init | State::Open => self.init(),
        }
        Ok(needs)
    }

    fn security(&self) -> u8 {
        if self.terms.password.is_some() { BY_PASSWORD } else { NONE }
    }

    fn version(&mut self, message: &[u8]) -> Result<(), Broken> {
        let digits = |range: std::ops::Range<usize>| {
            let digits = message.get(range).unwrap_or(&[]);
            let all = digits.iter().all(u8::is_ascii_digit);
            let number = || digits.iter().fold(0u32, |n, digit| 10 * n + u32::from(digit - b'0'));
            all.then(number)
        };
        let shape = message.starts_with(b"RFB ") && message[7] == b'.' && message[11] == b'\n';
        let (Some(3..), Some(minor), true) = (digits(4..7), digits(8..11), shape) else {
            return Err(Broken::Version);
        };
        // What is neither 3.7 nor later is 3.3, and what is later than 3.8 is that.
        self.minor = match (digits(4..7), minor) {
            (Some(3), 7) => 7,
            (Some(3), 0..7) => 3,
            _ => 8,
        };
        if self.minor == 3 {
            self.out.extend([0, 0, 0, self.security()]);
            self.secure();
        } else {
            self.out.extend([1, self.security()]);
            self.state = State::Security;
        }
        Ok(())
    }

    fn secure(&mut self) {
        if self.terms.password.is_some() {
            self.out.extend(self.challenge);
            self.state = State::Response;
            return;
        }
        if self.minor == 8 {
            self.out.extend([0; 4]);
        }
        self.state = State::Init;
    }

    fn response(&mut self, message: &[u8]) -> Result<(), Broken> {
        let password = self.terms.password.as_ref();
        if password.is_some_and(|password| password.is_answered(&self.challenge, message)) {
            self.out.extend([0; 4]);
            self.state = State::Init;
            return Ok(());
        }
        self.out.extend([0, 0, 0, 1]);
        if self.minor == 8 {
            let reason = b"wrong password";
            self.out.extend([0, 0, 0, 14]);
            self.out.extend(reason);
        }
        Err(Broken::Password)
    }

    fn init(&mut self) {
        let (width, height) = self.canvas.size();
        for number in [width, height] {
            self.out.extend(u16::try_from(number).unwrap_or(u16::MAX).to_be_bytes());
        }
        self.out.extend(PixelFormat::OURS.bytes());
        let name: Vec<u8> = self.terms.name.bytes().take(1024).collect();
        self.out.extend(u32::try_from(name.len()).unwrap_or(0).to_be_bytes());
        self.out.extend(name);
        self.state = State::Open;
    }

    fn open_message(&mut self, bytes: &[u8], desk: &mut dyn Desk) -> Result<usize, Broken> {
        let Some(&kind) = bytes.first() else { return Ok(0) };
        let needs = match kind {
            0 => 20,
            2 => {
                let number = usize::from(word(bytes, 2));
                if bytes.len() >= 4 && number > ENCODINGS {
                    return Err(Broken::Encodings);
                }
                4 + 4 * number
            }
            3 => 10,
            4 | 6 => 8,
            5 => 6,
            // QEMU's: a key with its code is the one that there is.
            255 if bytes.get(1).is_none_or(|sub| *sub == 0) => 12,
            _ => return Err(Broken::Message),
        };
        let Some(message) = bytes.get(..needs).filter(|_| kind != 2 || bytes.len() >= 4) else {
            return Ok(0);
        };
        match kind {
            0 => self.set_format(message)?,
            2 => {
                let numbers = message[4..].chunks_exact(4);
                let numbers = numbers.map(|number| dword(number, 0).cast_signed());
                self.canvas.set_encodings(numbers);
            }
            3 => {
                let number = |at: usize| u32::from(word(message, at));
                let part = Rect { x: number(2), y: number(4), width: number(6), height: number(8) };
                self.canvas.ask(part, message[1] != 0);
            }
            4 => self.hands.symbol(dword(message, 4), message[1] != 0, desk),
            5 => {
                let (buttons, x, y) = (message[1], word(message, 2), word(message, 4));
                match self.canvas.tells_motions() {
                    true => self.hands.nudge(buttons, x, y, desk),
                    false => self.hands.point(buttons, x, y, desk),
                }
            }
            // A text that was copied; the guest has no use for it.
            6 => {
                let len = usize::try_from(dword(message, 4)).unwrap_or(usize::MAX);
                return Ok(needs.saturating_add(len));
            }
            _ => {
                let down = word(message, 2) != 0;
                self.hands.code(dword(message, 8), dword(message, 4), down, desk);
            }
        }
        Ok(needs)
    }

    fn set_format(&mut self, message: &[u8]) -> Result<(), Broken> {
        let bytes = message[4..].first_chunk().ok_or(Broken::Format)?;
        let format = PixelFormat::parse(bytes).ok_or(Broken::Format)?;
        self.canvas.set_format(&format);
        self.out.extend(format.colours().into_iter().flatten());
        Ok(())
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
