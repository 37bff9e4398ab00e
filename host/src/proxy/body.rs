//! The bodies that pass through: a request's on its way to the endpoint, a response's on its way to the client. Both are
//! pulled by the side that they go to, which is all the back-pressure there is.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::client_io::Wire;
use super::connection::Busy;
use super::deadline::Deadline;
use super::error::ClientFault;
use super::link::Link;
use super::trial::Trial;
use super::upstream_io::Trace;
use crate::model::Failure;

/// Why a body ends early.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error("the client's body cannot be passed on")]
    Upload,
    #[error("the endpoint broke off")]
    Download,
    #[error("the endpoint stopped sending")]
    Stalled,
}

/// Who has to do the next step of a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Client,
    Endpoint,
    Nobody,
}

/// What the exchange knows of its request's body.
#[derive(Debug)]
pub(super) struct Progress {
    pub(super) turn: Cell<Turn>,
    /// Something moved since this was last lowered.
    pub(super) moved: Cell<bool>,
    pub(super) fault: RefCell<Option<ClientFault>>,
}

/// A request's body on its way to the endpoint.
pub(super) enum RequestBody {
    Empty,
    Streaming(Box<Upload>),
}

/// A body that is coming from the client.
pub(super) struct Upload {
    incoming: Incoming,
    limit: Option<u64>,
    passed: u64,
    progress: Rc<Progress>,
    /// Wakes the task while the connection is driven by hyper with a waker of its own.
    trace: Option<Rc<Trace>>,
    /// The client's socket, when a head can follow the body on it.
    wire: Option<Rc<Wire>>,
}

impl RequestBody {
    pub(super) fn new(incoming: Incoming, limit: Option<u64>, wire: Option<Rc<Wire>>) -> (Self, Option<Rc<Progress>>) {
        if incoming.is_end_stream() {
            return (Self::Empty, None);
        }
        let progress =
            Rc::new(Progress { turn: Cell::new(Turn::Endpoint), moved: Cell::new(false), fault: RefCell::new(None) });
        let upload = Upload { incoming, limit, passed: 0, progress: Rc::clone(&progress), trace: None, wire };
        (Self::Streaming(Box::new(upload)), Some(progress))
    }

    /// From now on it goes to this connection.
    pub(super) fn goes_to(&mut self, trace: &Rc<Trace>) {
        if let Self::Streaming(upload) = self {
            upload.trace = Some(Rc::clone(trace));
        }
    }
}

impl Upload {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let frame = match &self.trace {
            Some(trace) => Pin::new(&mut self.incoming).poll_frame(&mut trace.relay.context()),
            None => Pin::new(&mut self.incoming).poll_frame(cx),
        };
        let Poll::Ready(frame) = frame else {
            self.progress.turn.set(Turn::Client);
            return Poll::Pending;
        };
        self.progress.moved.set(true);
        let frame = match frame {
            Some(Ok(frame)) => frame,
            Some(Err(_)) => return Poll::Ready(Some(Err(self.broken(ClientFault::BadRequest("the body is broken"))))),
            None => {
                self.end();
                return Poll::Ready(None);
            }
        };
        self.passed += frame.data_ref().map_or(0, |data| data.len() as u64);
        if let Some(limit) = self.limit.filter(|limit| self.passed > *limit) {
            return Poll::Ready(Some(Err(self.broken(ClientFault::BodyTooLarge(limit)))));
        }
        if frame.is_trailers() || self.incoming.is_end_stream() {
            self.end();
        } else {
            self.progress.turn.set(Turn::Endpoint);
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn end(&self) {
        self.progress.turn.set(Turn::Nobody);
        if let Some(wire) = &self.wire {
            wire.head.borrow_mut().resume();
        }
    }

    fn broken(&self, fault: ClientFault) -> Broken {
        self.progress.fault.replace(Some(fault));
        Broken::Upload
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(wire) = self.wire.as_ref().filter(|_| self.progress.turn.get() != Turn::Nobody) {
            wire.unread.set(true);
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Streaming(upload) => upload.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Streaming(upload) => upload.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Streaming(upload) => upload.incoming.size_hint(),
        }
    }
}

/// A response's body on its way to the client.
pub(super) struct ResponseBody {
    content: Content,
    /// Tells the client's connection when the response is done.
    _busy: Option<Busy>,
}

enum Content {
    Nothing,
    Whole(Bytes),
    Streaming(Box<Download>),
    /// It broke off right behind the head.
    Broken,
}

/// A body that is coming from an endpoint.
struct Download {
    incoming: Incoming,
    /// What came together with the head.
    held: Option<Frame<Bytes>>,
    /// The connection and the attempt; none once the body is complete.
    source: Option<(Box<Link>, Trial)>,
    deadline: Rc<Deadline>,
    idle: Duration,
}

impl ResponseBody {
    pub(super) fn empty() -> Self {
        Self { content: Content::Nothing, _busy: None }
    }

    pub(super) fn full(bytes: Bytes) -> Self {
        Self { content: Content::Whole(bytes), _busy: None }
    }

    /// A body that comes over a connection. What is complete already is taken at once, and the connection given back.
    pub(super) fn coming(
        mut incoming: Incoming,
        link: Box<Link>,
        trial: Trial,
        (deadline, idle, now): (&Rc<Deadline>, Duration, Instant),
    ) -> Self {
        let mut held = None;
        let mut complete = incoming.is_end_stream();
        if !complete {
            match Pin::new(&mut incoming).poll_frame(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Some(Ok(frame))) => held = Some(frame),
                Poll::Ready(Some(Err(_))) => {
                    trial.fail(Failure::Reset, now);
                    return Self { content: Content::Broken, _busy: None };
                }
                Poll::Ready(None) => complete = true,
                Poll::Pending => {}
            }
            complete |= incoming.is_end_stream();
        }
        if complete {
            trial.pool().put_back(link, now);
            trial.succeed();
            let bytes = held.and_then(|frame| frame.into_data().ok());
            return bytes.map_or_else(Self::empty, Self::full);
        }
        deadline.set(now + idle);
        let deadline = Rc::clone(deadline);
        let download = Download { incoming, held, source: Some((link, trial)), deadline, idle };
        Self { content: Content::Streaming(Box::new(download)), _busy: None }
    }

    /// Whether it comes in pieces.
    pub(super) fn streams(&self) -> bool {
        matches!(self.content, Content::Streaming(_))
    }

    /// The client's connection is busy until this body is done with.
    pub(super) fn holding(mut self, busy: Busy) -> Self {
        self._busy = Some(busy);
        self
    }
}

impl Download {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if let Some(held) = self.held.take() {
            if held.is_trailers() {
                self.complete(Instant::now());
            }
            return Poll::Ready(Some(Ok(held)));
        }
        let Some((link, _)) = &mut self.source else { return Poll::Ready(None) };
        let incoming = &mut self.incoming;
        match link.poll_with(cx, |inner| Pin::new(&mut *incoming).poll_frame(inner)) {
            Poll::Ready(Some(Ok(frame))) => {
                let now = Instant::now();
                self.deadline.set(now + self.idle);
                if frame.is_trailers() || self.incoming.is_end_stream() {
                    self.complete(now);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(_))) => Poll::Ready(Some(Err(self.broken(Failure::Reset, Broken::Download)))),
            Poll::Ready(None) => {
                self.complete(Instant::now());
                Poll::Ready(None)
            }
            Poll::Pending if self.deadline.poll(cx).is_ready() => {
                Poll::Ready(Some(Err(self.broken(Failure::Timeout, Broken::Stalled))))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn complete(&mut self, now: Instant) {
        if let Some((link, trial)) = self.source.take() {
            trial.pool().put_back(link, now);
            trial.succeed();
        }
    }

    fn broken(&mut self, failure: Failure, broken: Broken) -> Broken {
        if let Some((_, trial)) = self.source.take() {
            trial.fail(failure, Instant::now());
        }
        broken
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match &mut self.content {
            Content::Nothing => Poll::Ready(None),
            Content::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                self.content = Content::Nothing;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Content::Streaming(download) => download.poll(cx),
            Content::Broken => Poll::Ready(Some(Err(Broken::Download))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Nothing => true,
            Content::Whole(_) | Content::Broken => false,
            Content::Streaming(download) => download.held.is_none() && download.source.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Nothing => SizeHint::with_exact(0),
            Content::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Streaming(download) => match (download.incoming.size_hint().exact(), &download.held) {
                (Some(rest), held) => {
                    let held = held.as_ref().and_then(Frame::data_ref).map_or(0, Bytes::len);
                    SizeHint::with_exact(rest + held as u64)
                }
                (None, _) => SizeHint::default(),
            },
            Content::Broken => SizeHint::default(),
        }
    }
}
