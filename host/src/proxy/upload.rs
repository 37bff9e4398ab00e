//! A request's body on its way from the client to the endpoint: pulled by the endpoint's side, which is all the
//! back-pressure there is.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use http::{HeaderMap, HeaderName, header};
use http_body::Body;
use hyper::body::Incoming;

use super::client_io::Wire;
use super::error::ClientFault;
use super::headers;
use super::http1::encode;
use super::link::Link;
use super::outbox::Outbox;

/// Who has to do the next step of a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Client,
    Endpoint,
    Nobody,
}

/// Why a request could not be sent to its end.
#[derive(Debug)]
pub(super) enum SendFault {
    Client(ClientFault),
    Link(io::Error),
}

/// A body that is coming from the client.
pub(super) struct Upload {
    incoming: Incoming,
    limit: Option<u64>,
    passed: u64,
    /// The trailers that were announced; none when the length is known.
    chunked: Option<Vec<HeaderName>>,
    /// All of it was taken from the client.
    ended: bool,
    turn: Turn,
    moved: bool,
    /// The client's socket, when a head can follow the body on it.
    wire: Option<Rc<Wire>>,
}

impl Upload {
    /// None when there is no body.
    pub(super) fn new(
        incoming: Incoming,
        headers: &HeaderMap,
        limit: Option<u64>,
        wire: Option<Rc<Wire>>,
    ) -> Option<Box<Self>> {
        if incoming.is_end_stream() {
            return None;
        }
        let chunked = (!headers.contains_key(header::CONTENT_LENGTH)).then(|| {
            let announced = headers::tokens(headers, &header::TRAILER);
            announced.filter_map(|name| HeaderName::try_from(name).ok()).collect()
        });
        let (turn, moved) = (Turn::Endpoint, false);
        Some(Box::new(Self { incoming, limit, passed: 0, chunked, ended: false, turn, moved, wire }))
    }

    /// Whether it goes out in chunks.
    pub(super) fn is_chunked(&self) -> bool {
        self.chunked.is_some()
    }

    /// Whose turn it is.
    pub(super) fn turn(&self) -> Turn {
        self.turn
    }

    /// Whether all of it was sent.
    pub(super) fn is_sent(&self) -> bool {
        self.turn == Turn::Nobody
    }

    /// Whether something moved since this was last asked.
    pub(super) fn has_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    /// Takes from the client until there is enough to be written.
    fn poll_gather(&mut self, cx: &mut Context<'_>, outbox: &mut Outbox) -> Poll<Result<(), ClientFault>> {
        while !self.ended && outbox.has_room() {
            let frame = match std::task::ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(_)) => return Poll::Ready(Err(ClientFault::BadRequest("the body is broken"))),
                None => {
                    self.finish(None, outbox);
                    break;
                }
            };
            self.moved = true;
            match frame.into_data() {
                Ok(data) => {
                    self.passed += data.len() as u64;
                    if let Some(limit) = self.limit.filter(|limit| self.passed > *limit) {
                        return Poll::Ready(Err(ClientFault::BodyTooLarge(limit)));
                    }
                    if self.chunked.is_none() {
                        outbox.put(data, b"");
                    } else if !data.is_empty() {
                        encode::chunk_start(outbox.gather(), data.len());
                        outbox.put(data, encode::CHUNK_END);
                    }
                    if self.chunked.is_none() && self.incoming.is_end_stream() {
                        self.finish(None, outbox);
                    }
                }
                Err(frame) => self.finish(frame.into_trailers().ok(), outbox),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn finish(&mut self, trailers: Option<HeaderMap>, outbox: &mut Outbox) {
        self.ended = true;
        self.moved = true;
        if let Some(announced) = &self.chunked {
            encode::last_chunk(outbox.gather(), &trailers.unwrap_or_default(), |name| announced.contains(name));
        }
        if let Some(wire) = &self.wire {
            wire.head.borrow_mut().resume();
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(wire) = self.wire.as_ref().filter(|_| !self.ended) {
            wire.unread.set(true);
        }
    }
}

/// Sends what is to be sent: the head, which waits in the outbox, and the body behind it.
pub(super) fn poll_send(
    link: &mut Link,
    upload: Option<&mut Upload>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), SendFault>> {
    let Some(upload) = upload else { return link.poll_flush(cx).map_err(SendFault::Link) };
    while !upload.is_sent() {
        let gathered = upload.poll_gather(cx, link.outbox()).map_err(SendFault::Client)?;
        let waits = !link.outbox().is_empty();
        upload.turn = Turn::Endpoint;
        std::task::ready!(link.poll_flush(cx)).map_err(SendFault::Link)?;
        upload.moved |= waits;
        if upload.ended {
            upload.turn = Turn::Nobody;
            break;
        }
        link.outbox().reuse();
        if gathered.is_pending() {
            upload.turn = Turn::Client;
            return Poll::Pending;
        }
    }
    Poll::Ready(Ok(()))
}
