//! Least response time: the endpoint where the request should be done first.
//!
//! The measure is the peak moving average of the response time, times the requests in flight and this one, over the
//! weight. Configuration: none. Equals take turns.

mod policy;

use leverframe_sdk::host::Cluster;
use leverframe_sdk::rotation::Rotation;
use leverframe_sdk::{Candidates, Choice, Endpoint, NoConfig, RoutingHost, RoutingStrategy};

/// The strategy.
#[derive(Clone, Debug, Default)]
pub struct LeastResponseTime {
    rotation: Rotation,
}

impl RoutingStrategy for LeastResponseTime {
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

leverframe_sdk::export!(strategy: LeastResponseTime);

#[cfg(test)]
mod tests {
    use super::*;
    use leverframe_sdk::Load;
    use leverframe_sdk::testing::{Trial, candidates, idle};

    #[test]
    fn the_lowest_expected_wait_wins() {
        let mut trial = Trial::<LeastResponseTime>::new("{}", candidates(&[("a", 1), ("b", 1)])).expect("no keys");
        assert_eq!(trial.pick_names(4), "a b a b");
        trial.host.set_load(1, Load { latency_ewma_us: 900, in_flight: 0, ..idle() });
        trial.host.set_load(2, Load { latency_ewma_us: 400, in_flight: 1, ..idle() });
        assert_eq!(trial.pick_names(2), "b b");
        assert_eq!(trial.pick_without(&[2]), Choice::Endpoint(1));
    }
}
