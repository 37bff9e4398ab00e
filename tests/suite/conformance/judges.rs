//! Which policies are held to the laws: every one that is built in, under each of its configurations, natively and as a
//! component. The list is that of the binary; a built-in whose native counterpart is not named here fails every test.

use std::collections::BTreeMap;
use std::sync::Arc;

use leverframe::health::Policy;
use leverframe::model::{Endpoint, Fault, HealthState, ImportError, Observations, Peers, PluginName, Verdict};
use leverframe::plugin::{PolicyInstance, World};
use leverframe_sdk::HealthPolicy;

use super::native::{Host, endpoint, health_state, observations};
use super::subjects::{Form, built_in, shared, with_setup};

/// A built-in policy under one configuration.
#[derive(Clone)]
pub(crate) struct Judge {
    pub(crate) name: PluginName,
    pub(crate) config: &'static str,
    native: NativeStart,
}

impl std::fmt::Display for Judge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.name, self.config)
    }
}

type NativeStart = fn(&str, Host) -> Result<Box<dyn Policy>, String>;

/// The native code of each policy, and the configurations under which it decides by another way.
fn counterparts() -> BTreeMap<&'static str, (NativeStart, &'static [&'static str])> {
    BTreeMap::from([
        (
            "outlier",
            (
                natively::<outlier::Outlier> as NativeStart,
                &[
                    "{}",
                    r#"{"minimum_requests": 1, "max_ejected_share": 0.5, "base_ejection_ms": 1000}"#,
                    r#"{"minimum_requests": 5, "success_rate_minimum_hosts": 2, "latency_factor": 1.5}"#,
                ] as &[&str],
            ),
        ),
        ("slow-start", (natively::<slow_start::SlowStart>, &["{}", r#"{"window_ms": 5000, "aggression": 2}"#])),
        ("threshold", (natively::<threshold::Threshold>, &["{}", r#"{"rise": 1, "fall": 1, "retry_after_ms": 500}"#])),
        (
            "weighted-score",
            (
                natively::<weighted_score::WeightedScore>,
                &["{}", r#"{"fast_ms": 1, "slow_ms": 10, "circuit_weight": 0}"#],
            ),
        ),
    ])
}

/// Every built-in policy under each of its configurations.
pub(crate) fn judges() -> Vec<Judge> {
    let counterparts = counterparts();
    let built_in = built_in(World::HealthPolicy);
    let named: Vec<&str> = built_in.iter().map(PluginName::as_str).collect();
    assert!(counterparts.keys().eq(&named), "built in: {named:?}; in this suite: {:?}", counterparts.keys());
    let all = built_in.iter().flat_map(|name| {
        let (native, configs) = counterparts[name.as_str()];
        configs.iter().map(move |config| Judge { name: name.clone(), config, native })
    });
    all.collect()
}

impl Judge {
    /// A configured instance.
    pub(crate) fn start(&self, form: Form) -> Box<dyn Policy> {
        match form {
            Form::Native => {
                let host = Host::new(shared(&self.name));
                (self.native)(self.config, host).unwrap_or_else(|error| panic!("{self}: {error}"))
            }
            Form::Wasm => {
                let instance = with_setup(&self.name, |setup| PolicyInstance::configured(setup, self.config));
                Box::new(instance.unwrap_or_else(|error| panic!("{self}: {error}")))
            }
        }
    }
}

/// A policy that runs without WebAssembly.
struct Native<P> {
    instance: leverframe_sdk::PolicyInstance<P>,
    host: Host,
}

fn natively<P: HealthPolicy + Send + 'static>(config: &str, host: Host) -> Result<Box<dyn Policy>, String> {
    Ok(Box::new(Native::<P> { instance: leverframe_sdk::PolicyInstance::configure(config)?, host }))
}

impl<P: HealthPolicy + Send> Policy for Native<P> {
    fn judge(
        &mut self,
        judged: &Endpoint,
        window: &Observations,
        peers: &Arc<Peers>,
        before: &Verdict,
    ) -> Result<Verdict, Fault> {
        self.host.peers = Arc::clone(peers);
        let before = leverframe_sdk::Verdict {
            state: health_state(before.state),
            score: before.score,
            effective_weight: before.effective_weight,
            reason: before.reason.to_string(),
        };
        let verdict = self.instance.judge(&self.host, &endpoint(judged), &observations(window), before);
        Ok(Verdict {
            state: from_sdk(verdict.state),
            score: verdict.score,
            effective_weight: verdict.effective_weight,
            reason: verdict.reason.into(),
        })
    }

    fn export_state(&mut self) -> Result<Vec<u8>, Fault> {
        Ok(self.instance.export_state())
    }

    fn import_state(&mut self, from_version: &str, state: &[u8]) -> Result<(), ImportError> {
        self.instance.import_state(from_version, state).map_err(ImportError::Refused)
    }
}

fn from_sdk(state: leverframe_sdk::HealthState) -> HealthState {
    match state {
        leverframe_sdk::HealthState::Healthy => HealthState::Healthy,
        leverframe_sdk::HealthState::Degraded => HealthState::Degraded,
        leverframe_sdk::HealthState::Recovering => HealthState::Recovering,
        leverframe_sdk::HealthState::Failed => HealthState::Failed,
    }
}
