//! The words of health: what was seen of an endpoint, what a policy makes of it, and what operators are shown.

use std::fmt;
use std::sync::Arc;

use super::endpoint::EndpointId;

/// The state of an endpoint's circuit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CircuitState {
    /// Requests pass.
    #[default]
    Closed,
    /// A few trial requests pass.
    HalfOpen,
    /// No request passes.
    Open,
}

impl CircuitState {
    /// The field's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half-open",
            Self::Open => "open",
        }
    }
}

/// What a health policy says of an endpoint, from the best to the worst: the order matters where two are combined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HealthState {
    /// Sound.
    #[default]
    Healthy,
    /// Serves, but not well.
    Degraded,
    /// On its way back: serves.
    Recovering,
    /// Out of the traffic.
    Failed,
}

/// A judgement. Its numbers are within their ranges: whoever takes one from a plugin sees to that.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Only `Failed` takes the endpoint out of the traffic.
    pub state: HealthState,
    /// From 0.0 (dead) to 1.0 (sound).
    pub score: f32,
    /// What part of its weight the endpoint gets, from 0.0 to 1.0.
    pub effective_weight: f32,
    /// One line for the operator; empty when there is nothing to say.
    pub reason: Arc<str>,
}

impl Default for Verdict {
    /// The verdict on an endpoint of which nothing bad is known.
    fn default() -> Self {
        Self { state: HealthState::Healthy, score: 1.0, effective_weight: 1.0, reason: Arc::from("") }
    }
}

/// What was seen of one endpoint: active probes, and the traffic that passed through it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observations {
    /// The time over which the sums below were taken, in milliseconds.
    pub window_ms: u32,
    /// Probes that succeeded in the window.
    pub probes_ok: u32,
    /// Probes that failed in the window.
    pub probes_failed: u32,
    /// Probes that succeeded in a row up to now, over all time.
    pub consecutive_probes_ok: u32,
    /// Probes that failed in a row up to now, over all time.
    pub consecutive_probes_failed: u32,
    /// Requests that succeeded in the window.
    pub requests_ok: u32,
    /// Requests that failed in the window.
    pub requests_failed: u32,
    /// Failed requests in a row up to now.
    pub consecutive_requests_failed: u32,
    /// Mean of the response time in the window, in microseconds; 0 without requests.
    pub latency_mean_us: u32,
    /// 99th percentile of the response time in the window, in microseconds; 0 without requests.
    pub latency_p99_us: u32,
    /// The breaker.
    pub circuit: CircuitState,
    /// The state that the endpoint's last verdict gave it.
    pub state: HealthState,
    /// Milliseconds since the endpoint joined.
    pub age_ms: u64,
    /// Milliseconds since that state last changed.
    pub state_age_ms: u64,
}

/// The observations of every endpoint of a cluster at one moment, ordered by id.
pub type Peers = [(EndpointId, Observations)];

/// What an operator asked of an endpoint. It holds until the operator takes it back, also when the endpoint leaves and
/// comes again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AdminState {
    /// Nothing.
    #[default]
    Enabled,
    /// No new requests; those under way are finished; checks go on.
    Draining,
    /// No requests and no checks.
    Disabled,
}

/// What operators are shown of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndpointState {
    /// Sound.
    Healthy,
    /// Serves, but not well.
    Degraded,
    /// Out of the traffic.
    Failed,
    /// On its way back.
    Recovering,
    /// Finishes what it has, gets nothing new.
    Draining,
    /// Taken out by an operator.
    Disabled,
}

impl EndpointState {
    /// As operators read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "HEALTHY",
            Self::Degraded => "DEGRADED",
            Self::Failed => "FAILED",
            Self::Recovering => "RECOVERING",
            Self::Draining => "DRAINING",
            Self::Disabled => "DISABLED",
        }
    }
}

impl fmt::Display for EndpointState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What to do when so few endpoints of a cluster are ready that the rest could not bear the load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PanicRule {
    /// It holds below this share of ready endpoints, in percent; also whenever none is ready.
    pub below_percent: u8,
    /// What to do.
    pub choose: PanicChoice,
}

/// Who may be chosen in a panic. Open circuits and what an operator took out stay out in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PanicChoice {
    /// All endpoints: perhaps it is the checks that are wrong.
    #[default]
    All,
    /// None: requests are refused, to spare what is left.
    None,
    /// Those that were ready before it came to that.
    LastGood,
}
