//! Maglev: requests of one key stay on one endpoint, evenly spread in proportion to the weights, and an endpoint that
//! comes or goes moves few keys of the others. Proxies that know the same names and weights choose the same.
//!
//! Configuration, optional: `key`, what a request is known by; see [`KeySource`]. By default the client's address.

mod policy;

use leverframe_sdk::key::KeySource;
use leverframe_sdk::{Candidates, Choice, Endpoint, RoutingHost, RoutingStrategy};
use serde::Deserialize;

use crate::policy::Table;

/// The table in the configuration file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What a request is known by.
    pub key: KeySource,
}

/// The strategy.
#[derive(Clone, Debug)]
pub struct Maglev {
    key: KeySource,
    table: Table,
}

impl RoutingStrategy for Maglev {
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        config.key.check()?;
        Ok(Self { key: config.key, table: Table::default() })
    }

    fn pick(&mut self, host: &impl RoutingHost, candidates: Candidates<'_>) -> Choice {
        self.table.find(self.key.number(host.request()), candidates.excluded()).into()
    }

    fn candidates_changed(&mut self, _host: &impl RoutingHost, candidates: &[Endpoint]) {
        self.table.replace(candidates);
    }
}

leverframe_sdk::export!(strategy: Maglev);

#[cfg(test)]
mod tests {
    use super::*;
    use leverframe_sdk::testing::{FakeRequest, Trial, candidates};

    #[test]
    fn a_key_stays_and_keys_spread() {
        let abc = candidates(&[("a", 1), ("b", 1), ("c", 1)]);
        let mut trial = Trial::<Maglev>::new(r#"{"key": {"cookie": "sid"}}"#, abc).expect("the key is sound");
        let mut seen = std::collections::BTreeSet::new();
        for session in 0..50 {
            trial.host.request = FakeRequest::get("/").cookie("sid", &format!("session-{session}"));
            let first = trial.pick_name().map(str::to_owned);
            assert_eq!(trial.pick_name().map(str::to_owned), first);
            seen.extend(first);
        }
        assert_eq!(seen.len(), 3);
    }

    #[test]
    fn a_retry_goes_elsewhere() {
        let mut trial = Trial::<Maglev>::new("{}", candidates(&[("a", 1), ("b", 1)])).expect("no keys are needed");
        assert_eq!(trial.pick_without(&[1]), Choice::Endpoint(2));
        assert_eq!(trial.pick_without(&[2]), Choice::Endpoint(1));
    }

    #[test]
    fn a_bad_configuration_is_refused() {
        assert!(Trial::<Maglev>::new(r#"{"table": 7}"#, Vec::new()).is_err());
        assert!(Trial::<Maglev>::new(r#"{"key": {"cookie": ""}}"#, Vec::new()).is_err());
    }
}
