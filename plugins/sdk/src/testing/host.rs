//! The host made by hand: a request, figures, peers, a store, a clock that stands still and repeatable chance.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use super::request::FakeRequest;
use super::state::Store;
use super::{endpoint, idle};
use crate::hash::mix;
use crate::host::{Cluster, Peers, Request, RoutingHost, Runtime, State};
use crate::{Endpoint, EndpointId, Level, Load, Observations, StateError};

/// A host for one plugin in one cluster. What the plugin asks for is set through its fields and methods; what the
/// plugin told it can be looked up.
#[derive(Debug)]
pub struct FakeHost {
    /// The request that is being routed.
    pub request: FakeRequest,
    /// What [`Peers::all`] answers.
    pub peers: Vec<(EndpointId, Observations)>,
    candidates: Vec<EndpointId>,
    loads: BTreeMap<EndpointId, Load>,
    store: RefCell<Store>,
    now_us: Cell<u64>,
    chance: Cell<u64>,
    told: RefCell<Told>,
}

/// What the plugin told the host.
#[derive(Debug, Default)]
struct Told {
    lines: Vec<(Level, String)>,
    counters: BTreeMap<String, u64>,
    gauges: BTreeMap<String, f64>,
    histograms: BTreeMap<String, Vec<f64>>,
}

impl FakeHost {
    /// A host whose candidates are idle, at time 0, with the seed 0 and the request `GET /`.
    #[must_use]
    pub fn new(candidates: &[Endpoint]) -> Self {
        Self {
            request: FakeRequest::default(),
            peers: Vec::new(),
            candidates: candidates.iter().map(|one| one.id).collect(),
            loads: BTreeMap::new(),
            store: RefCell::default(),
            now_us: Cell::new(0),
            chance: Cell::new(0),
            told: RefCell::default(),
        }
    }

    /// Changes whose figures there are, and in which order.
    pub fn set_candidates(&mut self, candidates: &[Endpoint]) {
        self.candidates = candidates.iter().map(|one| one.id).collect();
    }

    /// Sets the figures of one endpoint.
    pub fn set_load(&mut self, id: EndpointId, load: Load) {
        self.loads.insert(id, load);
    }

    /// Lets time pass.
    pub fn advance_us(&self, by: u64) {
        self.now_us.set(self.now_us.get().saturating_add(by));
    }

    /// Starts another series of random numbers.
    pub fn seed(&self, seed: u64) {
        self.chance.set(seed);
    }

    /// The lines that the plugin logged.
    #[must_use]
    pub fn lines(&self) -> Vec<(Level, String)> {
        self.told.borrow().lines.clone()
    }

    /// How far the plugin counted under this name.
    #[must_use]
    pub fn counted(&self, name: &str) -> u64 {
        self.told.borrow().counters.get(name).copied().unwrap_or(0)
    }

    /// Where the plugin set this gauge.
    #[must_use]
    pub fn gauged(&self, name: &str) -> Option<f64> {
        self.told.borrow().gauges.get(name).copied()
    }

    /// What the plugin recorded in this histogram.
    #[must_use]
    pub fn recorded(&self, name: &str) -> Vec<f64> {
        self.told.borrow().histograms.get(name).cloned().unwrap_or_default()
    }

    fn until(&self, ttl_ms: Option<u64>) -> Option<u64> {
        ttl_ms.map(|ttl| self.now_us.get().saturating_add(ttl.saturating_mul(1000)))
    }
}

impl Default for FakeHost {
    /// A host with one candidate.
    fn default() -> Self {
        Self::new(&[endpoint(1, "a", 1)])
    }
}

impl Cluster for FakeHost {
    fn load_of(&self, id: EndpointId) -> Option<Load> {
        self.candidates.contains(&id).then(|| self.loads.get(&id).copied().unwrap_or_else(idle))
    }

    fn loads(&self) -> Vec<Load> {
        self.candidates.iter().filter_map(|id| self.load_of(*id)).collect()
    }
}

impl Peers for FakeHost {
    fn all(&self) -> Vec<(EndpointId, Observations)> {
        self.peers.clone()
    }
}

impl State for FakeHost {
    fn get(&self, key: &str) -> Option<Vec<u8>> {
        self.store.borrow_mut().get(self.now_us.get(), key)
    }

    fn set(&self, key: &str, value: &[u8], ttl_ms: Option<u64>) -> Result<(), StateError> {
        self.store.borrow_mut().set(key, value, self.until(ttl_ms))
    }

    fn add(&self, key: &str, delta: i64, ttl_ms: Option<u64>) -> Result<i64, StateError> {
        self.store.borrow_mut().add(self.now_us.get(), key, delta, self.until(ttl_ms))
    }
}

impl Runtime for FakeHost {
    fn log(&self, level: Level, message: &str) {
        self.told.borrow_mut().lines.push((level, message.to_owned()));
    }

    fn now_us(&self) -> u64 {
        self.now_us.get()
    }

    fn random_u64(&self) -> u64 {
        let state = self.chance.get();
        // SplitMix64: a counter in steps of the golden ratio, which `mix` adds before it mixes.
        self.chance.set(state.wrapping_add(0x9e37_79b9_7f4a_7c15));
        mix(state)
    }

    fn counter(&self, name: &str, delta: u64) {
        let mut told = self.told.borrow_mut();
        let count = told.counters.entry(name.to_owned()).or_default();
        *count = count.saturating_add(delta);
    }

    fn gauge(&self, name: &str, value: f64) {
        self.told.borrow_mut().gauges.insert(name.to_owned(), value);
    }

    fn histogram(&self, name: &str, value: f64) {
        self.told.borrow_mut().histograms.entry(name.to_owned()).or_default().push(value);
    }
}

impl RoutingHost for FakeHost {
    fn request(&self) -> &impl Request {
        &self.request
    }

    fn cluster(&self) -> &impl Cluster {
        self
    }

    fn state(&self) -> &impl State {
        self
    }

    fn runtime(&self) -> &impl Runtime {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_go_away_when_their_time_is_over() {
        let host = FakeHost::default();
        host.set("a", b"1", Some(5)).expect("it fits");
        host.advance_us(4_999);
        assert_eq!(host.get("a"), Some(b"1".to_vec()));
        host.advance_us(1);
        assert_eq!(host.get("a"), None);
    }

    #[test]
    fn numbers_add_up_and_stop_at_the_ends() {
        let host = FakeHost::default();
        assert_eq!(host.add("n", 2, None), Ok(2));
        assert_eq!(host.add("n", i64::MAX, None), Ok(i64::MAX));
        assert_eq!(host.get("n"), Some(i64::MAX.to_le_bytes().to_vec()));
        host.set("s", b"x", None).expect("it fits");
        assert_eq!(host.add("s", 1, None), Err(StateError::NotANumber));
        assert_eq!(host.set(&"k".repeat(257), b"", None), Err(StateError::TooLarge));
    }

    #[test]
    fn chance_is_the_same_every_time() {
        let (one, other) = (FakeHost::default(), FakeHost::default());
        let series: Vec<_> = (0..3).map(|_| one.random_u64()).collect();
        assert_eq!(series, (0..3).map(|_| other.random_u64()).collect::<Vec<_>>());
        assert_eq!(series[..2], [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4]);
    }

    #[test]
    fn what_was_told_can_be_looked_up() {
        let host = FakeHost::default();
        host.log(Level::Warn, "careful");
        host.counter("moves", 2);
        host.counter("moves", 3);
        host.gauge("depth", 1.5);
        host.histogram("size", 4.0);
        assert_eq!(host.lines(), [(Level::Warn, "careful".to_owned())]);
        assert_eq!(host.counted("moves"), 5);
        assert_eq!(host.gauged("depth"), Some(1.5));
        assert_eq!(host.recorded("size"), [4.0]);
    }
}
