//! One attempt at one endpoint, from the pick to what became of it. Whatever happens, also when the client goes, the
//! endpoint's figures and the strategy are told exactly once.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;

use super::error::{EndpointFault, Error};
use super::pool::EndpointPool;
use super::seat::ClusterSeat;
use crate::cluster::{InFlight, Member};
use crate::model::{EndpointId, Failure, Outcome};

/// An attempt under way.
pub(super) struct Trial {
    seat: Rc<ClusterSeat>,
    member: Arc<Member>,
    pool: Rc<EndpointPool>,
    began: Instant,
    /// The head of a response that is still coming.
    answered: Option<(StatusCode, Duration)>,
    settled: bool,
    _in_flight: InFlight,
}

impl Trial {
    pub(super) fn begin(seat: &Rc<ClusterSeat>, member: Arc<Member>, now: Instant) -> Self {
        let pool = seat.pool(&member);
        let in_flight = member.begin();
        Self { seat: Rc::clone(seat), member, pool, began: now, answered: None, settled: false, _in_flight: in_flight }
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

    /// The response is complete, or as much of it as the client wanted.
    pub(super) fn succeed(self) {}

    /// The attempt failed.
    pub(super) fn fail(mut self, failure: Failure, now: Instant) {
        self.settle(Err(failure), now.saturating_duration_since(self.began), now);
    }

    /// The attempt failed: the error that says so.
    pub(super) fn fault(self, fault: EndpointFault, now: Instant) -> Error {
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
        let outcome = Outcome { endpoint: self.member.id(), latency, result };
        self.member.observe(&outcome, now);
        self.seat.tell(&outcome);
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        match self.answered {
            Some((status, latency)) => self.settle(Ok(status), latency, self.began + latency),
            None => {
                let now = Instant::now();
                self.settle(Err(Failure::Cancelled), now.saturating_duration_since(self.began), now);
            }
        }
    }
}
