//! One attempt at one endpoint, from the pick to what became of it. Whatever happens, also when the client goes, the
//! endpoint's figures, its circuit and the strategy are told exactly once.

use std::borrow::Cow;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;

use super::error::{EndpointFault, Error, HostFault};
use super::pool::EndpointPool;
use super::seat::ClusterSeat;
use crate::circuit::Permit;
use crate::cluster::{InFlight, Member, Place};
use crate::model::{Address, EndpointId, EndpointName, Failure, Outcome};

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
    /// The permit of a trial that is decided by itself when its time is over.
    undecided: Option<Rc<Cell<Option<Permit>>>>,
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
            undecided: None,
            in_flight: Some(in_flight),
            place: None,
        })
    }

    pub(super) fn id(&self) -> EndpointId {
        self.member.id()
    }

    pub(super) fn name(&self) -> &EndpointName {
        &self.member.endpoint().spec.name
    }

    pub(super) fn address(&self) -> &Address {
        &self.member.endpoint().spec.address
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

    /// The rest of the response may be hours away, and be quiet until then. Where others wait for what the circuit makes
    /// of this one, the time decides: the response is sound when nothing was heard of a failure until then.
    pub(super) fn streams(&mut self) {
        let Some((status, _)) = self.answered else { return };
        let Some(permit) = self.permit.take_if(|permit| permit.is_trial()) else { return };
        let failed = self.seat.judge(&Ok(status));
        let undecided = Rc::new(Cell::new(Some(permit)));
        let later = Rc::downgrade(&undecided);
        self.undecided = Some(undecided);
        drop(tokio::task::spawn_local(async move {
            tokio::time::sleep(SOUND_AFTER).await;
            if let Some(permit) = later.upgrade().and_then(|undecided| undecided.take()) {
                tell(permit, &Ok(status), failed, Instant::now());
            }
        }));
    }

    /// The attempt failed. What a response that was sound for so long comes to is no matter of the circuit any more.
    pub(super) fn fail(&mut self, failure: Failure, now: Instant) {
        self.flows(now);
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
        self.fail(fault.failure(), now);
        let cluster = self.seat.name().clone();
        match fault {
            EndpointFault::OutOfResources(why) => Error::Host(HostFault::OutOfResources { cluster, why }),
            fault => Error::Endpoint { cluster, endpoint: self.member.endpoint().spec.name.clone(), fault },
        }
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
        let permit = self.permit.take().or_else(|| self.undecided.take()?.take());
        if let Some(permit) = permit {
            tell(permit, result, failed, now);
        }
    }
}

fn tell(permit: Permit, result: &Result<StatusCode, Failure>, failed: Option<bool>, now: Instant) {
    match failed {
        Some(false) => permit.succeeded(now),
        Some(true) => permit.failed(now, &cause(result)),
        // Dropped, it is abandoned.
        None => {}
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
