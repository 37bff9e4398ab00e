//! The head of a response: read, checked, and rid of what is meant for one hop only.

use std::mem::MaybeUninit;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{StatusCode, Version};

use super::{Framing, Malformed};
use crate::proxy::headers;

/// The largest head, in bytes.
pub(in crate::proxy) const MAX_HEAD: usize = 64 * 1024;

/// The most headers.
const MAX_HEADERS: usize = 256;

const BAD: Malformed = Malformed("its head cannot be read");

/// The head of a response.
#[derive(Debug)]
pub(in crate::proxy) struct ResponseHead {
    pub(in crate::proxy) status: StatusCode,
    pub(in crate::proxy) version: Version,
    /// The words behind the status, when they are not the usual ones.
    pub(in crate::proxy) reason: Option<Bytes>,
    /// Without those of the hop.
    pub(in crate::proxy) headers: HeaderMap,
    pub(in crate::proxy) framing: Framing,
    /// The connection may be used again.
    pub(in crate::proxy) keep_alive: bool,
    /// The protocol that the connection changes to.
    pub(in crate::proxy) upgrade: Option<HeaderValue>,
}

/// Reads a head and its length in bytes; none while it is not complete. `answers_head`: the request was a `HEAD`. The
/// headers go into what `space` gives for the status: an empty map, whose room is used again.
pub(in crate::proxy) fn parse(
    bytes: &Bytes,
    answers_head: bool,
    space: impl FnOnce(StatusCode) -> HeaderMap,
) -> Result<Option<(ResponseHead, usize)>, Malformed> {
    let mut room = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut parsed = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let length = match config.parse_response_with_uninit_headers(&mut parsed, bytes, &mut room) {
        Ok(httparse::Status::Complete(length)) if length <= MAX_HEAD => length,
        Ok(httparse::Status::Partial) if bytes.len() < MAX_HEAD => return Ok(None),
        Ok(_) => return Err(Malformed("its head is too large")),
        Err(httparse::Error::TooManyHeaders) => return Err(Malformed("it has too many headers")),
        Err(_) => return Err(BAD),
    };
    let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(BAD)?;
    let version = if parsed.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
    let reason = parsed.reason.filter(|reason| status.canonical_reason() != Some(reason) && !reason.is_empty());
    let reason = reason.map(|reason| bytes.slice_ref(reason.as_bytes()));
    let mut lines = Lines::new(space(status));
    for line in parsed.headers.iter() {
        lines.take(bytes, line)?;
    }
    let framing = lines.framing(status, version, answers_head)?;
    let keep_alive = !lines.close && (version == Version::HTTP_11 || lines.keep_alive);
    let keep_alive = keep_alive && framing != Framing::UntilClose;
    let Lines { mut headers, named, upgrade, .. } = lines;
    for name in named {
        headers.remove(name);
    }
    Ok(Some((ResponseHead { status, version, reason, headers, framing, keep_alive, upgrade }, length)))
}

/// What the lines of a head say so far.
struct Lines {
    headers: HeaderMap,
    /// What `Connection` names beside its own words.
    named: Vec<HeaderName>,
    close: bool,
    keep_alive: bool,
    length: Option<u64>,
    chunked: bool,
    upgrade: Option<HeaderValue>,
}

impl Lines {
    fn new(headers: HeaderMap) -> Self {
        let (named, length, upgrade) = (Vec::new(), None, None);
        Self { headers, named, close: false, keep_alive: false, length, chunked: false, upgrade }
    }

    fn take(&mut self, bytes: &Bytes, line: &httparse::Header<'_>) -> Result<(), Malformed> {
        let name = HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| BAD)?;
        match name {
            header::CONNECTION => self.connection(line.value),
            header::TRANSFER_ENCODING => {
                // Only this one was asked for, and of another the client would not learn.
                if self.chunked || !line.value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Malformed("its transfer coding is not chunked"));
                }
                self.chunked = true;
            }
            header::CONTENT_LENGTH => {
                let length = number(line.value).ok_or(Malformed("its Content-Length is no number"))?;
                match self.length.replace(length) {
                    None => drop(self.headers.insert(name, value(bytes, line.value)?)),
                    Some(before) if before == length => {}
                    Some(_) => return Err(Malformed("it gives two lengths")),
                }
            }
            header::UPGRADE => self.upgrade = Some(value(bytes, line.value)?),
            name if headers::is_hop(&name) => {}
            name => drop(self.headers.append(name, value(bytes, line.value)?)),
        }
        Ok(())
    }

    fn connection(&mut self, value: &[u8]) {
        for token in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if token.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if token.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if let Some(name) = headers::removable(token) {
                self.named.push(name);
            }
        }
    }

    /// RFC 9112, 6.3, but for what it lets a reader choose: two rules for one body are refused.
    fn framing(&self, status: StatusCode, version: Version, answers_head: bool) -> Result<Framing, Malformed> {
        if self.chunked && self.length.is_some() {
            return Err(Malformed("it gives both Content-Length and Transfer-Encoding"));
        }
        if self.chunked && version == Version::HTTP_10 {
            return Err(Malformed("HTTP/1.0 has no transfer codings"));
        }
        let bodiless = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if answers_head || bodiless || status.is_informational() {
            return Ok(Framing::Empty);
        }
        Ok(match (self.chunked, self.length) {
            (true, _) => Framing::Chunked,
            (false, Some(0)) => Framing::Empty,
            (false, Some(length)) => Framing::Length(length),
            (false, None) => Framing::UntilClose,
        })
    }
}

fn value(bytes: &Bytes, part: &[u8]) -> Result<HeaderValue, Malformed> {
    // `slice_ref` of an empty slice shares nothing.
    HeaderValue::from_maybe_shared(bytes.slice_ref(part)).map_err(|_| BAD)
}

/// Digits and nothing else: no sign, no list.
fn number(value: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(value).ok()?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}
