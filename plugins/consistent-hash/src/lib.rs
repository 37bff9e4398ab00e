//! Consistent hash: requests of one key stay on one endpoint, and an endpoint that comes or goes moves few of them.
//!
//! Configuration, all of it optional:
//!
//! - `key`: what a request is known by; see [`KeySource`]. By default the client's address.
//! - `hash`: what puts requests and endpoints on the ring, `"polynomial"` or `"mixed"`; see [`enum@Hash`]. `"polynomial"` by
//!   default.
//! - `slots`: the slots of the ring, 1 to 65,536; by default 512, and 65,536 when mixed.
//! - `virtual_nodes`: the nodes of each endpoint on the ring; by default 9, and 150 when mixed.
//!
//! Which to take: `polynomial` where exactly its formulas are asked for, as it spreads badly over few endpoints (10,000
//! paths over three: 9,390, 447 and 163) and a leave can move a few keys without need; `mixed` for a spread within about
//! 1/√`virtual_nodes` (8%) and a leave that moves the leaver's keys alone; the strategy `maglev` for the evenest spread
//! and for weights (endpoints count as equal here), at the price of a few needless moves.

mod mixed;
mod policy;

use leverframe_sdk::key::KeySource;
use leverframe_sdk::{Candidates, Choice, Endpoint, EndpointId, RoutingHost, RoutingStrategy};
use serde::Deserialize;

pub use crate::policy::Hash;
use crate::policy::{Ring, Size};

/// The table in the configuration file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What a request is known by.
    pub key: KeySource,
    /// What puts requests and endpoints on the ring.
    pub hash: Hash,
    /// The slots of the ring; unless given, as many as the hash usually has.
    pub slots: Option<u32>,
    /// The nodes of each endpoint; unless given, as many as the hash usually has.
    pub virtual_nodes: Option<u32>,
}

/// The strategy.
#[derive(Clone, Debug)]
pub struct ConsistentHash {
    key: KeySource,
    ring: Ring,
    /// The one that is left when the ring is too small to hold everyone and all on it were tried.
    ids: Vec<EndpointId>,
}

impl RoutingStrategy for ConsistentHash {
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        config.key.check()?;
        let usual = config.hash.usual_size();
        let slots = config.slots.unwrap_or(usual.slots);
        let size = Size::new(slots, config.virtual_nodes.unwrap_or(usual.virtual_nodes))?;
        Ok(Self { key: config.key, ring: Ring::new(config.hash, size), ids: Vec::new() })
    }

    fn pick(&mut self, host: &impl RoutingHost, candidates: Candidates<'_>) -> Choice {
        let excluded = candidates.excluded();
        let found = self.ring.find(self.key.number(host.request()), excluded);
        found.or_else(|| self.ids.iter().copied().find(|id| !excluded.contains(id))).into()
    }

    fn candidates_changed(&mut self, _host: &impl RoutingHost, candidates: &[Endpoint]) {
        self.ring.replace(candidates);
        self.ids = candidates.iter().map(|one| one.id).collect();
    }
}

leverframe_sdk::export!(strategy: ConsistentHash);

#[cfg(test)]
mod tests {
    use super::*;
    use leverframe_sdk::testing::{FakeRequest, Trial, candidates};

    fn trial(config: &str) -> Trial<ConsistentHash> {
        Trial::new(config, candidates(&[("a", 1), ("b", 1), ("c", 1)])).expect("the configuration is sound")
    }

    #[test]
    fn a_number_in_the_key_finds_its_slot() {
        let mut trial = trial(r#"{"key": {"header": "x-user"}}"#);
        for (number, name) in [("0", "a"), ("3", "b"), ("6", "c"), ("9", "a")] {
            trial.host.request = FakeRequest::get("/").header("X-User", number);
            assert_eq!(trial.pick_name(), Some(name), "request {number}");
        }
    }

    #[test]
    fn a_retry_goes_elsewhere_and_the_key_stays() {
        let mut trial = trial(r#"{"key": {"query": "user"}}"#);
        trial.host.request = FakeRequest::get("/?user=5");
        assert_eq!(trial.pick_without(&[]), Choice::Endpoint(2));
        assert_eq!(trial.pick_without(&[2]), Choice::Endpoint(3));
        assert_eq!(trial.pick_names(3), "b b b");
    }

    #[test]
    fn the_formulas_are_what_is_meant_unless_another_hash_is_named() {
        let names = |config: &str| {
            let mut trial = trial(config);
            let name = |number: u32| {
                trial.host.request = FakeRequest::get(&format!("/?user={number}"));
                trial.pick_name().unwrap_or_default().to_owned()
            };
            (0..100).map(name).collect::<String>()
        };
        let polynomial = names(r#"{"key": {"query": "user"}, "hash": "polynomial"}"#);
        assert_eq!(names(r#"{"key": {"query": "user"}}"#), polynomial);
        let mixed = names(r#"{"key": {"query": "user"}, "hash": "mixed"}"#);
        assert_ne!(mixed, polynomial);
        assert_eq!(names(r#"{"key": {"query": "user"}, "hash": "mixed", "virtual_nodes": 150}"#), mixed);
        assert_ne!(names(r#"{"key": {"query": "user"}, "hash": "mixed", "virtual_nodes": 9}"#), mixed);
    }

    #[test]
    fn one_that_has_no_slot_is_still_there_for_a_retry() {
        let mut trial = trial(r#"{"slots": 2, "virtual_nodes": 1}"#);
        assert_eq!(trial.pick_without(&[1, 2]), Choice::Endpoint(3));
    }

    #[test]
    fn a_bad_configuration_is_refused() {
        let sizes = [r#"{"slots": 0}"#, r#"{"virtual_nodes": 600}"#, r#"{"hash": "mixed", "slots": 100}"#];
        for config in sizes.into_iter().chain([r#"{"key": {"header": ""}}"#, r#"{"slot": 4}"#, r#"{"hash": "md5"}"#]) {
            assert!(Trial::<ConsistentHash>::new(config, Vec::new()).is_err(), "{config}");
        }
    }
}
