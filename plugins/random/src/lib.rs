//! Random: each request on its own, in proportion to the weights.
//!
//! Configuration: none. The random numbers are the host's, so a replay chooses the same.

mod policy;

use leverframe_sdk::host::Runtime;
use leverframe_sdk::{Candidates, Choice, Endpoint, NoConfig, RoutingHost, RoutingStrategy};

use crate::policy::Urn;

/// The strategy.
#[derive(Clone, Debug, Default)]
pub struct Random {
    urn: Urn,
}

impl RoutingStrategy for Random {
    type Config = NoConfig;

    fn new(_: NoConfig) -> Result<Self, String> {
        Ok(Self::default())
    }

    fn pick(&mut self, host: &impl RoutingHost, candidates: Candidates<'_>) -> Choice {
        self.urn.draw(host.runtime().random_u64(), candidates.excluded()).into()
    }

    fn candidates_changed(&mut self, _host: &impl RoutingHost, candidates: &[Endpoint]) {
        self.urn.replace(candidates);
    }
}

leverframe_sdk::export!(strategy: Random);

#[cfg(test)]
mod tests {
    use super::*;
    use leverframe_sdk::testing::{Trial, candidates};

    #[test]
    fn many_draws_come_near_the_weights() {
        let mut trial = Trial::<Random>::new("{}", candidates(&[("a", 1), ("b", 3)])).expect("no keys");
        let names = trial.pick_names(10_000);
        let share = names.split(' ').filter(|name| *name == "b").count();
        assert!((7_300..7_700).contains(&share), "{share} of 10000 went to b, whose weight is 3 of 4");
    }

    #[test]
    fn the_excluded_are_never_drawn() {
        let mut trial = Trial::<Random>::new("{}", candidates(&[("a", 65_535), ("b", 1)])).expect("no keys");
        assert!((0..100).all(|_| trial.pick_without(&[1]) == Choice::Endpoint(2)));
    }
}
