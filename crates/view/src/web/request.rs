//! A request: what it asks for, and whether it may.

use std::net::{IpAddr, SocketAddr};
use tungstenite::handshake::derive_accept_key;

/// Bytes that a request's head may have.
pub(crate) const HEAD: usize = 8192;
/// Fields that it may have.
const FIELDS: usize = 64;

/// What lets one in who has no password: random, in the page's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token(String);

impl Token {
    /// Of these random bytes.
    pub(crate) fn new(bytes: [u8; 16]) -> Self {
        Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// As it stands in an address.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// Whether `text` is it, in a time that does not say how much of it is.
    fn is(&self, text: &str) -> bool {
        let differs = self.0.bytes().zip(text.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
        self.0.len() == text.len() && differs == 0
    }
}

/// What somebody who may ask asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The page.
    Page,
    /// To go on as a WebSocket; the answer to its key.
    Socket(String),
    /// Something of the machine.
    Wish(Wish),
}

/// What a page may want of the machine beside its screen; it says so over its WebSocket, and programs say it in a request of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// The numbers of the run.
    Numbers,
    /// The reset button.
    Reset,
    /// The power switch.
    Power,
}

impl Wish {
    /// The one of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "numbers" => Some(Self::Numbers),
            "reset" => Some(Self::Reset),
            "power" => Some(Self::Power),
            _ => None,
        }
    }
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It is no request.
    Bad,
    /// It names this server by a name that may be anybody's, or comes from a page of others.
    Stranger,
    /// It does not have the token.
    Token,
    /// There is no such thing.
    Nothing,
    /// It is to be asked for otherwise.
    Method,
}

impl Refused {
    /// Status and text of the answer.
    pub(super) fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Bad => ("400 Bad Request", "this is no request"),
            Self::Stranger => (
                "403 Forbidden",
                "only pages of this server, by its address of numbers or as localhost, may ask",
            ),
            Self::Token => (
                "403 Forbidden",
                "open the address that ringer said, with all that is behind the ?",
            ),
            Self::Nothing => ("404 Not Found", "there is no such thing"),
            Self::Method => ("405 Method Not Allowed", "this is asked for otherwise"),
        }
    }
}

/// A whole request.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    method: &'a str,
    path: &'a str,
    fields: Vec<(&'a str, &'a [u8])>,
    /// Bytes of its head.
    pub(crate) len: usize,
}

/// The request at the beginning of `bytes`; `None` while its head is not whole.
pub(crate) fn read(bytes: &[u8]) -> Result<Option<Request<'_>>, Refused> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut parsed = httparse::Request::new(&mut fields);
    let len = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) if bytes.len() < HEAD => return Ok(None),
        Ok(httparse::Status::Partial) | Err(_) => return Err(Refused::Bad),
    };
    let (Some(method), Some(path)) = (parsed.method, parsed.path) else { return Err(Refused::Bad) };
    let fields = parsed.headers.iter().map(|field| (field.name, field.value)).collect();
    Ok(Some(Request { method, path, fields, len }))
}

impl Request<'_> {
    /// A field that is there once; one that is there more often may be read in two ways, and is not.
    fn field(&self, name: &str) -> Option<&str> {
        let mut found = self.fields.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        let value = std::str::from_utf8(found.next()?.1).ok()?;
        found.next().is_none().then_some(value.trim())
    }

    /// Whether the request names this server, which listens at `address`, as nobody else can have it named.
    fn names(&self, address: SocketAddr) -> bool {
        let Some(host) = self.field("host") else { return false };
        if host == format!("localhost:{}", address.port()) {
            return address.ip().is_loopback();
        }
        let Ok(named) = host.parse::<SocketAddr>() else { return false };
        let everywhere = address.ip().is_unspecified();
        let known = |ip: IpAddr| ip == address.ip() || everywhere;
        named.port() == address.port() && known(named.ip())
    }

    /// Whether it comes from a page of this server.
    fn is_ours(&self) -> bool {
        let host = self.field("host").unwrap_or_default();
        self.field("origin").is_some_and(|origin| origin.strip_prefix("http://") == Some(host))
    }

    /// What is asked for, of a server that listens at `address`.
    pub(crate) fn asked(&self, address: SocketAddr, token: &Token) -> Result<Asked, Refused> {
        if !self.names(address) {
            return Err(Refused::Stranger);
        }
        let (path, query) = self.path.split_once('?').unwrap_or((self.path, ""));
        let given = query.split('&').find_map(|pair| pair.strip_prefix("token="));
        let asked = match path {
            "/" => Asked::Page,
            "/rfb" => Asked::Socket(String::new()),
            _ => {
                let wish = path.strip_prefix('/').and_then(Wish::named);
                Asked::Wish(wish.ok_or(Refused::Nothing)?)
            }
        };
        if !given.is_some_and(|given| token.is(given)) {
            return Err(Refused::Token);
        }
        let changes = matches!(asked, Asked::Wish(Wish::Reset | Wish::Power));
        if self.method != if changes { "POST" } else { "GET" } {
            return Err(Refused::Method);
        }
        match asked {
            Asked::Page | Asked::Wish(Wish::Numbers) => Ok(asked),
            _ if !self.is_ours() => Err(Refused::Stranger),
            Asked::Socket(_) => self.upgrade().map(Asked::Socket).ok_or(Refused::Bad),
            Asked::Wish(_) => Ok(asked),
        }
    }

    /// The answer to a WebSocket's key (RFC 6455, 4.2.1).
    fn upgrade(&self) -> Option<String> {
        let has = |name: &str, wanted: &str| {
            let words = self.field(name)?.split(',');
            words.map(str::trim).any(|word| word.eq_ignore_ascii_case(wanted)).then_some(())
        };
        has("upgrade", "websocket")?;
        has("connection", "upgrade")?;
        has("sec-websocket-version", "13")?;
        let key = self.field("sec-websocket-key").filter(|key| key.len() == 24)?;
        Some(derive_accept_key(key.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "000102030405060708090a0b0c0d0e0f";

    fn asked(text: &str) -> Result<Asked, Refused> {
        asked_at("127.0.0.1:5800", text)
    }

    fn asked_at(address: &str, text: &str) -> Result<Asked, Refused> {
        let text = text.replace('\n', "\r\n").replace("TOKEN", TOKEN) + "\r\n\r\n";
        let token = Token::new(std::array::from_fn(|n| u8::try_from(n).unwrap()));
        assert_eq!(token.text(), TOKEN);
        for cut in 0..text.len() {
            assert!(matches!(read(&text.as_bytes()[..cut]), Ok(None)), "{cut} bytes of {text:?}");
        }
        let request = read(text.as_bytes())?.expect("all of it");
        assert_eq!(request.len, text.len());
        request.asked(address.parse().unwrap(), &token)
    }

    const SOCKET: &str = "GET /rfb?token=TOKEN HTTP/1.1\nHost: 127.0.0.1:5800\nUpgrade: websocket\nConnection: keep-alive, Upgrade\n\
        Sec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nOrigin: http://127.0.0.1:5800";

    #[test]
    fn the_page_its_numbers_and_its_buttons() {
        let get = |path: &str| asked(&format!("GET {path} HTTP/1.1\nHost: 127.0.0.1:5800"));
        assert_eq!(get("/?token=TOKEN"), Ok(Asked::Page));
        assert_eq!(get("/numbers?token=TOKEN"), Ok(Asked::Wish(Wish::Numbers)));
        assert_eq!(get("/?token=TOKEX"), Err(Refused::Token));
        assert_eq!(get("/?token="), Err(Refused::Token));
        assert_eq!(get("/"), Err(Refused::Token));
        assert_eq!(get("/favicon.ico"), Err(Refused::Nothing));
        assert_eq!(get("/reset?token=TOKEN"), Err(Refused::Method));
        let post = |origin: &str| {
            asked(&format!("POST /reset?token=TOKEN HTTP/1.1\nHost: 127.0.0.1:5800\n{origin}"))
        };
        assert_eq!(post("Origin: http://127.0.0.1:5800"), Ok(Asked::Wish(Wish::Reset)));
        assert_eq!(post("Origin: http://evil.example:5800"), Err(Refused::Stranger));
        assert_eq!(post("X: y"), Err(Refused::Stranger), "no page at all");
        // RFC 6455, 1.3.
        assert_eq!(asked(SOCKET), Ok(Asked::Socket("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".to_owned())));
    }

    #[test]
    fn a_name_that_leads_here_is_not_ours() {
        for (host, address, ours) in [
            ("127.0.0.1:5800", "127.0.0.1:5800", true),
            ("localhost:5800", "127.0.0.1:5800", true),
            ("[::1]:5800", "[::1]:5800", true),
            ("192.0.2.1:5800", "0.0.0.0:5800", true),
            ("localhost:5800", "192.0.2.1:5800", false),
            ("127.0.0.1:5801", "127.0.0.1:5800", false),
            ("127.0.0.1", "127.0.0.1:5800", false),
            ("evil.example:5800", "127.0.0.1:5800", false),
            ("evil.example:5800", "0.0.0.0:5800", false),
            ("192.0.2.7:5800", "127.0.0.1:5800", false),
        ] {
            let text = format!("GET /?token=TOKEN HTTP/1.1\nHost: {host}");
            let wanted = if ours { Ok(Asked::Page) } else { Err(Refused::Stranger) };
            assert_eq!(asked_at(address, &text), wanted, "{host} at {address}");
        }
        let two = "GET /?token=TOKEN HTTP/1.1\nHost: 127.0.0.1:5800\nHost: evil.example:5800";
        assert_eq!(asked(two), Err(Refused::Stranger));
        assert_eq!(asked("GET /?token=TOKEN HTTP/1.1\nX: y"), Err(Refused::Stranger));
    }

    #[test]
    fn a_socket_is_of_our_page_alone() {
        for (from, to, wanted) in [
            ("Origin: http://127.0.0.1:5800", "Origin: http://evil.example", Refused::Stranger),
            ("Origin: http://127.0.0.1:5800", "Origin: https://127.0.0.1:5800", Refused::Stranger),
            ("\nOrigin: http://127.0.0.1:5800", "", Refused::Stranger),
            ("Version: 13", "Version: 8", Refused::Bad),
            ("Upgrade: websocket", "Upgrade: h2c", Refused::Bad),
            ("dGhl", "", Refused::Bad),
        ] {
            assert!(SOCKET.contains(from));
            assert_eq!(asked(&SOCKET.replace(from, to)), Err(wanted), "{to}");
        }
    }

    #[test]
    fn what_is_no_request_or_too_long() {
        assert!(matches!(read(b"\x16\x03\x01\x02\x00 TLS"), Err(Refused::Bad)));
        let long = format!("GET / HTTP/1.1\r\nX: {}", "y".repeat(HEAD));
        assert!(matches!(read(long.as_bytes()), Err(Refused::Bad)));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(FIELDS + 1));
        assert!(matches!(read(many.as_bytes()), Err(Refused::Bad)));
    }
}
