//! A request's body on its way from the client to the endpoint: pulled by the endpoint's side, which is all the
//! back-pressure there is.

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, header};
use http_body::Body;
use hyper::body::Incoming;

use super::client_io::Wire;
use super::deadline::Deadline;
use super::error::ClientFault;
use super::headers;
use super::http1::encode;
use super::link::Link;
use super::outbox::Outbox;
use super::replay::Source;
use crate::config::{BodyRate, Limits};

/// Who has to do the next step of a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Client,
    Endpoint,
    Nobody,
}

/// Longer than anything that is sent; a deadline bears no more than some hundred years.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// Why a request could not be sent to its end.
#[derive(Debug)]
pub(super) enum SendFault {
    Client(ClientFault),
    Link(io::Error),
}

/// Holds a client to the rate at which its body must come, on average over all that was waited for it. So whoever sent
/// quickly may pause; how long a single pause may be is the idle timeout's matter. Time in which nobody waits for the
/// client does not count: the endpoint takes nothing, or the request is about to be sent again.
struct Pace {
    rate: BodyRate,
    bytes: u64,
    waited: Duration,
    waits_since: Option<Instant>,
    deadline: Deadline,
}

impl Pace {
    fn new(rate: BodyRate, now: Instant) -> Self {
        let deadline = Deadline::new(now + rate.grace);
        Self { rate, bytes: 0, waited: Duration::ZERO, waits_since: None, deadline }
    }

    /// The client is not waited for any longer, for now.
    fn moves(&mut self, now: Instant) {
        if let Some(since) = self.waits_since.take() {
            self.waited += now.saturating_duration_since(since);
        }
    }

    /// Nobody looks whether the client is waited for: until that is polled again, it is not.
    fn rests(&mut self) {
        self.waits_since = None;
    }

    /// The client is waited for; ready when that took longer than what came is worth.
    fn poll_waits(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<()> {
        self.waits_since = Some(now);
        self.deadline.set(now + self.allowed().saturating_sub(self.waited));
        self.deadline.poll(cx)
    }

    /// For how long what came so far may be waited for.
    fn allowed(&self) -> Duration {
        let worth = self.bytes / u64::from(self.rate.bytes_per_second.max(1));
        Duration::from_secs(worth).min(LONGEST).max(self.rate.grace)
    }
}

/// A body that is coming from the client.
pub(super) struct Upload {
    source: Source,
    limit: Option<u64>,
    pace: Option<Pace>,
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
        limits: &Limits,
        wire: Option<Rc<Wire>>,
    ) -> Option<Box<Self>> {
        if incoming.is_end_stream() {
            return None;
        }
        let chunked = (!headers.contains_key(header::CONTENT_LENGTH)).then(|| {
            let announced = headers::tokens(headers, &header::TRAILER);
            announced.filter_map(|name| HeaderName::try_from(name).ok()).collect()
        });
        // Streams of HTTP/2 wait for each other, which is not the client's fault.
        let pace = limits.body_rate.filter(|_| wire.is_some()).map(|rate| Pace::new(rate, Instant::now()));
        let (limit, source, turn, moved) = (limits.body_bytes, Source::new(incoming), Turn::Endpoint, false);
        Some(Box::new(Self { source, limit, pace, passed: 0, chunked, ended: false, turn, moved, wire }))
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

    /// Keeps what passes, so that the request can be sent again as long as that is no more than so many bytes. Its head is
    /// what waits to be written.
    pub(super) fn keep(&mut self, most: usize, outbox: &mut Outbox) {
        self.source.keep(most, outbox.gather());
    }

    /// It will not be sent again. What is left of it is for another to send.
    pub(super) fn forget(&mut self) {
        self.rests();
        self.source.forget();
    }

    /// Nobody waits for the client until this is polled again.
    pub(super) fn rests(&mut self) {
        if let Some(pace) = &mut self.pace {
            pace.rests();
        }
    }

    /// Whether it can be sent again.
    pub(super) fn is_kept(&self) -> bool {
        self.source.is_kept()
    }

    /// It is sent again from the beginning: what goes out first.
    pub(super) fn rewind(&mut self) -> Outbox {
        self.rests();
        self.passed = 0;
        self.ended = false;
        self.turn = Turn::Endpoint;
        self.moved = false;
        self.source.rewind()
    }

    /// Takes from the client until there is enough to be written.
    fn poll_gather(&mut self, cx: &mut Context<'_>, outbox: &mut Outbox) -> Poll<Result<(), ClientFault>> {
        while !self.ended && outbox.has_room() {
            let frame = match std::task::ready!(self.source.poll_frame(cx)) {
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
                    self.count(data.len())?;
                    if self.chunked.is_none() {
                        outbox.put(data, b"");
                    } else if !data.is_empty() {
                        encode::chunk_start(outbox.gather(), data.len());
                        outbox.put(data, encode::CHUNK_END);
                    }
                    if self.chunked.is_none() && self.source.is_end_stream() {
                        self.finish(None, outbox);
                    }
                }
                Err(frame) => self.finish(frame.into_trailers().ok(), outbox),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Takes all of it from the client, where nobody else is to have it.
    pub(super) fn poll_collect(&mut self, cx: &mut Context<'_>, body: &mut Vec<u8>) -> Poll<Result<(), ClientFault>> {
        if let Some(pace) = &mut self.pace {
            pace.moves(Instant::now());
        }
        while !self.ended {
            let Poll::Ready(frame) = self.source.poll_frame(cx) else {
                return self.poll_waits(cx).map(Err);
            };
            self.moved = true;
            match frame {
                None => self.end(),
                Some(Err(_)) => return Poll::Ready(Err(ClientFault::BadRequest("the body is broken"))),
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue };
                    self.count(data.len())?;
                    body.extend_from_slice(&data);
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// So many bytes more came.
    fn count(&mut self, bytes: usize) -> Result<(), ClientFault> {
        if let Some(pace) = &mut self.pace {
            pace.bytes += bytes as u64;
        }
        self.passed += bytes as u64;
        match self.limit.filter(|limit| self.passed > *limit) {
            Some(limit) => Err(ClientFault::BodyTooLarge(limit)),
            None => Ok(()),
        }
    }

    /// The client is waited for: ready when that takes too long.
    fn poll_waits(&mut self, cx: &mut Context<'_>) -> Poll<ClientFault> {
        let Some(pace) = &mut self.pace else { return Poll::Pending };
        pace.poll_waits(cx, Instant::now()).map(|()| ClientFault::TooSlow(pace.rate.bytes_per_second))
    }

    fn finish(&mut self, trailers: Option<HeaderMap>, outbox: &mut Outbox) {
        if let Some(announced) = &self.chunked {
            encode::last_chunk(outbox.gather(), &trailers.unwrap_or_default(), |name| announced.contains(name));
        }
        self.end();
    }

    /// All of it came.
    fn end(&mut self) {
        self.ended = true;
        self.moved = true;
        // Only once: when the body is sent again, what the client sent behind it may be here already.
        if let Some(wire) = self.wire.take() {
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
    if let Some(pace) = &mut upload.pace {
        pace.moves(Instant::now());
    }
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
            return upload.poll_waits(cx).map(|fault| Err(SendFault::Client(fault)));
        }
    }
    Poll::Ready(Ok(()))
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Waits for a client of which so many bytes came, where 1000 a second must come after 100 ms, and then does not wait
    /// for it: whether it was too slow.
    async fn is_cut(bytes: u64, waited_ms: u64, rested_ms: u64) -> bool {
        let (rate, start) = (BodyRate { bytes_per_second: 1000, grace: Duration::from_millis(100) }, Instant::now());
        let mut pace = Pace { bytes, ..Pace::new(rate, start) };
        let cx = &mut Context::from_waker(Waker::noop());
        let waited = start + Duration::from_millis(waited_ms);
        assert!(pace.poll_waits(cx, start).is_pending());
        pace.moves(waited);
        let _ = pace.poll_waits(cx, waited);
        pace.rests();
        pace.moves(waited + Duration::from_millis(rested_ms));
        pace.waited >= pace.allowed()
    }

    #[tokio::test]
    async fn what_is_waited_for_counts_and_what_is_not_does_not() {
        for (bytes, waited_ms, rested_ms, expected) in [
            (0, 99, 0, false),
            (0, 100, 0, true),
            (0, 0, 3_600_000, false),
            (50, 100, 0, true),
            (10_000, 9_999, 3_600_000, false),
            (10_000, 10_000, 0, true),
            (u64::MAX, 3_600_000, 0, false),
        ] {
            assert_eq!(is_cut(bytes, waited_ms, rested_ms).await, expected, "{bytes} bytes, {waited_ms} ms");
        }
    }
}
