//! Slow start: gives an endpoint that joined, that came back from failed or recovering, or whose circuit closed again,
//! more and more of its weight, so that it can fill its caches and pools. While its circuit is half-open it has the share
//! that it begins with.
//!
//! The share rises as in Envoy: `max(min_weight, (time / window_ms) ^ (1 / aggression))`. Put this policy last in the
//! list, so that it sees what the others took out at once. An endpoint does not ramp while every endpoint of the cluster
//! is younger than the window: the cluster has just started, and there is nobody to take the rest of the load.
//!
//! Configuration, all of it optional:
//!
//! - `window_ms`: milliseconds that the ramp takes: 1 to 86,400,000; 30,000 by default.
//! - `min_weight`: the share that it begins with, above 0 and up to 1; 0.1 by default.
//! - `aggression`: 1 rises evenly, more rises faster at first, less rises slower at first: 0.01 to 100; 1 by default.
//!
//! The state is that of the policy in front, and so is the score. Where each endpoint is on its ramp goes over to the
//! next version.

mod config;
mod policy;

pub use config::Config;

use leverframe_sdk::memory::Memory;
use leverframe_sdk::{Circuit, Endpoint, HealthPolicy, HealthState, Observations, PolicyHost, Verdict};

use crate::policy::{Phase, Sight};

/// The format of the state. An id keeps its meaning for as long as the process lives, which is as long as a state does.
const FORMAT: u32 = 1;

/// The policy.
#[derive(Clone, Debug)]
pub struct SlowStart {
    config: Config,
    phases: Memory<Phase>,
}

impl HealthPolicy for SlowStart {
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        config.check()?;
        Ok(Self { config, phases: Memory::default() })
    }

    fn judge(
        &mut self,
        host: &impl PolicyHost,
        endpoint: &Endpoint,
        window: &Observations,
        before: Verdict,
    ) -> Verdict {
        let known = self.phases.get(endpoint.id).copied();
        let out = is_out(window.state) || is_out(before.state);
        let tripped = window.circuit != Circuit::Closed;
        let sight = Sight { out, tripped, age_ms: window.age_ms, state_age_ms: window.state_age_ms };
        let phase = Phase::after(known, &sight, &self.config, host.peers());
        if known != phase {
            self.phases.set(endpoint.id, phase, host.peers());
        }
        let share = Phase::share(phase, window.age_ms, &self.config);
        combine(before, share)
    }

    fn export_state(&self) -> Vec<u8> {
        self.phases.export(FORMAT)
    }

    fn import_state(&mut self, _from_version: &str, bytes: &[u8]) -> Result<(), String> {
        self.phases.import(FORMAT, bytes)
    }
}

/// Whether an endpoint in this state has not come back yet.
const fn is_out(state: HealthState) -> bool {
    matches!(state, HealthState::Failed | HealthState::Recovering)
}

/// The verdict of the policy in front with this share of the weight. Its reason is kept beside the share, because the
/// state is its own.
fn combine(before: Verdict, share: f64) -> Verdict {
    let mut verdict = before.worst_of(Verdict { effective_weight: share as f32, ..Verdict::healthy() });
    if share < 1.0 && verdict.state != HealthState::Failed {
        let separator = if verdict.reason.is_empty() { "" } else { "; " };
        verdict.reason = format!("{}{separator}slow start: {:.0} % of its weight", verdict.reason, share * 100.0);
    }
    verdict
}

leverframe_sdk::export!(policy: SlowStart);

#[cfg(test)]
mod tests {
    use super::*;
    use leverframe_sdk::testing::{PolicyTrial, any_window, candidates, endpoint};

    /// An endpoint that is warm, and the second, which just joined.
    fn newcomer() -> PolicyTrial<SlowStart> {
        let mut trial = PolicyTrial::new("{}", candidates(&[("a", 1)])).expect("no keys");
        trial.judge(1);
        trial.pass_ms(60_000);
        trial.join(endpoint(2, "b", 1));
        trial
    }

    fn failed() -> Verdict {
        Verdict { state: HealthState::Failed, score: 0.0, effective_weight: 1.0, reason: "gone".to_owned() }
    }

    fn close(verdict: &Verdict, weight: f32) -> bool {
        (verdict.effective_weight - weight).abs() < 1e-3
    }

    #[test]
    fn a_newcomer_ramps_and_the_others_do_not() {
        let mut trial = newcomer();
        let first = trial.judge(2);
        assert!(close(&first, 0.1), "{first:?}");
        assert_eq!((first.state, first.score), (HealthState::Healthy, 1.0));
        assert_eq!(first.reason, "slow start: 10 % of its weight");
        trial.pass_ms(15_000);
        assert!(close(&trial.judge(2), 0.5));
        assert_eq!(trial.judge(1), Verdict::healthy());
        trial.pass_ms(15_000);
        assert_eq!(trial.judge(2), Verdict::healthy());
        assert!(trial.export_state().is_empty(), "and nothing is left to remember");
    }

    #[test]
    fn a_cluster_that_starts_whole_does_not_ramp() {
        let mut trial = PolicyTrial::<SlowStart>::new("{}", candidates(&[("a", 1), ("b", 1)])).expect("no keys");
        // The second waits for its first good check.
        let second = trial.judge_after(2, failed());
        assert_eq!(second.reason, "gone");
        for _ in 0..40 {
            assert_eq!(trial.judge(1), Verdict::healthy());
            trial.pass_ms(1_000);
        }
        trial.judge(2);
        assert!(close(&trial.judge(2), 0.1), "it is late, and the other is warm");
        let mut trial = PolicyTrial::<SlowStart>::new("{}", candidates(&[("a", 1), ("b", 1)])).expect("no keys");
        trial.judge_after(2, failed());
        trial.pass_ms(1_000);
        trial.judge(2);
        for _ in 0..40 {
            assert_eq!(trial.judge(2), Verdict::healthy(), "it stays at all of it when the other becomes warm");
            trial.pass_ms(1_000);
        }
    }

    #[test]
    fn coming_back_ramps_from_the_moment_of_return() {
        for state in [HealthState::Failed, HealthState::Recovering] {
            let mut trial = newcomer();
            trial.pass_ms(60_000);
            assert_eq!(trial.judge(1), Verdict::healthy());
            let out = Verdict { state, ..failed() };
            assert_eq!(trial.judge_after(1, out.clone()).state, state);
            trial.pass_ms(60_000);
            assert!(close(&trial.judge_after(1, out), 0.1));
            assert!(close(&trial.judge(1), 0.1), "the judgement that brings it back");
            trial.pass_ms(9_000);
            assert!(close(&trial.judge(1), 0.3));
            let degraded = Verdict { state: HealthState::Degraded, reason: "so-so".to_owned(), ..Verdict::healthy() };
            let verdict = trial.judge_after(1, degraded);
            assert!(close(&verdict, 0.3));
            assert_eq!(verdict.reason, "so-so; slow start: 30 % of its weight");
            trial.pass_ms(9_000);
            assert!(close(&trial.judge(1), 0.6), "degraded and back is no new start");
        }
    }

    #[test]
    fn a_circuit_that_closes_again_ramps_from_then_on() {
        let mut trial = newcomer();
        trial.pass_ms(60_000);
        assert_eq!(trial.judge(1), Verdict::healthy());
        for circuit in [Circuit::Open, Circuit::HalfOpen] {
            trial.window(1).circuit = circuit;
            for _ in 0..60 {
                assert!(close(&trial.judge(1), 0.1), "its state is healthy all the time");
                trial.pass_ms(1_000);
            }
        }
        trial.window(1).circuit = Circuit::Closed;
        assert!(close(&trial.judge(1), 0.1));
        trial.pass_ms(15_000);
        assert!(close(&trial.judge(1), 0.5));
        trial.pass_ms(15_000);
        assert_eq!(trial.judge(1), Verdict::healthy());
    }

    #[test]
    fn the_next_version_goes_on_with_the_ramp() {
        let mut old = newcomer();
        old.pass_ms(60_000);
        old.judge_after(2, failed());
        old.judge(2);
        old.pass_ms(15_000);
        assert!(close(&old.judge(2), 0.5));
        let both = candidates(&[("a", 1), ("b", 1)]);
        let mut new = PolicyTrial::<SlowStart>::resumed("{}", &old.export_state(), both).expect("its own state");
        new.host.peers = old.host.peers.clone();
        assert!(close(&new.judge(2), 0.5));
        assert_eq!(new.judge(1), Verdict::healthy());
    }

    #[test]
    fn the_share_never_falls_on_the_way() {
        for config in ["{}", r#"{"aggression": 0.2}"#, r#"{"aggression": 7, "min_weight": 0.01, "window_ms": 5000}"#] {
            let mut trial = PolicyTrial::<SlowStart>::new(config, candidates(&[("a", 1)])).expect("it is sound");
            trial.pass_ms(60_000);
            trial.join(endpoint(2, "b", 1));
            let mut shares = Vec::new();
            for _ in 0..1_000 {
                shares.push(trial.judge(2).effective_weight);
                trial.pass_ms(37);
            }
            assert!(shares.is_sorted() && shares.last() == Some(&1.0), "{config}");
        }
    }

    #[test]
    fn windows_of_every_kind_stay_in_range() {
        let mut trial = newcomer();
        for seed in 0..5_000 {
            *trial.window(2) = any_window(seed);
            let verdict = trial.judge(2);
            assert!((0.1..=1.0).contains(&verdict.effective_weight) && verdict.score == 1.0, "{seed}: {verdict:?}");
        }
    }

    #[test]
    fn mistakes_are_told() {
        let error = |config: &str| PolicyTrial::<SlowStart>::new(config, Vec::new()).err().unwrap_or_default();
        assert_eq!(error(r#"{"window_ms": 0}"#), "window_ms is 0; write milliseconds from 1 to 86400000");
        assert!(error(r#"{"min_weight": 0}"#).contains("above 0 and up to 1"));
        assert!(error(r#"{"aggression": 0}"#).contains("from 0.01 to 100"));
        assert!(error(r#"{"window": 1}"#).contains("unknown field"));
    }
}
