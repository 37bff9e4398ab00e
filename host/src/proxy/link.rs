//! One HTTP/1.1 connection to an endpoint. It has no task of its own: whoever uses it drives it, and while it is idle
//! nobody does (see `relay`).

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::body::RequestBody;
use super::pool::Slot;
use super::relay::Flag;
use super::upstream_io::{Trace, UpstreamIo};

/// How often the connection is driven again because something inside it can go on, before other tasks get their turn.
const ROUNDS: usize = 4;

/// What comes of sending a request: on a failure the request itself, when none of it was written.
pub(super) type Sent = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>;

/// A connection to an endpoint.
pub(super) struct Link {
    sender: http1::SendRequest<RequestBody>,
    /// None once it is over and all that it owed was delivered.
    driver: Option<http1::Connection<TokioIo<UpstreamIo>, RequestBody>>,
    over: bool,
    trace: Rc<Trace>,
    flag: Arc<Flag>,
    waker: Waker,
    /// When it was last put into the pool; none when it is new.
    pub(super) parked: Option<Instant>,
    _slot: Slot,
}

impl Link {
    pub(super) async fn new(stream: TcpStream, slot: Slot) -> hyper::Result<Self> {
        let trace = Rc::new(Trace::new());
        let io = TokioIo::new(UpstreamIo::new(stream, Rc::clone(&trace)));
        let (sender, driver) = http1::handshake(io).await?;
        let flag = Arc::new(Flag::default());
        let waker = Waker::from(Arc::clone(&flag));
        Ok(Self { sender, driver: Some(driver), over: false, trace, flag, waker, parked: None, _slot: slot })
    }

    /// What the request's body needs to wake the task that uses the connection.
    pub(super) fn trace(&self) -> &Rc<Trace> {
        &self.trace
    }

    /// Takes a request, and keeps its bytes if told to. Nothing is written until the connection is driven.
    pub(super) fn send(&mut self, request: Request<RequestBody>, keep: bool) -> impl Future<Output = Sent> + use<> {
        self.trace.begin(keep);
        self.sender.try_send_request(request)
    }

    /// Drives the connection until `ask` has an answer or nothing can go on.
    pub(super) fn poll_with<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut ask: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.trace.relay.aim(cx.waker());
        for _ in 0..ROUNDS {
            self.drive();
            let mut inner = Context::from_waker(&self.waker);
            if let Poll::Ready(answer) = ask(&mut inner) {
                return Poll::Ready(answer);
            }
            if self.over {
                // What it still owes is delivered, as an error, by letting go of it.
                if self.driver.take().is_none() {
                    return Poll::Pending;
                }
            } else if !self.flag.is_raised() {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Drives the connection to its end: after a change of protocol.
    pub(super) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.trace.relay.aim(cx.waker());
        self.drive();
        if self.over { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Whether the connection can take another request now.
    pub(super) fn is_at_rest(&mut self) -> bool {
        if !self.sender.is_ready() {
            self.drive();
        }
        !self.over && self.sender.is_ready()
    }

    /// Nobody uses the connection from now on.
    pub(super) fn park(&mut self, now: Instant) {
        self.parked = Some(now);
        self.trace.relay.aim(Waker::noop());
    }

    /// Whether the connection that was idle is still there. `sure` asks the kernel; otherwise what the runtime has heard
    /// so far is enough.
    pub(super) fn is_alive(&mut self, sure: bool) -> bool {
        if !sure && !self.trace.relay.has_stirred() {
            return true;
        }
        self.trace.probe.set(sure);
        self.drive();
        self.trace.probe.set(false);
        !self.over && self.sender.is_ready()
    }

    /// The socket, and what was read beyond the response, once the connection is over.
    pub(super) fn into_parts(self) -> Option<(TcpStream, Bytes)> {
        let parts = self.driver?.into_parts();
        Some((parts.io.into_inner().into_stream(), parts.read_buf))
    }

    fn drive(&mut self) {
        self.flag.lower();
        self.trace.relay.settle();
        if let (Some(driver), false) = (&mut self.driver, self.over) {
            // An error goes to the request that it concerns.
            self.over = Pin::new(driver).poll(&mut Context::from_waker(&self.waker)).is_ready();
        }
    }
}
