//! One endpoint as the workers see it: its description and its figures. Requests under way are guards that give back on
//! drop, so a cancelled request is never counted for ever.

use std::sync::Arc;
use std::time::Instant;

use super::figures::{Figures, Load};
use crate::model::{Endpoint, EndpointId, Failure, Outcome};

/// An endpoint and its figures. Immutable: a changed endpoint is a new member with the old figures.
#[derive(Clone, Debug)]
pub struct Member {
    endpoint: Endpoint,
    figures: Arc<Figures>,
}

impl Member {
    /// A member with figures, new or kept.
    pub fn new(endpoint: Endpoint, figures: Arc<Figures>) -> Self {
        Self { endpoint, figures }
    }

    /// Its id.
    pub fn id(&self) -> EndpointId {
        self.endpoint.id
    }

    /// Its description.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Its figures.
    pub fn figures(&self) -> &Arc<Figures> {
        &self.figures
    }

    /// What its figures say at a moment.
    pub fn load(&self, now: Instant) -> Load {
        self.figures.read(now)
    }

    /// Counts a request that is sent to it.
    pub fn begin(&self) -> InFlight {
        self.figures.begin();
        InFlight { figures: Arc::clone(&self.figures) }
    }

    /// Takes in what became of an attempt. What the client gave up says nothing about the endpoint.
    pub fn observe(&self, outcome: &Outcome, now: Instant) {
        let failed = match outcome.result {
            Err(Failure::Cancelled) => return,
            Err(Failure::Connect) => true,
            Err(_) => {
                self.figures.observe_latency(outcome.latency, now);
                true
            }
            Ok(status) => {
                self.figures.observe_latency(outcome.latency, now);
                status.is_server_error()
            }
        };
        self.figures.observe_result(failed);
    }
}

/// A request under way at an endpoint.
#[derive(Debug)]
pub struct InFlight {
    figures: Arc<Figures>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.figures.end();
    }
}
