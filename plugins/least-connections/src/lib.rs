//! Least connections: the endpoint with the fewest requests in flight for its weight.
//!
//! Configuration: none. The figures are those of all workers; equals take turns.

mod policy;

use leverframe_sdk::host::Cluster;
use leverframe_sdk::rotation::Rotation;
use leverframe_sdk::{Candidates, Choice, Endpoint, NoConfig, RoutingHost, RoutingStrategy};

/// The strategy.
#[derive(Clone, Debug, Default)]
pub struct LeastConnections {
    rotation: Rotation,
}

impl RoutingStrategy for LeastConnections {
    type Config = NoConfig;

    fn new(_: NoConfig) -> Result<Self, String> {
        Ok(Self::default())
    }

    fn pick(&mut self, host: &impl RoutingHost, candidates: Candidates<'_>) -> Choice {
        policy::choose(&mut self.rotation, &host.cluster().loads(), candidates.excluded()).into()
    }

    fn candidates_changed(&mut self, _host: &impl RoutingHost, candidates: &[Endpoint]) {
        self.rotation.replace(candidates);
    }
}

leverframe_sdk::export!(strategy: LeastConnections);

#[cfg(test)]
mod tests {
    use super::*;
    use leverframe_sdk::Load;
    use leverframe_sdk::testing::{Trial, candidates, idle};

    #[test]
    fn an_idle_cluster_is_spread_and_a_busy_endpoint_is_spared() {
        let mut trial =
            Trial::<LeastConnections>::new("{}", candidates(&[("a", 1), ("b", 1), ("c", 1)])).expect("no keys");
        assert_eq!(trial.pick_names(4), "a b c a");
        trial.host.set_load(2, Load { in_flight: 1, ..idle() });
        assert_eq!(trial.pick_names(3), "c a c");
        assert_eq!(trial.pick_without(&[1, 3]), Choice::Endpoint(2));
    }
}
