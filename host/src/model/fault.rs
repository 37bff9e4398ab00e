//! What goes wrong in a plugin. The work that it was asked to do is done all the same.

use std::time::Duration;

use super::endpoint::EndpointId;

/// A failure of a plugin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It stopped: a panic, an access out of bounds, a resource beyond its limits.
    #[error("trap: {0}")]
    Trap(String),
    /// It did not answer in time.
    #[error("no answer within {} µs", .0.as_micros())]
    Deadline(Duration),
    /// It named an endpoint that may not be chosen.
    #[error("chose endpoint {0}, which is no candidate")]
    NotACandidate(EndpointId),
    /// Its answer cannot be used.
    #[error("{0}")]
    Answer(String),
}
