//! The client's socket as hyper sees it: counts bytes, keeps the raw head, and gives back bytes that were read before
//! hyper took over. Does not close the sending side: whoever drives the connection decides how it ends.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::head::RawHead;
use super::metrics::ListenerCounters;

/// Up to this size pieces are copied together: a plain send costs the kernel less than a gathering one.
const SMALL: usize = 1024;

/// What the socket's user knows of it.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) head: RefCell<RawHead>,
    /// Bytes came in since this was last lowered.
    pub(super) heard: Cell<bool>,
    /// A request was answered without reading it to its end.
    pub(super) unread: Cell<bool>,
    /// Who waits until all that was given is written; none once it is.
    flush: RefCell<Option<Waker>>,
    counters: Arc<ListenerCounters>,
}

impl Wire {
    pub(super) fn new(counters: Arc<ListenerCounters>) -> Self {
        let head = RefCell::new(RawHead::new());
        Self { head, heard: Cell::new(false), unread: Cell::new(false), flush: RefCell::default(), counters }
    }

    /// Wakes a task when what was given so far is written.
    pub(super) fn flushes(&self, waker: &Waker) {
        self.flush.replace(Some(waker.clone()));
    }

    /// Whether it is.
    pub(super) fn is_flushed(&self) -> bool {
        self.flush.borrow().is_none()
    }

    pub(super) fn counters(&self) -> &ListenerCounters {
        &self.counters
    }
}

/// A client's socket.
#[derive(Debug)]
pub(super) struct ClientIo {
    stream: TcpStream,
    before: Bytes,
    wire: Rc<Wire>,
}

impl ClientIo {
    /// `before` was read already.
    pub(super) fn new(stream: TcpStream, before: Bytes, wire: Rc<Wire>) -> Self {
        Self { stream, before, wire }
    }

    pub(super) fn into_stream(self) -> TcpStream {
        self.stream
    }

    fn took(&self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.wire.heard.set(true);
            self.wire.counters.received.add(bytes.len() as u64);
            self.wire.head.borrow_mut().record(bytes);
        }
    }

    fn gave(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(n)) = written {
            self.wire.counters.sent.add(n as u64);
        }
        written
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let held = buf.filled().len();
        if self.before.is_empty() {
            std::task::ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        } else {
            let n = self.before.len().min(buf.remaining());
            let piece = self.before.split_to(n);
            buf.put_slice(piece.chunk());
        }
        self.took(buf.filled().get(held..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.gave(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut joined = [0; SMALL];
        let written = match bufs {
            [one] => Pin::new(&mut self.stream).poll_write(cx, one),
            several => match join(several, &mut joined) {
                Some(all) => Pin::new(&mut self.stream).poll_write(cx, all),
                None => Pin::new(&mut self.stream).poll_write_vectored(cx, bufs),
            },
        };
        self.gave(written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A TCP stream holds nothing back; hyper asks for this when it has given it all.
        if let Some(waker) = self.wire.flush.take() {
            waker.wake();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // An upgrade goes on with the socket, and a refused request has to be read away first: see `linger`.
        Poll::Ready(Ok(()))
    }
}

/// The pieces in one, if they fit.
fn join<'a>(pieces: &[IoSlice<'_>], space: &'a mut [u8; SMALL]) -> Option<&'a [u8]> {
    let mut used = 0;
    for piece in pieces {
        space.get_mut(used..used + piece.len())?.copy_from_slice(piece);
        used += piece.len();
    }
    space.get(..used)
}
