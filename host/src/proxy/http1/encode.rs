//! Writing: the lines of a head, and the pieces of a body that comes in chunks.

use http::{HeaderMap, HeaderName, Method};

use super::trailers;

/// The first line of a request. An empty path is written as the root.
pub(in crate::proxy) fn request_line(out: &mut Vec<u8>, method: &Method, target: &str) {
    out.extend_from_slice(method.as_str().as_bytes());
    out.push(b' ');
    if !target.starts_with(['/', '*']) {
        out.push(b'/');
    }
    out.extend_from_slice(target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
}

/// A header.
pub(in crate::proxy) fn line(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// A header of several values in one line.
pub(in crate::proxy) fn joined<'a>(
    out: &mut Vec<u8>,
    name: &str,
    separator: &str,
    values: impl Iterator<Item = &'a [u8]>,
) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    for (at, value) in values.enumerate() {
        if at > 0 {
            out.extend_from_slice(separator.as_bytes());
        }
        out.extend_from_slice(value);
    }
    out.extend_from_slice(b"\r\n");
}

/// The end of a head.
pub(in crate::proxy) fn end(out: &mut Vec<u8>) {
    out.extend_from_slice(b"\r\n");
}

/// What comes before the bytes of a chunk; `CHUNK_END` comes behind them.
pub(in crate::proxy) fn chunk_start(out: &mut Vec<u8>, length: usize) {
    let digits = (usize::BITS - length.leading_zeros()).div_ceil(4).max(1);
    for at in (0..digits).rev() {
        let digit = u32::try_from((length >> (at * 4)) & 15).unwrap_or(0);
        out.push(char::from_digit(digit, 16).map_or(b'0', |digit| digit as u8));
    }
    out.extend_from_slice(b"\r\n");
}

/// What comes behind the bytes of a chunk.
pub(in crate::proxy) const CHUNK_END: &[u8] = b"\r\n";

/// The end of a body in chunks, with the trailers that `announced` allows.
pub(in crate::proxy) fn last_chunk(out: &mut Vec<u8>, fields: &HeaderMap, announced: impl Fn(&HeaderName) -> bool) {
    out.extend_from_slice(b"0\r\n");
    for (name, value) in fields {
        if trailers::may_trail(name) && announced(name) {
            line(out, name.as_str(), value.as_bytes());
        }
    }
    out.extend_from_slice(b"\r\n");
}
