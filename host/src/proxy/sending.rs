//! Sends a request on a connection and waits for the head of the response. A request on a connection that was idle is
//! sent once more, on a new one, when the endpoint closed the old one before it arrived. Whether a request that failed is
//! sent again elsewhere is `retry`'s to say.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};
use std::time::Instant;

use http::HeaderMap;

use super::course::Course;
use super::deadline::Deadline;
use super::error::{ClientFault, EndpointFault, Error};
use super::exchange::{Answer, Attempted, Exchange};
use super::http1::{Malformed, ResponseHead};
use super::link::Link;
use super::retry::{Failed, RetryReason};
use super::trial::Trial;
use super::upload::{SendFault, Turn, poll_send};

/// A request that is being sent. Its head is in the connection's outbox.
pub(super) struct Sending<'a> {
    pub(super) exchange: &'a Exchange,
    pub(super) course: &'a mut Course,
    pub(super) trial: &'a mut Trial,
    /// When the head of the response must be there.
    pub(super) due: Option<Instant>,
}

/// Why no head came.
enum Lost {
    /// The client's body failed.
    Client(ClientFault),
    /// The connection did.
    Link(Option<io::Error>),
    Malformed(Malformed),
    /// Nothing moved for too long.
    Overdue(Turn),
}

impl Sending<'_> {
    /// Sends the request; what is left of it goes on beside the response.
    pub(super) async fn send(&mut self, mut link: Box<Link>) -> Attempted {
        let mut reused = link.parked.is_some();
        loop {
            let lost = match self.head(&mut link).await {
                Ok(head) => return Ok(Answer { link, head }),
                Err(lost) => lost,
            };
            let unheard = matches!(lost, Lost::Link(_)) && !link.has_heard();
            if !(reused && unheard && (self.course.is_simple() || !link.outbox().is_touched())) {
                return Err(self.failed(lost, link));
            }
            let mut outbox = link.into_outbox();
            outbox.rewind();
            reused = false;
            let renewed = Box::pin(self.trial.pool().renew(self.exchange.connect_limit(self.due))).await;
            self.exchange.count(&renewed);
            link = match renewed {
                Ok(link) => link,
                Err(fault) => {
                    self.course.outbox = Some(outbox);
                    return Err(Failed::unreached(self.trial, fault));
                }
            };
            link.go_on(outbox);
            self.trial.sends(Instant::now());
        }
    }

    /// Waits for the head of the response, for as long as something moves.
    async fn head(&mut self, link: &mut Link) -> Result<ResponseHead, Lost> {
        let timeouts = self.exchange.seat().timeouts();
        let due = match self.course.upload {
            // How long that takes is the client's matter: what the endpoint may take begins when all is sent.
            Some(_) => self.trial.began() + timeouts.idle_stream,
            None => self.no_later(self.trial.began() + timeouts.response_header),
        };
        self.deadline().set(due);
        poll_fn(|cx| self.poll_head(link, cx)).await
    }

    fn deadline(&self) -> &Deadline {
        self.course.deadline.as_ref().unwrap_or(self.exchange.deadline())
    }

    fn no_later(&self, due: Instant) -> Instant {
        self.due.map_or(due, |limit| due.min(limit))
    }

    fn poll_head(&mut self, link: &mut Link, cx: &mut Context<'_>) -> Poll<Result<ResponseHead, Lost>> {
        let sent = match poll_send(link, self.course.upload.as_deref_mut(), cx) {
            Poll::Ready(Err(SendFault::Client(fault))) => return Poll::Ready(Err(Lost::Client(fault))),
            Poll::Ready(Err(SendFault::Link(error))) => Err(error),
            Poll::Ready(Ok(())) | Poll::Pending => Ok(()),
        };
        while let Poll::Ready(read) = link.poll_read(cx) {
            match read {
                Ok(0) => return Poll::Ready(Err(Lost::Link(None))),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(Lost::Link(Some(error)))),
            }
            match link.take_head(self.course.answers_head, |status| self.room(status)) {
                Ok(Some(head)) => return Poll::Ready(Ok(head)),
                Ok(None) => {}
                Err(malformed) => return Poll::Ready(Err(Lost::Malformed(malformed))),
            }
        }
        if let Err(error) = sent {
            // The endpoint takes no more, and has not said why.
            return Poll::Ready(Err(Lost::Link(Some(error))));
        }
        let turn = self.poll_turn();
        self.deadline().poll(cx).map(|()| Err(Lost::Overdue(turn)))
    }

    /// Room for the headers of a response: the request's, unless that is still needed.
    fn room(&mut self, status: http::StatusCode) -> HeaderMap {
        let seat = self.exchange.seat();
        let interim = status.is_informational() && status != http::StatusCode::SWITCHING_PROTOCOLS;
        let again = || self.course.attempts < seat.attempts() && self.course.is_repeatable();
        match interim || seat.retries(status) && again() {
            true => HeaderMap::new(),
            false => self.course.room(),
        }
    }

    /// Whose turn it is; moves the deadline when something moved.
    fn poll_turn(&mut self) -> Turn {
        let seat = self.exchange.seat();
        let Some(upload) = &mut self.course.upload else { return Turn::Nobody };
        let turn = upload.turn();
        if upload.has_moved() {
            let timeouts = seat.timeouts();
            let mut limit = timeouts.idle_stream;
            if upload.is_sent() {
                limit = seat.per_try().map_or(timeouts.response_header, |limit| limit.min(timeouts.response_header));
            }
            self.deadline().set(Instant::now() + limit);
        }
        turn
    }

    fn failed(&mut self, lost: Lost, mut link: Box<Link>) -> Failed {
        let touched = link.outbox().is_touched();
        let repeatable = self.course.is_repeatable();
        let reason = match &lost {
            Lost::Link(_) if repeatable || !touched => Some(RetryReason::Reset),
            Lost::Overdue(Turn::Endpoint | Turn::Nobody) if repeatable => Some(RetryReason::Timeout),
            Lost::Client(_) | Lost::Link(_) | Lost::Malformed(_) | Lost::Overdue(_) => None,
        };
        if reason.is_some() {
            self.course.recover(link.into_outbox(), touched);
        }
        let error = match lost {
            Lost::Client(fault) => Error::Client(fault),
            Lost::Overdue(Turn::Client) => Error::Client(ClientFault::Timeout),
            Lost::Overdue(Turn::Endpoint) => self.trial.fault(EndpointFault::IdleTimeout, Instant::now()),
            Lost::Overdue(Turn::Nobody) => self.trial.fault(EndpointFault::ResponseTimeout, Instant::now()),
            Lost::Malformed(why) => self.trial.fault(EndpointFault::Protocol(why.to_string()), Instant::now()),
            Lost::Link(why) => {
                let closed = "it was closed before a response was complete".to_owned();
                let why = why.map_or(closed, |why| why.to_string());
                self.trial.fault(EndpointFault::Reset(why), Instant::now())
            }
        };
        Failed { error, reason }
    }
}
