//! Response time: the endpoint with the best health score.
//!
//! The score is that of the cluster's health policies, which is made of response times among others. Configuration:
//! none. Equals take turns, so this spreads the traffic as long as all are equally well.

mod policy;

use leverframe_sdk::host::Cluster;
use leverframe_sdk::rotation::Rotation;
use leverframe_sdk::{Candidates, Choice, Endpoint, NoConfig, RoutingHost, RoutingStrategy};

/// The strategy.
#[derive(Clone, Debug, Default)]
pub struct ResponseTime {
    rotation: Rotation,
}

impl RoutingStrategy for ResponseTime {
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

leverframe_sdk::export!(strategy: ResponseTime);

#[cfg(test)]
mod tests {
    use super::*;
    use leverframe_sdk::Load;
    use leverframe_sdk::testing::{Trial, candidates, idle};

    #[test]
    fn the_best_score_wins() {
        let mut trial = Trial::<ResponseTime>::new("{}", candidates(&[("a", 1), ("b", 1)])).expect("no keys");
        assert_eq!(trial.pick_names(3), "a b a");
        trial.host.set_load(2, Load { health_score: 0.5, ..idle() });
        assert_eq!(trial.pick_names(2), "a a");
        assert_eq!(trial.pick_without(&[1]), Choice::Endpoint(2));
    }
}
