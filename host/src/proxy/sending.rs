//! Sends a request on a connection and waits for the head of the response. A request on a connection that was idle is
//! sent once more, on a new one, when the endpoint closed the old one before it arrived.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};
use std::time::Instant;

use http::HeaderMap;

use super::body::Origin;
use super::error::{ClientFault, EndpointFault, Error};
use super::exchange::Exchange;
use super::http1::{Malformed, ResponseHead};
use super::link::Link;
use super::trial::Trial;
use super::upload::{SendFault, Turn, Upload, poll_send};

/// A request that is being sent. Its head is in the connection's outbox.
pub(super) struct Sending<'a> {
    pub(super) exchange: &'a Exchange,
    pub(super) trial: Trial,
    pub(super) upload: Option<Box<Upload>>,
    /// It may be sent again even if it arrived.
    pub(super) repeatable: bool,
    /// It is a `HEAD`.
    pub(super) answers_head: bool,
    /// Room for the headers of the response.
    pub(super) space: HeaderMap,
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
    pub(super) async fn send(mut self, mut link: Box<Link>) -> Result<(Origin, ResponseHead), Error> {
        let mut reused = link.parked.is_some();
        loop {
            let lost = match self.head(&mut link).await {
                Ok(head) => {
                    let upload = self.upload.filter(|upload| !upload.is_sent());
                    return Ok((Origin { link, trial: self.trial, upload }, head));
                }
                Err(lost) => lost,
            };
            let unheard = matches!(lost, Lost::Link(_)) && !link.has_heard();
            if !(reused && unheard && (self.repeatable || !link.outbox().is_touched())) {
                return Err(self.failed(lost));
            }
            let mut outbox = link.into_outbox();
            outbox.rewind();
            reused = false;
            let limit = self.exchange.seat().timeouts().connect;
            let renewed = Box::pin(self.trial.pool().renew(limit)).await;
            self.exchange.count(&renewed);
            link = match renewed {
                Ok(link) => link,
                Err(fault) => return Err(self.trial.fault(fault, Instant::now())),
            };
            link.go_on(outbox);
            self.trial.sends(Instant::now());
        }
    }

    /// Waits for the head of the response, for as long as something moves.
    async fn head(&mut self, link: &mut Link) -> Result<ResponseHead, Lost> {
        let timeouts = self.exchange.seat().timeouts();
        let first = if self.upload.is_some() { timeouts.idle_stream } else { timeouts.response_header };
        self.exchange.deadline().set(self.trial.began() + first);
        poll_fn(|cx| self.poll_head(link, cx)).await
    }

    fn poll_head(&mut self, link: &mut Link, cx: &mut Context<'_>) -> Poll<Result<ResponseHead, Lost>> {
        let sent = match poll_send(link, self.upload.as_deref_mut(), cx) {
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
            match link.take_head(self.answers_head, &mut self.space) {
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
        self.exchange.deadline().poll(cx).map(|()| Err(Lost::Overdue(turn)))
    }

    /// Whose turn it is; moves the deadline when something moved.
    fn poll_turn(&mut self) -> Turn {
        let Some(upload) = &mut self.upload else { return Turn::Nobody };
        if upload.has_moved() {
            let timeouts = self.exchange.seat().timeouts();
            let limit = if upload.is_sent() { timeouts.response_header } else { timeouts.idle_stream };
            self.exchange.deadline().set(Instant::now() + limit);
        }
        upload.turn()
    }

    fn failed(self, lost: Lost) -> Error {
        let fault = match lost {
            Lost::Client(fault) => return Error::Client(fault),
            Lost::Overdue(Turn::Client) => return Error::Client(ClientFault::Timeout),
            Lost::Overdue(Turn::Endpoint) => EndpointFault::IdleTimeout,
            Lost::Overdue(Turn::Nobody) => EndpointFault::ResponseTimeout,
            Lost::Malformed(why) => EndpointFault::Protocol(why.to_string()),
            Lost::Link(Some(why)) => EndpointFault::Reset(why.to_string()),
            Lost::Link(None) => EndpointFault::Reset("it was closed before a response was complete".to_owned()),
        };
        self.trial.fault(fault, Instant::now())
    }
}
