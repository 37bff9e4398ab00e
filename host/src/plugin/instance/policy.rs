//! One instance of a health policy.

use std::sync::Arc;
use std::time::Duration;

use super::super::bindings::policy::HealthPolicy;
use super::super::bindings::policy::leverframe::plugin::health_types as wit;
use super::super::error::LoadError;
use super::super::work::Call;
use super::{About, Guest, InstanceSetup, configured, imported, loading};
use crate::health::Policy;
use crate::model::{CircuitState, Endpoint, Fault, HealthState, ImportError, Observations, Peers, Verdict};

/// A configured instance.
pub struct PolicyInstance {
    guest: Guest<HealthPolicy>,
    config: String,
}

impl PolicyInstance {
    /// Instantiates. Must be configured before anything else is asked of it.
    pub fn start(setup: InstanceSetup<'_>) -> Result<Self, LoadError> {
        let pre = setup.artifact.policy()?;
        Ok(Self { guest: Guest::start(setup, |store| pre.instantiate(store))?, config: String::new() })
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
            self.guest.call(Call::Describe, |guest, store| guest.leverframe_plugin_policy().call_describe(store));
        loading("describe", about).map(About::from)
    }

    /// Hands it its configuration.
    pub fn configure(&mut self, config: &str) -> Result<(), LoadError> {
        let answer = self
            .guest
            .call(Call::Configure, |guest, store| guest.leverframe_plugin_policy().call_configure(store, config));
        configured(loading("configure", answer)?)?;
        config.clone_into(&mut self.config);
        Ok(())
    }
}

impl Policy for PolicyInstance {
    fn judge(
        &mut self,
        endpoint: &Endpoint,
        window: &Observations,
        peers: &Arc<Peers>,
        before: &Verdict,
    ) -> Result<Verdict, Fault> {
        self.guest.store.data_mut().peers = Arc::clone(peers);
        let (endpoint, before) = (endpoint.into(), before.into());
        let verdict = self.guest.call(Call::Judge, |guest, store| {
            guest.leverframe_plugin_policy().call_judge(store, &endpoint, (*window).into(), &before)
        });
        verdict.map(Verdict::from)
    }

    fn export_state(&mut self) -> Result<Vec<u8>, Fault> {
        self.guest.call(Call::ExportState, |guest, store| guest.leverframe_plugin_policy().call_export_state(store))
    }

    fn import_state(&mut self, from_version: &str, state: &[u8]) -> Result<(), ImportError> {
        let answer = self.guest.call(Call::ImportState, |guest, store| {
            guest.leverframe_plugin_policy().call_import_state(store, from_version, state)
        });
        imported(answer?)
    }

    fn config(&self) -> &str {
        &self.config
    }

    fn call_deadline(&self) -> Duration {
        self.guest.limits.call_deadline
    }
}

impl From<HealthState> for wit::HealthState {
    fn from(state: HealthState) -> Self {
        match state {
            HealthState::Healthy => Self::Healthy,
            HealthState::Degraded => Self::Degraded,
            HealthState::Recovering => Self::Recovering,
            HealthState::Failed => Self::Failed,
        }
    }
}

impl From<wit::HealthState> for HealthState {
    fn from(state: wit::HealthState) -> Self {
        match state {
            wit::HealthState::Healthy => Self::Healthy,
            wit::HealthState::Degraded => Self::Degraded,
            wit::HealthState::Recovering => Self::Recovering,
            wit::HealthState::Failed => Self::Failed,
        }
    }
}

impl From<&Verdict> for wit::Verdict {
    fn from(verdict: &Verdict) -> Self {
        Self {
            state: verdict.state.into(),
            score: verdict.score,
            effective_weight: verdict.effective_weight,
            reason: verdict.reason.to_string(),
        }
    }
}

impl From<wit::Verdict> for Verdict {
    fn from(verdict: wit::Verdict) -> Self {
        Self {
            state: verdict.state.into(),
            score: verdict.score,
            effective_weight: verdict.effective_weight,
            reason: verdict.reason.into(),
        }
    }
}

impl From<Observations> for wit::Observations {
    fn from(seen: Observations) -> Self {
        Self {
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
                CircuitState::Closed => wit::Circuit::Closed,
                CircuitState::HalfOpen => wit::Circuit::HalfOpen,
                CircuitState::Open => wit::Circuit::Open,
            },
            state: seen.state.into(),
            age_ms: seen.age_ms,
            state_age_ms: seen.state_age_ms,
        }
    }
}
