//! What became of an attempt to have an endpoint answer a request.

use std::time::Duration;

use http::StatusCode;

use super::endpoint::EndpointId;

/// Why an attempt failed without a usable response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection could be made.
    Connect,
    /// A deadline passed.
    Timeout,
    /// The connection broke before the response was complete.
    Reset,
    /// The response broke the protocol.
    Protocol,
    /// The client left first: says nothing about the endpoint.
    Cancelled,
}

/// What became of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The endpoint it was sent to.
    pub endpoint: EndpointId,
    /// From sending the request to the head of the response, or to the failure.
    pub latency: Duration,
    /// The status of the response, or why there was none.
    pub result: Result<StatusCode, Failure>,
}
