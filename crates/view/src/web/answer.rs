//! Answers to requests.

use super::request::Refused;

/// A whole answer; the connection ends with it.
pub(crate) fn answer(status: &str, kind: &str, more: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\
         Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n{more}\r\n"
    )
    .into_bytes();
    answer.extend_from_slice(body);
    answer
}

/// What is not there, or not for whoever asks.
pub(crate) fn refusal(refused: Refused) -> Vec<u8> {
    let (status, text) = refused.words();
    answer(status, "text/plain; charset=utf-8", "", format!("{text}\n").as_bytes())
}
