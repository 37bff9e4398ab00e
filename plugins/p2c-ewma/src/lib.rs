//! Power of two choices over the peak moving average: draws two endpoints and takes the one where the request should be
//! done first.
//!
//! As good as looking at all in practice, at the price of two, and workers that look at the same figures do not all run
//! to the same endpoint. Configuration: none.

mod policy;

use leverframe_sdk::host::{Cluster, Runtime};
use leverframe_sdk::{Candidates, Choice, Endpoint, NoConfig, RoutingHost, RoutingStrategy};

use crate::policy::{Drawn, Pool};

/// The strategy.
#[derive(Clone, Debug, Default)]
pub struct P2cEwma {
    pool: Pool,
}

impl RoutingStrategy for P2cEwma {
    type Config = NoConfig;

    fn new(_: NoConfig) -> Result<Self, String> {
        Ok(Self::default())
    }

    fn pick(&mut self, host: &impl RoutingHost, candidates: Candidates<'_>) -> Choice {
        match self.pool.draw(candidates.excluded(), || host.runtime().random_u64()) {
            Drawn::None => Choice::Fallback,
            Drawn::One(member) => Choice::Endpoint(member.id),
            Drawn::Two(first, second) => match (host.cluster().load_of(first.id), host.cluster().load_of(second.id)) {
                (Some(one), Some(other)) => Choice::Endpoint(policy::better((first, one), (second, other))),
                // Without figures there is nothing to compare, and the draw itself is fair.
                _ => Choice::Endpoint(first.id),
            },
        }
    }

    fn candidates_changed(&mut self, _host: &impl RoutingHost, candidates: &[Endpoint]) {
        self.pool.replace(candidates);
    }
}

leverframe_sdk::export!(strategy: P2cEwma);

#[cfg(test)]
mod tests {
    use super::*;
    use leverframe_sdk::Load;
    use leverframe_sdk::testing::{Trial, candidates, idle};

    #[test]
    fn the_slowest_of_three_is_never_taken() {
        let mut trial = Trial::<P2cEwma>::new("{}", candidates(&[("a", 1), ("b", 1), ("c", 1)])).expect("no keys");
        for (id, latency_ewma_us) in [(1, 500), (2, 9_000), (3, 500)] {
            trial.host.set_load(id, Load { latency_ewma_us, ..idle() });
        }
        let names = trial.pick_names(300);
        assert!(!names.contains('b'), "every pair has a faster one");
        assert!(names.contains('a') && names.contains('c'));
        assert_eq!(trial.pick_without(&[1, 3]), Choice::Endpoint(2), "unless it is the only one left");
    }

    #[test]
    fn an_idle_cluster_is_spread() {
        let mut trial = Trial::<P2cEwma>::new("{}", candidates(&[("a", 1), ("b", 1)])).expect("no keys");
        let names = trial.pick_names(1_000);
        let share = names.split(' ').filter(|name| *name == "a").count();
        assert!((430..570).contains(&share), "{share}");
    }
}
