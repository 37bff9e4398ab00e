//! Round robin: the endpoints in turn, whatever their weights.
//!
//! Configuration: none. The position is kept by endpoint id, so no turn is lost or doubled when endpoints come and go.

mod policy;

use leverframe_sdk::{Candidates, Choice, Endpoint, NoConfig, RoutingHost, RoutingStrategy};

use crate::policy::Turns;

/// The strategy.
#[derive(Clone, Debug, Default)]
pub struct RoundRobin {
    turns: Turns,
}

impl RoutingStrategy for RoundRobin {
    type Config = NoConfig;

    fn new(_: NoConfig) -> Result<Self, String> {
        Ok(Self::default())
    }

    fn pick(&mut self, _host: &impl RoutingHost, candidates: Candidates<'_>) -> Choice {
        self.turns.next(candidates.excluded()).into()
    }

    fn candidates_changed(&mut self, _host: &impl RoutingHost, candidates: &[Endpoint]) {
        self.turns.replace(candidates);
    }

    fn export_state(&self) -> Vec<u8> {
        self.turns.export()
    }

    fn import_state(&mut self, _from_version: &str, bytes: &[u8]) -> Result<(), String> {
        self.turns.import(bytes)
    }
}

leverframe_sdk::export!(strategy: RoundRobin);

#[cfg(test)]
mod tests {
    use super::*;
    use leverframe_sdk::testing::{Trial, candidates, endpoint};

    #[test]
    fn takes_turns_skips_the_excluded_and_follows_changes() {
        let abc = candidates(&[("a", 1), ("b", 9), ("c", 1)]);
        let mut trial = Trial::<RoundRobin>::new("{}", abc).expect("no configuration is needed");
        assert_eq!(trial.pick_names(4), "a b c a");
        assert_eq!(trial.pick_without(&[2]), Choice::Endpoint(3));
        trial.change(vec![endpoint(2, "b", 1), endpoint(9, "z", 1)]);
        assert_eq!(trial.pick_names(3), "z b z");
    }

    #[test]
    fn refuses_a_configuration() {
        assert!(Trial::<RoundRobin>::new(r#"{"start": 2}"#, Vec::new()).is_err());
    }

    #[test]
    fn without_candidates_the_host_decides() {
        let mut trial = Trial::<RoundRobin>::new("{}", Vec::new()).expect("no configuration is needed");
        assert_eq!(trial.pick(), Choice::Fallback);
    }
}
