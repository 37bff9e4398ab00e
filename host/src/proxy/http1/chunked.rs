//! A body in chunks, read byte for byte where it is framing and in whole slices where it is data.

use bytes::Bytes;

use super::{Malformed, Piece, trailers};

/// All extensions of one body together: nobody uses them, but they could be sent without end.
const MAX_EXTENSIONS: usize = 16 * 1024;

/// The trailers of one body.
const MAX_TRAILERS: usize = 16 * 1024;

const BAD_SIZE: Malformed = Malformed("the size of a chunk is no number");

/// What comes next.
#[derive(Clone, Copy, Debug)]
enum State {
    /// Digits of a size, of which some may have been read.
    Size(Option<u64>),
    Extension(u64),
    SizeEnd(u64),
    Data(u64),
    DataCr,
    DataLf,
    Trailers,
    Done,
}

/// Reads a body in chunks.
#[derive(Debug)]
pub(in crate::proxy) struct Chunked {
    state: State,
    extensions: usize,
    trailers: Vec<u8>,
}

impl Chunked {
    pub(super) fn new() -> Self {
        Self { state: State::Size(None), extensions: 0, trailers: Vec::new() }
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// The next piece of what came in.
    pub(super) fn decode(&mut self, input: &mut Bytes) -> Result<Piece, Malformed> {
        loop {
            match self.state {
                State::Done => return Ok(Piece::Done),
                State::Data(left) => {
                    if input.is_empty() {
                        return Ok(Piece::More);
                    }
                    let n = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                    let left = left - n as u64;
                    self.state = if left == 0 { State::DataCr } else { State::Data(left) };
                    return Ok(Piece::Data(input.split_to(n)));
                }
                _ => {}
            }
            let mut used = 0;
            for byte in input.iter() {
                used += 1;
                self.state = self.step(*byte)?;
                if matches!(self.state, State::Data(_) | State::Done) {
                    break;
                }
            }
            let ran_out = used == input.len();
            bytes::Buf::advance(input, used);
            match self.state {
                State::Done if self.trailers.len() > 2 => {
                    return trailers::parse(&std::mem::take(&mut self.trailers)).map(Piece::Trailers);
                }
                State::Done | State::Data(_) => {}
                _ if ran_out => return Ok(Piece::More),
                _ => {}
            }
        }
    }

    /// One byte of framing.
    fn step(&mut self, byte: u8) -> Result<State, Malformed> {
        Ok(match (self.state, byte) {
            (State::Size(size), _) => size_step(size, byte)?,
            (State::Extension(size), b'\r') => State::SizeEnd(size),
            (State::Extension(size), b'\t' | b' '..=b'~' | 0x80..) => {
                self.extensions += 1;
                if self.extensions > MAX_EXTENSIONS {
                    return Err(Malformed("the extensions of its chunks are too large"));
                }
                State::Extension(size)
            }
            (State::Extension(_), _) => return Err(Malformed("an extension of a chunk cannot be read")),
            (State::SizeEnd(0), b'\n') => State::Trailers,
            (State::SizeEnd(size), b'\n') => State::Data(size),
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size(None),
            (State::SizeEnd(_) | State::DataCr | State::DataLf, _) => {
                return Err(Malformed("a chunk does not end where it should"));
            }
            (State::Trailers, _) => {
                self.trailers.push(byte);
                if self.trailers.len() > MAX_TRAILERS {
                    return Err(Malformed("its trailers are too large"));
                }
                let over = self.trailers == b"\r\n" || self.trailers.ends_with(b"\r\n\r\n");
                if over { State::Done } else { State::Trailers }
            }
            (state @ (State::Data(_) | State::Done), _) => state,
        })
    }
}

fn size_step(size: Option<u64>, byte: u8) -> Result<State, Malformed> {
    if let Some(digit) = char::from(byte).to_digit(16) {
        let size = size.unwrap_or(0).checked_mul(16).and_then(|size| size.checked_add(digit.into()));
        return size.map(|size| State::Size(Some(size))).ok_or(BAD_SIZE);
    }
    match (size, byte) {
        (Some(size), b'\r') => Ok(State::SizeEnd(size)),
        (Some(size), b';' | b' ' | b'\t') => Ok(State::Extension(size)),
        _ => Err(BAD_SIZE),
    }
}
