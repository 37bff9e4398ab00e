//! A health policy and a host made by hand, put together.

use super::{FakeHost, unseen};
use crate::{Endpoint, EndpointId, HealthPolicy, Observations, PolicyInstance, Verdict};

/// The only policy of a cluster at work with a [`FakeHost`], called as the real host calls it: each verdict becomes the
/// endpoint's state, and its age counts from there.
///
/// ```
/// use leverframe_sdk::testing::{PolicyTrial, endpoint};
/// use leverframe_sdk::{Endpoint, HealthPolicy, HealthState, NoConfig, Observations, PolicyHost, Verdict};
///
/// struct LastProbe;
///
/// impl HealthPolicy for LastProbe {
///     type Config = NoConfig;
///
///     fn new(_: NoConfig) -> Result<Self, String> {
///         Ok(Self)
///     }
///
///     fn judge(&mut self, _: &impl PolicyHost, _: &Endpoint, window: &Observations, before: Verdict) -> Verdict {
///         let failed = window.consecutive_probes_failed > 0;
///         let state = if failed { HealthState::Failed } else { HealthState::Healthy };
///         before.worst_of(Verdict { state, reason: "the last probe".to_owned(), ..Verdict::healthy() })
///     }
/// }
///
/// let mut trial = PolicyTrial::<LastProbe>::new("{}", vec![endpoint(1, "a", 1)])?;
/// assert_eq!(trial.judge(1).state, HealthState::Healthy);
/// trial.window(1).consecutive_probes_failed = 1;
/// assert_eq!(trial.judge(1).state, HealthState::Failed);
/// trial.pass_ms(500);
/// assert_eq!(trial.window(1).state_age_ms, 500);
/// # Ok::<(), String>(())
/// ```
#[derive(Debug)]
pub struct PolicyTrial<P> {
    /// The host: its peers are the windows of the endpoints.
    pub host: FakeHost,
    instance: PolicyInstance<P>,
    endpoints: Vec<Endpoint>,
}

impl<P: HealthPolicy> PolicyTrial<P> {
    /// Configures a policy with the JSON of its table, for endpoints that just joined.
    ///
    /// # Errors
    ///
    /// What the policy has against the configuration.
    pub fn new(config: &str, endpoints: Vec<Endpoint>) -> Result<Self, String> {
        Ok(Self::start(PolicyInstance::configure(config)?, endpoints))
    }

    /// As [`new`](PolicyTrial::new), with the state of another version.
    ///
    /// # Errors
    ///
    /// What the policy has against the configuration or the state.
    pub fn resumed(config: &str, state: &[u8], endpoints: Vec<Endpoint>) -> Result<Self, String> {
        let mut instance = PolicyInstance::configure(config)?;
        instance.import_state("0.0.0", state)?;
        Ok(Self::start(instance, endpoints))
    }

    fn start(instance: PolicyInstance<P>, endpoints: Vec<Endpoint>) -> Self {
        let mut host = FakeHost::new(&endpoints);
        host.peers = endpoints.iter().map(|one| (one.id, unseen())).collect();
        Self { host, instance, endpoints }
    }

    /// One more endpoint, which just joined.
    pub fn join(&mut self, endpoint: Endpoint) {
        self.host.peers.push((endpoint.id, unseen()));
        self.endpoints.push(endpoint);
    }

    /// What was seen of an endpoint, to be changed.
    ///
    /// # Panics
    ///
    /// When there is no such endpoint, which is a mistake of the test.
    #[allow(clippy::expect_used, reason = "a test double: a wrong id is a mistake of the test")]
    pub fn window(&mut self, id: EndpointId) -> &mut Observations {
        let found = self.host.peers.iter_mut().find(|(one, _)| *one == id);
        found.map(|(_, window)| window).expect("there is an endpoint with this id")
    }

    /// Lets time pass, on the clock and in the ages of all endpoints.
    pub fn pass_ms(&mut self, by: u64) {
        self.host.advance_us(by.saturating_mul(1000));
        for (_, window) in &mut self.host.peers {
            window.age_ms = window.age_ms.saturating_add(by);
            window.state_age_ms = window.state_age_ms.saturating_add(by);
        }
    }

    /// Judges an endpoint, as the first policy of the list.
    ///
    /// # Panics
    ///
    /// When there is no such endpoint, which is a mistake of the test.
    pub fn judge(&mut self, id: EndpointId) -> Verdict {
        self.judge_after(id, Verdict::healthy())
    }

    /// Judges an endpoint after the verdict of a policy in front.
    ///
    /// # Panics
    ///
    /// When there is no such endpoint, which is a mistake of the test.
    #[allow(clippy::expect_used, reason = "a test double: a wrong id is a mistake of the test")]
    pub fn judge_after(&mut self, id: EndpointId, before: Verdict) -> Verdict {
        let window = *self.window(id);
        let endpoint = self.endpoints.iter().find(|one| one.id == id).expect("there is an endpoint with this id");
        let verdict = self.instance.judge(&self.host, endpoint, &window, before);
        if verdict.state != window.state {
            let changed = self.window(id);
            changed.state = verdict.state;
            changed.state_age_ms = 0;
        }
        verdict
    }

    /// What the policy would tell its next version.
    pub fn export_state(&self) -> Vec<u8> {
        self.instance.export_state()
    }
}
