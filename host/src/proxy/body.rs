//! A response's body on its way from the endpoint to the client: pulled by the client's side, which is all the
//! back-pressure there is. What came whole with the head is handed on whole, and its connection given back at once.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::connection::Busy;
use super::deadline::Deadline;
use super::http1::{BodyDecoder, Framing, Piece};
use super::link::Link;
use super::service::Serving;
use super::trial::Trial;
use super::upload::{SendFault, Upload, poll_send};
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
    #[error("the service broke off")]
    Service,
}

impl Broken {
    /// In a word.
    fn as_str(self) -> &'static str {
        match self {
            Self::Upload => "request-broken-off",
            Self::Download => "response-broken-off",
            Self::Stalled => "response-stalled",
            Self::Service => "service-broken-off",
        }
    }
}

/// A response's body.
pub(super) struct ResponseBody {
    content: Content,
    /// Tells the client's connection when the response is done, and holds what is recorded of it.
    busy: Option<Busy>,
}

enum Content {
    Nothing,
    Whole(Bytes),
    Streaming(Box<Download>),
    Service(Box<Serving>),
}

/// Where a body comes from.
pub(super) struct Origin {
    pub(super) link: Box<Link>,
    pub(super) trial: Trial,
    /// What is still to be sent of the request.
    pub(super) upload: Option<Box<Upload>>,
}

/// A body that is coming from an endpoint.
struct Download {
    decoder: BodyDecoder,
    /// None once the body is complete.
    origin: Option<Origin>,
    deadline: Rc<Deadline>,
    idle: Duration,
}

impl Origin {
    /// The response is complete. A connection on which the request is not, cannot be used again.
    fn complete(self, now: Instant) {
        if self.upload.is_none_or(|upload| upload.is_sent()) && self.link.is_at_rest() {
            self.trial.pool().put_back(self.link, now);
        }
        // The trial, dropped here, tells that the response came.
    }
}

/// The body, when all of it came with the head.
fn whole(framing: Framing, input: &mut Bytes) -> Option<Bytes> {
    match framing {
        Framing::Empty => Some(Bytes::new()),
        Framing::Length(length) => {
            usize::try_from(length).ok().filter(|length| *length <= input.len()).map(|length| input.split_to(length))
        }
        Framing::Chunked | Framing::UntilClose => None,
    }
}

/// A response that the client does not get. Reading on costs more than another connection: only one that came whole
/// leaves its connection fit for use.
pub(super) fn discard(framing: Framing, mut origin: Origin) {
    if whole(framing, origin.link.input()).is_some() {
        origin.complete(Instant::now());
    }
}

impl ResponseBody {
    pub(super) fn empty() -> Self {
        Self { content: Content::Nothing, busy: None }
    }

    pub(super) fn full(bytes: Bytes) -> Self {
        Self { content: Content::Whole(bytes), busy: None }
    }

    /// A body that comes over a connection.
    pub(super) fn coming(
        framing: Framing,
        mut origin: Origin,
        (deadline, idle, now): (&Rc<Deadline>, Duration, Instant),
    ) -> Self {
        if let Some(bytes) = whole(framing, origin.link.input()) {
            origin.complete(now);
            return if bytes.is_empty() { Self::empty() } else { Self::full(bytes) };
        }
        deadline.set(now + idle);
        origin.trial.streams();
        let (decoder, deadline) = (BodyDecoder::new(framing), Rc::clone(deadline));
        let download = Download { decoder, origin: Some(origin), deadline, idle };
        Self { content: Content::Streaming(Box::new(download)), busy: None }
    }

    /// What a service answers.
    pub(super) fn of_service(serving: Serving) -> Self {
        Self { content: Content::Service(Box::new(serving)), busy: None }
    }

    /// Whether it comes in pieces.
    pub(super) fn streams(&self) -> bool {
        matches!(self.content, Content::Streaming(_) | Content::Service(_))
    }

    /// The client's connection is busy until this body is done with.
    pub(super) fn holding(mut self, busy: Busy) -> Self {
        busy.responds(self.streams());
        self.busy = Some(busy);
        self
    }
}

impl Download {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if let Err(broken) = self.drive_upload(cx) {
            // The endpoint did nothing wrong.
            self.origin = None;
            return Poll::Ready(Some(Err(broken)));
        }
        loop {
            let Some(origin) = &mut self.origin else { return Poll::Ready(None) };
            match self.decoder.decode(origin.link.input()) {
                Ok(Piece::Data(data)) => {
                    let now = Instant::now();
                    self.deadline.set(now + self.idle);
                    origin.trial.flows(now);
                    if self.decoder.is_done() {
                        self.complete(now);
                    } else if let Some(upload) = &mut origin.upload {
                        upload.rests();
                    }
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Ok(Piece::Trailers(trailers)) => {
                    self.complete(Instant::now());
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
                Ok(Piece::Done) => {
                    self.complete(Instant::now());
                    return Poll::Ready(None);
                }
                Ok(Piece::More) => {}
                Err(_) => return Poll::Ready(Some(Err(self.broken(Failure::Protocol, Broken::Download)))),
            }
            match origin.link.poll_read(cx) {
                Poll::Ready(Ok(0)) if self.decoder.may_end_here() => {
                    self.complete(Instant::now());
                    return Poll::Ready(None);
                }
                Poll::Ready(Ok(0) | Err(_)) => {
                    return Poll::Ready(Some(Err(self.broken(Failure::Reset, Broken::Download))));
                }
                Poll::Ready(Ok(_)) => {}
                Poll::Pending if self.deadline.poll(cx).is_ready() => {
                    // A stream with nothing to say looks the same: that is held against nobody.
                    self.origin = None;
                    return Poll::Ready(Some(Err(Broken::Stalled)));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Sends on what is left of the request. An endpoint that does not want it may still send its response.
    fn drive_upload(&mut self, cx: &mut Context<'_>) -> Result<(), Broken> {
        let Some(Origin { link, upload: Some(upload), .. }) = &mut self.origin else { return Ok(()) };
        if upload.is_sent() {
            return Ok(());
        }
        match poll_send(link, Some(upload), cx) {
            Poll::Ready(Err(SendFault::Client(_))) => return Err(Broken::Upload),
            Poll::Ready(_) | Poll::Pending => {}
        }
        if upload.has_moved() {
            self.deadline.set(Instant::now() + self.idle);
        }
        Ok(())
    }

    fn complete(&mut self, now: Instant) {
        if let Some(origin) = self.origin.take() {
            origin.complete(now);
        }
    }

    fn broken(&mut self, failure: Failure, broken: Broken) -> Broken {
        if let Some(mut origin) = self.origin.take() {
            origin.trial.fail(failure, Instant::now());
        }
        broken
    }
}

impl Content {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self {
            Self::Nothing => Poll::Ready(None),
            Self::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Self::Nothing;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Streaming(download) => download.poll(cx),
            Self::Service(serving) => serving.poll(cx).map(|piece| piece.map(|piece| piece.map(Frame::data))),
        }
    }

    fn is_over(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Whole(_) => false,
            Self::Streaming(download) => download.origin.is_none(),
            Self::Service(serving) => serving.is_done(),
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        if let Some(record) = self.busy.as_ref().and_then(Busy::record).filter(|_| !self.content.is_over()) {
            record.is_left();
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let polled = self.content.poll(cx);
        if let Some(record) = self.busy.as_ref().and_then(Busy::record)
            && let Poll::Ready(Some(frame)) = &polled
        {
            match frame {
                Ok(frame) => record.sends(frame.data_ref().map_or(0, Bytes::len)),
                Err(broken) => record.breaks_off(broken.as_str()),
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_over()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Nothing => SizeHint::with_exact(0),
            Content::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Streaming(download) => {
                download.decoder.left().map_or_else(SizeHint::default, SizeHint::with_exact)
            }
            Content::Service(serving) => serving.left().map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}
