//! Smooth weighted round robin: the endpoints in proportion to their weights, evenly spread, as nginx does it.
//!
//! Configuration: none; the weights are those of the endpoints.

mod policy;

use leverframe_sdk::{Candidates, Choice, Endpoint, NoConfig, RoutingHost, RoutingStrategy};

use crate::policy::Schedule;

/// The strategy.
#[derive(Clone, Debug, Default)]
pub struct WeightedRoundRobin {
    schedule: Schedule,
}

impl RoutingStrategy for WeightedRoundRobin {
    type Config = NoConfig;

    fn new(_: NoConfig) -> Result<Self, String> {
        Ok(Self::default())
    }

    fn pick(&mut self, _host: &impl RoutingHost, candidates: Candidates<'_>) -> Choice {
        self.schedule.next(candidates.excluded()).into()
    }

    fn candidates_changed(&mut self, _host: &impl RoutingHost, candidates: &[Endpoint]) {
        self.schedule.replace(candidates);
    }

    fn export_state(&self) -> Vec<u8> {
        self.schedule.export()
    }

    fn import_state(&mut self, _from_version: &str, bytes: &[u8]) -> Result<(), String> {
        self.schedule.import(bytes)
    }
}

leverframe_sdk::export!(strategy: WeightedRoundRobin);

#[cfg(test)]
mod tests {
    use super::*;
    use leverframe_sdk::testing::{Trial, candidates};

    #[test]
    fn the_sequence_of_5_1_1_is_that_of_nginx() {
        let abc = candidates(&[("a", 5), ("b", 1), ("c", 1)]);
        let mut trial = Trial::<WeightedRoundRobin>::new("{}", abc).expect("no configuration is needed");
        assert_eq!(trial.pick_names(7), "a a b a c a a");
        assert_eq!(trial.pick_without(&[1, 2]), Choice::Endpoint(3));
    }

    #[test]
    fn a_change_leaves_only_candidates() {
        let mut trial = Trial::<WeightedRoundRobin>::new("{}", candidates(&[("a", 5), ("b", 1)])).expect("no keys");
        assert_eq!(trial.pick_names(2), "a a");
        trial.change(candidates(&[("a", 1)]));
        assert_eq!(trial.pick_names(3), "a a a");
    }
}
