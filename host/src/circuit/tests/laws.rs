//! The laws of a breaker, each held against bookkeeping of its own.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::super::breaker::{Breaker, Epoch};
use super::{MILLI, seeded, settings};
use crate::config::{Circuit, FailureRatio};
use crate::model::CircuitState;

/// What happens to a request that was let through: it passes, fails, or is abandoned.
fn fate() -> impl Strategy<Value = Option<bool>> {
    prop_oneof![3 => Just(Some(true)), 2 => Just(Some(false)), 2 => Just(None)]
}

/// Opens a breaker that opens on the first failure.
fn open(breaker: &mut Breaker, now: Instant) {
    let epoch = breaker.admit(now).0.unwrap();
    assert!(breaker.failed(epoch, now, "reset").is_some());
    assert_eq!(breaker.state(), CircuitState::Open);
}

fn half_open(trials: u32, now: Instant) -> (Breaker, Instant) {
    let mut breaker = Breaker::new(Some(settings(1, trials)));
    open(&mut breaker, now);
    let later = breaker.opens_at().unwrap();
    assert!(breaker.tick(later).is_some());
    (breaker, later)
}

proptest! {
    #![proptest_config(seeded(500))]

    /// Trials that were neither abandoned nor left over from an earlier period never exceed the quota; no request
    /// passes before the time that was promised when the circuit opened.
    #[test]
    fn quota_and_wait_are_kept(
        trials in 1_u32..5,
        moves in prop::collection::vec((0_u8..4, fate(), any::<prop::sample::Index>(), 1_u32..200), 1..250),
    ) {
        let mut breaker = Breaker::new(Some(settings(2, trials)));
        let (mut now, mut under_way) = (Instant::now(), Vec::<(Epoch, bool)>::new());
        let (mut promised, mut places) = (None::<Instant>, HashMap::<u64, u32>::new());
        for (kind, fate, which, wait) in moves {
            match kind {
                0 | 1 => {
                    let (epoch, _) = breaker.admit(now);
                    if let Some(epoch) = epoch {
                        prop_assert!(promised.is_none_or(|at| now >= at), "admitted before its time");
                        let trial = breaker.state() == CircuitState::HalfOpen;
                        if trial {
                            let taken = places.entry(epoch.0).or_default();
                            *taken += 1;
                            prop_assert!(*taken <= trials, "{} trials where {} may be", taken, trials);
                        }
                        under_way.push((epoch, trial));
                    }
                }
                2 if !under_way.is_empty() => {
                    let (epoch, trial) = under_way.swap_remove(which.index(under_way.len()));
                    let transition = match fate {
                        Some(true) => breaker.succeeded(epoch, now),
                        Some(false) => breaker.failed(epoch, now, "reset"),
                        None => {
                            breaker.abandoned(epoch);
                            None
                        }
                    };
                    if trial && fate.is_none() {
                        *places.get_mut(&epoch.0).unwrap() -= 1;
                    }
                    if let Some(transition) = transition {
                        promised = (transition.to == CircuitState::Open).then(|| breaker.opens_at().unwrap());
                    }
                }
                _ => now += MILLI * wait,
            }
        }
    }

    #[test]
    fn waits_double_up_to_the_longest_and_begin_anew_once_closed(relapses in 0_u32..40, most in 100_u32..5_000) {
        let circuit = Circuit { open_at_most: MILLI * most, ..settings(1, 2) };
        let (mut breaker, mut now) = (Breaker::new(Some(circuit)), Instant::now());
        open(&mut breaker, now);
        for relapse in 0..=relapses {
            let expected = (100_u64 << relapse.min(20)).min(u64::from(most));
            let opens_at = breaker.opens_at().unwrap();
            prop_assert_eq!(opens_at - now, Duration::from_millis(expected));
            prop_assert_eq!(breaker.admit(opens_at - Duration::from_nanos(1)).0, None);
            now = opens_at;
            let epoch = breaker.admit(now).0.unwrap();
            breaker.failed(epoch, now, "timeout");
        }
        now = breaker.opens_at().unwrap();
        for _ in 0..2 {
            let epoch = breaker.admit(now).0.unwrap();
            breaker.succeeded(epoch, now);
        }
        prop_assert_eq!(breaker.state(), CircuitState::Closed);
        open(&mut breaker, now);
        prop_assert_eq!(breaker.opens_at().unwrap() - now, (MILLI * 100).min(MILLI * most));
    }
}

#[test]
fn all_trials_must_pass() {
    let (mut breaker, now) = half_open(3, Instant::now());
    let epochs: Vec<_> = (0..3).map(|_| breaker.admit(now).0.unwrap()).collect();
    assert_eq!(breaker.admit(now).0, None);
    assert_eq!(breaker.succeeded(epochs[0], now), None);
    assert_eq!(breaker.admit(now).0, None, "a place that was passed is not free again");
    assert_eq!(breaker.succeeded(epochs[1], now), None);
    let closed = breaker.succeeded(epochs[2], now).unwrap();
    assert_eq!((closed.to, closed.cause.to_string().as_str()), (CircuitState::Closed, "3 trial requests passed"));
}

#[test]
fn one_failure_opens_again_and_the_other_trials_no_longer_matter() {
    let (mut breaker, now) = half_open(3, Instant::now());
    let epochs: Vec<_> = (0..3).map(|_| breaker.admit(now).0.unwrap()).collect();
    let opened = breaker.failed(epochs[0], now, "timeout").unwrap();
    assert_eq!((opened.to, opened.cause.to_string().as_str()), (CircuitState::Open, "a trial request failed: timeout"));
    let before = breaker.clone();
    breaker.succeeded(epochs[1], now);
    breaker.failed(epochs[2], now, "timeout");
    breaker.abandoned(epochs[2]);
    assert_eq!(breaker, before);
}

#[test]
fn an_abandoned_trial_gives_its_place_back() {
    let (mut breaker, now) = half_open(1, Instant::now());
    let epoch = breaker.admit(now).0.unwrap();
    assert_eq!(breaker.admit(now).0, None);
    breaker.abandoned(epoch);
    assert!(breaker.admit(now).0.is_some());
}

#[test]
fn fewer_trials_close_a_circuit_that_has_passed_as_many() {
    let (mut breaker, now) = half_open(3, Instant::now());
    for _ in 0..2 {
        let epoch = breaker.admit(now).0.unwrap();
        assert_eq!(breaker.succeeded(epoch, now), None);
    }
    let closed = breaker.configure(Some(settings(1, 2))).unwrap();
    assert_eq!((closed.to, closed.cause.to_string().as_str()), (CircuitState::Closed, "2 trial requests passed"));
}

#[test]
fn a_shorter_wait_holds_for_a_circuit_that_is_open_already() {
    let (mut breaker, now) = (Breaker::new(Some(settings(1, 1))), Instant::now());
    open(&mut breaker, now);
    breaker.configure(Some(Circuit { open_for: MILLI * 10, ..settings(1, 1) }));
    assert_eq!(breaker.opens_at(), Some(now + MILLI * 10));
    let turned = breaker.tick(now + MILLI * 10).unwrap();
    assert_eq!((turned.to, turned.cause.to_string().as_str()), (CircuitState::HalfOpen, "its 10 ms are over"));
}

#[test]
fn a_share_of_failures_opens_when_there_were_enough_requests() {
    let ratio = FailureRatio { percent: 60, window: Duration::from_secs(10), least_requests: 50 };
    let circuit = Circuit { consecutive_failures: None, failure_ratio: Some(ratio), ..settings(1, 1) };
    let (mut breaker, now) = (Breaker::new(Some(circuit)), Instant::now());
    let epoch = breaker.admit(now).0.unwrap();
    breaker.catch_up(20, now);
    for _ in 0..29 {
        assert_eq!(breaker.failed(epoch, now, "reset"), None);
    }
    let opened = breaker.failed(epoch, now, "reset").unwrap();
    assert_eq!(opened.cause.to_string(), "60 % of 50 requests failed within 10 s");
}
