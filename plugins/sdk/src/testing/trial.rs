//! A strategy and a host made by hand, put together.

use super::host::FakeHost;
use crate::{Choice, Endpoint, EndpointId, Outcome, RoutingStrategy, StrategyInstance};

/// A strategy at work with a [`FakeHost`], called as the real host calls it.
#[derive(Debug)]
pub struct Trial<S> {
    /// The host: set the request and the figures here.
    pub host: FakeHost,
    instance: StrategyInstance<S>,
    candidates: Vec<Endpoint>,
}

impl<S: RoutingStrategy> Trial<S> {
    /// Configures a strategy with the JSON of its table and gives it these candidates, which are idle.
    ///
    /// # Errors
    ///
    /// What the strategy has against the configuration.
    pub fn new(config: &str, candidates: Vec<Endpoint>) -> Result<Self, String> {
        Self::start(StrategyInstance::configure(config)?, candidates)
    }

    /// As [`new`](Trial::new), with the state of another version.
    ///
    /// # Errors
    ///
    /// What the strategy has against the configuration or the state.
    pub fn resumed(config: &str, state: &[u8], candidates: Vec<Endpoint>) -> Result<Self, String> {
        let mut instance = StrategyInstance::configure(config)?;
        instance.import_state("0.0.0", state)?;
        Self::start(instance, candidates)
    }

    fn start(mut instance: StrategyInstance<S>, candidates: Vec<Endpoint>) -> Result<Self, String> {
        let host = FakeHost::new(&candidates);
        instance.candidates_changed(&host, candidates.clone());
        Ok(Self { host, instance, candidates })
    }

    /// Replaces the candidates.
    pub fn change(&mut self, candidates: Vec<Endpoint>) {
        self.host.set_candidates(&candidates);
        self.instance.candidates_changed(&self.host, candidates.clone());
        self.candidates = candidates;
    }

    /// The first attempt at the host's request.
    pub fn pick(&mut self) -> Choice {
        self.pick_without(&[])
    }

    /// A later attempt, after these.
    pub fn pick_without(&mut self, excluded: &[EndpointId]) -> Choice {
        self.instance.pick(&self.host, excluded)
    }

    /// The name of the endpoint that the first attempt goes to; none when the strategy chose none, or none of the
    /// candidates.
    pub fn pick_name(&mut self) -> Option<&str> {
        let id = match self.pick() {
            Choice::Endpoint(id) => id,
            Choice::Routed(routed) => routed.endpoint,
            Choice::Fallback | Choice::Reject(_) => return None,
        };
        self.candidates.iter().find(|one| one.id == id).map(|one| one.name.as_str())
    }

    /// The names of that many first attempts, with spaces between them, and `-` for none.
    pub fn pick_names(&mut self, count: usize) -> String {
        let names: Vec<String> = (0..count).map(|_| self.pick_name().unwrap_or("-").to_owned()).collect();
        names.join(" ")
    }

    /// Tells what became of an attempt.
    pub fn outcome(&mut self, outcome: &Outcome) {
        self.instance.on_outcome(&self.host, outcome);
    }

    /// What the strategy would tell its next version.
    pub fn export_state(&self) -> Vec<u8> {
        self.instance.export_state()
    }
}
