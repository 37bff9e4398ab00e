//! Threshold: takes an endpoint out after failed probes in a row or failed requests in a row, and back after good probes
//! in a row.
//!
//! Configuration, all of it optional:
//!
//! - `rise`: good probes in a row, counted from when it was taken out, that bring an endpoint back: 1 to 4,294,967,295;
//!   2 by default.
//! - `fall`: failed probes in a row that take an endpoint out: 1 to 4,294,967,295; 3 by default.
//! - `failed_requests`: failed requests in a row that take an endpoint out: 0 (never) to 4,294,967,295; 5 by default.
//!   The row that took it out does not count again once it is back.
//! - `retry_after_ms`: milliseconds after which an endpoint of a cluster without probes comes back: from 0; 30,000 by
//!   default.
//!
//! The labels of an endpoint go before these, each as `threshold.` and the key: a container with the Docker label
//! `leverframe.threshold.fall=1` is out after one failed probe.
//!
//! An endpoint is degraded while its last probes failed, but fewer than `fall`. Its score is then the share of `fall`
//! that is left; 0 when it is out, else 1. Which endpoints are out goes over to the next version.

mod config;
mod policy;

pub use config::Config;

use leverframe_sdk::memory::Memory;
use leverframe_sdk::{Endpoint, HealthPolicy, Observations, PolicyHost, Verdict};

use crate::policy::Standing;

/// The format of the state. An id keeps its meaning for as long as the process lives, which is as long as a state does.
const FORMAT: u32 = 1;

/// The policy.
#[derive(Clone, Debug)]
pub struct Threshold {
    config: Config,
    standings: Memory<Standing>,
}

impl HealthPolicy for Threshold {
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        config.check()?;
        Ok(Self { config, standings: Memory::default() })
    }

    fn judge(
        &mut self,
        host: &impl PolicyHost,
        endpoint: &Endpoint,
        window: &Observations,
        before: Verdict,
    ) -> Verdict {
        let known = self.standings.get(endpoint.id).copied().unwrap_or_default();
        let config = self.config.of(endpoint);
        let now = known.after(window, &config);
        if now != known {
            self.standings.set(endpoint.id, Some(now).filter(Standing::matters), host.peers());
        }
        before.worst_of(now.verdict(window, &config))
    }

    fn export_state(&self) -> Vec<u8> {
        self.standings.export(FORMAT)
    }

    fn import_state(&mut self, _from_version: &str, bytes: &[u8]) -> Result<(), String> {
        self.standings.import(FORMAT, bytes)
    }
}

leverframe_sdk::export!(policy: Threshold);

#[cfg(test)]
mod tests {
    use super::*;
    use leverframe_sdk::HealthState::{Degraded, Failed, Healthy};
    use leverframe_sdk::testing::{PolicyTrial, any_window, candidates};

    fn trial(config: &str) -> PolicyTrial<Threshold> {
        PolicyTrial::new(config, candidates(&[("a", 1), ("b", 1)])).expect("the configuration is sound")
    }

    fn probe(trial: &mut PolicyTrial<Threshold>, good: bool) -> leverframe_sdk::HealthState {
        let window = trial.window(1);
        if good {
            window.consecutive_probes_ok += 1;
            window.consecutive_probes_failed = 0;
        } else {
            window.consecutive_probes_ok = 0;
            window.consecutive_probes_failed += 1;
        }
        trial.judge(1).state
    }

    #[test]
    fn probes_take_it_out_and_bring_it_back() {
        let mut trial = trial("{}");
        let series = [true, false, false, false, true, false, true, true];
        let states = series.map(|good| probe(&mut trial, good));
        assert_eq!(states, [Healthy, Degraded, Degraded, Failed, Failed, Failed, Failed, Healthy]);
    }

    #[test]
    fn requests_take_it_out_and_only_probes_from_then_on_bring_it_back() {
        let mut trial = trial("{}");
        trial.window(1).consecutive_probes_ok = 100;
        trial.window(1).consecutive_requests_failed = 4;
        assert_eq!(trial.judge(1).state, Healthy);
        trial.window(1).consecutive_requests_failed = 5;
        assert_eq!(trial.judge(1).state, Failed);
        assert_eq!(trial.judge(1).state, Failed, "the 100 good ones do not count");
        assert_eq!([probe(&mut trial, true), probe(&mut trial, true)], [Failed, Healthy]);
        assert_eq!(trial.judge(1).state, Healthy, "the row of requests is forgiven");
        trial.window(1).consecutive_requests_failed = 9;
        assert_eq!(trial.judge(1).state, Healthy);
        trial.window(1).consecutive_requests_failed = 10;
        assert_eq!(trial.judge(1).state, Failed, "five more are not");
    }

    #[test]
    fn without_probes_it_comes_back_after_a_time() {
        let mut trial = trial(r#"{"failed_requests": 2, "retry_after_ms": 1000}"#);
        trial.pass_ms(60_000);
        trial.window(1).consecutive_requests_failed = 2;
        assert_eq!(trial.judge(1).state, Failed);
        trial.pass_ms(999);
        assert_eq!(trial.judge(1).state, Failed);
        trial.pass_ms(1);
        assert_eq!(trial.judge(1).state, Healthy);
        assert_eq!(trial.judge(1).state, Healthy);
        trial.window(1).consecutive_requests_failed = 0;
        assert_eq!(trial.judge(1).state, Healthy);
        trial.window(1).consecutive_requests_failed = 2;
        assert_eq!(trial.judge(1).state, Failed, "a new row counts from its start");
    }

    #[test]
    fn the_labels_of_an_endpoint_go_first() {
        let label = |key: &str, value: &str| (format!("threshold.{key}"), value.to_owned());
        let mut endpoints = candidates(&[("a", 1), ("b", 1)]);
        endpoints[0].labels = vec![label("fall", "1"), label("rise", "1"), label("failed_requests", "many")];
        let mut trial = PolicyTrial::<Threshold>::new("{}", endpoints).expect("the configuration is sound");
        assert_eq!([false, true, false].map(|good| probe(&mut trial, good)), [Failed, Healthy, Failed]);
        trial.window(2).consecutive_probes_failed = 1;
        assert_eq!(trial.judge(2).state, Degraded, "the other one has none");
    }

    #[test]
    fn the_next_version_keeps_it_out() {
        let mut old = trial("{}");
        assert!(old.export_state().is_empty());
        old.window(1).consecutive_probes_failed = 3;
        assert_eq!(old.judge(1).state, Failed);
        let both = candidates(&[("a", 1), ("b", 1)]);
        let mut new = PolicyTrial::<Threshold>::resumed("{}", &old.export_state(), both).expect("its own state");
        assert_eq!([probe(&mut new, true), probe(&mut new, true)], [Failed, Healthy]);
        assert_eq!(new.judge(2).state, Healthy, "the other one was never out");
    }

    #[test]
    fn it_never_makes_better_what_was_bad_and_stays_in_range() {
        let mut trial = trial("{}");
        for seed in 0..5_000 {
            *trial.window(1) = any_window(seed);
            let before = Verdict { state: Failed, score: 0.4, effective_weight: 0.3, reason: "in front".to_owned() };
            let verdict = trial.judge_after(1, before);
            assert_eq!(verdict.state, Failed);
            assert!((0.0..=0.4).contains(&verdict.score) && verdict.effective_weight <= 0.3, "{verdict:?}");
            assert!((0.0..=1.0).contains(&trial.judge(1).score));
        }
    }

    #[test]
    fn mistakes_are_told() {
        for config in [r#"{"rise": 0}"#, r#"{"fall": 0}"#, r#"{"fall": -1}"#, r#"{"fal": 3}"#] {
            assert!(PolicyTrial::<Threshold>::new(config, Vec::new()).is_err(), "{config}");
        }
    }
}
