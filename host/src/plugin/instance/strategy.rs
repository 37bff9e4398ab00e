//! One instance of a routing strategy.

use std::sync::Arc;

use super::super::bindings::strategy::RoutingStrategy;
use super::super::bindings::strategy::exports::leverframe::plugin::strategy as wit;
use super::super::bindings::strategy::leverframe::plugin::types;
use super::super::error::LoadError;
use super::super::work::Call;
use super::{About, Guest, InstanceSetup, MAX_REASON, configured, imported, loading};
use crate::cluster::Member;
use crate::model::{Attempt, EndpointId, Failure, Fault, ImportError, Outcome, RequestHead, one_line};
use crate::routing::{Candidates, Choice, Rejection, Strategy};

/// A configured instance.
pub struct StrategyInstance {
    guest: Guest<RoutingStrategy>,
    wants_outcomes: bool,
}

impl StrategyInstance {
    /// Instantiates. Must be configured before anything else is asked of it.
    pub fn start(setup: InstanceSetup<'_>) -> Result<Self, LoadError> {
        let pre = setup.artifact.strategy()?;
        Ok(Self { guest: Guest::start(setup, |store| pre.instantiate(store))?, wants_outcomes: false })
    }

    /// Instantiates and configures.
    pub fn configured(setup: InstanceSetup<'_>, config: &str) -> Result<Self, LoadError> {
        let mut instance = Self::start(setup)?;
        instance.configure(config)?;
        Ok(instance)
    }

    /// Asks who it is.
    pub fn describe(&mut self) -> Result<About, LoadError> {
        let about =
            self.guest.call(Call::Describe, |guest, store| guest.leverframe_plugin_strategy().call_describe(store));
        loading("describe", about).map(About::from)
    }

    /// Hands it its configuration.
    pub fn configure(&mut self, config: &str) -> Result<(), LoadError> {
        let answer = self
            .guest
            .call(Call::Configure, |guest, store| guest.leverframe_plugin_strategy().call_configure(store, config));
        let wants = configured(loading("configure", answer)?)?;
        self.wants_outcomes = wants.contains(wit::Wants::OUTCOMES);
        Ok(())
    }
}

impl Strategy for StrategyInstance {
    fn candidates_changed(&mut self, candidates: &Arc<Candidates>) -> Result<(), Fault> {
        self.guest.store.data_mut().candidates = Arc::clone(candidates);
        // The weight that policies left, not the one that was configured.
        let endpoint = |member: &Arc<Member>| types::Endpoint { weight: member.weight(), ..member.endpoint().into() };
        let endpoints: Vec<_> = candidates.members().iter().map(endpoint).collect();
        self.guest.call(Call::CandidatesChanged, |guest, store| {
            guest.leverframe_plugin_strategy().call_candidates_changed(store, &endpoints)
        })
    }

    fn pick(&mut self, request: &Arc<RequestHead>, attempt: Attempt<'_>) -> Result<Choice, Fault> {
        let context = self.guest.store.data_mut();
        context.request = Some(Arc::clone(request));
        context.attempt = attempt.number;
        let excluded: Vec<_> = attempt.excluded.iter().map(|id| id.0).collect();
        let choice =
            self.guest.call_briefly(|guest, store| guest.leverframe_plugin_strategy().call_pick(store, &excluded));
        self.guest.store.data_mut().request = None;
        choice.map(Choice::from)
    }

    fn on_outcome(&mut self, outcome: &Outcome) -> Result<(), Fault> {
        if !self.wants_outcomes {
            return Ok(());
        }
        let outcome = types::Outcome {
            endpoint: outcome.endpoint.0,
            latency_us: u32::try_from(outcome.latency.as_micros()).unwrap_or(u32::MAX),
            status: outcome.result.ok().map(|status| status.as_u16()),
            failure: outcome.result.err().map(types::FailureKind::from),
        };
        self.guest.tell(|guest, store| guest.leverframe_plugin_strategy().call_on_outcome(store, outcome))
    }

    fn export_state(&mut self) -> Result<Vec<u8>, Fault> {
        self.guest.call(Call::ExportState, |guest, store| guest.leverframe_plugin_strategy().call_export_state(store))
    }

    fn import_state(&mut self, from_version: &str, state: &[u8]) -> Result<(), ImportError> {
        let answer = self.guest.call(Call::ImportState, |guest, store| {
            guest.leverframe_plugin_strategy().call_import_state(store, from_version, state)
        });
        imported(answer?)
    }
}

impl From<wit::Choice> for Choice {
    fn from(choice: wit::Choice) -> Self {
        match choice {
            wit::Choice::Endpoint(id) => Self::Endpoint(EndpointId(id)),
            wit::Choice::Routed(routed) => Self::Routed(EndpointId(routed.endpoint), routed.response_headers),
            wit::Choice::Fallback => Self::Fallback,
            wit::Choice::Reject(rejection) => {
                Self::Reject(Rejection { status: rejection.status, reason: one_line(&rejection.reason, MAX_REASON) })
            }
        }
    }
}

impl From<Failure> for types::FailureKind {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Connect => Self::Connect,
            Failure::Timeout => Self::Timeout,
            Failure::Reset => Self::Reset,
            Failure::Protocol => Self::Protocol,
            Failure::Cancelled => Self::Cancelled,
        }
    }
}
