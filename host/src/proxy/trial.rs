//! One attempt at one endpoint, from the pick to what became of it. Whatever happens, also when the client goes, the
//! endpoint's figures, its circuit and the strategy are told exactly once.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;

use super::error::{EndpointFault, Error};
use super::pool::EndpointPool;
use super::seat::ClusterSeat;
use crate::circuit::Permit;
use crate::cluster::{InFlight, Member, Place};
use crate::model::{EndpointId, Failure, Outcome};

/// A response that has come for so long is none that the endpoint breaks off as soon as it has begun: its circuit need
/// not wait for the end, which may be hours away.
const SOUND_AFTER: Duration = Duration::from_secs(1);

/// Why an endpoint does not take a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Its circuit lets none through.
    Circuit,
    /// It has as many as it may.
    Full,
}

/// An attempt under way.
pub(super) struct Trial {
    seat: Rc<ClusterSeat>,
    member: Arc<Member>,
    pool: Rc<EndpointPool>,
    began: Instant,
    /// The head of a response that is still coming.
    answered: Option<(StatusCode, Duration)>,
    settled: bool,
    permit: Option<Permit>,
    in_flight: Option<InFlight>,
    /// The request's place in its cluster, which it has until its response is complete.
    place: Option<Place>,
}

impl Trial {
    pub(super) fn begin(seat: &Rc<ClusterSeat>, member: Arc<Member>, now: Instant) -> Result<Self, Refusal> {
        let pool = seat.pool(&member);
        let (permit, in_flight) = seat.admit(&pool, &member, now)?;
        Ok(Self {
            seat: Rc::clone(seat),
            member,
            pool,
            began: now,
            answered: None,
            settled: false,
            permit,
            in_flight: Some(in_flight),
            place: None,
        })
    }

    pub(super) fn id(&self) -> EndpointId {
        self.member.id()
    }

    pub(super) fn pool(&self) -> &Rc<EndpointPool> {
        &self.pool
    }

    /// When the request was sent.
    pub(super) fn began(&self) -> Instant {
        self.began
    }

    /// The request is sent at this moment: the time before went into the connection.
    pub(super) fn sends(&mut self, now: Instant) {
        self.began = now;
    }

    /// The head of the response came; its body is still to come.
    pub(super) fn answers(&mut self, status: StatusCode, now: Instant) {
        self.answered = Some((status, now.saturating_duration_since(self.began)));
    }

    /// Holds the request's place for as long as it lasts.
    pub(super) fn hold(&mut self, place: Option<Place>) {
        self.place = place;
    }

    /// A piece of the response came.
    pub(super) fn flows(&mut self, now: Instant) {
        if self.permit.is_some()
            && let Some((status, latency)) = self.answered
            && now.saturating_duration_since(self.began) > latency + SOUND_AFTER
        {
            let result = Ok(status);
            self.tell_circuit(&result, self.seat.judge(&result), now);
        }
    }

    /// The head of the response says all that there is to say, although the attempt goes on.
    pub(super) fn tell_now(&mut self) {
        if let Some((status, latency)) = self.answered {
            self.settle(Ok(status), latency, self.began + latency);
        }
    }

    /// The response is complete, or as much of it as the client wanted.
    pub(super) fn succeed(self) {}

    /// The attempt failed.
    pub(super) fn fail(&mut self, failure: Failure, now: Instant) {
        self.settle(Err(failure), now.saturating_duration_since(self.began), now);
        self.end();
    }

    /// Nothing is under way at the endpoint any more.
    fn end(&mut self) {
        if self.in_flight.take().is_some() && self.seat.limits_endpoints() {
            // Whoever is woken finds the room.
            self.seat.shared().queue.free();
        }
    }

    /// The attempt failed: the error that says so.
    pub(super) fn fault(&mut self, fault: EndpointFault, now: Instant) -> Error {
        let error = Error::Endpoint {
            cluster: self.seat.name().clone(),
            endpoint: self.member.endpoint().spec.name.clone(),
            fault: fault.clone(),
        };
        self.fail(fault.failure(), now);
        error
    }

    fn settle(&mut self, result: Result<StatusCode, Failure>, latency: Duration, now: Instant) {
        if std::mem::replace(&mut self.settled, true) {
            return;
        }
        let failed = self.seat.judge(&result);
        let outcome = Outcome { endpoint: self.member.id(), latency, result };
        self.member.observe(&outcome, failed, now);
        self.tell_circuit(&outcome.result, failed, now);
        self.seat.tell(&outcome);
    }

    fn tell_circuit(&mut self, result: &Result<StatusCode, Failure>, failed: Option<bool>, now: Instant) {
        let Some(permit) = self.permit.take() else { return };
        match failed {
            Some(false) => permit.succeeded(now),
            Some(true) => permit.failed(now, &cause(result)),
            // Dropped, it is abandoned.
            None => {}
        }
    }
}

/// What the operator reads.
fn cause(result: &Result<StatusCode, Failure>) -> Cow<'static, str> {
    match result {
        Ok(status) => Cow::Owned(format!("it answered with status {}", status.as_u16())),
        Err(Failure::Connect) => Cow::Borrowed("no connection could be made"),
        Err(Failure::Timeout) => Cow::Borrowed("it did not answer in time"),
        Err(Failure::Reset) => Cow::Borrowed("the connection broke"),
        Err(Failure::Protocol) => Cow::Borrowed("its response broke the protocol"),
        Err(Failure::Cancelled) => Cow::Borrowed("the client left"),
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        match self.answered {
            _ if self.settled => {}
            Some((status, latency)) => self.settle(Ok(status), latency, self.began + latency),
            None => {
                let now = Instant::now();
                self.settle(Err(Failure::Cancelled), now.saturating_duration_since(self.began), now);
            }
        }
        self.end();
    }
}
