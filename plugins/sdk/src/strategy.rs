//! The trait of routing strategies, and the instance that drives one. A component and a native test go through the same
//! instance, so that both see the same behaviour.

use serde::de::DeserializeOwned;

use crate::{Choice, Endpoint, EndpointId, Outcome, RoutingHost, Wants, config};

/// Chooses the endpoint of each request.
///
/// The host keeps one instance for each worker and cluster and never calls it twice at a time. The order is: `new`,
/// `import_state` at most once, `candidates_changed` before the first `pick` and after every change, then `pick` and
/// `on_outcome` as traffic goes.
///
/// A call that takes too long, panics or names an endpoint that is no candidate is answered by the host's fallback and
/// costs the instance its life, never the request.
pub trait RoutingStrategy: Sized {
    /// The plugin's table of the configuration. Put `#[serde(deny_unknown_fields)]` on it, so that a misspelt key is
    /// refused; take [`NoConfig`](crate::NoConfig) when there is nothing to configure.
    type Config: DeserializeOwned;

    /// Makes an instance.
    ///
    /// # Errors
    ///
    /// One line for the operator, when the configuration makes no sense. The change is then not made.
    fn new(config: Self::Config) -> Result<Self, String>;

    /// Chooses among the candidates, without those tried already. Runs for every request: allocate nothing here that
    /// `candidates_changed` could have prepared.
    fn pick(&mut self, host: &impl RoutingHost, candidates: Candidates<'_>) -> Choice;

    /// What the strategy asks to be told; it pays only for what it asks for. Nothing by default.
    fn wants(&self) -> Wants {
        Wants::empty()
    }

    /// Prepares for these candidates: ready endpoints, at least one, ordered by id. Forget the others.
    fn candidates_changed(&mut self, _host: &impl RoutingHost, _candidates: &[Endpoint]) {}

    /// Learns what became of an attempt; only called if wanted. The endpoint may have left the candidates meanwhile.
    fn on_outcome(&mut self, _host: &impl RoutingHost, _outcome: &Outcome) {}

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

/// The candidates of one request. At least one of them is not excluded.
#[derive(Clone, Copy, Debug)]
pub struct Candidates<'a> {
    all: &'a [Endpoint],
    excluded: &'a [EndpointId],
}

impl<'a> Candidates<'a> {
    /// Puts together what `candidates-changed` said last and what `pick` says now.
    #[must_use]
    pub const fn new(all: &'a [Endpoint], excluded: &'a [EndpointId]) -> Self {
        Self { all, excluded }
    }

    /// All of them, ordered by id, the excluded ones included.
    #[must_use]
    pub const fn all(&self) -> &'a [Endpoint] {
        self.all
    }

    /// The endpoints that were tried already for this request. Empty on the first attempt.
    #[must_use]
    pub const fn excluded(&self) -> &'a [EndpointId] {
        self.excluded
    }

    /// Those that may be chosen.
    pub fn available(&self) -> impl Iterator<Item = &'a Endpoint> + use<'a> {
        let Self { all, excluded } = *self;
        all.iter().filter(move |endpoint| !excluded.contains(&endpoint.id))
    }
}

/// A choice from a search: what was found, or the host's fallback.
impl From<Option<EndpointId>> for Choice {
    fn from(found: Option<EndpointId>) -> Self {
        found.map_or(Self::Fallback, Self::Endpoint)
    }
}

/// A strategy at work, called as the host calls it.
///
/// [`export!`](crate::export) makes a component of this, and a test that wants what the component does, without the
/// component, uses it directly: give it any [`RoutingHost`].
#[derive(Debug)]
pub struct StrategyInstance<S> {
    strategy: S,
    candidates: Vec<Endpoint>,
}

impl<S: RoutingStrategy> StrategyInstance<S> {
    /// Makes an instance from the JSON of its configuration table.
    ///
    /// # Errors
    ///
    /// One line that says what is wrong with the configuration.
    pub fn configure(config: &str) -> Result<Self, String> {
        Ok(Self { strategy: S::new(config::parse(config)?)?, candidates: Vec::new() })
    }

    /// What it asks to be told.
    pub fn wants(&self) -> Wants {
        self.strategy.wants()
    }

    /// Replaces the candidates.
    pub fn candidates_changed(&mut self, host: &impl RoutingHost, candidates: Vec<Endpoint>) {
        self.strategy.candidates_changed(host, &candidates);
        self.candidates = candidates;
    }

    /// Chooses.
    pub fn pick(&mut self, host: &impl RoutingHost, excluded: &[EndpointId]) -> Choice {
        self.strategy.pick(host, Candidates::new(&self.candidates, excluded))
    }

    /// Passes on what became of an attempt.
    pub fn on_outcome(&mut self, host: &impl RoutingHost, outcome: &Outcome) {
        self.strategy.on_outcome(host, outcome);
    }

    /// What the next version should know.
    pub fn export_state(&self) -> Vec<u8> {
        self.strategy.export_state()
    }

    /// Takes over from the version before; nothing to take over is always fine.
    ///
    /// # Errors
    ///
    /// One line that says why this version cannot go on from there.
    pub fn import_state(&mut self, from_version: &str, bytes: &[u8]) -> Result<(), String> {
        if bytes.is_empty() { Ok(()) } else { self.strategy.import_state(from_version, bytes) }
    }
}
