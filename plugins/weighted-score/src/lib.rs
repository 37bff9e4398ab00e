//! Weighted score: scores an endpoint by its error rate, its response time and its circuit, and takes it out only while
//! the circuit is open.
//!
//! The score is the mean of three parts, each weighted: the error rate (0 % gives 1, 100 % gives 0, linear), the mean
//! response time (1 up to `fast_ms`, 0 from `slow_ms` on, linear between) and the circuit (closed 1, half-open 0.5, open
//! 0). The endpoint is healthy with an error rate below `degraded_error_rate`, degraded from there on, failed while the
//! circuit is open and recovering while it is half-open.
//!
//! Configuration, all of it optional:
//!
//! - `error_rate_weight`, `response_time_weight`, `circuit_weight`: how much the parts count, relative to each other:
//!   0 to 1000, not all of them 0; 0.4, 0.4 and 0.2 by default.
//! - `fast_ms`, `slow_ms`: milliseconds, `fast_ms` from 0 and `slow_ms` above it; 100 and 2,000 by default.
//! - `degraded_error_rate`: a share, above 0 and up to 1; 0.5 by default.
//! - `minimum_requests`: with fewer requests in the window the error rate counts as 0: 0 to 4,294,967,295; 1 by default,
//!   so every request counts.
//!
//! All of it follows from the window, so there is nothing to tell the next version.

mod config;
mod policy;

pub use config::Config;

use leverframe_sdk::{Endpoint, HealthPolicy, Observations, PolicyHost, Verdict};

/// The policy.
#[derive(Clone, Debug)]
pub struct WeightedScore {
    config: Config,
}

impl HealthPolicy for WeightedScore {
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        config.check()?;
        Ok(Self { config })
    }

    fn judge(
        &mut self,
        _host: &impl PolicyHost,
        _endpoint: &Endpoint,
        window: &Observations,
        before: Verdict,
    ) -> Verdict {
        before.worst_of(policy::verdict(window, &self.config))
    }
}

leverframe_sdk::export!(policy: WeightedScore);

#[cfg(test)]
mod tests {
    use super::*;
    use leverframe_sdk::testing::{PolicyTrial, any_window, candidates};
    use leverframe_sdk::{Circuit, HealthState};

    fn trial(config: &str) -> PolicyTrial<WeightedScore> {
        PolicyTrial::new(config, candidates(&[("a", 1)])).expect("the configuration is sound")
    }

    #[test]
    fn it_combines_with_the_policy_in_front() {
        let mut trial = trial("{}");
        assert_eq!(trial.judge(1).score, 1.0);
        trial.window(1).circuit = Circuit::HalfOpen;
        let before = Verdict { state: HealthState::Failed, reason: "in front".to_owned(), ..Verdict::healthy() };
        let verdict = trial.judge_after(1, before);
        assert_eq!((verdict.state, verdict.reason.as_str()), (HealthState::Failed, "in front"));
        assert!((verdict.score - 0.9).abs() < 1e-6, "{}", verdict.score);
    }

    #[test]
    fn figures_of_every_kind_stay_in_range() {
        for config in ["{}", r#"{"error_rate_weight": 1000, "circuit_weight": 0, "fast_ms": 0, "slow_ms": 0.001}"#] {
            let mut trial = trial(config);
            for seed in 0..5_000 {
                *trial.window(1) = any_window(seed);
                let verdict = trial.judge(1);
                assert!((0.0..=1.0).contains(&verdict.score), "{seed}: {verdict:?}");
                assert_eq!(verdict.effective_weight, 1.0);
            }
        }
    }

    #[test]
    fn mistakes_are_told() {
        let error = |config: &str| PolicyTrial::<WeightedScore>::new(config, Vec::new()).err().unwrap_or_default();
        assert_eq!(error(r#"{"circuit_weight": -1}"#), "circuit_weight is -1; write a number from 0 to 1000");
        assert!(
            error(r#"{"error_rate_weight": 0, "response_time_weight": 0, "circuit_weight": 0}"#).contains("all three")
        );
        assert!(error(r#"{"fast_ms": 2000}"#).contains("a larger slow_ms"));
        assert!(error(r#"{"degraded_error_rate": 50}"#).contains("such as 0.5"));
        assert!(error(r#"{"error_weight": 1}"#).contains("unknown field"));
    }
}
