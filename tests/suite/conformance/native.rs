//! A strategy as native code behind the trait that its component is called through: the same calls in the same order, and
//! the same answers from the host, which serves native policies as well. Draws random numbers where the host does, from the thread's generator, so that a seed
//! makes both draw the same.

use std::sync::Arc;
use std::time::{Duration, Instant};

use leverframe::model::{
    Attempt, CircuitState, EndpointId, Failure, Fault, HealthState, ImportError, Observations, Outcome, Peers,
    RequestHead,
};
use leverframe::plugin::Shared;
use leverframe::routing::{Candidates, Choice, Rejection, Strategy};
use leverframe_sdk::host::{self, Cluster, Request, Runtime, State};
use leverframe_sdk::{Level, RoutingStrategy, StateError, StrategyInstance, Wants};

/// A strategy that runs without WebAssembly.
pub(crate) struct Native<S> {
    instance: StrategyInstance<S>,
    host: Host,
}

impl<S: RoutingStrategy> Native<S> {
    pub(crate) fn configured(config: &str, shared: Arc<Shared>) -> Result<Self, String> {
        let instance = StrategyInstance::configure(config)?;
        Ok(Self { instance, host: Host::new(shared) })
    }
}

impl<S: RoutingStrategy + Send> Strategy for Native<S> {
    fn candidates_changed(&mut self, candidates: &Arc<Candidates>) -> Result<(), Fault> {
        self.host.candidates = Arc::clone(candidates);
        let endpoints = candidates.members().iter().map(|member| candidate(member)).collect();
        self.instance.candidates_changed(&self.host, endpoints);
        Ok(())
    }

    fn pick(&mut self, request: &Arc<RequestHead>, attempt: Attempt<'_>) -> Result<Choice, Fault> {
        self.host.request = Some(Arc::clone(request));
        self.host.attempt = attempt.number;
        let excluded: Vec<_> = attempt.excluded.iter().map(|id| id.0).collect();
        let choice = self.instance.pick(&self.host, &excluded);
        self.host.request = None;
        Ok(from_sdk(choice))
    }

    fn on_outcome(&mut self, outcome: &Outcome) -> Result<(), Fault> {
        if self.instance.wants() == Wants::OUTCOMES {
            let outcome = leverframe_sdk::Outcome {
                endpoint: outcome.endpoint.0,
                latency_us: u32::try_from(outcome.latency.as_micros()).unwrap_or(u32::MAX),
                status: outcome.result.ok().map(|status| status.as_u16()),
                failure: outcome.result.err().map(failure),
            };
            self.instance.on_outcome(&self.host, &outcome);
        }
        Ok(())
    }

    fn export_state(&mut self) -> Result<Vec<u8>, Fault> {
        Ok(self.instance.export_state())
    }

    fn import_state(&mut self, from_version: &str, state: &[u8]) -> Result<(), ImportError> {
        self.instance.import_state(from_version, state).map_err(ImportError::Refused)
    }
}

/// What a strategy or a policy reaches in a call, as the host answers a component.
pub(crate) struct Host {
    request: Option<Arc<RequestHead>>,
    attempt: u32,
    candidates: Arc<Candidates>,
    pub(crate) peers: Arc<Peers>,
    shared: Arc<Shared>,
    started: Instant,
}

impl Host {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let (candidates, peers) = (Arc::default(), Arc::default());
        Self { request: None, attempt: 0, candidates, peers, shared, started: Instant::now() }
    }

    fn read<T>(&self, read: impl FnOnce(&RequestHead) -> Option<T>) -> Option<T> {
        self.request.as_deref().and_then(read)
    }
}

impl Request for Host {
    fn method(&self) -> String {
        self.read(|head| Some(head.method.to_string())).unwrap_or_default()
    }

    fn path(&self) -> String {
        self.read(|head| Some(head.uri.path().to_owned())).unwrap_or_default()
    }

    fn query(&self) -> Option<String> {
        self.read(|head| head.uri.query().map(str::to_owned))
    }

    fn header(&self, name: &str) -> Option<String> {
        self.read(|head| head.header(name).map(str::to_owned))
    }

    fn cookie(&self, name: &str) -> Option<String> {
        self.read(|head| head.cookie(name).map(str::to_owned))
    }

    fn client_ip(&self) -> String {
        self.read(|head| Some(head.client.to_string())).unwrap_or_default()
    }

    fn host(&self) -> Option<String> {
        self.read(|head| head.host.clone())
    }

    fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The requests of these tests are no statements.
    fn statement(&self) -> Option<leverframe_sdk::Statement> {
        None
    }
}

impl Cluster for Host {
    fn load_of(&self, id: leverframe_sdk::EndpointId) -> Option<leverframe_sdk::Load> {
        self.candidates.get(EndpointId(id)).map(|member| load(member.load(Instant::now())))
    }

    fn loads(&self) -> Vec<leverframe_sdk::Load> {
        let now = Instant::now();
        self.candidates.members().iter().map(|member| load(member.load(now))).collect()
    }
}

impl host::Peers for Host {
    fn all(&self) -> Vec<(leverframe_sdk::EndpointId, leverframe_sdk::Observations)> {
        self.peers.iter().map(|(id, window)| (id.0, observations(window))).collect()
    }
}

/// The host's error has no name outside of it: every refusal reads as a full store.
impl State for Host {
    fn get(&self, key: &str) -> Option<Vec<u8>> {
        self.shared.state.get(key, Instant::now())
    }

    fn set(&self, key: &str, value: &[u8], ttl_ms: Option<u64>) -> Result<(), StateError> {
        let ttl = ttl_ms.map(Duration::from_millis);
        self.shared.state.set(key, value.to_owned(), ttl, Instant::now()).map_err(|_| StateError::Full)
    }

    fn add(&self, key: &str, delta: i64, ttl_ms: Option<u64>) -> Result<i64, StateError> {
        let ttl = ttl_ms.map(Duration::from_millis);
        self.shared.state.add(key, delta, ttl, Instant::now()).map_err(|_| StateError::Full)
    }
}

/// What a strategy only tells is not kept: no decision can rest on it.
impl Runtime for Host {
    fn log(&self, _: Level, _: &str) {}

    fn now_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn random_u64(&self) -> u64 {
        fastrand::u64(..)
    }

    fn counter(&self, _: &str, _: u64) {}

    fn gauge(&self, _: &str, _: f64) {}

    fn histogram(&self, _: &str, _: f64) {}
}

fn candidate(member: &leverframe::cluster::Member) -> leverframe_sdk::Endpoint {
    leverframe_sdk::Endpoint { weight: member.weight(), ..endpoint(member.endpoint()) }
}

pub(crate) fn endpoint(endpoint: &leverframe::model::Endpoint) -> leverframe_sdk::Endpoint {
    leverframe_sdk::Endpoint {
        id: endpoint.id.0,
        name: endpoint.spec.name.to_string(),
        address: endpoint.spec.address.to_string(),
        weight: endpoint.spec.weight.get().into(),
        labels: endpoint.spec.labels.clone().into_iter().collect(),
    }
}

fn load(load: leverframe::cluster::Load) -> leverframe_sdk::Load {
    leverframe_sdk::Load {
        in_flight: load.in_flight,
        latency_ewma_us: load.latency_ewma_us,
        error_ratio: load.error_ratio,
        health_score: load.health_score,
        requests: load.requests,
    }
}

fn from_sdk(choice: leverframe_sdk::Choice) -> Choice {
    match choice {
        leverframe_sdk::Choice::Endpoint(id) => Choice::Endpoint(EndpointId(id)),
        leverframe_sdk::Choice::Routed(routed) => Choice::Routed(EndpointId(routed.endpoint), routed.response_headers),
        leverframe_sdk::Choice::Fallback => Choice::Fallback,
        leverframe_sdk::Choice::Reject(rejection) => {
            Choice::Reject(Rejection { status: rejection.status, reason: rejection.reason })
        }
    }
}

fn failure(failure: Failure) -> leverframe_sdk::FailureKind {
    match failure {
        Failure::Connect => leverframe_sdk::FailureKind::Connect,
        Failure::Timeout => leverframe_sdk::FailureKind::Timeout,
        Failure::Reset => leverframe_sdk::FailureKind::Reset,
        Failure::Protocol => leverframe_sdk::FailureKind::Protocol,
        Failure::Cancelled => leverframe_sdk::FailureKind::Cancelled,
    }
}

pub(crate) fn observations(seen: &Observations) -> leverframe_sdk::Observations {
    leverframe_sdk::Observations {
        window_ms: seen.window_ms,
        probes_ok: seen.probes_ok,
        probes_failed: seen.probes_failed,
        consecutive_probes_ok: seen.consecutive_probes_ok,
        consecutive_probes_failed: seen.consecutive_probes_failed,
        requests_ok: seen.requests_ok,
        requests_failed: seen.requests_failed,
        consecutive_requests_failed: seen.consecutive_requests_failed,
        latency_mean_us: seen.latency_mean_us,
        latency_p99_us: seen.latency_p99_us,
        circuit: match seen.circuit {
            CircuitState::Closed => leverframe_sdk::Circuit::Closed,
            CircuitState::HalfOpen => leverframe_sdk::Circuit::HalfOpen,
            CircuitState::Open => leverframe_sdk::Circuit::Open,
        },
        state: health_state(seen.state),
        age_ms: seen.age_ms,
        state_age_ms: seen.state_age_ms,
    }
}

pub(crate) fn health_state(state: HealthState) -> leverframe_sdk::HealthState {
    match state {
        HealthState::Healthy => leverframe_sdk::HealthState::Healthy,
        HealthState::Degraded => leverframe_sdk::HealthState::Degraded,
        HealthState::Recovering => leverframe_sdk::HealthState::Recovering,
        HealthState::Failed => leverframe_sdk::HealthState::Failed,
    }
}
