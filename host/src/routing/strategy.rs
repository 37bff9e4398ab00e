//! What a routing strategy is to the host. The plugin folder implements it with components; the tests with native code.

use std::sync::Arc;

use super::candidates::Candidates;
use crate::model::{Attempt, EndpointId, Fault, ImportError, Outcome, RequestHead};

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
