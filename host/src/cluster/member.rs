//! One endpoint as the workers see it: its description, its standing and its figures. Requests under way are guards that
//! give back on drop, so a cancelled request is never counted for ever.

use std::sync::Arc;
use std::time::Instant;

use super::figures::{Figures, Load};
use super::standing::Standing;
use crate::model::{Endpoint, EndpointId, EndpointSpec, Failure, Outcome, Weight};

/// An endpoint. Immutable but for its figures: a changed endpoint is a new member with the old figures.
#[derive(Clone, Debug)]
pub struct Member {
    endpoint: Arc<Endpoint>,
    standing: Standing,
    weight: u32,
    figures: Arc<Figures>,
}

impl Member {
    /// A member that joins now.
    pub(super) fn joining(endpoint: Endpoint, standing: Standing, now: Instant) -> Self {
        let weight = standing.weight.unwrap_or(endpoint.spec.weight).get().into();
        Self { endpoint: Arc::new(endpoint), standing, weight, figures: Arc::new(Figures::new(now)) }
    }

    /// The same member under a changed description.
    pub(super) fn described(&self, spec: EndpointSpec) -> Self {
        Self { endpoint: Arc::new(Endpoint { id: self.id(), spec }), ..self.clone() }
    }

    /// The same member with another standing.
    pub(super) fn standing_as(&self, standing: Standing) -> Self {
        Self { standing, ..self.clone() }
    }

    /// The same member with another weight.
    pub(super) fn weighing(&self, weight: u32) -> Self {
        Self { weight, ..self.clone() }
    }

    /// Its id.
    pub fn id(&self) -> EndpointId {
        self.endpoint.id
    }

    /// Its description.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// How it stands.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// The weight that an operator gave it, or its source.
    pub fn given_weight(&self) -> Weight {
        self.standing.weight.unwrap_or(self.endpoint.spec.weight)
    }

    /// Its share of the traffic relative to the others that may be chosen, 1 to 65535: what it was given, made smaller
    /// while it warms up. While one does, the weights of all are larger by the same factor, so that a part of 1 shows.
    pub fn weight(&self) -> u32 {
        self.weight
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

    /// Counts a request that is to be sent to it, unless it has as many as it may; none is no limit.
    pub fn try_begin(&self, cap: Option<u32>) -> Option<InFlight> {
        let Some(cap) = cap else { return Some(self.begin()) };
        self.figures.begin_below(cap).then(|| InFlight { figures: Arc::clone(&self.figures) })
    }

    /// Takes in what became of an attempt, and whether that counts as a failure; none when it says nothing of that.
    pub fn observe(&self, outcome: &Outcome, failed: Option<bool>, now: Instant) {
        // Where no connection was made or the client left, nothing was there to be slow.
        if !matches!(outcome.result, Err(Failure::Connect | Failure::Cancelled)) {
            self.figures.observe_latency(outcome.latency, now);
        }
        if let Some(failed) = failed {
            self.figures.observe_result(failed);
        }
    }

    /// Whether two members look alike to those who choose: only then do strategies not hear of the change.
    pub(super) fn looks_like(&self, other: &Self) -> bool {
        let same_endpoint = Arc::ptr_eq(&self.endpoint, &other.endpoint) || self.endpoint == other.endpoint;
        same_endpoint && self.weight == other.weight && self.standing.looks_like(&other.standing)
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
