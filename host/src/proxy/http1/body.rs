//! The body of a response, by whichever rule its end is found.

use bytes::Bytes;
use http::HeaderMap;

use super::Malformed;
use super::chunked::Chunked;

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Framing {
    /// There is none.
    Empty,
    /// After so many bytes.
    Length(u64),
    /// By the chunk of length zero.
    Chunked,
    /// When the endpoint closes the connection.
    UntilClose,
}

/// What was found in the bytes that came in.
#[derive(Debug, PartialEq)]
pub(in crate::proxy) enum Piece {
    Data(Bytes),
    /// The body is over, with these.
    Trailers(HeaderMap),
    /// The body is over.
    Done,
    /// Nothing without more bytes.
    More,
}

/// Reads a body.
#[derive(Debug)]
pub(in crate::proxy) enum BodyDecoder {
    Length(u64),
    Chunked(Box<Chunked>),
    UntilClose,
}

impl BodyDecoder {
    pub(in crate::proxy) fn new(framing: Framing) -> Self {
        match framing {
            Framing::Empty => Self::Length(0),
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked(Box::new(Chunked::new())),
            Framing::UntilClose => Self::UntilClose,
        }
    }

    /// Takes the next piece out of what came in.
    pub(in crate::proxy) fn decode(&mut self, input: &mut Bytes) -> Result<Piece, Malformed> {
        match self {
            Self::Length(0) => Ok(Piece::Done),
            Self::Chunked(chunked) => chunked.decode(input),
            Self::Length(_) | Self::UntilClose if input.is_empty() => Ok(Piece::More),
            Self::Length(left) => {
                let n = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                *left -= n as u64;
                Ok(Piece::Data(input.split_to(n)))
            }
            Self::UntilClose => Ok(Piece::Data(std::mem::take(input))),
        }
    }

    /// Whether nothing is missing.
    pub(in crate::proxy) fn is_done(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(chunked) => chunked.is_done(),
            Self::UntilClose => false,
        }
    }

    /// Whether the body may end because the connection does.
    pub(in crate::proxy) fn may_end_here(&self) -> bool {
        matches!(self, Self::UntilClose) || self.is_done()
    }

    /// The bytes that are still to come, where that is known.
    pub(in crate::proxy) fn left(&self) -> Option<u64> {
        match self {
            Self::Length(left) => Some(*left),
            Self::Chunked(_) | Self::UntilClose => None,
        }
    }
}
