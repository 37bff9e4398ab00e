//! HTTP/1.1 as it is spoken with endpoints: how a head and a body are written, and how what comes back is read. Pure: bytes
//! in, bytes or messages out; no sockets, no time. However the bytes are split, the result is the same.
//!
//! What an endpoint sends is not believed: whatever the next reader could take otherwise is refused.

mod body;
mod chunked;
pub(super) mod encode;
mod head;
mod trailers;

#[cfg(test)]
mod tests;

pub(super) use body::{BodyDecoder, Framing, Piece};
pub(super) use head::{MAX_HEAD, ResponseHead, parse};

/// Why bytes are no sound message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Malformed(pub(super) &'static str);
