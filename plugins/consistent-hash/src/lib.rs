//! Consistent hash: requests of one key stay on one endpoint, and an endpoint that comes or goes moves few of them.
//!
//! Configuration, all of it optional:
//!
//! - `key`: what a request is known by; see [`KeySource`]. By default the client's address.
//! - `slots`: the slots of the ring, 1 to 65,536; 512 by default.
//! - `virtual_nodes`: the nodes of each endpoint on the ring; 9 by default.
//!
//! Endpoints count as equal; for weights, and for an even spread over few endpoints, take `maglev`.

mod policy;

use leverframe_sdk::key::KeySource;
use leverframe_sdk::{Candidates, Choice, Endpoint, EndpointId, RoutingHost, RoutingStrategy};
use serde::Deserialize;

use crate::policy::{Ring, Size};

/// The table in the configuration file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What a request is known by.
    pub key: KeySource,
    /// The slots of the ring.
    pub slots: u32,
    /// The nodes of each endpoint.
    pub virtual_nodes: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { key: KeySource::default(), slots: 512, virtual_nodes: 9 }
    }
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
        let ring = Ring::new(Size::new(config.slots, config.virtual_nodes)?);
        Ok(Self { key: config.key, ring, ids: Vec::new() })
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
    fn one_that_has_no_slot_is_still_there_for_a_retry() {
        let mut trial = trial(r#"{"slots": 2, "virtual_nodes": 1}"#);
        assert_eq!(trial.pick_without(&[1, 2]), Choice::Endpoint(3));
    }

    #[test]
    fn a_bad_configuration_is_refused() {
        for config in [r#"{"slots": 0}"#, r#"{"virtual_nodes": 600}"#, r#"{"key": {"header": ""}}"#, r#"{"slot": 4}"#] {
            assert!(Trial::<ConsistentHash>::new(config, Vec::new()).is_err(), "{config}");
        }
    }
}
