//! One HTTP/1.1 connection to an endpoint. It has no task of its own: whoever uses it drives it, and while it is idle
//! nobody does. Never more than one request is under way on it.
//!
//! The socket wakes the task that used it last, also while it is idle; such a task finds nothing to do.

use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;

use super::http1::{self, Malformed, ResponseHead};
use super::outbox::Outbox;
use super::pool::Slot;

/// What is read at a time: at first, and at most while a body comes quickly.
const LEAST_ROOM: usize = 8 * 1024;
const MOST_ROOM: usize = 128 * 1024;

/// Responses of status 1xx before the response: one or two are usual, and they could be sent without end.
const MOST_INTERIM: usize = 32;

/// A connection to an endpoint.
pub(super) struct Link {
    stream: TcpStream,
    outbox: Outbox,
    /// What came in and was not used yet. Room for more is taken when there is something to read.
    input: Bytes,
    room: usize,
    /// How much of `input` was looked at in vain for the end of a head.
    searched: usize,
    /// Responses of status 1xx that came before the response.
    interim: usize,
    /// Bytes came in since the last request began.
    heard: bool,
    /// The response said that the connection may be used again.
    keep_alive: bool,
    /// When it was last put into the pool; none when it is new.
    pub(super) parked: Option<Instant>,
    slot: Slot,
}

impl Link {
    pub(super) fn new(stream: TcpStream, slot: Slot) -> Self {
        Self {
            stream,
            outbox: Outbox::default(),
            input: Bytes::new(),
            room: LEAST_ROOM,
            searched: 0,
            interim: 0,
            heard: false,
            keep_alive: false,
            parked: None,
            slot,
        }
    }

    /// A request begins: the place for its bytes.
    pub(super) fn begin(&mut self) -> &mut Outbox {
        self.outbox.clear();
        self.heard = false;
        self.keep_alive = false;
        self.searched = 0;
        self.interim = 0;
        &mut self.outbox
    }

    /// A request that was begun on another connection goes on here.
    pub(super) fn go_on(&mut self, outbox: Outbox) {
        self.begin();
        self.outbox = outbox;
    }

    pub(super) fn outbox(&mut self) -> &mut Outbox {
        &mut self.outbox
    }

    /// The bytes of the request, for another connection.
    pub(super) fn into_outbox(self) -> Outbox {
        self.outbox
    }

    /// What came in and was not used yet.
    pub(super) fn input(&mut self) -> &mut Bytes {
        &mut self.input
    }

    /// Whether anything of the response has come.
    pub(super) fn has_heard(&self) -> bool {
        self.heard
    }

    /// Writes what is in the outbox.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outbox.is_empty() {
            let stream = Pin::new(&mut self.stream);
            // A plain send costs the kernel less than a gathering one.
            let n = match self.outbox.single() {
                Some(all) => ready!(stream.poll_write(cx, all))?,
                None => ready!(stream.poll_write_vectored(cx, &self.outbox.pieces()))?,
            };
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.outbox.advance(n);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads more into `input`; 0 when the endpoint closed its side.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        ready!(self.stream.poll_read_ready(cx))?;
        let held = std::mem::take(&mut self.input);
        let mut buffer = match held.is_empty() {
            true => BytesMut::with_capacity(self.room),
            false => held.try_into_mut().unwrap_or_else(|held| BytesMut::from(&*held)),
        };
        buffer.reserve(self.room);
        let read = pin!(self.stream.read_buf(&mut buffer)).poll(cx);
        self.input = buffer.freeze();
        let n = ready!(read)?;
        self.heard |= n > 0;
        self.room = if n >= self.room { (self.room * 2).min(MOST_ROOM) } else { LEAST_ROOM.max(self.room / 2) };
        Poll::Ready(Ok(n))
    }

    /// Takes the head of the response out of what came in; none while it is not complete. `space` gives room for headers.
    pub(super) fn take_head(
        &mut self,
        answers_head: bool,
        mut space: impl FnMut(StatusCode) -> HeaderMap,
    ) -> Result<Option<ResponseHead>, Malformed> {
        while self.has_news() {
            let Some((head, length)) = http1::parse(&self.input, answers_head, &mut space)? else {
                self.searched = self.input.len();
                return Ok(None);
            };
            self.input.advance(length);
            self.searched = 0;
            // Others of its kind come before the response; this one is one.
            if !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS {
                self.keep_alive = head.keep_alive;
                return Ok(Some(head));
            }
            self.interim += 1;
            if self.interim > MOST_INTERIM {
                return Err(Malformed("too many interim responses come before it"));
            }
        }
        Ok(None)
    }

    /// Whether a head may have become complete, or too large: a head that comes byte by byte is not read anew each time.
    fn has_news(&self) -> bool {
        let news = self.input.get(self.searched..).unwrap_or_default();
        news.contains(&b'\n') || self.input.len() >= http1::MAX_HEAD
    }

    /// Whether the connection can take another request, now that the response is complete. Bytes behind it belong to
    /// nothing that was asked.
    pub(super) fn is_at_rest(&self) -> bool {
        self.keep_alive && self.input.is_empty() && self.outbox.is_empty()
    }

    /// Nobody uses the connection from now on.
    pub(super) fn park(&mut self, now: Instant) {
        self.parked = Some(now);
        // What is left holds on to the response's buffer.
        self.input = Bytes::new();
        self.room = LEAST_ROOM;
    }

    /// Whether the connection that was idle is still there. `sure` asks the kernel; otherwise what the runtime has heard
    /// so far is enough: the kernel is asked only where something stirred.
    pub(super) fn is_alive(&self, sure: bool) -> bool {
        let would_block = |error: io::Error| error.kind() == io::ErrorKind::WouldBlock;
        if sure {
            let mut byte = [MaybeUninit::uninit()];
            return SockRef::from(&self.stream).peek(&mut byte).is_err_and(would_block);
        }
        self.stream.try_read(&mut [0]).is_err_and(would_block)
    }

    /// The socket, what was read beyond the response, and the connection's place among the others.
    pub(super) fn into_parts(self) -> (TcpStream, Bytes, Slot) {
        (self.stream, self.input, self.slot)
    }
}
