//! The seam to what answers requests itself, in place of an endpoint: the service that a route leads to. It is given the
//! whole request and gives back a response whose body may still be coming. What it does meanwhile is done elsewhere, never
//! on the worker; here its request is collected and its response is passed on, both at the client's pace and no more.

use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Response, Version};
use tokio::sync::mpsc;

use super::admission;
use super::body::{Broken, ResponseBody};
use super::client_io::Wire;
use super::connection::Busy;
use super::deadline::Deadline;
use super::error::{ClientFault, Error};
use super::record::Record;
use super::upload::Upload;
use crate::config::Limits;
use crate::model::{RequestHead, Trace};

/// A whole body is handed on in pieces of this size, so that a client that takes none of them is noticed.
const PIECE: usize = 64 << 10;

/// How long the last piece of a response that is broken off may take to leave over HTTP/2, where it is not known when it
/// has.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Longer than any request; a service ends by itself.
const UNLIMITED: Duration = Duration::from_secs(365 * 24 * 3600);

/// Something that answers requests.
pub trait Service: fmt::Debug + Send + Sync {
    /// Judges a request by its head, before its body is taken: the largest body that it may have, in bytes; or, where it is
    /// refused, the response.
    fn admit(&self, head: &RequestHead) -> Result<u64, Refusal>;

    /// Answers a request, always and within a time of its own. Dropped before it has, or with the body that it gave, it
    /// must stop what it does.
    fn call(&self, request: ServiceRequest) -> BoxFuture<'static, Response<ServiceBody>>;
}

/// The response to a request that a service does not take.
pub type Refusal = Box<Response<ServiceBody>>;

/// A request to a service.
#[derive(Debug)]
pub struct ServiceRequest {
    /// Its head.
    pub head: Arc<RequestHead>,
    /// Its body, to the end.
    pub body: Bytes,
    /// Its trace, if it has one.
    pub trace: Option<Arc<Trace>>,
}

/// The body of a service's response.
#[derive(Debug)]
pub enum ServiceBody {
    /// All of it.
    Whole(Bytes),
    /// It comes in pieces, and ends with `None`. Where the pieces stop without that, whatever the cause, the response is
    /// broken off, so that its client does not take it for complete. Dropped when the client leaves.
    Coming(mpsc::Receiver<Option<Bytes>>),
}

/// A request for a service.
pub(super) struct Visit {
    pub(super) busy: Busy,
    pub(super) service: Arc<dyn Service>,
    pub(super) version: Version,
    pub(super) head: Arc<RequestHead>,
    pub(super) upload: Option<Box<Upload>>,
    /// The response, where the service refused the request by its head.
    pub(super) refusal: Option<Refusal>,
}

/// What a service made of a request's head: the limits of the listener and its own, the narrower; and its refusal.
pub(super) fn admit(
    service: &dyn Service,
    limits: Limits,
    head: &RequestHead,
) -> Result<(Limits, Option<Refusal>), ClientFault> {
    let most = match service.admit(head) {
        Ok(most) => most.min(limits.body_bytes.unwrap_or(u64::MAX)),
        Err(refusal) => return Ok((limits, Some(refusal))),
    };
    match admission::content_length(&head.headers).is_some_and(|length| length > most) {
        true => Err(ClientFault::BodyTooLarge(most)),
        false => Ok((Limits { body_bytes: Some(most), ..limits }, None)),
    }
}

impl Visit {
    /// The response, and the request that it is to.
    pub(super) async fn answer(mut self) -> (Busy, Result<(Response<ResponseBody>, Instant), Error>) {
        let answered = match self.refusal.take() {
            Some(refusal) => {
                // Its body stays where it is.
                self.busy.client().wire().unread.set(self.upload.is_some());
                *refusal
            }
            None => match self.collect().await {
                Ok(body) => self.call(body).await,
                Err(fault) => return (self.busy, Err(Error::Client(fault))),
            },
        };
        let Self { busy, version, .. } = self;
        let (head, body) = answered.into_parts();
        let now = Instant::now();
        let idle = idle(&busy);
        busy.deadline().set(now + idle);
        let wire = Rc::clone(busy.client().wire());
        let last_words = if version < Version::HTTP_2 { idle } else { LAST_WORDS };
        let deadline = Rc::clone(busy.deadline());
        let served = Serving { source: Source::from(body), deadline, idle, last_words, wire };
        (busy, Ok((Response::from_parts(head, ResponseBody::of_service(served)), now)))
    }

    fn call(&self, body: Bytes) -> BoxFuture<'static, Response<ServiceBody>> {
        let trace = self.busy.record().and_then(Record::trace).cloned();
        self.service.call(ServiceRequest { head: Arc::clone(&self.head), body, trace })
    }

    /// The body of the request, which comes at the rate that the listener wants, and never stops for long.
    async fn collect(&mut self) -> Result<Bytes, ClientFault> {
        let Some(upload) = &mut self.upload else { return Ok(Bytes::new()) };
        let (deadline, idle) = (self.busy.deadline(), idle(&self.busy));
        deadline.set(Instant::now() + idle);
        let mut body = Vec::new();
        let collected = poll_fn(|cx| match upload.poll_collect(cx, &mut body) {
            Poll::Pending => {
                if upload.has_moved() {
                    deadline.set(Instant::now() + idle);
                }
                deadline.poll(cx).map(|()| Err(ClientFault::Timeout))
            }
            collected => collected,
        });
        collected.await?;
        self.upload = None;
        Ok(Bytes::from(body))
    }
}

/// For how long a client may do nothing with its request or response.
fn idle(busy: &Busy) -> Duration {
    busy.client().listener().view().config.keep_alive_timeout
}

/// The body of a service's response, on its way to the client.
pub(super) struct Serving {
    source: Source,
    deadline: Rc<Deadline>,
    idle: Duration,
    last_words: Duration,
    wire: Rc<Wire>,
}

enum Source {
    Whole(Bytes),
    Coming(mpsc::Receiver<Option<Bytes>>),
    /// It is over once what was given before has left.
    BrokenOff,
    Done,
}

impl From<ServiceBody> for Source {
    fn from(body: ServiceBody) -> Self {
        match body {
            ServiceBody::Whole(bytes) if bytes.is_empty() => Self::Done,
            ServiceBody::Whole(bytes) => Self::Whole(bytes),
            ServiceBody::Coming(pieces) => Self::Coming(pieces),
        }
    }
}

impl Serving {
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        let piece = match &mut self.source {
            Source::Whole(bytes) => {
                let piece = bytes.split_to(bytes.len().min(PIECE));
                if bytes.is_empty() {
                    self.source = Source::Done;
                }
                piece
            }
            Source::Coming(pieces) => match pieces.poll_recv(cx) {
                Poll::Ready(Some(Some(piece))) => piece,
                Poll::Ready(None) => return self.break_off(cx),
                Poll::Ready(Some(None)) => {
                    self.source = Source::Done;
                    self.deadline.set(Instant::now() + self.idle);
                    return Poll::Ready(None);
                }
                Poll::Pending => {
                    // It is the service's turn, which keeps a time of its own.
                    self.deadline.set(Instant::now() + UNLIMITED);
                    return Poll::Pending;
                }
            },
            Source::BrokenOff => return self.break_off(cx),
            Source::Done => return Poll::Ready(None),
        };
        self.deadline.set(Instant::now() + self.idle);
        Poll::Ready(Some(Ok(piece)))
    }

    /// Ends the body as one that is not complete. What is broken off takes with it what is not written yet, so that is
    /// waited for: the last piece says why.
    fn break_off(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        if matches!(self.source, Source::BrokenOff) {
            if self.wire.is_flushed() {
                self.source = Source::Done;
                return Poll::Ready(Some(Err(Broken::Service)));
            }
        } else {
            self.source = Source::BrokenOff;
            self.deadline.set(Instant::now() + self.last_words);
        }
        self.wire.flushes(cx.waker());
        Poll::Pending
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self.source, Source::Done)
    }

    /// How many bytes are left, where that is known.
    pub(super) fn left(&self) -> Option<u64> {
        match &self.source {
            Source::Whole(bytes) => Some(bytes.len() as u64),
            Source::Done => Some(0),
            Source::Coming(_) | Source::BrokenOff => None,
        }
    }
}
