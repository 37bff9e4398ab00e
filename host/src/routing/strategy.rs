//! What a routing strategy is to the host. The plugin folder implements it with components; the tests with native code.

use std::sync::Arc;

use super::candidates::Candidates;
use crate::model::{Attempt, EndpointId, Outcome, RequestHead};

/// A decision, as the strategy gave it: not yet checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Send it there.
    Endpoint(EndpointId),
    /// Send it there, and add these headers to the response.
    Routed(EndpointId, Vec<(String, String)>),
    /// No opinion: take the host's own round robin.
    Fallback,
    /// Turn the request away.
    Reject(Rejection),
}

/// A request that a strategy turned away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The status to answer with.
    pub status: u16,
    /// One line for the client.
    pub reason: String,
}

/// What went wrong in a strategy. The request is answered all the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It stopped: a panic, an access out of bounds, a resource beyond its limits.
    #[error("trap: {0}")]
    Trap(String),
    /// It did not answer in time.
    #[error("no answer within {} µs", .0.as_micros())]
    Deadline(std::time::Duration),
    /// It named an endpoint that may not be chosen.
    #[error("chose endpoint {0}, which is no candidate")]
    NotACandidate(EndpointId),
    /// Its answer cannot be used.
    #[error("{0}")]
    Answer(String),
}

/// Why a strategy did not take over the state of the version before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// It said so.
    #[error("refused the state of the version before: {0}")]
    Refused(String),
    /// It failed over it.
    #[error("failed to take over the state of the version before: {0}")]
    Fault(#[from] Fault),
    /// It failed before it came to that.
    #[error("failed over the candidates: {0}")]
    Candidates(Fault),
}

/// One instance of a strategy, for one worker and one cluster. Never called twice at a time.
pub trait Strategy: Send {
    /// The endpoints that may be chosen from now on: at least one. Called before the first pick, and on every change.
    fn candidates_changed(&mut self, candidates: &Arc<Candidates>) -> Result<(), Fault>;

    /// Chooses. At least one candidate is not excluded.
    fn pick(&mut self, request: &Arc<RequestHead>, attempt: Attempt<'_>) -> Result<Choice, Fault>;

    /// What became of an attempt; does nothing for a strategy that did not ask to be told.
    fn on_outcome(&mut self, outcome: &Outcome) -> Result<(), Fault>;

    /// What the next version should know.
    fn export_state(&mut self) -> Result<Vec<u8>, Fault>;

    /// What the version before knew.
    fn import_state(&mut self, from_version: &str, state: &[u8]) -> Result<(), ImportError>;
}
