//! A request's body as it comes from the client, kept while it is passed on, so that it can be sent again. One that turns
//! out to be larger than may be kept is let go, and from there on can be sent only once.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use hyper::body::Incoming;

use super::outbox::Outbox;

/// Where the frames of a body come from.
pub(super) struct Source {
    incoming: Incoming,
    kept: Option<Kept>,
}

/// What was sent so far.
struct Kept {
    /// The head of the request, as it goes over the wire.
    head: Vec<u8>,
    data: Vec<Bytes>,
    bytes: usize,
    most: usize,
    /// The body is over, with these trailers.
    end: Option<Option<HeaderMap>>,
    /// What is sent next of `data`.
    next: usize,
}

impl Source {
    pub(super) fn new(incoming: Incoming) -> Self {
        Self { incoming, kept: None }
    }

    /// Keeps what passes from here on, up to so many bytes, behind a head.
    pub(super) fn keep(&mut self, most: usize, head: &[u8]) {
        let (head, data) = (head.to_vec(), Vec::new());
        self.kept = Some(Kept { head, data, bytes: 0, most, end: None, next: 0 });
    }

    /// It will not be sent again.
    pub(super) fn forget(&mut self) {
        self.kept = None;
    }

    /// Whether all that was sent is still there.
    pub(super) fn is_kept(&self) -> bool {
        self.kept.is_some()
    }

    /// Begins anew: what goes out first; the body comes behind it.
    pub(super) fn rewind(&mut self) -> Outbox {
        let mut outbox = Outbox::default();
        if let Some(kept) = &mut self.kept {
            kept.next = 0;
            outbox.gather().extend_from_slice(&kept.head);
        }
        outbox
    }

    /// Whether nothing more comes.
    pub(super) fn is_end_stream(&self) -> bool {
        self.kept.as_ref().is_none_or(|kept| kept.next >= kept.data.len()) && self.incoming.is_end_stream()
    }

    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Some(kept) = &mut self.kept {
            if let Some(data) = kept.data.get(kept.next) {
                kept.next += 1;
                return Poll::Ready(Some(Ok(Frame::data(data.clone()))));
            }
            if let Some(trailers) = &kept.end {
                return Poll::Ready(trailers.clone().map(|trailers| Ok(Frame::trailers(trailers))));
            }
        }
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        if let Some(kept) = &mut self.kept
            && !kept.take(frame.as_ref())
        {
            self.kept = None;
        }
        Poll::Ready(frame)
    }
}

impl Kept {
    /// Takes in what came; false when that cannot be kept.
    fn take(&mut self, frame: Option<&Result<Frame<Bytes>, hyper::Error>>) -> bool {
        match frame {
            None => self.end = Some(None),
            Some(Err(_)) => return false,
            Some(Ok(frame)) => match frame.data_ref() {
                Some(data) => {
                    self.bytes += data.len();
                    if self.bytes > self.most {
                        return false;
                    }
                    self.data.push(data.clone());
                    self.next = self.data.len();
                }
                None => self.end = Some(frame.trailers_ref().cloned()),
            },
        }
        true
    }
}
