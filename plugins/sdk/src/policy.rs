//! The trait of health policies, and the instance that drives one.

use serde::de::DeserializeOwned;

use crate::{Endpoint, Observations, PolicyHost, Verdict, config};

/// Judges the endpoints of a cluster, one at a time.
///
/// The host keeps one instance for each cluster and never calls it twice at a time.
pub trait HealthPolicy: Sized {
    /// The plugin's table of the configuration. Put `#[serde(deny_unknown_fields)]` on it, so that a misspelt key is
    /// refused; take [`NoConfig`](crate::NoConfig) when there is nothing to configure.
    type Config: DeserializeOwned;

    /// Makes an instance.
    ///
    /// # Errors
    ///
    /// One line for the operator, when the configuration makes no sense. The change is then not made.
    fn new(config: Self::Config) -> Result<Self, String>;

    /// Judges one endpoint. `before` is the verdict of the policy in front of this one in the cluster's list; for the
    /// first it is [`Verdict::healthy`]. Give it back to have no opinion, and combine with [`Verdict::worst_of`]. What
    /// the policy decided earlier is in neither of the arguments: remember it by endpoint id if it matters.
    fn judge(&mut self, host: &impl PolicyHost, endpoint: &Endpoint, window: &Observations, before: Verdict)
    -> Verdict;

    /// What the next version should know; empty when there is nothing. See [`snapshot`](crate::snapshot).
    fn export_state(&self) -> Vec<u8> {
        Vec::new()
    }

    /// Takes what the version before exported, if it was not empty. By default it is ignored.
    ///
    /// # Errors
    ///
    /// One line for the operator, when this version cannot go on from there. The version before keeps serving.
    fn import_state(&mut self, _from_version: &str, _bytes: &[u8]) -> Result<(), String> {
        Ok(())
    }
}

/// A policy at work, called as the host calls it. As [`StrategyInstance`](crate::StrategyInstance), for policies.
#[derive(Debug)]
pub struct PolicyInstance<P> {
    policy: P,
}

impl<P: HealthPolicy> PolicyInstance<P> {
    /// Makes an instance from the JSON of its configuration table.
    ///
    /// # Errors
    ///
    /// One line that says what is wrong with the configuration.
    pub fn configure(config: &str) -> Result<Self, String> {
        Ok(Self { policy: P::new(config::parse(config)?)? })
    }

    /// Judges one endpoint.
    pub fn judge(
        &mut self,
        host: &impl PolicyHost,
        endpoint: &Endpoint,
        window: &Observations,
        before: Verdict,
    ) -> Verdict {
        self.policy.judge(host, endpoint, window, before)
    }

    /// What the next version should know.
    pub fn export_state(&self) -> Vec<u8> {
        self.policy.export_state()
    }

    /// Takes over from the version before; nothing to take over is always fine.
    ///
    /// # Errors
    ///
    /// One line that says why this version cannot go on from there.
    pub fn import_state(&mut self, from_version: &str, bytes: &[u8]) -> Result<(), String> {
        if bytes.is_empty() { Ok(()) } else { self.policy.import_state(from_version, bytes) }
    }
}
