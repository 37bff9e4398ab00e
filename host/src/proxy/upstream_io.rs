//! An endpoint's socket as hyper sees it. Wakes the task that uses the connection now (see `relay`), notes whether
//! anything of a response has come, and keeps the bytes of a request without a body, so that it can be sent once more
//! when the connection turns out to have been closed before it arrived.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use http::{HeaderName, HeaderValue, Method, Request, Uri};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::relay::Relay;

/// What the connection's user knows of its socket.
pub(super) struct Trace {
    pub(super) relay: Relay,
    /// Bytes came in since the last request began.
    heard: Cell<bool>,
    /// The request's bytes, when they are to be kept.
    sent: RefCell<Vec<u8>>,
    keeping: Cell<bool>,
    /// Ask the kernel whether the endpoint closed, not only the runtime.
    pub(super) probe: Cell<bool>,
}

impl Trace {
    pub(super) fn new() -> Self {
        Self {
            relay: Relay::new(),
            heard: Cell::new(false),
            sent: RefCell::new(Vec::new()),
            keeping: Cell::new(false),
            probe: Cell::new(false),
        }
    }

    /// A request begins; `keep` its bytes.
    pub(super) fn begin(&self, keep: bool) {
        self.heard.set(false);
        self.keeping.set(keep);
        self.sent.borrow_mut().clear();
    }

    /// Whether anything of the response has come.
    pub(super) fn has_heard(&self) -> bool {
        self.heard.get()
    }

    /// The request that was kept, read back from the bytes that hyper wrote.
    pub(super) fn request(&self) -> Option<Request<()>> {
        let sent = self.sent.borrow();
        let mut lines = split(&sent);
        let line = lines.next()?;
        let mut words = line.split(|byte| *byte == b' ');
        let mut request = Request::new(());
        *request.method_mut() = Method::from_bytes(words.next()?).ok()?;
        *request.uri_mut() = Uri::try_from(words.next()?).ok()?;
        for line in lines.take_while(|line| !line.is_empty()) {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let (name, value) = (line.get(..colon)?, line.get(colon + 1..)?);
            let value = HeaderValue::from_bytes(value.trim_ascii()).ok()?;
            request.headers_mut().append(HeaderName::from_bytes(name).ok()?, value);
        }
        Some(request)
    }

    fn keep<'a>(&self, parts: impl Iterator<Item = &'a [u8]>) {
        // hyper offers a whole head at once; what it offers again after a short write is here already.
        if self.keeping.replace(false) {
            let mut sent = self.sent.borrow_mut();
            parts.for_each(|part| sent.extend_from_slice(part));
        }
    }
}

fn split(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// Whether an idle connection is open and has nothing to be read, as it should.
fn is_silent(stream: &TcpStream) -> bool {
    let mut byte = [MaybeUninit::uninit()];
    let peeked = SockRef::from(stream).peek(&mut byte);
    peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

/// An endpoint's socket.
pub(super) struct UpstreamIo {
    stream: TcpStream,
    trace: Rc<Trace>,
}

impl UpstreamIo {
    pub(super) fn new(stream: TcpStream, trace: Rc<Trace>) -> Self {
        Self { stream, trace }
    }

    pub(super) fn into_stream(self) -> TcpStream {
        self.stream
    }
}

impl AsyncRead for UpstreamIo {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let held = buf.filled().len();
        let Self { stream, trace } = &mut *self;
        if trace.probe.get() && !is_silent(stream) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let read = Pin::new(stream).poll_read(&mut trace.relay.context(), buf);
        if buf.filled().len() > held {
            trace.heard.set(true);
        }
        read
    }
}

impl AsyncWrite for UpstreamIo {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let Self { stream, trace } = &mut *self;
        trace.keep(std::iter::once(buf));
        Pin::new(stream).poll_write(&mut trace.relay.context(), buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { stream, trace } = &mut *self;
        trace.keep(bufs.iter().map(|buf| &**buf));
        // A plain send costs the kernel less than a gathering one.
        let cx = &mut trace.relay.context();
        match bufs {
            [one] => Pin::new(stream).poll_write(cx, one),
            several => Pin::new(stream).poll_write_vectored(cx, several),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A TCP stream holds nothing back.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // After an upgrade the socket goes on; otherwise dropping it closes it.
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_request_is_read_back() {
        let trace = Trace::new();
        trace.begin(true);
        trace.keep([&b"GET /a?b=c HTTP/1.1\r\nhost: x\r\n"[..], b"x-two: 1\r\nx-two: 2\r\n\r\n"].into_iter());
        trace.keep([&b"again"[..]].into_iter());
        let request = trace.request().unwrap();
        assert_eq!((request.method(), request.uri().to_string().as_str()), (&Method::GET, "/a?b=c"));
        assert_eq!(request.headers()["host"], "x");
        assert_eq!(request.headers().get_all("x-two").iter().collect::<Vec<_>>(), ["1", "2"]);
        trace.begin(false);
        trace.keep([&b"GET / HTTP/1.1\r\n\r\n"[..]].into_iter());
        assert!(trace.request().is_none());
    }
}
