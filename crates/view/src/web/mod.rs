//! The page in a browser: what a request is answered, and the connection that its WebSocket is.
//!
//! Whoever has the token in the page's address is let in. Pages of others cannot connect, whatever they get a browser to do: a
//! request must name this server by an address of numbers (or as localhost), so that a name of theirs that leads here is none, and
//! what changes anything, or goes on as a WebSocket, must come from a page of this server.

mod answer;
mod numbers;
mod page;
mod request;
mod socket;

pub(crate) use answer::{answer, refusal};
pub(crate) use numbers::json;
pub(crate) use page::page;
pub(crate) use request::{Asked, HEAD, Refused, Request, Token, Wish, read};
pub(crate) use socket::{Said, Socket};
